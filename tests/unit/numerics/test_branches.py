"""Branches: what one run decides, another decides again, whatever it computes."""

from __future__ import annotations

from tautomer.numerics.branches import Branches


def test_a_first_run_takes_and_records_what_it_computes():
    branches = Branches()
    assert [branches.decide(one) for one in (True, False, True)] == [True, False, True]
    assert branches.met == [True, False, True]


def test_another_run_takes_the_same_whatever_it_computes():
    first = Branches()
    for one in (True, True, False):
        first.decide(one)
    again = first.again()
    assert [again.decide(one) for one in (True, False, True)] == [True, True, False]


def test_beyond_what_was_recorded_a_run_decides_for_itself():
    again = Branches([True])
    assert [again.decide(one) for one in (False, False)] == [True, False]
