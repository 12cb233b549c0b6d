"""What hears how a check goes on."""

from __future__ import annotations

from typing import Protocol


class Listener(Protocol):
    """Hears how a check goes on."""

    def stage(self, name: str, detail: str = "") -> None:
        """A step begins."""

    def done(self, name: str, seconds: float, outcome: str | None = None) -> None:
        """The step has ended."""
