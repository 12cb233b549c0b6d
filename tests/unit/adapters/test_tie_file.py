"""Ties cross from the source's worker to the judge as a file."""

from __future__ import annotations

import json

import numpy as np
import pytest

from tautomer.adapters.tensor_file import write_values
from tautomer.adapters.tie_file import read_ties, write_ties
from tautomer.numerics.ties import TieKeys


def test_ties_are_read_as_they_were_written(tmp_path):
    ties = {
        "top.0": TieKeys(np.array([[1.0, np.nan, -0.0]], dtype=np.float32), 1, distinct=True),
        "middle": TieKeys(np.arange(3), 0, distinct=False),
    }
    written = json.loads(json.dumps(write_ties(tmp_path / "ties-0.safetensors", ties)))
    found = read_ties(tmp_path, written)
    assert {name: (one.axis, one.distinct) for name, one in found.items()} == {"top.0": (1, True), "middle": (0, False)}
    for name, one in ties.items():
        np.testing.assert_array_equal(found[name].keys, one.keys)
        assert found[name].keys.dtype == one.keys.dtype


def test_without_ties_there_is_no_file(tmp_path):
    assert write_ties(tmp_path / "ties-0.safetensors", {}) is None
    assert read_ties(tmp_path, None) == {}
    assert list(tmp_path.iterdir()) == []


def test_a_file_without_the_keys_is_refused(tmp_path):
    write_values(tmp_path / "other", {})
    with pytest.raises(TypeError, match="does not hold the keys of 'top'"):
        read_ties(tmp_path, {"file": "other", "outputs": {"top": {"axis": 0, "distinct": True}}})
