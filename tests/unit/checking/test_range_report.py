"""What a user reads about a graph in reduced precision."""

from __future__ import annotations

from tautomer.checking.formats import KeptNodes, RangeReport, headroom_text


def value(name="h", **fields):
    entry = {
        "value": name,
        "node": f"node_{name}",
        "op_type": "Mul",
        "dtype": "float16",
        "largest": 100.0,
        "headroom_bits": 9.36,
        "overflowing_share": 0.0,
        "subnormal_share": 0.0,
        "vanishing_share": 0.0,
        "non_finite": None,
    }
    return entry | fields


OUTSIDE = {"input": 1, "count": 3, "found": "inf", "should_be": 82335.06}


def test_the_first_value_outside_is_told_with_what_it_should_be_and_how_many_follow():
    first = value(non_finite=OUTSIDE)
    report = RangeReport([first, value("g", non_finite=OUTSIDE)], first)
    assert report.warnings() == [
        "'h' (Mul of 'node_h') is the first value to leave float16, on input set 1: inf where float64 has 82335 (the "
        "largest float16 number is 65504); 1 more value after it"
    ]


def test_nothing_is_warned_of_where_everything_has_room():
    assert RangeReport([value()]).warnings() == []
    assert RangeReport().sentences() == []


def test_a_value_within_a_factor_of_two_of_the_largest_number_is_near():
    near = value(headroom_bits=0.42, largest=49000.0)
    reached = "'h' (Mul of 'node_h') reaches 4.9e+04: 0.4 powers of two below overflow"
    said = f"{reached} (the largest float16 number is 65504)"
    assert RangeReport([near, value("g")]).warnings() == [said] == [headroom_text(near)]


def test_all_sentences_add_the_least_headroom_and_what_vanishes_most():
    report = RangeReport([value(), value("p", headroom_bits=16.0, vanishing_share=0.25)])
    assert report.sentences() == [
        headroom_text(value()),
        "25% of the elements of 'p' (Mul of 'node_p') become zero in float16",
    ]


def test_stored_infinities_and_reasons_are_told():
    report = RangeReport([value()], constants_not_finite=["mask"], reasons=["input set 0: Foo: no such operator"])
    assert report.warnings() == ["stored in reduced precision, 'mask' hold NaN or infinity"]
    assert report.sentences()[-1] == "the range of its values was not measured: input set 0: Foo: no such operator"


def test_the_formats_in_use_are_listed_once():
    assert RangeReport([value(), value("b", dtype="bfloat16"), value("c")]).formats == ["bfloat16", "float16"]


NODES = ({"name": "square", "op_type": "Mul", "output": "s"}, {"name": "", "op_type": "Sqrt", "output": "r"})
VERIFIED = ({"level": "all", "passes": True},)


def test_a_verified_list_is_a_workaround_that_names_its_nodes():
    kept = KeptNodes(NODES, "kept.onnx", minimal=True, verified=VERIFIED)
    workaround = kept.workaround()
    assert workaround is not None
    assert workaround.description == (
        "keep these 2 nodes in float32, none of which can be left out: square, r (verified in ONNX Runtime)"
    )
    one = KeptNodes(NODES[:1], "kept.onnx", minimal=True, verified=VERIFIED).workaround()
    assert one is not None
    assert one.description == "keep the one node that it takes in float32: square (verified in ONNX Runtime)"


def test_a_list_that_no_runtime_confirmed_is_no_workaround():
    assert KeptNodes(NODES, "kept.onnx", verified=()).workaround() is None
    assert KeptNodes(NODES, "kept.onnx", verified=VERIFIED, reason="not confirmed").workaround() is None
    assert KeptNodes((), None, reason="nothing helps").workaround() is None
