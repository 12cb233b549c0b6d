"""Progress: plain lines in a pipe, a live view on a terminal."""

from __future__ import annotations

import io
from typing import Any

import pytest
from rich.console import Console

from tautomer.model import Outcome
from tautomer.report.progress import Progress


def console(**options: Any) -> tuple[Console, io.StringIO]:
    buffer = io.StringIO()
    return Console(file=buffer, width=80, **options), buffer


def run(progress: Progress) -> None:
    progress.stage("node_conversion", "decomposing")
    progress.stage("node_conversion", "translating")
    progress.done("node_conversion", 3.21, Outcome.EQUIVALENT)
    progress.stage("runtime_execution")
    progress.done("runtime_execution", 0.4, Outcome.DIVERGENT)


def test_a_pipe_gets_one_plain_line_a_finished_stage() -> None:
    target, buffer = console()
    with Progress(target) as progress:
        run(progress)
    assert buffer.getvalue() == "✓ node conversion  3.2 s\n✗ runtime execution  400 ms  divergent\n"


def test_a_line_is_there_as_soon_as_its_stage_is_done() -> None:
    target, buffer = console()
    with Progress(target) as progress:
        progress.stage("export")
        assert buffer.getvalue() == ""
        progress.done("export", 1.0, Outcome.EQUIVALENT)
        assert buffer.getvalue() == "✓ export  1.0 s\n"


def test_a_terminal_sees_the_stage_that_runs_and_what_it_is_doing() -> None:
    target, buffer = console(force_terminal=True)
    with Progress(target) as progress:
        progress.done("load_model", 1.0, Outcome.EQUIVALENT)
        progress.stage("node_conversion", "decomposing")
        live = progress._live
        assert live is not None
        live.refresh()
        shown = buffer.getvalue()
    assert "✓ load model  1.0 s" in shown
    assert "node conversion" in shown
    assert "decomposing" in shown


def test_a_low_terminal_still_shows_the_stage_that_runs() -> None:
    target, buffer = console(force_terminal=True, height=6)
    with Progress(target) as progress:
        for index in range(20):
            progress.done(f"stage {index}", 1.0, Outcome.EQUIVALENT)
        progress.stage("the last one")
        live = progress._live
        assert live is not None
        live.refresh()
        assert "the last one" in buffer.getvalue()


@pytest.mark.parametrize("terminal", [True, False])
@pytest.mark.parametrize(
    ("error", "word"), [(KeyboardInterrupt, "interrupted"), (RuntimeError, "stopped")], ids=["interrupt", "error"]
)
def test_an_exception_leaves_the_stages_and_names_the_one_it_came_in(
    error: type[BaseException], word: str, terminal: bool
) -> None:
    target, buffer = console(force_terminal=terminal)

    def interrupted() -> None:
        with Progress(target) as progress:
            progress.done("load_model", 1.0, Outcome.EQUIVALENT)
            progress.stage("export")
            raise error

    with pytest.raises(error):
        interrupted()
    last_two = buffer.getvalue().splitlines()[-2:]
    assert "load model  1.0 s" in last_two[0]
    assert "export" in last_two[1]
    assert word in last_two[1]


def test_names_are_one_line_and_cannot_steer_a_terminal() -> None:
    target, buffer = console()
    with Progress(target) as progress:
        progress.done("a\nb\x1b[31m[bold]c", 1.0, "crashed")
    assert buffer.getvalue() == "· a b\ufffd[31m[bold]c  1.0 s  crashed\n"


def test_a_console_that_knows_only_ascii_is_printed_to() -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii", write_through=True)
    with Progress(Console(file=stream, width=80)) as progress:
        progress.done("modèle", 1.0, Outcome.DIVERGENT)
    assert raw.getvalue() == b"x mod?le  1.0 s  divergent\n"


def test_results_stay_apart_from_progress(capsys: pytest.CaptureFixture[str]) -> None:
    with Progress() as progress:
        progress.done("export", 1.0, Outcome.EQUIVALENT)
    captured = capsys.readouterr()
    assert captured.out == ""
    assert "export" in captured.err
