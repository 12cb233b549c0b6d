"""Round, Floor, Cast, ArgMax and comparisons of long float32 sums, whose exact value lies where a decision turns.

The two sides add 4096 products in different orders. Where the exact sum lies within their rounding of the point at
which a decision turns, either answer is right; everywhere else, and of everything computed from it, only one is.
"""

from __future__ import annotations

import pytest
from handmade import Conversion

from tautomer.model import Outcome

pytestmark = [pytest.mark.needs("torch"), pytest.mark.needs("onnxruntime"), pytest.mark.slow]

TURNING = """
def sums(seed, share, offset):
    '''Factors and a bias: `share` of the exact sums lie within a rounding of an integer plus `offset`.'''
    torch.manual_seed(seed)
    x, w = torch.randn(8, 4096), torch.randn(4096, 64) / 64
    bias = torch.zeros(8, 64)
    exact = x.double() @ w.double()
    turning = torch.zeros(512, dtype=torch.bool)
    turning[torch.randperm(512)[: int(share * 512)]] = True
    near = (torch.round(exact) + offset - exact).float()
    return x, w, torch.where(turning.reshape(8, 64), near, bias)

def ties(seed, share):
    '''Factors and a bias: in `share` of the columns the two largest of the exact sums are equal up to a rounding.'''
    x, w, bias = sums(seed, 0.0, 0.0)
    bias.zero_()
    exact = x.double() @ w.double()
    top = exact.topk(2, 0)
    for column in range(max(int(share * 64), 1)):
        bias[top.indices[1, column], column] = (top.values[0, column] - top.values[1, column]).float()
    return x, w, bias
"""

SUMS = """
    half = Constant <value_ints = [2048, 2048]> ()
    x1, x2 = Split <axis = 1> (x, half)
    w1, w2 = Split <axis = 0> (w, half)
    p1 = MatMul (x1, w1)
    p2 = MatMul (x2, w2)
    p = Add (p1, p2)
    s = Add (p, bias)
"""
SUMMED = "(float[N, K] x, float[K, M] w, float[N, M] bias) => (float[N, M] y)"
SOURCE_SUMS = "s = x @ w + bias\n"
FEW, MANY = 0.008, 0.1
"""Share of elements: below and above the hundredth of a tensor that may be undecided."""

Q = "q = Constant <value_float = {factor}> ()"
DECISIONS = {
    "Round": (0.5, "torch.round(s) * 0.75", f"{Q}  r = Round (s)  y = Mul (r, q)"),
    "Floor": (0.0, "torch.floor(s) * 0.75", f"{Q}  r = Floor (s)  y = Mul (r, q)"),
    "Cast": (
        0.0,
        "(s + 4).to(torch.int64) * 0.75",
        f"""
        {Q}
        shift = Constant <value_float = 4.0> ()
        t = Add (s, shift)
        i = Cast <to = 7> (t)
        r = Cast <to = 1> (i)
        y = Mul (r, q)
        """,
    ),
    "Where": (
        0.0,
        "torch.where(s < 0, x[:, :1] * 0.75, x[:, 1:2])",
        f"""
        {Q}
        zero = Constant <value_float = 0.0> ()
        first = Constant <value_ints = [0]> ()
        second = Constant <value_ints = [1]> ()
        a = Gather <axis = 1> (x, first)
        b = Gather <axis = 1> (x, second)
        scaled = Mul (a, q)
        c = Less (s, zero)
        y = Where (c, scaled, b)
        """,
    ),
}
"""By operator: the point within an integer where it turns, what the source returns, and the target's nodes."""


def deciding(
    decision: str, share: float, *, factor: str = "0.75", wrong_sum: bool = False, seeds: str = "(1,)"
) -> Conversion:
    offset, source, target = DECISIONS[decision]
    body = SUMS.replace("Add (p, bias)", "Sub (p, bias)") if wrong_sum else SUMS
    return Conversion(
        before=TURNING,
        source=f"{SOURCE_SUMS}return {source}",
        inputs={name: f"sums(0, {share}, {offset})[{at}]" for at, name in enumerate(("x", "w", "bias"))},
        run_inputs=f"[sums(seed, {share}, {offset}) for seed in {seeds}]",
        target=f"{SUMMED} {{ {body} {target.format(factor=factor)} }}",
    )


def choosing(share: float, *, factor: str = "0.75") -> Conversion:
    """A row of a table looked up by the index of the largest sum in each column."""
    return Conversion(
        before=TURNING,
        source=SOURCE_SUMS + "return x[:, :16][s.argmax(0)] * 0.75",
        inputs={name: f"ties(0, {share})[{at}]" for at, name in enumerate(("x", "w", "bias"))},
        run_inputs=f"[ties(seed, {share}) for seed in (1,)]",
        target=f"""(float[N, K] x, float[K, M] w, float[N, M] bias) => (float[M, 16] y) {{
            {SUMS}
            at = ArgMax <axis = 0, keepdims = 0> (s)
            start = Constant <value_ints = [0]> ()
            end = Constant <value_ints = [16]> ()
            one = Constant <value_ints = [1]> ()
            table = Slice (x, start, end, one)
            row = Gather (table, at)
            q = Constant <value_float = {factor}> ()
            y = Mul (row, q)
        }}""",
    )


@pytest.mark.parametrize("decision", DECISIONS)
def test_a_decision_that_rounding_turns_in_few_elements_is_no_finding(judge, decision):
    report = judge(deciding(decision, FEW, seeds="(1, 2, 3)"))
    assert (report.outcome, report.reason) == (Outcome.EQUIVALENT, None)
    assert report.undecided


@pytest.mark.parametrize("decision", DECISIONS)
def test_a_decision_that_rounding_turns_in_many_elements_is_inconclusive(judge, decision):
    report = judge(deciding(decision, MANY))
    assert (report.outcome, report.findings) == (Outcome.INCONCLUSIVE, [])


@pytest.mark.parametrize("share", [FEW, MANY], ids=["few", "many"])
@pytest.mark.parametrize("decision", DECISIONS)
def test_a_fault_downstream_of_a_decision_that_rounding_turns_is_found(judge, decision, share):
    assert judge(deciding(decision, share, factor="0.75001")).outcome is Outcome.DIVERGENT


@pytest.mark.parametrize("decision", DECISIONS)
def test_a_fault_upstream_of_a_decision_is_found(judge, decision):
    assert judge(deciding(decision, FEW, wrong_sum=True)).outcome is Outcome.DIVERGENT


def test_a_lookup_by_an_index_that_rounding_turns_is_no_finding(judge):
    report = judge(choosing(FEW))
    assert (report.outcome, report.findings, report.reason) == (Outcome.EQUIVALENT, [], None)
    assert report.undecided


@pytest.mark.parametrize("share", [FEW, MANY], ids=["few", "many"])
def test_a_fault_downstream_of_a_lookup_that_rounding_turns_is_found(judge, share):
    assert judge(choosing(share, factor="0.75001")).outcome is Outcome.DIVERGENT


EXACT_HALVES = {"x": "torch.arange(-32, 32) * 0.5"}


@pytest.mark.parametrize(
    ("source", "target"),
    [
        pytest.param(
            "torch.round(x)",
            "(float[N] x) => (float[N] y) { h = Constant <value_float = 0.5> ()  s = Add (x, h)  y = Floor (s) }",
            id="half to even by half up",
        ),
        pytest.param(
            "torch.floor(x)",
            "(float[N] x) => (float[N] y) { i = Cast <to = 7> (x)  y = Cast <to = 1> (i) }",
            id="floor by truncation",
        ),
        pytest.param(
            "torch.where(x < 1.0, x, -x)",
            """(float[N] x) => (float[N] y) {
                one = Constant <value_float = 1.0> ()  c = LessOrEqual (x, one)  n = Neg (x)  y = Where (c, x, n)
            }""",
            id="less by less or equal",
        ),
    ],
)
def test_a_decision_on_exact_values_excuses_nothing(judge, source, target):
    assert judge(Conversion(source=source, inputs=EXACT_HALVES, target=target)).outcome is Outcome.DIVERGENT


def test_a_decision_that_only_the_target_takes_excuses_nothing(judge):
    """The target goes through integers of 1/1024; the source rounds nothing of the kind."""
    nodes = "step = Constant <value_float = 1024.0> ()  t = Mul (s, step)  r = Round (t)  y = Div (r, step)"
    target = f"{SUMMED} {{ {SUMS} {nodes} }}"
    inputs = {name: f"sums(0, {FEW}, 0.5)[{at}]" for at, name in enumerate(("x", "w", "bias"))}
    conversion = Conversion(before=TURNING, source=SOURCE_SUMS + "return s", inputs=inputs, target=target)
    assert judge(conversion).outcome is Outcome.DIVERGENT
