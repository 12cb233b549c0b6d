"""Bounds of RNN, GRU and LSTM: the error of every state is carried from step to step."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np

from tautomer.numerics.kernel_bounds.rule import Array, Node, Rule
from tautomer.numerics.kernel_bounds.running_error import Arithmetic, Running

_Activation = Callable[[Running], Running]


@dataclass(frozen=True, slots=True, eq=False)
class _Side:
    """One direction: w (gates, I, H), r (gates, H, H), input and hidden bias (gates, H), peepholes (3, H)."""

    w: list[Running]
    r: list[Running]
    input_bias: list[Running]
    hidden_bias: list[Running]
    peepholes: list[Running]
    activations: list[_Activation]
    arithmetic: Arithmetic
    backward: bool


def _activation(arithmetic: Arithmetic, name: str) -> _Activation | None:
    """An activation by its name. Recurrent layers have kernels of their own for theirs, measured through RNN nodes."""
    known: Mapping[str, _Activation] = {
        "sigmoid": lambda x: arithmetic.function("RNN sigmoid", x, lambda v: 0.5 + 0.5 * np.tanh(0.5 * v), slope=0.25),
        "tanh": lambda x: arithmetic.function("RNN tanh", x, np.tanh, slope=1.0),
        "relu": lambda x: Running(np.maximum(x.value, 0.0), np.where(x.value + x.error < 0, 0.0, x.error)),
    }
    return known.get(name.lower())


def _gate(side: _Side, index: int, x: Running, hidden: Running) -> Running:
    arithmetic = side.arithmetic
    total = arithmetic.add(arithmetic.products(x, side.w[index]), arithmetic.products(hidden, side.r[index]))
    bias = arithmetic.add(side.input_bias[index], side.hidden_bias[index])
    # The two biases may be added one by one; each of the roundings is at most one of the magnitudes' sum.
    return _loosened(arithmetic, arithmetic.add(total, bias), (total, bias))


def _loosened(arithmetic: Arithmetic, result: Running, terms: Sequence[Running]) -> Running:
    size = sum(np.abs(term.value) + term.error for term in terms)
    return Running(result.value, result.error + 2 * arithmetic.u * size)


def _rnn_step(side: _Side, x: Running, hidden: Running, cell: Running) -> tuple[Running, Running]:
    return side.activations[0](_gate(side, 0, x, hidden)), cell


def _lstm_step(side: _Side, x: Running, hidden: Running, cell: Running) -> tuple[Running, Running]:
    arithmetic, (f, g, h) = side.arithmetic, side.activations
    totals = [_gate(side, gate, x, hidden) for gate in range(4)]

    def peeped(gate: int, hole: int, state: Running) -> Running:
        return arithmetic.add(totals[gate], arithmetic.multiply(side.peepholes[hole], state))

    keep = f(peeped(2, 2, cell))
    new = arithmetic.add(arithmetic.multiply(keep, cell), arithmetic.multiply(f(peeped(0, 0, cell)), g(totals[3])))
    return arithmetic.multiply(f(peeped(1, 1, new)), h(new)), new


def _gru_step(
    linear_before_reset: bool, side: _Side, x: Running, hidden: Running, cell: Running
) -> tuple[Running, Running]:
    arithmetic, (f, g) = side.arithmetic, side.activations
    update, reset = (f(_gate(side, gate, x, hidden)) for gate in range(2))
    if linear_before_reset:
        recurrent = arithmetic.add(arithmetic.products(hidden, side.r[2]), side.hidden_bias[2])
        inner = arithmetic.add(arithmetic.multiply(reset, recurrent), side.input_bias[2])
    else:
        recurrent = arithmetic.products(arithmetic.multiply(reset, hidden), side.r[2])
        inner = arithmetic.add(recurrent, arithmetic.add(side.input_bias[2], side.hidden_bias[2]))
    total = arithmetic.add(arithmetic.products(x, side.w[2]), inner)
    candidate = g(_loosened(arithmetic, total, (total, inner, side.input_bias[2], side.hidden_bias[2])))
    rest = arithmetic.subtract(arithmetic.exactly(1.0), update)
    new = arithmetic.add(arithmetic.multiply(rest, candidate), arithmetic.multiply(update, hidden))
    # Written as candidate + z * (hidden - candidate) the parts are larger than the result may be.
    return _loosened(arithmetic, new, (candidate, hidden)), cell


_Step = Callable[[_Side, Running, Running, Running], tuple[Running, Running]]


def _recurrent(gates: int, defaults: Sequence[str], node: Node) -> Sequence[Running | None]:
    """Y, the last hidden state and the last cell."""
    call, arithmetic = node.call, node.arithmetic
    nothing: list[Running | None] = [None] * len(call.output_types)
    r = call.inputs[2]
    directions, _, size = r.shape
    names = call.get("activations") or list(defaults) * directions
    names = names[: len(defaults) * directions]
    activations = [_activation(arithmetic, name) for name in names]
    if call.get("clip") or call.get("input_forget", 0) or any(one is None for one in activations):
        return nothing
    by_batch = bool(call.get("layout", 0))
    given = node.given(0).map(lambda one: one.transpose(1, 0, 2) if by_batch else one)
    steps, batch = given.value.shape[:2]
    lengths = call.input(4)
    lengths = np.full(batch, steps) if lengths is None else np.asarray(lengths).astype(np.int64)
    outputs, hiddens, cells = [], [], []
    for index in range(directions):
        functions = [one for one in activations[index * len(defaults) : (index + 1) * len(defaults)] if one is not None]
        side = _side(node, index, gates, functions)
        start = [_state(node, position, index, (batch, size)) for position in (5, 6)]
        y, hidden, cell = _sweep(_step_of(node, gates), side, given, lengths, start)
        outputs.append(y)
        hiddens.append(hidden)
        cells.append(cell)
    order = (2, 0, 1, 3) if by_batch else (0, 1, 2, 3)
    all_outputs = _stacked(outputs, 1).map(lambda one: one.transpose(order))
    last = [
        _stacked(one, 0).map(lambda array: array.transpose(1, 0, 2) if by_batch else array) for one in (hiddens, cells)
    ]
    return (all_outputs, *last)


def _step_of(node: Node, gates: int) -> _Step:
    if gates == 3:
        return partial(_gru_step, bool(node.call.get("linear_before_reset", 0)))
    return _lstm_step if gates == 4 else _rnn_step


def _side(node: Node, index: int, gates: int, functions: list[_Activation]) -> _Side:
    size = node.call.inputs[2].shape[2]

    def split(values: Array | None, count: int) -> list[Running]:
        stored = np.zeros(count * size) if values is None else values
        return [node.arithmetic.given(part) for part in stored.reshape(count, size, *stored.shape[1:])]

    weights = [split(node.call.inputs[position][index], gates) for position in (1, 2)]
    w, r = ([part.map(np.transpose) for part in parts] for parts in weights)
    bias, peepholes = node.call.input(3), node.call.input(7) if gates == 4 else None
    biases = split(None if bias is None else bias[index], 2 * gates)
    return _Side(
        w=w,
        r=r,
        input_bias=biases[:gates],
        hidden_bias=biases[gates:],
        peepholes=split(None if peepholes is None else peepholes[index], 3),
        activations=functions,
        arithmetic=node.arithmetic,
        backward=node.call.get("direction", "forward") == "reverse" or index == 1,
    )


def _state(node: Node, position: int, index: int, shape: tuple[int, int]) -> Running:
    stored = node.call.input(position)
    if stored is None:
        return node.arithmetic.exactly(np.zeros(shape))
    return node.arithmetic.given(stored[:, index] if node.call.get("layout", 0) else stored[index])


def _stacked(parts: Sequence[Running], axis: int) -> Running:
    return Running(np.stack([one.value for one in parts], axis), np.stack([one.error for one in parts], axis))


def _sweep(
    step: _Step, side: _Side, x: Running, lengths: Array, start: Sequence[Running]
) -> tuple[Running, Running, Running]:
    """One direction over time. Shapes: x (T, B, I) -> outputs (T, B, H), last hidden (B, H), last cell (B, H)."""
    steps, batch = x.value.shape[:2]
    hidden, cell = start
    values = np.zeros((steps, *hidden.value.shape))
    errors = np.zeros_like(values)
    rows = np.arange(batch)
    for time in range(steps):
        active = time < lengths
        at = np.where(active, lengths - 1 - time, time) if side.backward else np.full(batch, time)
        now = Running(x.value[at, rows], x.error[at, rows])
        new_hidden, new_cell = step(side, now, hidden, cell)
        mask = active[:, None]
        hidden, cell = (
            Running(np.where(mask, new.value, old.value), np.where(mask, new.error, old.error))
            for new, old in ((new_hidden, hidden), (new_cell, cell))
        )
        values[at, rows] = np.where(mask, hidden.value, 0.0)
        errors[at, rows] = np.where(mask, hidden.error, 0.0)
    return Running(values, errors), hidden, cell


RULES: Mapping[str, Rule] = {
    "GRU": partial(_recurrent, 3, ("Sigmoid", "Tanh")),
    "LSTM": partial(_recurrent, 4, ("Sigmoid", "Tanh", "Tanh")),
    "RNN": partial(_recurrent, 1, ("Tanh",)),
}
"""Rules by operator. Clipping, coupled gates and rarer activations have no bound."""
