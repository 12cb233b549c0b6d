"""Whether an item goes with failure: odds ratio, Fisher's exact test in integers, and the correction for many tests."""

from __future__ import annotations

import functools
import math
from collections.abc import Sequence
from fractions import Fraction


def odds_ratio(failing_with: int, failing: int, passing_with: int, passing: int) -> float:
    """The sample odds ratio; infinite where no failing model is without the item or no passing one with it.

    Args:
        failing_with: failing models that have the item, of `failing`.
        passing_with: passing models that have it, of `passing`.

    Returns:
        NaN where nothing can be said: all models have the item, or none has.
    """
    above = failing_with * (passing - passing_with)
    below = (failing - failing_with) * passing_with
    if below:
        return above / below
    return math.inf if above else math.nan


@functools.lru_cache(maxsize=1 << 16)
def fisher_exact(failing_with: int, failing: int, passing_with: int, passing: int) -> float:
    """The two-sided p-value of Fisher's exact test on the table of models with and without an item.

    It is the probability, where the item is spread among the models at random, of a table that is no more probable
    than this one. Probabilities are compared as integers, so no rounding decides which tables count.

    Source: R. A. Fisher 1935, The Logic of Inductive Inference; the two-sided rule is that of R's `fisher.test`.
    """
    having = failing_with + passing_with
    total = math.comb(failing + passing, having)

    def ways(count: int) -> int:
        return math.comb(failing, count) * math.comb(passing, having - count)

    observed = ways(failing_with)
    counts = range(max(0, having - passing), min(failing, having) + 1)
    return float(Fraction(sum(one for count in counts if (one := ways(count)) <= observed), total))


def benjamini_hochberg(p_values: Sequence[float]) -> list[float]:
    """Adjusted p-values: taking those up to q as findings keeps the expected share of false ones below q.

    Source: Benjamini and Hochberg 1995, doi 10.1111/j.2517-6161.1995.tb02031.x; as R's `p.adjust(method = "BH")`.
    """
    count = len(p_values)
    adjusted = [1.0] * count
    smallest = 1.0
    for rank, index in zip(range(count, 0, -1), sorted(range(count), key=lambda one: -p_values[one]), strict=True):
        smallest = min(smallest, p_values[index] * count / rank)
        adjusted[index] = smallest
    return adjusted
