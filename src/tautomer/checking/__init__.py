"""The check: run checkpoints, align their interfaces, judge them, and say where they deviate."""

from tautomer.checking.one_check import CheckedRun, run_check
from tautomer.checking.progress import Listener

__all__ = ["CheckedRun", "Listener", "run_check"]
