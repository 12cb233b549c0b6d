"""Which architectures a set of models covers, and which of their sequences of operators go with failures."""

from tautomer.coverage.counting import KINDS, ModelCoverage, coverage_of, support
from tautomer.coverage.universes import Universe

__all__ = ["KINDS", "ModelCoverage", "Universe", "coverage_of", "support"]
