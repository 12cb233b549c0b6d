"""From a finding to the smallest model that fails the same way, with a script and an issue for its maintainers."""

from tautomer.reduction.delivery import Reduction
from tautomer.reduction.reducing import Request, reduce

__all__ = ["Reduction", "Request", "reduce"]
