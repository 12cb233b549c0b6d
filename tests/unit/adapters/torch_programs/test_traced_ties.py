"""Outputs of indices whose ties PyTorch leaves open."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tautomer.adapters.torch_programs.capture import capture
from tautomer.adapters.torch_programs.ties import tie_keys
from tautomer.adapters.torch_programs.trees import CallArguments

pytestmark = pytest.mark.needs("torch")

X = torch.tensor([[3.0, -1.0, -2.0, 1.0], [0.5, 0.5, -1.0, -1.0], [-1.0, -1.0, -1.0, 2.0]])


def keys_of(function, x=X):
    return tie_keys(capture(function, CallArguments((x,), {})), [x])


@pytest.mark.parametrize(
    ("function", "axis", "distinct"),
    [
        (lambda x: torch.relu(x).topk(2).indices, 1, True),
        (lambda x: torch.relu(x).topk(2, dim=0).indices, 0, True),
        (lambda x: torch.relu(x).sort(dim=-2).indices, 0, True),
        (lambda x: torch.sort(torch.relu(x), dim=1, stable=False).indices, 1, True),
        (lambda x: torch.relu(x).argsort(), 1, True),
        (lambda x: torch.relu(x).kthvalue(2, dim=0).indices, 0, False),
        (lambda x: torch.relu(x).median(1).indices.to(torch.int32), 1, False),
        (lambda x: torch.relu(x).mode(1).indices.clone(), 1, False),
    ],
)
def test_the_values_that_indices_were_chosen_by_are_found(function, axis, distinct):
    [(path, found)] = keys_of(function).items()
    assert path == "output"
    assert (found.axis, found.distinct) == (axis, distinct)
    assert np.array_equal(found.keys, torch.relu(X).numpy())


@pytest.mark.parametrize(
    "function",
    [
        lambda x: torch.sort(x, dim=1, stable=True).indices,
        lambda x: torch.argsort(x, stable=True),
        lambda x: x.argmax(1),
        lambda x: x.max(1).indices,
        lambda x: x.topk(2).values,
        lambda x: x.topk(2).indices + 1,
    ],
)
def test_what_is_specified_or_computed_further_has_no_ties(function):
    assert keys_of(function) == {}


def test_each_output_has_its_own_values():
    found = keys_of(lambda x: {"of": x.topk(1).indices, "minus": (-x).topk(1).indices, "sum": x.sum()})
    assert sorted(found) == ["minus", "of"]
    assert np.array_equal(found["minus"].keys, -X.numpy())


def test_halves_are_compared_as_numbers():
    [found] = keys_of(lambda x: x.topk(1).indices, X.bfloat16()).values()
    assert np.array_equal(found.keys, X.numpy())
