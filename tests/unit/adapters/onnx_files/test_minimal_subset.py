"""Delta debugging on sets whose smallest subset is known."""

from __future__ import annotations

import pytest

from tautomer.adapters.onnx_files.minimal_subset import minimal_subset


@pytest.mark.parametrize("needed", [set(), {0}, {7}, {3, 4}, {0, 31}, {2, 17, 30}, set(range(32))])
def test_exactly_the_needed_items_are_found(needed):
    found = minimal_subset(range(32), lambda subset: needed <= set(subset), budget=10_000)
    assert set(found.items) == needed
    assert found.minimal


def test_two_of_a_hundred_take_few_tests():
    found = minimal_subset(range(100), lambda subset: {12, 77} <= set(subset), budget=10_000)
    assert found.tests < 60


def test_no_item_of_a_result_can_be_left_out_even_where_the_test_is_not_monotone():
    def passes(subset):
        return len(subset) % 3 == 0 and 5 in subset

    found = minimal_subset(range(12), passes, budget=10_000)
    assert passes(found.items)
    assert all(not passes([one for one in found.items if one != left_out]) for left_out in found.items)


def test_the_budget_is_kept_and_the_result_still_passes():
    asked = []

    def passes(subset):
        asked.append(tuple(subset))
        return {1, 50, 98} <= set(subset)

    found = minimal_subset(range(100), passes, budget=9)
    assert len(asked) == found.tests == 9
    assert passes(found.items)
    assert not found.minimal


def test_no_subset_is_tested_twice():
    asked = []
    minimal_subset(range(20), lambda subset: asked.append(tuple(subset)) or {3, 9, 15} <= set(subset), budget=10_000)
    assert len(asked) == len(set(asked))
