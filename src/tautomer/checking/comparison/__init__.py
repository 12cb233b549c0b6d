"""The comparison of two existing artefacts: the same judge, aligner, locator and report as a check."""

from tautomer.checking.comparison.one_comparison import run_comparison

__all__ = ["run_comparison"]
