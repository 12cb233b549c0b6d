"""How a bisection tells what it does: trials as they end, the stages of each only while they run."""

from __future__ import annotations

from tautomer.checking.progress import Listener


class StagesOfTrial:
    """Tells the stages of a check as details of the trial that it is made for."""

    def __init__(self, trial: str, listener: Listener) -> None:
        self._trial = trial
        self._listener = listener

    def stage(self, name: str, detail: str = "") -> None:
        """Shown beside the trial."""
        self._listener.stage(self._trial, f"{name}: {detail}" if detail else name)

    def done(self, name: str, seconds: float, outcome: str | None = None) -> None:
        """Not shown: a trial is done when its check is."""
