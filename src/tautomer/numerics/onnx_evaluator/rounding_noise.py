"""Perturbs every rounding of a lifted evaluation: the Monte-Carlo envelope of an ONNX graph that is itself the source.

Source: D. S. Parker, Monte Carlo Arithmetic, UCLA CSD-970002 (1997).
"""

from __future__ import annotations

import zlib
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from tautomer.numerics.formats import UNIT_ROUNDOFF
from tautomer.numerics.onnx_evaluator.call import Call
from tautomer.numerics.onnx_evaluator.element_types import Value, element_of

PERTURBATION_U = 4.0
"""Half-width of the uniform relative perturbation, in units of u, as for captured PyTorch programs."""

DECISION_U = 8.0
"""How far, in u, the input of a decision is moved, up in one sample of a pair and down in the other.

A decision has no rounding of its own to perturb, and where its input lies near a tie, eight random samples miss some
flips (12 of 43 were missed). A pair of opposite moves misses none within 8 u, and changes nothing where no tie is near.
"""

_EXACT = frozenset(
    """
    Abs ArgMax ArgMin Cast CastLike Ceil CenterCropPad Clip Compress Concat Constant ConstantOfShape DepthToSpace
    Dropout Equal Expand EyeLike Flatten Floor Gather GatherElements GatherND GlobalMaxPool Greater
    GreaterOrEqual Hardmax Identity If IsInf IsNaN Less LessOrEqual Loop Max MaxPool MaxRoiPool MaxUnpool Min Mod Neg
    NonMaxSuppression NonZero Not OneHot Or And Xor Optional OptionalGetElement OptionalHasElement Pad QuantizeLinear
    Range ReduceMax ReduceMin Relu Reshape ReverseSequence Round Scan Scatter ScatterElements ScatterND SequenceAt
    SequenceConstruct SequenceEmpty SequenceErase SequenceInsert SequenceLength Shape Shrink Sign Size Slice
    SpaceToDepth Split SplitToSequence Squeeze ThresholdedRelu Tile TopK Transpose Trilu Unique Unsqueeze Where
    """.split()
)
"""Operators that move, choose or negate values without rounding."""

_POINTWISE = frozenset(
    """
    Acos Acosh Add Asin Asinh Atan Atanh Celu Cos Cosh DequantizeLinear
    Div Elu Erf Exp Gelu HardSigmoid HardSwish LeakyRelu Log Mish Mul
    PRelu Pow Reciprocal Selu Sigmoid Sin Sinh Softplus Softsign Sqrt Sub Swish Tan Tanh
    """.split()
)
"""Operators with one rounding an element on inputs that are taken as they are."""


_DECIDING = frozenset({"Cast", "Ceil", "DynamicQuantizeLinear", "Floor", "QuantizeLinear", "Round"})
"""Operators that round their first input as part of their function."""

_DIVIDING = frozenset({"DynamicQuantizeLinear", "QuantizeLinear"})
"""Deciding operators that divide first, so that even an exact input is not exact where it is decided on."""

_OF_UNIT_RANGE = frozenset({"Sigmoid", "Elu", "Celu", "Selu", "LSTM", "GRU", "RNN"})
_OF_ARGUMENT_RANGE = frozenset({"Swish", "Gelu", "Mish"})
"""Functions, and layers gated by them, that libraries approximate with an absolute error."""


class RoundingNoise:
    """One sample: the same seed gives the same perturbations.

    Args:
        seed: of the perturbations.
        of_float64: perturb by roundings of float64, which a lifted evaluation makes itself, not of the declared types.
    """

    def __init__(self, seed: int, *, of_float64: bool = False) -> None:
        self._generator = np.random.default_rng(seed)
        self._of_float64 = of_float64
        self._pair, self._direction = seed // 2, 1.0 if seed % 2 else -1.0
        self._inexact: set[str] = set()

    def _unit(self, declared: str) -> float:
        u = _unit_roundoff(declared)
        return UNIT_ROUNDOFF["float64"] if u and self._of_float64 else u

    def on_inputs(self, call: Call) -> Call:
        """Perturb what an inner product or another compound operator sums over, and what a decision is taken on.

        Weights are left alone, and so are decisions on exact values.
        """
        if call.node.op_type in _DECIDING:
            return self._moved(call)
        if call.node.op_type in _EXACT or call.node.op_type in _POINTWISE:
            return call
        if call.node.op_type in ("Softmax", "LogSoftmax"):
            return self._noisy_below_maximum(call)
        constant = call.constant_inputs or (False,) * len(call.inputs)
        inputs = tuple(
            value if known else self._noisy(value, declared)
            for value, known, declared in zip(call.inputs, constant, call.input_types, strict=True)
        )
        return replace(call, inputs=inputs)

    def on_outputs(self, call: Call, results: Sequence[Value]) -> list[Value]:
        """Perturb the rounding of each result."""
        if call.node.op_type not in _EXACT or self._inexact.intersection(call.node.input):
            self._inexact.update(call.node.output)
        if call.node.op_type in _EXACT:
            return list(results)
        most = _smaller_operand(call) if call.node.op_type in ("Add", "Sub") else None
        types = call.output_types
        noisy = [self._noisy(value, declared, most) for value, declared in zip(results, types, strict=False)]
        if call.node.op_type in _OF_UNIT_RANGE and noisy:
            noisy = [self._approximated(one, 1.0, declared) for one, declared in zip(noisy, types, strict=False)]
        elif call.node.op_type in _OF_ARGUMENT_RANGE and noisy:
            noisy[0] = self._approximated(noisy[0], np.abs(np.asarray(call.inputs[0])), call.output_types[0])
        return noisy

    def _moved(self, call: Call) -> Call:
        x, u = call.inputs[0], self._unit(call.input_types[0])
        inexact = call.node.op_type in _DIVIDING or call.node.input[0] in self._inexact
        if not inexact or not u or not isinstance(x, np.ndarray):
            return call
        if call.node.op_type == "Cast" and 0 < _unit_roundoff(call.output_types[0]) <= max(u, UNIT_ROUNDOFF["float32"]):
            return call  # lifted, it rounds only to the narrower formats
        # The same signs in both samples of a pair, so that they are opposite there.
        signs = np.random.default_rng([self._pair, zlib.crc32(call.node.output[0].encode())])
        move = signs.choice((-1.0, 1.0), x.shape) * (self._direction * DECISION_U * u)
        return replace(call, inputs=(x * (1.0 + move), *call.inputs[1:]))

    def _approximated(self, value: Value, range_: Any, declared: str) -> Value:
        u = self._unit(declared)
        if not u or not isinstance(value, np.ndarray):
            return value
        return np.asarray(
            value + self._generator.uniform(-PERTURBATION_U * u, PERTURBATION_U * u, value.shape) * range_
        )

    def _noisy(self, value: Value, declared: str, most: Any = None) -> Value:
        u = self._unit(declared)
        if not u or not isinstance(value, np.ndarray) or value.dtype.kind not in "fc":
            return value
        noise = np.asarray(self._generator.uniform(-PERTURBATION_U * u, PERTURBATION_U * u, value.shape))
        if most is None or np.shape(most) != value.shape:
            return np.asarray(value * (1.0 + noise))
        with np.errstate(all="ignore"):
            return np.where(np.isfinite(value), value + np.clip(value * noise, -most, most), value)

    def _noisy_below_maximum(self, call: Call) -> Call:
        """Kernels of softmax and its like subtract the maximum first: that difference is what is rounded."""
        x = call.inputs[0]
        if not isinstance(x, np.ndarray) or x.dtype.kind != "f" or not x.size:
            return call
        axis = int(call.get("axis", -1))
        with np.errstate(all="ignore"):
            top = np.max(x, axis=axis, keepdims=True)
            below = x - top
            moved = top + np.asarray(self._noisy(below, call.input_types[0]))
        return replace(call, inputs=(np.where(np.isfinite(below), moved, x), *call.inputs[1:]))


def _smaller_operand(call: Call) -> Any:
    """The error of a sum of two floats is at most the smaller of them: either is itself a candidate for the result."""
    a, b = call.inputs[:2]
    if not isinstance(a, np.ndarray) or not isinstance(b, np.ndarray) or a.dtype.kind != "f":
        return None
    return np.minimum(np.abs(a), np.abs(b))


_SPELLED = {"float": "float32", "double": "float64"}


def _unit_roundoff(declared: str) -> float:
    return UNIT_ROUNDOFF.get(_SPELLED.get(element_of(declared), element_of(declared)), 0.0)
