"""Attention masks that are added: -1e9 against the format's least number, on partly and on fully masked rows.

Added to a score of ordinary size, both leave nothing of it in float32: a partly masked row gets the same weights from
either, and a fully masked row gets equal weights from either. In exact arithmetic they differ on a fully masked row,
since -1e9 keeps the differences of the scores there. Nothing that is deployed computes that. So the residual of such a
row accuses nobody while float32 itself agrees, and acquits nobody either: what is judged is the float32 program, and
with scores beyond 32 (half the spacing of float32 at 1e9) the two give different weights.
"""

from __future__ import annotations

import pytest
from handmade import Conversion

from tautomer.model import Outcome

pytestmark = [pytest.mark.needs("torch"), pytest.mark.needs("onnxruntime"), pytest.mark.slow]

LEAST = "torch.finfo(torch.float32).min"
PARTLY_MASKED = "torch.arange(12)[None, :] >= torch.tensor([[12], [7], [1], [5]])"
A_ROW_FULLY_MASKED = "torch.arange(12)[None, :] >= torch.tensor([[12], [7], [0], [5]])"


def masked(*, source: str, target: str, mask: str, scores: str = "torch.randn(4, 12)") -> Conversion:
    return Conversion(
        source=f"F.softmax(scores + torch.where(mask, {source}, 0.0), -1)",
        inputs={"scores": scores, "mask": mask},
        target=f"""(float[N, M] scores, bool[N, M] mask) => (float[N, M] weights) {{
            zero = Constant <value_float = 0.0> ()
            least = {target}
            bias = Where (mask, least, zero)
            biased = Add (scores, bias)
            weights = Softmax (biased)
        }}""",
    )


BILLION = "Constant <value_float = -1e9> ()"
LEAST_NUMBER = "Constant <value_float = -3.4028234663852886e+38> ()"
MINUS_INFINITY = "Log (zero)"


def test_the_value_of_a_mask_is_of_no_account_where_rows_are_partly_masked(judge):
    report = judge(masked(source="-1e9", target=LEAST_NUMBER, mask=PARTLY_MASKED))
    assert (report.outcome, report.reason) == (Outcome.EQUIVALENT, None)


@pytest.mark.parametrize(("source", "target"), [("-1e9", BILLION), (LEAST, LEAST_NUMBER)], ids=["-1e9", "least"])
def test_a_fully_masked_row_with_the_sources_own_mask_is_equivalent(judge, source, target):
    report = judge(masked(source=source, target=target, mask=A_ROW_FULLY_MASKED))
    assert (report.outcome, report.reason) == (Outcome.EQUIVALENT, None)


@pytest.mark.parametrize(
    ("source", "target"), [("-1e9", LEAST_NUMBER), (LEAST, BILLION)], ids=["least for -1e9", "-1e9 for least"]
)
def test_another_mask_on_a_fully_masked_row_is_no_finding_while_float32_agrees(judge, source, target):
    report = judge(masked(source=source, target=target, mask=A_ROW_FULLY_MASKED))
    assert (report.outcome, report.findings) == (Outcome.INCONCLUSIVE, [])


def test_another_mask_on_a_fully_masked_row_is_a_finding_where_the_scores_outlive_it(judge):
    scores = "300 * torch.randn(4, 12)"
    report = judge(masked(source=LEAST, target=BILLION, mask=A_ROW_FULLY_MASKED, scores=scores))
    assert report.outcome is Outcome.DIVERGENT


def test_minus_infinity_on_a_fully_masked_row_is_not_a_number_on_both_sides(judge):
    report = judge(masked(source="-torch.inf", target=MINUS_INFINITY, mask=A_ROW_FULLY_MASKED))
    assert (report.outcome, report.reason) == (Outcome.EQUIVALENT, None)


def test_a_finite_mask_does_not_stand_for_minus_infinity_on_a_fully_masked_row(judge):
    report = judge(masked(source="-torch.inf", target=LEAST_NUMBER, mask=A_ROW_FULLY_MASKED))
    assert report.outcome is Outcome.DIVERGENT


def test_a_mask_that_lets_through_is_found_beside_rows_that_are_fully_masked(judge):
    report = judge(masked(source=LEAST, target="Constant <value_float = -10.0> ()", mask=A_ROW_FULLY_MASKED))
    assert report.outcome is Outcome.DIVERGENT
