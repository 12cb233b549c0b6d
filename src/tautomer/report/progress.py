"""What is going on while a check runs: live by stage on a terminal, one line a finished stage in a pipe."""

from __future__ import annotations

import time
from types import TracebackType
from typing import TYPE_CHECKING, Self

from tautomer.model import Outcome
from tautomer.report import quantities, wording
from tautomer.report.terminal import STYLES, mark

if TYPE_CHECKING:
    from rich.console import Console, RenderableType
    from rich.live import Live
    from rich.spinner import Spinner


class Progress:
    """Shows the stage that runs and those that are done; a context manager.

    On a terminal the stages stand below each other while the check runs and are wiped at its end, because the
    report lists them again; an exception leaves them, with the stage it came in. In a pipe each finished stage is a
    line, written at once.

    Args:
        console: where to; None for stderr, which leaves stdout to results.
    """

    def __init__(self, console: Console | None = None) -> None:
        if console is None:
            from rich.console import Console

            console = Console(stderr=True)
        self._console = console
        self._live: Live | None = None
        self._spinner: Spinner | None = None
        self._finished: list[tuple[str, float, Outcome | str | None]] = []
        self._running: tuple[str, str] | None = None
        self._began_at_s = 0.0

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            from rich.live import Live
            from rich.spinner import Spinner

            self._spinner = Spinner("dots" if self._console.encoding.lower().startswith("utf") else "line")
            self._live = Live(console=self._console, get_renderable=self._view, transient=True, refresh_per_second=8)
            self._live.start()
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._live is not None:
            self._live.stop()
            self._live = None
            if kind is not None:
                for finished in self._finished:
                    self._print(*finished)
        if kind is not None and self._running is not None:
            name, _ = self._running
            ended = "interrupted" if issubclass(kind, KeyboardInterrupt) else "stopped"
            self._print(name, self._elapsed_s(), ended)
        self._running = None

    def stage(self, name: str, detail: str = "") -> None:
        """Say that `name` has begun, or, while it runs, what it is doing now."""
        if self._running is None or self._running[0] != name:
            self._began_at_s = time.monotonic()
        self._running = (name, detail)

    def done(self, name: str, seconds: float, outcome: Outcome | str | None = None) -> None:
        """Say that `name` has ended, after how many seconds and with which outcome."""
        if self._running is not None and self._running[0] == name:
            self._running = None
        self._finished.append((name, seconds, outcome))
        if self._live is None:
            self._print(name, seconds, outcome)

    def _elapsed_s(self) -> float:
        return time.monotonic() - self._began_at_s

    def _print(self, name: str, seconds: float, outcome: Outcome | str | None) -> None:
        symbol, text, style = self._told(name, seconds, outcome)
        self._console.print(f"{symbol} {text}", style=style, soft_wrap=True, highlight=False, markup=False, emoji=False)

    def _told(self, name: str, seconds: float, outcome: Outcome | str | None) -> tuple[str, str, str]:
        """Mark, line and style of a finished stage."""
        known = Outcome(outcome) if outcome in set(Outcome) else None
        word = "" if outcome is None or known is Outcome.EQUIVALENT else f"  {wording.spoken(str(outcome))}"
        text = f"{wording.visible(_spoken_name(name))}  {quantities.duration(seconds)}{word}".replace("\n", " ")
        encoding = self._console.encoding
        if not encoding.lower().startswith("utf"):
            text = text.encode(encoding, "replace").decode(encoding)
        return mark(outcome, encoding), text, STYLES[known] if known and known is not Outcome.EQUIVALENT else ""

    def _view(self) -> RenderableType:
        """The stages so far, as the live view draws them."""
        from rich.console import Group
        from rich.text import Text

        rows: list[RenderableType] = []
        # A live view taller than the screen would lose its last line, which is the one that matters.
        for finished in self._finished[-max(1, self._console.height - 3) :]:
            symbol, text, style = self._told(*finished)
            rows.append(Text(f"{symbol} {text}", style=style or "dim", no_wrap=True, overflow="ellipsis"))
        if self._running is not None:
            name, detail = self._running
            shown = Text(wording.visible(_spoken_name(name)), style="bold", no_wrap=True, overflow="ellipsis")
            shown.append(f"  {quantities.duration(self._elapsed_s())}", style="dim not bold")
            if detail:
                shown.append(f"  {wording.visible(detail)}".replace("\n", " "), style="dim not bold")
            if self._spinner is not None:
                self._spinner.update(text=shown)
                rows.append(self._spinner)
        return Group(*rows)


def _spoken_name(name: str) -> str:
    """A stage in words; what can be typed stays as it is typed."""
    return name if name.startswith("--") else wording.spoken(name)
