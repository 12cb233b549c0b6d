"""How coverage grows with the number of models, and which models would add most."""

from __future__ import annotations

import heapq
from collections import Counter
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from tautomer.coverage.counting import ModelCoverage, Support

GREEDY_BOUND = "within 1 - 1/e (63%) of the best choice of as many models"
"""Source: Nemhauser, Wolsey, Fisher 1978, for greedy maximisation of a monotone submodular function."""


@dataclass(frozen=True, slots=True)
class Curve:
    """Distinct items after each model.

    Attributes:
        in_order: models as they were given.
        mean: over all orders of the models.
    """

    in_order: tuple[int, ...]
    mean: tuple[float, ...]


@dataclass(frozen=True, slots=True)
class Addition:
    """A model that would add to what is covered.

    Attributes:
        name: of the model.
        gain: by how much the mean share of all kinds would grow, given the models before it.
        new_items: by kind, how many items it adds.
    """

    name: str
    gain: float
    new_items: Mapping[str, int]


def saturation(coverages: Sequence[ModelCoverage], kind: str) -> Curve:
    """The curve of one kind.

    The mean needs no sampling of orders: an item that s of n models have is among the first m with probability
    1 - C(n - s, m) / C(n, m).

    Source: Hurlbert 1971 (rarefaction), Colwell et al. 2012, doi 10.1093/jpe/rtr044, for samples as units.
    """
    seen: set[str] = set()
    in_order = []
    supports: Counter[str] = Counter()
    for coverage in coverages:
        seen |= coverage.items[kind]
        supports.update(coverage.items[kind])
        in_order.append(len(seen))
    total = len(coverages)
    mean = [0.0] * total
    for have, items in Counter(supports.values()).items():
        absent = 1.0
        for drawn in range(1, total + 1):
            absent *= max(total - have - drawn + 1, 0) / (total - drawn + 1)
            mean[drawn - 1] += items * (1.0 - absent)
    return Curve(tuple(in_order), tuple(mean))


def best_additions(
    candidates: Sequence[ModelCoverage], covered: Support, universe: Support, count: int
) -> list[Addition]:
    """The models that add most to the mean share of all kinds, each given those before it.

    Greedy: each time the one with the largest gain, the first of equal ones. What it reaches is `GREEDY_BOUND`. Gains
    only shrink, so a model is weighed again only when it comes to the top.
    """
    kinds = [kind for kind, items in universe.items() if items]
    weights = {kind: 1.0 / (len(kinds) * len(universe[kind])) for kind in kinds}
    missing = {kind: set(universe[kind]) - set(covered.get(kind, ())) for kind in kinds}

    def adds(coverage: ModelCoverage) -> dict[str, Collection[str]]:
        return {kind: coverage.items[kind] & missing[kind] for kind in kinds}

    def gain(coverage: ModelCoverage) -> float:
        return sum(weights[kind] * len(items) for kind, items in adds(coverage).items())

    queue = [(-gain(one), index) for index, one in enumerate(candidates)]
    heapq.heapify(queue)
    chosen: list[Addition] = []
    while queue and len(chosen) < count:
        _, index = heapq.heappop(queue)
        now = gain(candidates[index])
        if queue and (-now, index) > queue[0]:
            heapq.heappush(queue, (-now, index))
            continue
        if not now:
            break
        new = adds(candidates[index])
        chosen.append(Addition(candidates[index].name, now, {kind: len(items) for kind, items in new.items() if items}))
        for kind, items in new.items():
            missing[kind].difference_update(items)
    return chosen
