"""A sequence analysis at a terminal: what sets of models share, what goes with failure, and what fails alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence

from tautomer.coverage.direct_tests import Verdict
from tautomer.coverage.published import PublishedSequences
from tautomer.coverage.sequence_report import SequenceReport
from tautomer.coverage.sequence_sets import Associated, ExactSequences
from tautomer.report.quantities import number
from tautomer.report.wording import visible


def sequence_lines(report: SequenceReport, shown: int) -> Iterator[str]:
    """The report, line by line.

    Args:
        shown: the most operators, and the most sequences, to name.
    """
    tests = f", {len(report.tests)} tests" if report.tests else ""
    yield f"{len(report.failing)} failing, {len(report.passing)} passing models{tests}; method {report.method}"
    if report.published is not None:
        yield from _published(report.published, shown)
    if report.exact is not None:
        yield from _exact(report, report.exact, shown)
    if report.direct_tests:
        yield from _tests(report)
    for path, reason in report.unread.items():
        yield f"not read: {visible(path)}: {visible(reason)}"


def _exact(report: SequenceReport, exact: ExactSequences, shown: int) -> Iterator[str]:
    yield ""
    rows = [
        ("shared by two failing models", exact.failing_failing, "longest"),
        ("in a failing and a passing model", exact.failing_passing, "longest"),
        *([("in a failing model and a test", exact.failing_tests, "longest")] if report.tests else []),
        ("in failing models only", exact.only_failing, "minimal"),
    ]
    yield f"Sequences of 2 to {report.longest} operators{' with ports' if report.ports else ''}:"
    for label, one, reduction in rows:
        yield (
            f"  {label:34}{one.count:>9,}  ({one.reduced:,} {reduction}), in {one.models} of {len(report.failing)} "
            "failing models"
        )
    operators, sequences = exact.tested
    for title, family, tested in (("Operators", exact.operators, operators), ("Sequences", exact.sequences, sequences)):
        with_failure = [one for one in family if one.odds_ratio > 1.0]
        if with_failure:
            yield ""
            yield f"{title} that go with failure, the strongest first ({tested:,} tested):"
            yield from _table(with_failure[:shown], report)


def _table(rows: Sequence[Associated], report: SequenceReport) -> Iterator[str]:
    heads = ["failing", "passing", *(["tests"] if report.tests else []), "odds ratio", "p", "q", "", ""]
    cells = [
        [
            f"{one.failing}/{len(report.failing)}",
            f"{one.passing}/{len(report.passing)}",
            *([f"{one.tests}/{len(report.tests)}"] if report.tests else []),
            number(one.odds_ratio),
            number(one.p_value),
            number(one.q_value),
            "minimal" if one.minimal else "only failing" if one.only_failing else "",
            visible(one.item),
        ]
        for one in rows
    ]
    widths = [max(len(row[column]) for row in [heads, *cells]) for column in range(len(heads))]
    for row in [heads, *cells]:
        yield (
            "  "
            + "  ".join(
                cell.ljust(width) if column >= len(heads) - 2 else cell.rjust(width)
                for column, (cell, width) in enumerate(zip(row, widths, strict=True))
            ).rstrip()
        )


def _published(published: PublishedSequences, shown: int) -> Iterator[str]:
    yield ""
    pairs = f"{published.path_pairs:,} pairs of paths"
    yield f"Shared sequences of more than 2 operators, from {pairs} (distinct / reduced):"
    for label, one in (
        ("failing x failing", published.failing_failing),
        ("failing x passing", published.failing_passing),
        ("failing x tests", published.failing_tests),
        ("only failing x failing", published.only_failing),
    ):
        yield f"  {label:24}{one.unique:>8,} / {one.reduced:,}"
    yield f"  in {published.models} failing models"
    yield "The figures depend on the order of the models; --method exact does not."
    for sequence in published.sequences[:shown]:
        yield f"  {visible(sequence)}"


def _tests(report: SequenceReport) -> Iterator[str]:
    counts = Counter(one.verdict for one in report.direct_tests)
    said = ", ".join(f"{counts[verdict]} {verdict}" for verdict in Verdict if counts[verdict])
    yield ""
    yield f"Tested by themselves: {len(report.direct_tests)} of {report.suspects:,} suspects: {said}"
    for one in report.direct_tests:
        where = f" [{visible(one.model)}]" if one.model else ""
        reason = f": {visible(one.reason)}" if one.reason else ""
        yield f"  {visible(one.item)}{where}: {one.verdict}{reason}"
