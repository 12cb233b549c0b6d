"""How many unit roundoffs a sum of n terms can lose, relative to the sum of the terms' magnitudes."""

from __future__ import annotations

import math
from enum import StrEnum

CONFIDENCE_LAMBDA = 7.0
"""lambda of the probabilistic bound: one sum misses it with probability at most 2 exp(-lambda^2 / 2) = 5e-11."""


class Summation(StrEnum):
    """What is assumed of a kernel's sums."""

    ANY_ORDER = "any_order"
    """Nothing: the bound holds for every order of summation, blocked, vectorized, fused or sequential."""
    RANDOM_ROUNDINGS = "random_roundings"
    """Roundings of mean zero, independent of each other. Long sums of equal terms need not be so."""


def summation_roundings(terms: int, summation: Summation, *, products: bool = True) -> float:
    """Unit roundoffs that a sum of so many terms loses at most, relative to the sum of their magnitudes.

    Args:
        terms: of the sum.
        summation: what is assumed.
        products: whether each term is itself a product that was rounded.

    Source: any order: Jeannerod & Rump, SIAM J. Matrix Anal. Appl. 34(2), 2013, theorems 3.1 and 4.1, |e| <= (n - 1) u
        sum |x_i| for sums and n u |x|^T|y| for inner products, without a factor 1/(1 - n u); Higham 2002, section 3.1,
        for blocked and fused evaluation. Random roundings: Higham & Mary, SIAM J. Sci. Comput. 41(5), 2019, theorem
        3.1, lambda sqrt(n) u in place of n u.
    """
    roundings = max(terms - (0 if products else 1), 0)
    if summation is Summation.ANY_ORDER:
        return float(roundings)
    return min(float(roundings), CONFIDENCE_LAMBDA * math.sqrt(roundings))
