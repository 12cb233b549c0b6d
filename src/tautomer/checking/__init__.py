"""The check: run checkpoints, align their interfaces, judge them, and say where they deviate."""

from tautomer.checking.pipeline import Listener
from tautomer.checking.run_check import CheckedRun, run_check

__all__ = ["CheckedRun", "Listener", "run_check"]
