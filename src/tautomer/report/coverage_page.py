"""Coverage as one self-contained HTML page: shares, saturation curves as a picture, what is missing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tautomer.coverage.comparing import CoverageReport, KindReport
from tautomer.report.coverage_text import KIND_NAMES, percent
from tautomer.report.pages import page_environment

WIDTH, HEIGHT = 340, 170
_LEFT, _RIGHT, _TOP, _BOTTOM = 46, 8, 10, 24
_POINTS = 200
"""More than one point every two pixels cannot be seen."""


@dataclass(frozen=True, slots=True)
class Picture:
    """The saturation curve of one kind, in the units of the drawing.

    Attributes:
        in_order, mean: points of the two lines, as SVG takes them.
        ticks: heights of horizontal lines with what they stand for.
        models, covered: at the right end.
    """

    kind: str
    title: str
    in_order: str
    mean: str
    ticks: list[tuple[float, str]]
    models: int
    covered: int


def render_coverage(report: CoverageReport) -> str:
    """The page as text that UTF-8 can hold; everything from outside is escaped, and no script or request is allowed."""
    environment = page_environment()
    environment.filters |= {"percent": percent, "count": lambda one: None if one is None else f"{one:,}"}
    return environment.get_template("coverage.html.j2").render(
        report=report,
        asked=any(one.wanted is not None for one in report.kinds),
        names=KIND_NAMES,
        pictures=[picture(one) for one in report.kinds] if len(report.models) > 1 else [],
        width=WIDTH,
        height=HEIGHT,
        left=_LEFT,
        right=WIDTH - _RIGHT,
        bottom=HEIGHT - _BOTTOM,
    )


def picture(one: KindReport) -> Picture:
    """Where the lines of a kind's curve run."""
    curve = one.saturation
    top = _round_up(max(curve.in_order, default=0))
    models = len(curve.in_order)
    return Picture(
        kind=one.kind,
        title=KIND_NAMES[one.kind],
        in_order=_line(curve.in_order, top),
        mean=_line(curve.mean, top),
        ticks=[(round(_height(part * top / 2, top), 1), f"{part * top // 2:,}") for part in (0, 1, 2)],
        models=models,
        covered=one.covered,
    )


def _line(values: Sequence[float], top: int) -> str:
    count = len(values)
    step = max(1, count // _POINTS)
    chosen = [*range(0, count, step)]
    if chosen[-1] != count - 1:
        chosen.append(count - 1)
    across = WIDTH - _LEFT - _RIGHT
    points = [(float(_LEFT), _height(0, top))]
    points += [(_LEFT + across * (index + 1) / count, _height(values[index], top)) for index in chosen]
    return " ".join(f"{x:.1f},{y:.1f}" for x, y in points)


def _height(value: float, top: int) -> float:
    return HEIGHT - _BOTTOM - (HEIGHT - _TOP - _BOTTOM) * value / top


def _round_up(value: int) -> int:
    """The next even number with one or two leading digits that is at least `value`."""
    unit = 2 * int(10 ** max(len(str(value)) - 2, 0))
    return max(2, -(-value // unit) * unit)
