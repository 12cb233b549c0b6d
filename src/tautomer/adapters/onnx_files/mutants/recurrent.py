"""Faults of recurrent layers: direction, order of the gates, states."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from tautomer.adapters.onnx_files.mutants.edit import Edit
from tautomer.adapters.onnx_files.mutants.graph_view import Spot
from tautomer.adapters.onnx_files.mutants.site import Change, Family, Kind

_OPERATORS = ("LSTM", "GRU", "RNN")
_GATES = {"LSTM": 4, "GRU": 3}
_INITIAL = {"LSTM": (5, 6), "GRU": (5,), "RNN": (5,)}


def _direction_changes(spot: Spot) -> Iterator[Change]:
    direction = spot.attribute("direction", "forward")
    if direction in ("forward", "reverse"):
        other = "reverse" if direction == "forward" else "forward"
        yield Change(other, f"direction {direction} became {other}")
    elif spot.weight(1) is not None and spot.weight(2) is not None:
        yield Change("weights", "the two directions exchanged their weights")


def _change_direction(edit: Edit, variant: str) -> None:
    if variant != "weights":
        edit.set("direction", variant)
        return
    for index in (1, 2):
        name = edit.spot.input(index)
        edit.replace_tensor(name, edit.tensor(name)[::-1])


def _gate_changes(spot: Spot) -> Iterator[Change]:
    if spot.weight(1) is not None and spot.weight(2) is not None:
        yield Change("swap", "the first two gates were exchanged in every weight")


def _swap_gates(edit: Edit, _variant: str) -> None:
    gates = _GATES[edit.spot.op_type]
    for index, axis_parts in ((1, gates), (2, gates), (3, 2 * gates)):
        name = edit.spot.input(index)
        if not name or edit.spot.weight(index) is None:
            continue
        blocks = np.split(edit.tensor(name), axis_parts, axis=1)
        for first in range(0, axis_parts, gates):
            blocks[first], blocks[first + 1] = blocks[first + 1], blocks[first]
        edit.replace_tensor(name, np.concatenate(blocks, axis=1))


def _reset_changes(spot: Spot) -> Iterator[Change]:
    before = spot.attribute("linear_before_reset", 0)
    yield Change(str(1 - before), f"linear_before_reset {before} became {1 - before}")


def _flip_reset(edit: Edit, variant: str) -> None:
    edit.set("linear_before_reset", int(variant))


def _state_changes(spot: Spot) -> Iterator[Change]:
    for index in _INITIAL[spot.op_type]:
        known = spot.constant(index)
        if spot.input(index) and (known is None or known.any()):
            yield Change(str(index), f"initial state '{spot.input(index)}' was left out")


def _drop_state(edit: Edit, variant: str) -> None:
    edit.set_input(int(variant), "")


def _length_changes(spot: Spot) -> Iterator[Change]:
    if spot.input(4):
        yield Change("4", "the lengths of the sequences were left out")


def _exchange_changes(spot: Spot) -> Iterator[Change]:
    if spot.output(1) and spot.output(2):
        yield Change("12", "hidden and cell state were exchanged")


def _exchange_states(edit: Edit, _variant: str) -> None:
    edit.swap_outputs(1, 2)


KINDS = (
    Kind(
        "recurrent_direction",
        Family.SEMANTIC,
        "a recurrent layer runs the other way",
        _OPERATORS,
        _direction_changes,
        _change_direction,
    ),
    Kind(
        "gate_order",
        Family.SEMANTIC,
        "the first two gates are exchanged in every weight",
        tuple(_GATES),
        _gate_changes,
        _swap_gates,
    ),
    Kind(
        "linear_before_reset", Family.SEMANTIC, "linear_before_reset is flipped", ("GRU",), _reset_changes, _flip_reset
    ),
    Kind(
        "initial_state_dropped",
        Family.SEMANTIC,
        "an initial state is left out",
        _OPERATORS,
        _state_changes,
        _drop_state,
    ),
    Kind(
        "lengths_dropped",
        Family.SEMANTIC,
        "the lengths of the sequences are left out",
        _OPERATORS,
        _length_changes,
        _drop_state,
    ),
    Kind(
        "states_exchanged",
        Family.SEMANTIC,
        "hidden and cell state are exchanged",
        ("LSTM",),
        _exchange_changes,
        _exchange_states,
    ),
)
