"""Bounds of operators that sum: a multiple of the unit roundoff times the operator applied to magnitudes.

Source: Higham 2002, section 3.1 (|fl(x^T y) - x^T y| <= gamma_n |x|^T |y|); the multiple is `summation_roundings`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import replace
from functools import partial
from typing import Any

import numpy as np

from tautomer.numerics.kernel_bounds.rule import Array, Node, Rule
from tautomer.numerics.kernel_bounds.running_error import Running
from tautomer.numerics.kernel_bounds.summation import summation_roundings

Terms = Callable[[Node], int]


def _multilinear(terms: Terms, node: Node, *, more: float = 0.0, factors: int = 2, mean: bool = False) -> Running:
    """An operator that is linear in each of its inputs.

    Args:
        terms: how many products an output element sums.
        node: the node.
        more: further roundings of the result, as of a scale.
        factors: how many inputs are multiplied in a term.
        mean: whether the sum is divided by the number of its terms, so that it may overflow where the result does not.
    """
    arithmetic = node.arithmetic
    count = terms(node)
    size = node.of_magnitudes({name: abs(node.call.get(name)) for name in ("alpha", "beta") if node.call.get(name)})
    roundings = summation_roundings(count, arithmetic.summation, products=factors > 1)
    roundings += more + factors * arithmetic.input_error_u
    largest = max((float(np.max(np.abs(one), initial=1.0)) for one in _floating(node)), default=1.0)
    value = np.asarray(node.exact[0])
    with np.errstate(all="ignore"):
        error = roundings * arithmetic.u * size + (count + 1) * arithmetic.smallest * largest ** (factors - 1)
        partial_sums = (size + error) * (count if mean else 1)
        bounded = np.isfinite(value) & (partial_sums <= arithmetic.largest)
    return Running(value, np.where(bounded, error, np.inf))


def _floating(node: Node) -> list[Array]:
    return [one for one in node.call.inputs if isinstance(one, np.ndarray) and one.dtype.kind == "f"]


def _inner_size(node: Node) -> int:
    return int(node.call.inputs[0].shape[-1])


def _gemm_terms(node: Node) -> int:
    a = node.call.inputs[0]
    return int(a.shape[0] if node.call.get("transA", 0) else a.shape[1])


def _conv_terms(node: Node) -> int:
    return math.prod(int(size) for size in node.call.inputs[1].shape[1:])


def _conv_transpose_terms(node: Node) -> int:
    """Taps that can meet at one output element, times the channels of a group."""
    w = node.call.inputs[1]
    kernel = w.shape[2:]
    strides = node.call.get("strides") or [1] * len(kernel)
    dilations = node.call.get("dilations") or [1] * len(kernel)
    taps = [
        -(-size // (stride // math.gcd(stride, dilation)))
        for size, stride, dilation in zip(kernel, strides, dilations, strict=True)
    ]
    return int(math.prod(taps)) * int(w.shape[0]) // int(node.call.get("group", 1))


def _einsum_terms(node: Node) -> int:
    equation = node.call.get("equation").replace(" ", "")
    left, arrow, right = equation.partition("->")
    sizes: dict[str, int] = {}
    for term, operand in zip(left.split(","), node.call.inputs, strict=True):
        head, dots, tail = term.partition("...")
        sizes.update(zip(head, operand.shape, strict=False))
        if dots:
            sizes.update(zip(reversed(tail), reversed(operand.shape), strict=False))
    labels = left.replace(",", "").replace(".", "")
    kept = set(right) if arrow else {label for label in labels if labels.count(label) == 1}
    return math.prod(size for label, size in sizes.items() if label not in kept)


def _einsum(node: Node) -> Running:
    operands = len(node.call.inputs)
    return _multilinear(_einsum_terms, node, more=max(operands - 2, 0), factors=operands)


def _window_size(node: Node) -> int:
    return math.prod(int(size) for size in node.call.get("kernel_shape"))


def _reduced_size(node: Node) -> int:
    """Elements of the input that one element of the output is made of."""
    return -(-int(node.call.inputs[0].size) // max(int(np.size(node.exact[0])), 1))


def _block_size(node: Node) -> int:
    return math.prod(int(one) for one in node.call.inputs[2])


def _running_length(node: Node) -> int:
    axis = int(np.asarray(node.call.inputs[1]).reshape(()))
    return int(node.call.inputs[0].shape[axis])


def _product(node: Node) -> Running:
    """A product of n factors in any order has n - 1 roundings; it overflows where a part of it does."""
    arithmetic = node.arithmetic
    roundings = _reduced_size(node) * (1 + arithmetic.input_error_u)
    size = np.maximum(np.abs(node.call.inputs[0]), 1.0)
    small = np.minimum(np.abs(node.call.inputs[0]), 1.0)
    shape = np.shape(node.exact[0])
    with np.errstate(all="ignore"):
        from_above = node.kernel(_with_input(node, size))
        from_below = node.kernel(_with_input(node, np.where(small == 0, 1.0, small)))
        safe = (np.asarray(from_above) <= arithmetic.largest) & (np.asarray(from_below) >= arithmetic.smallest)
        growth = math.expm1(roundings * math.log1p(arithmetic.u))
    value = np.asarray(node.exact[0])
    return Running(value, np.where(safe.reshape(shape), growth * np.abs(value) + arithmetic.smallest, np.inf))


def _with_input(node: Node, x: Array) -> Any:
    return replace(node.call, inputs=(x, *node.call.inputs[1:]))


def _root_of_squares(node: Node) -> Running:
    """sqrt(sum x^2). The evaluator's own result is squared again, so that axes need not be read twice."""
    arithmetic = node.arithmetic
    value = np.asarray(node.exact[0])
    total = _positive_sum(node, value**2, factors=2)
    return Running(value, arithmetic.square_root(total).error)


def _logarithm_of_sum(node: Node) -> Running:
    """log(sum x), of terms that are not negative; others may cancel, of which nothing is said."""
    value = np.asarray(node.exact[0])
    if np.any(node.call.inputs[0] < 0):
        return Running(value, np.full(value.shape, np.inf))
    total = _positive_sum(node, np.exp(value), factors=1)
    return Running(value, node.arithmetic.function("Log", total, np.log).error)


def _positive_sum(node: Node, total: Array, *, factors: int) -> Running:
    arithmetic, size = node.arithmetic, _reduced_size(node)
    roundings = summation_roundings(size, arithmetic.summation, products=factors > 1)
    roundings += factors * arithmetic.input_error_u
    error = roundings * arithmetic.u * total + size * arithmetic.smallest
    return Running(total, np.where(total + error <= arithmetic.largest, error, np.inf))


RULES: Mapping[str, Rule] = {
    "AveragePool": partial(_multilinear, _window_size, more=2.0, factors=1, mean=True),
    "Col2Im": partial(_multilinear, _block_size, factors=1),
    "Conv": partial(_multilinear, _conv_terms, more=1.0),
    "ConvTranspose": partial(_multilinear, _conv_transpose_terms, more=1.0),
    "CumSum": partial(_multilinear, _running_length, factors=1),
    "Einsum": _einsum,
    "Gemm": partial(_multilinear, _gemm_terms, more=3.0),
    "GlobalAveragePool": partial(_multilinear, _reduced_size, more=2.0, factors=1, mean=True),
    "MatMul": partial(_multilinear, _inner_size),
    "ReduceL1": partial(_multilinear, _reduced_size, factors=1),
    "ReduceL2": _root_of_squares,
    "ReduceLogSum": _logarithm_of_sum,
    "ReduceMean": partial(_multilinear, _reduced_size, more=2.0, factors=1, mean=True),
    "ReduceProd": _product,
    "ReduceSum": partial(_multilinear, _reduced_size, factors=1),
    "ReduceSumSquare": partial(_multilinear, _reduced_size, more=1.0, factors=2),
}
"""Rules by operator."""
