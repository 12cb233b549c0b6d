"""Curves, shares, missing items and additions, against brute force on small sets of models."""

from __future__ import annotations

import itertools
import statistics

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tautomer.coverage.comparing import wanted_shares
from tautomer.coverage.counting import KINDS, ModelCoverage, support
from tautomer.coverage.saturation import best_additions, saturation
from tautomer.coverage.universes import Universe
from tautomer.errors import MisuseError

ITEMS = st.frozensets(st.sampled_from("abcdefg"))


def model(name: str, operators: frozenset[str], sequences: frozenset[str] = frozenset()) -> ModelCoverage:
    empty = {kind: frozenset[str]() for kind in KINDS}
    return ModelCoverage(name, {**empty, "operators": operators, "sequences_2": sequences})


@given(st.lists(ITEMS, min_size=1, max_size=5))
def test_the_mean_curve_is_the_mean_over_all_orders(sets):
    models = [model(str(number), items) for number, items in enumerate(sets)]
    curve = saturation(models, "operators")

    for drawn in range(1, len(sets) + 1):
        sizes = [len(frozenset().union(*order[:drawn])) for order in itertools.permutations(sets)]
        assert curve.mean[drawn - 1] == pytest.approx(statistics.mean(sizes))
    assert curve.in_order == tuple(len(frozenset().union(*sets[:drawn])) for drawn in range(1, len(sets) + 1))


@given(st.lists(st.tuples(ITEMS, ITEMS), min_size=1, max_size=6), ITEMS, st.integers(1, 3))
def test_additions_reach_what_greedy_choice_promises(sets, covered, count):
    models = [model(str(number), *items) for number, items in enumerate(sets)]
    universe = support(models)
    chosen = best_additions(models, support([model("own", covered)]), universe, count)

    def mean_share(picked) -> float:
        kinds = [kind for kind in universe if universe[kind]]
        found = {"operators": covered.union(*(one.items["operators"] for one in picked))}
        found["sequences_2"] = frozenset().union(*(one.items["sequences_2"] for one in picked))
        return sum(len(found[kind] & universe[kind].keys()) / len(universe[kind]) for kind in kinds) / max(
            len(kinds), 1
        )

    before = mean_share([])
    reached = mean_share([one for one in models if one.name in {each.name for each in chosen}])
    best = max(mean_share(picked) for picked in itertools.combinations(models, min(count, len(models))))
    assert reached - before == pytest.approx(sum(one.gain for one in chosen))
    assert reached - before >= (1 - 1 / 2.718281828) * (best - before) - 1e-12
    assert [one.gain for one in chosen] == sorted((one.gain for one in chosen), reverse=True)


def test_a_share_counts_only_what_the_universe_has():
    universe = Universe.of_corpus("corpus", [model("a", frozenset("abc")), model("b", frozenset("bcd"))])
    covered = support([model("own", frozenset("ax"))])["operators"]

    share = universe.share("operators", covered)

    assert (share.covered, share.inside, share.of, share.share) == (2, 1, 4, 0.25)
    assert universe.missing("operators", covered, 9) == [("b", 2), ("c", 2), ("d", 1)]
    assert universe.missing("operators", covered, 1) == [("b", 2)]


def test_wanted_shares_are_of_one_kind_or_of_all():
    assert wanted_shares(["0.5"]) == dict.fromkeys(KINDS, 0.5)
    assert wanted_shares(["0.5", "operators=0.9"])["operators"] == 0.9
    assert wanted_shares(["operators=0.9", "0.5"])["operators"] == 0.9
    assert wanted_shares(["0.5"], ["operators"]) == {"operators": 0.5}
    with pytest.raises(MisuseError, match="TA193"):
        wanted_shares(["fan_in=0.5"], ["operators"])
    for text in ("50", "operator=0.5", "nan", "x"):
        with pytest.raises(MisuseError, match="TA193"):
            wanted_shares([text])
