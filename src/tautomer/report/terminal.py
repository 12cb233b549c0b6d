"""The terminal view of a check: the outcome first, then the evidence, then where and what next."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import zip_longest
from typing import TYPE_CHECKING, Any

from tautomer.model import CheckpointReport, CheckReport, Outcome, Report
from tautomer.report import quantities, wording

if TYPE_CHECKING:
    from rich.console import Console
    from rich.text import Text

STYLES = {
    Outcome.EQUIVALENT: "green",
    Outcome.DIVERGENT: "red",
    Outcome.FAILED: "red",
    Outcome.INCONCLUSIVE: "yellow",
    Outcome.NOT_RUN: "cyan",
}
_MARKS = {
    Outcome.EQUIVALENT: "✓",
    Outcome.DIVERGENT: "✗",
    Outcome.FAILED: "✗",
    Outcome.INCONCLUSIVE: "?",
    Outcome.NOT_RUN: "○",
}
_ASCII = str.maketrans({"✓": "+", "✗": "x", "○": "-", "–": "-", "→": ">", "─": "-", "·": "|", "\ufffd": "?"})

_INDENT = 2
_GAP = 2
_MARK = 2
_MESSAGE_LINES = 12
_DETAIL_LINES = 2
_NAME_LINES = 3
_NARROWEST_DETAIL = 24
_NARROWEST_NAME = 12
_WIDEST_NAME = 32
_NARROWEST_STAGE = 16
_HEADS = ("residual", "ratio", "rho", "time", "memory")
_SHORT_STAGES = {"runtime optimization": "runtime optim.", "runtime execution": "runtime exec."}


@dataclass(frozen=True, slots=True)
class _Cell:
    text: str
    width: int
    style: str = ""
    right: bool = False


def mark(outcome: Outcome | str | None, encoding: str) -> str:
    """One character for an outcome, in what the encoding of the console can show."""
    found = _MARKS.get(Outcome(outcome), "·") if outcome in set(Outcome) else "·"
    return found if _is_unicode(encoding) else found.translate(_ASCII)


def print_report(
    report: CheckReport,
    console: Console,
    *,
    kept_at: str | None = None,
    models: Mapping[str, Any] | None = None,
    page: bool = False,
) -> None:
    """Print what a check found, fitted to the width of the console.

    Args:
        report: what was found.
        console: where to; colour, width and encoding are its own.
        kept_at: where the run is kept; None where it is not.
        models: by converter, the path of its model in the run's folder.
        page: whether the HTML page is written too.
    """
    kept = kept_at is not None
    run = wording.run_to_reduce(report, kept=kept, name="last")
    reduces = wording.can_be_reduced(report)
    steps = [
        wording.next_steps(pair, kept=kept, models=models or {}, page=page, run=run, reduces=reduces)
        for pair in report.reports
    ]
    for line in _lines(report, steps, console, kept_at):
        # `end` of each line is ours: what is longer than the console is one word, which the terminal folds itself.
        console.print(line, soft_wrap=True, highlight=False, markup=False, emoji=False)


def _lines(
    report: CheckReport, steps: Sequence[Sequence[wording.Fact]], console: Console, kept_at: str | None
) -> Iterator[Text]:
    several = len(report.reports) > 1
    if several:
        yield from _columns(console, [_Cell(wording.tally(report), console.width, "bold")], indent=0)
        yield _line(console)
        yield from _summary(report, console)
        yield _line(console)
    elif not report.reports:
        yield _line(console, ("Nothing was checked.", "bold"))
    for pair, following in zip(report.reports, steps, strict=True):
        if several:
            yield _line(console, ("─" * console.width, "dim"))
        # Where something is wrong, an equivalent pair is told in its sentence; its table would bury the others.
        brief = report.exit_status != 0 and pair.outcome is Outcome.EQUIVALENT
        yield from _pair(pair, following, console, brief=brief)
        yield _line(console)
    if any(_measured(pair) for pair in report.reports):
        notes = "  ".join(f"{name}: {meaning}." for name, meaning in wording.MEASURES)
        yield from _columns(console, [_Cell(notes, console.width - _INDENT, "dim")])
    run = f"run {report.run_id}" + (f" is kept at {kept_at}" if kept_at else "")
    yield from _columns(console, [_Cell(f"{run} · exit status {report.exit_status}", console.width - _INDENT, "dim")])


def _summary(report: CheckReport, console: Console) -> Iterator[Text]:
    routes = [wording.route(pair) for pair in report.reports]
    models = [route[0] for route in routes]
    paths = [" → ".join(route[1:]) for route in routes]
    stages = [f"at {wording.spoken(pair.stage)}" if pair.stage else "" for pair in report.reports]
    outcome_width = max(len(word) for word in wording.OUTCOME_WORDS.values())
    room = console.width - _INDENT - 1 - outcome_width - 4 * _GAP
    longest = max(map(len, models)) + max(map(len, paths))
    stage_width = min(max(map(len, stages)), max(_NARROWEST_STAGE, room - longest))
    if room - stage_width < 2 * _NARROWEST_NAME:
        stages, stage_width = [""] * len(stages), 0
    room = max(2 * _NARROWEST_NAME, room - stage_width)
    model_width = min(max(map(len, models)), max(room - max(map(len, paths)), room // 2))
    path_width = min(max(map(len, paths)), room - model_width)
    for pair, model, path, stage in zip(report.reports, models, paths, stages, strict=True):
        style = STYLES[pair.outcome]
        yield from _columns(
            console,
            [
                _Cell(mark(pair.outcome, console.encoding), 1, style),
                _Cell(wording.OUTCOME_WORDS[pair.outcome].lower(), outcome_width, style),
                _Cell(_elided(model, _NAME_LINES * model_width), model_width),
                _Cell(_elided(path, _NAME_LINES * path_width), path_width),
                _Cell(stage, stage_width, "dim"),
            ],
        )


def _pair(report: Report, steps: Sequence[wording.Fact], console: Console, *, brief: bool) -> Iterator[Text]:
    style = STYLES[report.outcome]
    path = " → ".join(wording.route(report))
    word = f"{mark(report.outcome, console.encoding)} {wording.OUTCOME_WORDS[report.outcome]}"
    yield from _columns(
        console,
        [_Cell(word, len(word), f"bold {style}"), _Cell(path, console.width - len(word) - _GAP, "bold")],
        indent=0,
    )
    inside = console.width - _INDENT
    yield from _columns(console, [_Cell(wording.shortened(wording.verdict(report), _MESSAGE_LINES), inside)])
    label_width = 13
    yield from _steps(steps, console, label_width)
    if report.checkpoints and not brief:
        yield _line(console)
        yield from _checkpoints(report.checkpoints, console)
    facts = [] if brief else wording.facts(report)
    facts += [wording.Fact("warning", warning) for warning in report.warnings]
    facts += [wording.Fact("also", wording.headline(finding)) for finding in report.findings[1:]]
    if facts:
        yield _line(console)
    for fact in facts:
        text = wording.shortened(fact.text, _MESSAGE_LINES)
        emphasis = "yellow" if fact.label == "warning" else "dim"
        value = _Cell(text, inside - label_width - _GAP)
        yield from _columns(console, [_Cell(fact.label, label_width, emphasis), value])


def _steps(steps: Sequence[wording.Fact], console: Console, label_width: int) -> Iterator[Text]:
    """Steps with their purpose beside them, or below where a path leaves no room for it."""
    room = console.width - _INDENT - label_width - _GAP
    widest = room - _GAP - _NARROWEST_DETAIL
    short_width = max((len(step.label) for step in steps if len(step.label) <= widest), default=0)
    for index, step in enumerate(steps):
        label = _Cell("Next:" if index == 0 else "", label_width, "bold")
        if len(step.label) <= short_width:
            purpose = _Cell(step.text, room - short_width - _GAP, "dim")
            yield from _columns(console, [label, _Cell(step.label, short_width, "bold"), purpose])
        else:
            yield from _columns(console, [label, _Cell(step.label, room, "bold")])
            yield from _columns(console, [_Cell("", label_width), _Cell(step.text, room, "dim")])


def _checkpoints(checkpoints: Sequence[CheckpointReport], console: Console) -> Iterator[Text]:
    rows: list[tuple[str, ...]] = [
        (
            quantities.number(item.semantic_residual_u),
            quantities.ratio(item.rounding_ratio),
            quantities.number(item.stability_rho),
            quantities.duration(item.seconds),
            quantities.size(item.peak_memory_bytes),
        )
        for item in checkpoints
    ]
    stages = [wording.spoken(item.stage) for item in checkpoints]
    widths = [max(len(head), *(len(row[column]) for row in rows)) for column, head in enumerate(_HEADS)]
    # A console too narrow for all of them loses the last ones; the other reports have them.
    while widths and _room(console, widths) < _NARROWEST_NAME + _NARROWEST_STAGE:
        widths.pop()
    heads, rows = _HEADS[: len(widths)], [row[: len(widths)] for row in rows]
    room = _room(console, widths)
    if room - max(map(len, stages)) < _WIDEST_NAME // 2:
        stages = [_SHORT_STAGES.get(stage, stage) for stage in stages]
    stage_width = max(len("stage"), *map(len, stages))
    longest_name = max(len("checkpoint"), *(len(item.name) for item in checkpoints))
    name_width = max(_NARROWEST_NAME, min(longest_name, room - stage_width, _WIDEST_NAME))
    detail_width = room - stage_width - name_width - 2 * _GAP
    beside = detail_width >= _NARROWEST_DETAIL

    def row(stage: str, name: str, numbers: Sequence[str], detail: str, style: str) -> Iterator[Text]:
        cells = [_Cell(stage, _MARK + stage_width, style), _Cell(_broken(name, name_width), name_width, style)]
        cells += [_Cell(text, width, style, right=True) for text, width in zip(numbers, widths, strict=True)]
        if beside:
            cells.append(_Cell(detail, detail_width, "dim"))
        return _columns(console, cells)

    yield from row("  stage", "checkpoint", heads, "detail", "dim")
    previous = ""
    for item, stage, numbers in zip(checkpoints, stages, rows, strict=True):
        style = STYLES[item.outcome]
        symbol = mark(item.outcome, console.encoding)
        emphasis = "" if item.outcome is Outcome.EQUIVALENT else style
        detail = wording.shortened(item.detail, _DETAIL_LINES)
        yield from row(f"{symbol} {stage if stage != previous else ''}", item.name, numbers, detail, emphasis)
        if detail and not beside:
            indent = _INDENT + _MARK + stage_width + _GAP
            yield from _columns(console, [_Cell(detail, console.width - indent, "dim")], indent=indent)
        previous = stage


def _room(console: Console, widths: Sequence[int]) -> int:
    """What columns of these widths leave for the others."""
    return console.width - _INDENT - _MARK - sum(widths) - _GAP * (len(widths) + 1)


def _broken(name: str, width: int) -> str:
    """A name that is wider than its column, broken after its own separators where it has any."""
    name = _elided(name, _NAME_LINES * width)
    lines = []
    while len(name) > width:
        cut = max(name.rfind(separator, 0, width) for separator in "_-./:") + 1 or width
        lines.append(name[:cut])
        name = name[cut:]
    return "\n".join([*lines, name])


def _elided(name: str, longest: int) -> str:
    """A name of at most `longest` characters: of a longer one, both ends."""
    if len(name) <= longest:
        return name
    end = longest // 2 - 2
    return f"{name[:end]}...{name[-end:]}"


def _measured(report: Report) -> bool:
    return any(
        value is not None
        for item in report.checkpoints
        for value in (item.semantic_residual_u, item.rounding_ratio, item.stability_rho)
    )


def _columns(console: Console, cells: Sequence[_Cell], *, indent: int = _INDENT) -> Iterator[Text]:
    """The lines of one row: each cell folded to its width, the last one not padded."""
    from rich.text import Text

    folded = [
        Text(_shown(cell.text, console), style=cell.style).wrap(console, max(cell.width, 1), overflow="fold")
        or [Text()]
        for cell in cells
    ]
    for pieces in zip_longest(*folded):
        line = Text(" " * indent)
        for cell, piece in zip(cells, pieces, strict=True):
            shown = piece if piece is not None else Text()
            shown.rstrip()
            padding = " " * max(0, cell.width - shown.cell_len)
            line.append(padding if cell.right else "")
            line.append_text(shown)
            line.append(("" if cell.right else padding) + " " * _GAP)
        line.rstrip()
        yield line


def _line(console: Console, *parts: tuple[str, str]) -> Text:
    from rich.text import Text

    return Text.assemble(*((_shown(text, console), style) for text, style in parts))


def _shown(text: str, console: Console) -> str:
    """`text` as the console can print it: no control characters, nothing its encoding lacks."""
    text = wording.visible(text)
    if _is_unicode(console.encoding):
        return text
    return text.translate(_ASCII).encode(console.encoding, "replace").decode(console.encoding)


def _is_unicode(encoding: str) -> bool:
    return encoding.lower().startswith("utf")
