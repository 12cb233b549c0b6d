"""Equal values: where the source specifies which comes first another order is a fault, elsewhere it is open."""

from __future__ import annotations

import pytest
from handmade import Conversion

from tautomer.model import Kind, Outcome

pytestmark = [pytest.mark.needs("torch"), pytest.mark.needs("onnxruntime"), pytest.mark.slow]

MANY_ZEROS = {"x": "torch.randn(4, 300) - 2"}
TOP = """(float[N, M] x) => (float[N, K] values, int64[N, K] indices) {{
    k = Constant <value_ints = [{k}]> ()
    r = Relu (x)
    values, indices = TopK <largest = {largest}> (r, k)
}}"""
SOURCE_TOP = "values, indices = torch.relu(x).topk(40, -1)"


def test_top_k_among_the_zeros_of_relu_may_choose_other_indices(judge):
    conversion = Conversion(
        source=f"{SOURCE_TOP}\nreturn values, indices", inputs=MANY_ZEROS, target=TOP.format(k=40, largest=1)
    )
    report = judge(conversion)
    assert (report.outcome, report.reason, report.findings) == (Outcome.EQUIVALENT, None, [])


def test_what_is_gathered_by_indices_that_are_open_must_be_equal_all_the_same(judge):
    conversion = Conversion(
        source=f"{SOURCE_TOP}\nreturn torch.relu(x).gather(1, indices)",
        inputs=MANY_ZEROS,
        target=TOP.format(k=40, largest=1).replace(
            "=> (float[N, K] values, int64[N, K] indices)", "=> (float[N, K] y)"
        )[:-1]
        + " y = GatherElements <axis = 1> (r, indices) }",
    )
    assert judge(conversion).outcome is Outcome.EQUIVALENT


def test_top_k_of_the_least_is_not_excused_by_ties(judge):
    conversion = Conversion(
        source=f"{SOURCE_TOP}\nreturn values, indices", inputs=MANY_ZEROS, target=TOP.format(k=40, largest=0)
    )
    assert judge(conversion).outcome is Outcome.DIVERGENT


def test_an_index_that_is_no_tie_is_a_fault_beside_ties(judge):
    """The indices of the two largest values are exchanged; those of the zeros are open."""
    conversion = Conversion(
        source=f"{SOURCE_TOP}\nreturn values, indices",
        inputs={"x": "torch.randn(4, 300) - 1"},
        target="""(float[N, M] x) => (float[N, K] values, int64[N, K] indices) {
            k = Constant <value_ints = [40]> ()
            order = Constant <value_ints = [1, 0]> ()
            head = Constant <value_ints = [2]> ()
            tail = Constant <value_ints = [38]> ()
            both = Concat <axis = 0> (head, tail)
            r = Relu (x)
            values, found = TopK (r, k)
            first, rest = Split <axis = 1> (found, both)
            swapped = Gather <axis = 1> (first, order)
            indices = Concat <axis = 1> (swapped, rest)
        }""",
    )
    assert judge(conversion).outcome is Outcome.DIVERGENT


@pytest.mark.parametrize(
    ("last", "outcome"), [(0, Outcome.EQUIVALENT), (1, Outcome.DIVERGENT)], ids=["the first", "the last"]
)
def test_argmax_gives_the_first_of_equal_values(judge, last, outcome):
    conversion = Conversion(
        source="torch.relu(x).argmax(-1)",
        inputs={"x": "torch.randn(6, 40) - 4"},
        target=f"""(float[N, M] x) => (int64[N] y) {{
            r = Relu (x)  y = ArgMax <axis = -1, keepdims = 0, select_last_index = {last}> (r)
        }}""",
    )
    report = judge(conversion)
    assert report.outcome is outcome
    assert outcome is Outcome.EQUIVALENT or (report.cause and report.cause.kind is Kind.SEMANTIC)


ORDER = """(float[N, M] x) => (int64[N, M] indices) {{
    axis = Constant <value_int = 1> ()
    shape = Shape (x)
    size = Gather (shape, axis)
    last = Constant <value_ints = [-1]> ()
    k = Reshape (size, last)
    r = Relu (x)
    {rest}
}}"""
SORTED = ORDER.format(rest="values, indices = TopK <largest = 1> (r, k)")
SORTED_FROM_THE_BACK = ORDER.format(
    rest="""
    one = Constant <value_ints = [1]> ()
    start = Constant <value_ints = [-1]> ()
    end = Constant <value_ints = [-1000000]> ()
    step = Constant <value_ints = [-1]> ()
    back = Slice (r, start, end, one, step)
    values, reversed = TopK <largest = 1> (back, k)
    top = Sub (k, one)
    indices = Sub (top, reversed)
    """
)


@pytest.mark.parametrize(
    ("stable", "target", "outcome"),
    [
        pytest.param(True, SORTED, Outcome.EQUIVALENT, id="a stable sort by a stable one"),
        pytest.param(True, SORTED_FROM_THE_BACK, Outcome.DIVERGENT, id="a stable sort by one that reverses ties"),
        pytest.param(False, SORTED, Outcome.EQUIVALENT, id="an unstable sort by a stable one"),
        pytest.param(False, SORTED_FROM_THE_BACK, Outcome.EQUIVALENT, id="an unstable sort by one that reverses ties"),
    ],
)
def test_a_sort_keeps_the_order_of_equal_values_where_it_is_asked_to(judge, stable, target, outcome):
    conversion = Conversion(
        source=f"torch.sort(torch.relu(x), dim=1, descending=True, stable={stable}).indices",
        inputs=MANY_ZEROS,
        target=target,
    )
    assert judge(conversion).outcome is outcome
