"""What a user reads about the precision that a runtime computed in."""

from __future__ import annotations

from tautomer.checking.precision import precision_notes
from tautomer.model import Event


def event(*nodes, runtime="onnxruntime", checkpoint="ort optimized", **fields):
    listed = [dict(zip(("declared", "computed", "rounded", "count"), node, strict=True)) for node in nodes]
    return Event("precision", {"runtime": runtime, "checkpoint": checkpoint, "nodes": listed, **fields}, 0.0)


def test_nothing_is_said_where_all_is_as_declared():
    assert precision_notes([]) == []
    assert precision_notes([event()]) == []
    assert precision_notes([event(("float16", "float16", True, 3))]) == []
    assert precision_notes([Event("run", {"checkpoint": "ort optimized"}, 0.0)]) == []


def test_nodes_in_a_wider_format_are_counted_against_all_of_their_kind():
    assert precision_notes([event(("float16", "float32", True, 14))]) == [
        "onnxruntime computes 14 of 14 float16 nodes in float32 and rounds their results to float16"
    ]
    assert precision_notes([event(("float16", "float32", False, 2), ("float16", "float16", True, 1))]) == [
        "onnxruntime computes 2 of 3 float16 nodes in float32 and does not round their results to float16"
    ]
    assert precision_notes([event(("float16", "float32", False, 3), ("float16", "float32", True, 1))]) == [
        "onnxruntime computes 4 of 4 float16 nodes in float32; it rounds 1 of the results to float16 and hands on 3 "
        "unrounded"
    ]


def test_where_rounding_is_not_known_nothing_is_said_of_it():
    assert precision_notes([event(("float64", "float32", None, 5), runtime="openvino", checkpoint="openvino")]) == [
        "openvino computes 5 of 5 float64 nodes in float32"
    ]


def test_a_format_that_is_not_known_is_called_so():
    [note] = precision_notes([event(("float16", None, None, 1), ("float16", "float16", True, 4))])
    assert note == "onnxruntime fused 1 of 5 float16 nodes: in which format it computes them is not known"


def test_float32_nodes_in_less_are_said_without_a_total_that_nobody_counted():
    [note] = precision_notes([event(("float32", "bfloat16", None, 2), runtime="openvino", checkpoint="openvino")])
    assert note == "openvino computes 2 float32 nodes in bfloat16"


def test_checkpoints_that_do_the_same_share_a_sentence_and_others_are_named():
    same = [event(("float16", "float32", True, 2), checkpoint=name) for name in ("ort unoptimized", "ort optimized")]
    assert len(precision_notes(same)) == 1
    assert "(" not in precision_notes(same)[0]
    other = [same[0], event(("float16", "float32", False, 2))]
    assert precision_notes(other) == [
        "onnxruntime (ort unoptimized) computes 2 of 2 float16 nodes in float32 and rounds their results to float16",
        "onnxruntime (ort optimized) computes 2 of 2 float16 nodes in float32 and does not round their results to "
        "float16",
    ]


def test_two_runtimes_are_told_apart():
    both = [event(("float16", "float32", None, 2), runtime=name, checkpoint=name) for name in ("one", "other")]
    assert precision_notes(both) == [
        "one computes 2 of 2 float16 nodes in float32",
        "other computes 2 of 2 float16 nodes in float32",
    ]


def test_integers_that_are_wrapped_are_named_once_though_every_input_set_reports_them():
    wrapped = [
        Event("precision", {"runtime": "openvino", "checkpoint": "openvino", "beyond_int32": names}, 0.0)
        for names in (["ids"], ["ids"])
    ]
    assert precision_notes(wrapped) == [
        "openvino computes 64-bit integers in 32 bits, and 'ids' holds values beyond them, which it wraps"
    ]
    [both] = precision_notes([event(beyond_int32=["a", "b"], runtime="openvino")])
    assert "'a' and 'b' hold values" in both


def test_formats_with_fewer_digits_are_told_from_those_with_more():
    wider, narrower = ("float16", "float32", True, 14), ("float64", "float32", None, 5)
    both = [event(wider, narrower, runtime="openvino", beyond_int32=["ids"])]
    assert len(precision_notes(both)) == 3
    assert precision_notes(both, narrower_only=True) == ["openvino computes 5 of 5 float64 nodes in float32"]
    assert precision_notes([event(("float16", None, None, 1))], narrower_only=True) == []
