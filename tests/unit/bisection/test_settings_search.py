"""The search over settings, with an oracle whose answers are known."""

import contextlib

from tautomer.bisection.changes import Change, Dimension, Where
from tautomer.bisection.search import Search
from tautomer.bisection.trials import Effect, Trial


def option(name, value, *, element=False):
    return Change(where=Where.OPTION, name=name, value=value, element=element)


def runtime(name, value):
    return Change(where=Where.RUNTIME_OPTION, name=name, value=value)


OPSETS = tuple(option("opset", number) for number in (21, 22, 23))
OFF = option("optimize", False)
FOLD, FUSE = (option("skip_passes", name, element=True) for name in ("fold", "fuse"))
OTHER = Change(where=Where.CONVERTER, name="converter", value="other")
SLOW = runtime("optimization", "disabled")

CONVERTER = [
    Dimension(changes=OPSETS, in_order=True),
    Dimension(changes=(OFF,)),
    Dimension(changes=(FOLD, FUSE), screen=OFF),
    Dimension(changes=(OTHER,)),
]
RUNTIME = [Dimension(changes=(SLOW,))]


def run(effects, tiers=(CONVERTER, RUNTIME), **settings):
    """A search in which exactly these changes do something; what it tried, and what it found."""
    tried = []

    def oracle(changes):
        tried.append(changes)
        return Trial(changes=changes, effect=effects.get(frozenset(changes), Effect.SAME_FAILURE))

    search = Search(oracle, **{"max_trials": 100, **settings})
    search.singles(tiers)
    if not search.helpful():
        search.pairs()
    return search, tried


def helping(*groups):
    return {frozenset(group): Effect.EQUIVALENT for group in groups}


def test_of_an_ordered_setting_the_first_value_that_helps_is_enough():
    search, tried = run(helping([OPSETS[1]], [OPSETS[2]]))
    assert [trial.changes for trial in search.helpful()] == [(OPSETS[1],)]
    assert (OPSETS[2],) not in tried


def test_parts_are_tried_only_where_the_whole_does_something():
    assert (FOLD,) not in run({})[1]
    assert (FOLD,) in run({frozenset([OFF]): Effect.FAILS_OTHERWISE})[1]


def test_one_pass_left_out_is_a_smaller_change_than_all_of_them_and_another_converter_the_largest():
    search, _ = run(helping([OFF], [FUSE], [OTHER]))
    assert [trial.changes for trial in search.helpful()] == [(FUSE,), (OFF,), (OTHER,)]


def test_the_other_side_is_tried_only_where_the_side_at_fault_does_not_help():
    assert (SLOW,) not in run(helping([OFF]))[1]
    assert (SLOW,) in run(helping([OFF]), everything=True)[1]
    assert run(helping([SLOW]))[0].helpful()[0].changes == (SLOW,)


def test_two_changes_are_tried_together_only_where_none_helps_alone():
    assert all(len(changes) == 1 for changes in run(helping([OFF], [OPSETS[0], SLOW]))[1])
    search, tried = run({frozenset([OFF]): Effect.FAILS_OTHERWISE, **helping([OFF, SLOW])})
    assert [trial.changes for trial in search.helpful()] == [(OFF, SLOW)]
    pairs = [changes for changes in tried if len(changes) == 2]
    before = pairs[: pairs.index((OFF, SLOW))]
    assert all(OFF in pair for pair in before), "what does something alone is combined first"


def test_what_a_group_consists_of_is_tried_once_the_group_helps_and_comes_before_it():
    group, one, other = (option("skip", name, element=True) for name in ("group", "one", "other"))
    tiers = [[Dimension(changes=(group,), parts={group: (one, other)})]]
    assert [changes[0] for changes in run({}, tiers)[1]] == [group]
    found = run(helping([group], [other]), tiers)[0].helpful()
    assert [trial.changes for trial in found] == [(other,), (group,)]


def test_a_part_takes_the_place_of_the_whole_in_a_pair_that_helps():
    effects = {frozenset([SLOW]): Effect.FAILS_OTHERWISE, **helping([SLOW, OFF], [SLOW, FUSE])}
    assert [set(trial.changes) for trial in run(effects)[0].helpful()] == [{SLOW, FUSE}, {SLOW, OFF}]


def test_two_values_of_one_setting_and_a_setting_of_another_converter_are_never_combined():
    pairs = [changes for changes in run({}, everything=True)[1] if len(changes) == 2]
    assert pairs
    assert not any({one.name for one in pair} == {"opset"} for pair in pairs)
    assert not any(OTHER in pair and OFF in pair for pair in pairs)
    assert any(OTHER in pair and OPSETS[0] in pair for pair in pairs)


def test_of_changes_that_do_nothing_alone_only_those_of_different_sides_are_combined():
    pairs = [changes for changes in run({})[1] if len(changes) == 2]
    assert pairs
    assert all(SLOW in pair for pair in pairs)


def test_equivalent_comes_before_what_leaves_another_failure():
    effects = {frozenset([OPSETS[0]]): Effect.OTHERS_REMAIN, **helping([OTHER])}
    assert [trial.changes[0] for trial in run(effects)[0].helpful()] == [OTHER, OPSETS[0]]


def test_no_more_trials_are_made_than_allowed_and_that_is_said():
    search, tried = run({}, max_trials=3)
    assert len(tried) == 3
    assert search.exhausted
    assert not run(helping([OPSETS[0]]), max_trials=50)[0].exhausted
    exactly = len(run({})[1])
    assert not run({}, max_trials=exactly)[0].exhausted
    assert run({}, max_trials=exactly - 1)[0].exhausted


def test_what_was_found_before_an_interrupt_is_kept():
    effects = helping([OPSETS[0]])

    def oracle(changes):
        if changes == (OFF,):
            raise KeyboardInterrupt
        return Trial(changes=changes, effect=effects.get(frozenset(changes), Effect.SAME_FAILURE))

    search = Search(oracle, max_trials=10)
    with contextlib.suppress(KeyboardInterrupt):
        search.singles([CONVERTER])
    assert [trial.changes for trial in search.helpful()] == [(OPSETS[0],)]
