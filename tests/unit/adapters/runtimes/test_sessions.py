"""What is common to runtimes: one that differs from itself is found."""

from __future__ import annotations

import numpy as np
import pytest

from tautomer.adapters.runtimes.sessions import run_all, same_bits
from tautomer.adapters.tensor_file import write_values
from tautomer.model import Tensor


class Listening:
    """A channel that keeps what is emitted."""

    def __init__(self, folder):
        self.folder = folder
        self.events = []

    def emit(self, name, /, **fields):
        self.events.append((name, fields))


@pytest.mark.parametrize("varies", [False, True])
def test_a_runtime_that_answers_otherwise_the_second_time_is_reported(tmp_path, varies):
    write_values(tmp_path / "in", {"x": Tensor.of(np.ones(3, dtype=np.float32))})
    answers = iter(range(100))
    channel = Listening(tmp_path)
    run_all(
        channel,
        checkpoint="runtime",
        inputs=[str(tmp_path / "in")],
        feeds={"x": "x"},
        output_names=["steady", "y"],
        call=lambda given: [given["x"], given["x"] * (next(answers) if varies else 2)],
    )
    found = [fields["outputs"] for name, fields in channel.events if name == "varies"]
    assert found == ([["y"]] if varies else [])


def test_the_sign_of_a_zero_and_not_a_number_are_compared_by_their_bits():
    assert same_bits(np.array([np.nan, 1.0]), np.array([np.nan, 1.0]))
    assert not same_bits(np.array([0.0]), np.array([-0.0]))
    assert same_bits(["a", None], ["a", None])
    assert not same_bits(np.zeros(2), np.zeros(3))
