"""The binary search over releases, with releases whose state is known."""

import itertools

import pytest

from tautomer.bisection.package_search import summary
from tautomer.bisection.report import TriedVersion
from tautomer.bisection.trials import Effect
from tautomer.bisection.versions import Flip, VersionRange, find_every_flip, find_flip, find_flips_around
from tautomer.errors import MisuseError

STATES = {
    "+": Effect.EQUIVALENT,
    "o": Effect.OTHERS_REMAIN,
    "-": Effect.SAME_FAILURE,
    "x": Effect.BUILD_FAILURE,
    "?": Effect.FAILS_OTHERWISE,
}


def searched(states):
    """The flip among releases named by their index, and which of them were asked about."""
    asked = []

    def effect_of(name):
        asked.append(name)
        return STATES[states[int(name)]]

    return find_flip([str(index) for index in range(len(states))], effect_of), asked


@pytest.mark.parametrize(
    ("states", "good", "bad", "untestable"),
    [
        ("++--", "1", "2", ()),
        ("--++", "2", "1", ()),
        ("oo-", "1", "2", ()),
        ("+xx-", "0", "3", ("1", "2")),
        ("x?++--", "3", "4", ()),
        ("xxx+-xx", "3", "4", ()),
        ("----", None, "3", ()),
        ("++++", "3", None, ()),
        ("xx", None, None, ("0", "1")),
        ("xxx-", None, "3", ()),
        ("+", "0", None, ()),
    ],
)
def test_the_two_sides_of_the_flip_are_found(states, good, bad, untestable):
    assert searched(states)[0] == Flip(good, bad, untestable)


@pytest.mark.parametrize("bad_first", [False, True])
def test_no_release_is_asked_about_twice_and_few_are_asked_at_all(bad_first):
    for size, at in itertools.product((2, 17, 100), (1, 0.5, 0.99)):
        split = max(1, min(size - 1, int(size * at)))
        states = ("-" * split + "+" * (size - split)) if bad_first else ("+" * split + "-" * (size - split))
        flip, asked = searched(states)
        assert {flip.good, flip.bad} == {str(split - 1), str(split)}
        assert len(asked) == len(set(asked))
        assert len(asked) <= 2 + size.bit_length()


def test_neighbours_of_what_was_found_are_judged_or_named_untestable():
    for states in map("".join, itertools.product("+-x", repeat=5)):
        flip, _ = searched(states)
        if not flip.found:
            continue
        low, high = sorted((int(flip.good), int(flip.bad)))
        assert STATES[states[int(flip.good)]].helps
        assert states[int(flip.bad)] == "-"
        assert [str(index) for index in range(low + 1, high)] == list(flip.untestable)
        assert all(states[int(one)] == "x" for one in flip.untestable)


@pytest.mark.parametrize(
    ("states", "flips"),
    [
        ("+-+x-", [("0", "1"), ("2", "1"), ("2", "4")]),
        ("+x-", [("0", "2")]),
        ("---", [(None, "2")]),
        ("+?+", [("2", None)]),
        ("xx", [(None, None)]),
    ],
)
def test_a_history_that_goes_back_and_forth_is_told_whole_where_every_release_is_tried(states, flips):
    asked = []

    def effect_of(name):
        asked.append(name)
        return STATES[states[int(name)]]

    found = find_every_flip([str(index) for index in range(len(states))], effect_of)
    assert [(one.good, one.bad) for one in found] == flips
    assert sorted(asked) == sorted(map(str, range(len(states))))


@pytest.mark.parametrize(
    ("states", "failing", "flips"),
    [
        ("+++--+++", "3", [("2", "3"), ("5", "4")]),
        ("+x-x?+", "2", [("0", "2"), ("5", "2")]),
        ("x+-+x", "2", [("1", "2"), ("3", "2")]),
        ("++--", "2", [("1", "2")]),
        ("+++++", "2", [("4", None)]),
        ("+++++", "7", [("4", None)]),
        ("-----", "2", [(None, "4")]),
        ("+---+", "2", [("0", "1"), ("4", "3")]),
    ],
)
def test_a_failure_between_two_ends_without_it_is_found_from_the_release_that_it_was_seen_with(states, failing, flips):
    asked = []

    def effect_of(name):
        asked.append(name)
        return STATES[states[int(name)]]

    found = find_flips_around([str(index) for index in range(len(states))], effect_of, failing)
    assert [(one.good, one.bad) for one in found] == flips
    assert len(asked) == len(set(asked))


def tried(states, names):
    return [TriedVersion(version=name, effect=STATES[states[int(name)]]) for name in names]


def test_what_a_binary_search_has_not_looked_at_is_said():
    releases = [str(index) for index in range(9)]
    flip, asked = searched("++-+-----")
    said = summary("p", releases, [flip], tried("++-+-----", asked))
    assert said.untried == [one for one in releases if one not in asked]
    assert (
        f"{len(said.untried)} of 9 releases were not tried, on the assumption that it comes or goes only once"
        in said.said
    )
    every = summary(
        "p",
        releases,
        find_every_flip(releases, lambda one: STATES["++-+-----"[int(one)]]),
        tried("++-+-----", releases),
    )
    assert [(one.good, one.bad) for one in every.flips] == [("1", "2"), ("3", "2"), ("3", "4")]
    assert (every.good, every.bad, every.untried) == ("3", "4", [])
    assert "assumption" not in every.said


def test_a_range_holds_both_ends_in_either_order():
    known = ["0.9", "0.10", "1.0", "1.1"]
    assert VersionRange.parsed("p", "0.10..1.1").releases(known) == ["0.10", "1.0", "1.1"]
    assert VersionRange.parsed("p", "1.0..0.9").releases(known) == ["0.9", "0.10", "1.0"]


def test_a_list_is_put_in_the_order_of_the_index_or_kept_where_that_does_not_know_it():
    assert VersionRange.parsed("p", "1.0, 0.9").releases(["0.9", "0.10", "1.0"]) == ["0.9", "1.0"]
    assert VersionRange.parsed("p", "2.0,1.0").releases([]) == ["2.0", "1.0"]


@pytest.mark.parametrize("text", ["", "..", "1.0..", "a b", "1.0;rm", "-r x"])
def test_what_is_no_range_is_refused(text):
    with pytest.raises(MisuseError, match="TA182"):
        VersionRange.parsed("p", text)


def test_a_release_that_pip_does_not_know_is_refused_with_those_it_does():
    with pytest.raises(MisuseError, match=r"TA183 .*1\.9.*1\.0"):
        VersionRange.parsed("p", "1.0..1.9").releases(["1.0", "1.1"])


def test_a_package_is_a_name_and_no_option_of_pip():
    with pytest.raises(MisuseError, match="TA182"):
        VersionRange.parsed("--index-url=x", "1.0..1.1")
