"""RNN, GRU and LSTM, from the equations of their schemas."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np

from tautomer.numerics.onnx_evaluator.call import Call, Kernel
from tautomer.numerics.onnx_evaluator.element_types import Array
from tautomer.numerics.onnx_evaluator.kernels.activations import relu, sigmoid, softplus

Activation = Callable[[Array], Array]


def _activation(name: str, alpha: float | None, beta: float | None) -> Activation:
    """The activation function of a gate. Source: ONNX schemas RNN-22, GRU-22 and LSTM-22."""
    plain: dict[str, Activation] = {
        "relu": relu,
        "tanh": np.tanh,
        "sigmoid": sigmoid,
        "softsign": lambda x: x / (1 + np.abs(x)),
        "softplus": softplus,
    }
    key = name.lower()
    if key in plain:
        return plain[key]
    defaults = {
        "affine": (1.0, 0.0),
        "leakyrelu": (0.01, 0.0),
        "thresholdedrelu": (1.0, 0.0),
        "scaledtanh": (1.0, 1.0),
        "hardsigmoid": (0.2, 0.5),
        "elu": (1.0, 0.0),
    }
    if key not in defaults:
        raise ValueError(f"unknown activation {name!r}")
    a = float(np.float32(defaults[key][0])) if alpha is None else alpha
    b = float(np.float32(defaults[key][1])) if beta is None else beta
    parametric: dict[str, Activation] = {
        "affine": lambda x: a * x + b,
        "leakyrelu": lambda x: np.where(x < 0, a * x, x),
        "thresholdedrelu": lambda x: np.where(x >= a, x, 0),
        "scaledtanh": lambda x: a * np.tanh(b * x),
        "hardsigmoid": lambda x: np.clip(a * x + b, 0, 1),
        "elu": lambda x: np.where(x < 0, a * np.expm1(np.minimum(x, 0)), x),
    }
    return parametric[key]


def _activations(call: Call, defaults: list[str], directions: int) -> list[list[Activation]]:
    # The schema's own default for RNN names two functions whatever the number of directions.
    given = any(attribute.name == "activations" for attribute in call.node.attribute)
    names = call.get("activations") if given else defaults * directions
    if len(names) != len(defaults) * directions:
        raise ValueError(f"{len(names)} activations for {directions} directions of {len(defaults)}")
    alphas, betas = list(call.get("activation_alpha") or []), list(call.get("activation_beta") or [])
    takes_alpha = {"affine", "leakyrelu", "thresholdedrelu", "scaledtanh", "hardsigmoid", "elu"}
    takes_beta = {"affine", "scaledtanh", "hardsigmoid"}
    made = []
    for name in names:
        # Values are consumed in the order of the functions that take them.
        alpha = alphas.pop(0) if name.lower() in takes_alpha and alphas else None
        beta = betas.pop(0) if name.lower() in takes_beta and betas else None
        made.append(_activation(name, alpha, beta))
    return [made[index : index + len(defaults)] for index in range(0, len(made), len(defaults))]


_State = tuple[Array, Array]
_Step = Callable[[Call, "_Direction", Array, _State], _State]


@dataclass(frozen=True, slots=True, eq=False)
class _Direction:
    """The parameters of one direction: w (gates, H, I), r (gates, H, H), biases (gates, H), peepholes (3, H)."""

    w: Array
    r: Array
    input_bias: Array
    hidden_bias: Array
    peepholes: Array
    functions: list[Activation]
    clip: float | None
    step: _Step
    backward: bool

    def clipped(self, x: Array) -> Array:
        return x if not self.clip else np.clip(x, -self.clip, self.clip)


def _rnn_step(call: Call, side: _Direction, projected: Array, state: _State) -> _State:
    hidden, cell = state
    total = projected[:, 0] + hidden @ side.r[0].T + side.input_bias[0] + side.hidden_bias[0]
    return np.asarray(side.functions[0](side.clipped(total))), cell


def _gru_step(call: Call, side: _Direction, projected: Array, state: _State) -> _State:
    hidden, cell = state
    f, g = side.functions
    bias = side.input_bias + side.hidden_bias
    z = f(side.clipped(projected[:, 0] + hidden @ side.r[0].T + bias[0]))
    r = f(side.clipped(projected[:, 1] + hidden @ side.r[1].T + bias[1]))
    if call.get("linear_before_reset", 0):
        inner = r * (hidden @ side.r[2].T + side.hidden_bias[2]) + side.input_bias[2]
    else:
        inner = (r * hidden) @ side.r[2].T + bias[2]
    candidate = g(side.clipped(projected[:, 2] + inner))
    return np.asarray((1 - z) * candidate + z * hidden), cell


def _lstm_step(call: Call, side: _Direction, projected: Array, state: _State) -> _State:
    hidden, cell = state
    f, g, h = side.functions
    bias = side.input_bias + side.hidden_bias
    totals = [projected[:, gate] + hidden @ side.r[gate].T + bias[gate] for gate in range(4)]
    i = f(side.clipped(totals[0] + side.peepholes[0] * cell))
    coupled = call.get("input_forget", 0)
    forget = 1 - i if coupled else f(side.clipped(totals[2] + side.peepholes[2] * cell))
    new_cell = forget * cell + i * g(side.clipped(totals[3]))
    o = f(side.clipped(totals[1] + side.peepholes[1] * new_cell))
    return np.asarray(o * h(new_cell)), np.asarray(new_cell)


def _sweep(call: Call, side: _Direction, x: Array, lengths: Array, state: _State) -> tuple[Array, _State]:
    """One direction over time. Shapes: x (T, B, I) -> outputs (T, B, H), last states (B, H)."""
    steps, batch = x.shape[:2]
    outputs = np.zeros((steps, batch, side.r.shape[-1]), dtype=x.dtype)
    projected = np.einsum("tbi,ghi->tbgh", x, side.w, optimize=True)
    rows = np.arange(batch)
    for time in range(steps):
        active = time < lengths
        # A reversed sequence is read from its own end, not from the padding.
        at = np.where(active, lengths - 1 - time, time) if side.backward else np.full(batch, time)
        hidden, cell = side.step(call, side, projected[at, rows], state)
        mask = active[:, None]
        state = np.where(mask, hidden, state[0]), np.where(mask, cell, state[1])
        outputs[at, rows] = np.where(mask, hidden, 0)
    return outputs, state


def _recurrent(step: _Step, gates: int, defaults: list[str], has_cell: bool) -> Kernel:
    def kernel(call: Call) -> tuple[Array, ...]:
        x, w, r = call.inputs[:3]
        directions, _, size = r.shape
        by_batch = bool(call.get("layout", 0))
        x = x.transpose(1, 0, 2) if by_batch else x
        steps, batch = x.shape[:2]
        if call.get("hidden_size", size) != size:
            raise ValueError(f"hidden_size is {call.get('hidden_size')} and the recurrence weights have {size}")
        bias, lengths = call.input(3), call.input(4)
        if bias is None:
            bias = np.zeros((directions, 2 * gates * size), dtype=x.dtype)
        lengths = np.full(batch, steps) if lengths is None else lengths.astype(np.int64)
        states = []
        for index in (5, 6):
            given = call.input(index) if index == 5 or has_cell else None
            if given is None:
                given = np.zeros((directions, batch, size), dtype=x.dtype)
            elif by_batch:
                given = given.transpose(1, 0, 2)
            states.append(given)
        peepholes = call.input(7) if has_cell else None
        if peepholes is None:
            peepholes = np.zeros((directions, 3 * size), dtype=x.dtype)
        names = {"forward": 1, "reverse": 1, "bidirectional": 2}
        direction = call.get("direction", "forward")
        if names.get(direction) != directions:
            raise ValueError(f"direction {direction!r} with weights for {directions}")
        functions = _activations(call, defaults, directions)
        outputs, hiddens, cells = [], [], []
        for index in range(directions):
            side = _Direction(
                w[index].reshape(gates, size, -1),
                r[index].reshape(gates, size, size),
                bias[index, : gates * size].reshape(gates, size),
                bias[index, gates * size :].reshape(gates, size),
                peepholes[index].reshape(3, size),
                functions[index],
                call.get("clip"),
                step,
                direction == "reverse" or index == 1,
            )
            y, (hidden, cell) = _sweep(call, side, x, lengths, (states[0][index], states[1][index]))
            outputs.append(y)
            hiddens.append(hidden)
            cells.append(cell)
        all_outputs = np.stack(outputs, axis=1)
        last = [np.stack(hiddens), np.stack(cells)]
        if by_batch:
            all_outputs = all_outputs.transpose(2, 0, 1, 3)
            last = [item.transpose(1, 0, 2) for item in last]
        return (all_outputs, *last) if has_cell else (all_outputs, last[0])

    return kernel


KERNELS: Mapping[str, Kernel] = {
    "GRU": _recurrent(_gru_step, 3, ["Sigmoid", "Tanh"], has_cell=False),
    "LSTM": _recurrent(_lstm_step, 4, ["Sigmoid", "Tanh", "Tanh"], has_cell=True),
    "RNN": _recurrent(_rnn_step, 1, ["Tanh"], has_cell=False),
}
