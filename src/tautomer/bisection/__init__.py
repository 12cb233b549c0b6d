"""Which setting or package version makes a failure go away, and the verified workaround."""

from tautomer.bisection.bisecting import MAX_TRIALS, Bisected, BisectRequest, bisect
from tautomer.bisection.report import BisectReport
from tautomer.bisection.versions import VersionRange

__all__ = ["MAX_TRIALS", "BisectReport", "BisectRequest", "Bisected", "VersionRange", "bisect"]
