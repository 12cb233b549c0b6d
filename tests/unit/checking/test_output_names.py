"""What a graph's outputs stand for, by what they are called."""

from __future__ import annotations

import pytest

from tautomer.checking.interface import match_outputs
from tautomer.model import TensorSpec

PATHS = ["contour", "note", "onset"]


@pytest.mark.parametrize(
    ("names", "expected"),
    [
        (["onset", "note", "contour"], ["onset", "note", "contour"]),
        (["Call:2", "Call:0", "Call:1"], ["onset", "contour", "note"]),
        (["a", "b", "c"], PATHS),
        (["Call:2", "Other:0", "Call:1"], PATHS),
        (["Call:3", "Call:1", "Call:2"], PATHS),
        ([":2", ":0", ":1"], PATHS),
    ],
)
def test_outputs_are_matched_by_name_then_by_their_number_in_one_call_then_in_order(names, expected):
    mapping, faults = match_outputs([TensorSpec(name, "float32", None) for name in names], PATHS)
    assert [mapping[name] for name in names] == expected
    assert faults == []


def test_an_output_that_a_later_link_dropped_is_the_one_that_vanished():
    known = {"x": "contour", "y": "note", "z": "onset"}
    mapping, faults = match_outputs([TensorSpec(name, "float32", None) for name in ("z", "x")], PATHS, known)
    assert mapping == {"z": "onset", "x": "contour"}
    assert ["note" in fault.message for fault in faults] == [True]
