"""Coverage as text and as a page: shares that are not rounded away, curves, and names from outside that are escaped."""

from __future__ import annotations

import pytest

from tautomer.coverage.comparing import CountedModel, CoverageReport, KindReport, MissingItem
from tautomer.coverage.counting import KINDS
from tautomer.coverage.direct_tests import DirectTest, Verdict
from tautomer.coverage.saturation import Addition, Curve
from tautomer.coverage.sequence_report import SequenceReport
from tautomer.model import Outcome
from tautomer.report.coverage_page import render_coverage
from tautomer.report.coverage_text import coverage_lines, percent, sparkline
from tautomer.report.sequences_text import sequence_lines

HOSTILE = "<script>x</script>"


def report(**fields) -> CoverageReport:
    kinds = [
        KindReport(
            kind=kind,
            covered=3,
            inside=1,
            of=4,
            share=0.25,
            wanted=0.5 if kind == "operators" else None,
            missing=[MissingItem(item=HOSTILE, models=7)],
            saturation=Curve((1, 3), (2.0, 3.0)),
        )
        for kind in KINDS
    ]
    models = [
        CountedModel(name=f"m{one}", framework="onnx", nodes=5, items=dict.fromkeys(KINDS, 2)) for one in range(2)
    ]
    given = {"models": models, "kinds": kinds, "universe": "corpus", "universe_models": 9}
    return CoverageReport(**{**given, **fields})


@pytest.mark.parametrize(
    ("share", "text"),
    [(None, "–"), (0.0, "0.0%"), (1e-6, "<0.1%"), (0.5, "50.0%"), (0.99999, ">99.9%"), (1.0, "100%")],
)
def test_a_share_is_not_rounded_to_nothing_or_to_all(share, text):
    assert percent(share) == text


def test_a_sparkline_begins_at_zero_and_has_a_column_a_value_at_most():
    assert sparkline([1.0, 4.0, 8.0]) == "▂▅█"
    assert sparkline([]) == sparkline([0.0]) == ""
    assert len(sparkline([float(one) for one in range(100)])) == 24


def test_the_page_escapes_what_comes_from_outside_and_draws_every_curve():
    page = render_coverage(report(additions=[Addition(HOSTILE, 0.1, {"operators": 1})], unread={HOSTILE: HOSTILE}))

    assert "<script>" not in page
    assert page.count("<polyline") == 2 * len(KINDS)
    assert "25.0% (too low)" in page


def test_the_text_says_what_is_missing_and_what_is_too_low():
    text = "\n".join(coverage_lines(report()))

    assert "2 models (2 onnx), 10 operator nodes" in text
    assert f"operators: {HOSTILE} (7)" in text
    assert "below what was asked for: operators 25.0%, wanted 50.0%" in text


def test_a_share_of_an_incomplete_universe_is_inconclusive_only_where_one_was_asked_for():
    def kinds(wanted):
        return [
            KindReport(kind="operators", covered=1, inside=1, of=2, share=0.5, wanted=wanted, saturation=Curve((), ()))
        ]

    unread = {"a.onnx": "corrupt"}
    assert report(kinds=kinds(0.5), unread_against=unread).outcome is Outcome.INCONCLUSIVE
    assert report(kinds=kinds(None), unread_against=unread).outcome is Outcome.EQUIVALENT
    assert report(kinds=kinds(0.6), unread_against=unread).outcome is Outcome.DIVERGENT


def test_what_was_tested_by_itself_is_counted_by_verdict():
    tests = [
        DirectTest(item="Erf", verdict=Verdict.CAUSES, model="a", reason="no kernel"),
        DirectTest(item="Sin > Cos", verdict=Verdict.DOES_NOT_FAIL, model="a"),
    ]
    lines = list(
        sequence_lines(
            SequenceReport(method="exact", failing=["a"], passing=["b"], direct_tests=tests, suspects=5), shown=3
        )
    )

    assert "Tested by themselves: 2 of 5 suspects: 1 causes the failure alone, 1 does not fail alone" in lines
    assert "  Erf [a]: causes the failure alone: no kernel" in lines
