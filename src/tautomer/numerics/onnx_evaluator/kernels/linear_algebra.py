"""Matrix products, Einsum, determinants."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from tautomer.numerics.onnx_evaluator.call import Call, Kernel
from tautomer.numerics.onnx_evaluator.element_types import Array


def _matmul(call: Call) -> Array:
    return np.asarray(np.matmul(call.inputs[0], call.inputs[1]))


def gemm_operands(call: Call) -> tuple[Array, Array]:
    """The two matrices of a Gemm node, transposed as it asks.

    Raises:
        ValueError: an operand is not a matrix.
    """
    a, b = call.inputs[0], call.inputs[1]
    if a.ndim != 2 or b.ndim != 2:
        raise ValueError(f"operands have ranks {a.ndim} and {b.ndim} where matrices are needed")
    return (a.T if call.get("transA", 0) else a), (b.T if call.get("transB", 0) else b)


def gemm_sum(call: Call, product: Array) -> Array:
    """Alpha * product + beta * C, where C broadcasts one way.

    Raises:
        ValueError: C does not broadcast to the product.
    """
    result = product if call.get("alpha", 1.0) == 1 else product * product.dtype.type(call.get("alpha"))
    c = call.input(2)
    if c is None:
        return np.asarray(result)
    if np.broadcast_shapes(c.shape, product.shape) != product.shape:
        raise ValueError(f"C of shape {c.shape} does not broadcast to {product.shape}")
    beta = call.get("beta", 1.0)
    return np.asarray(result + (c if beta == 1 else c * product.dtype.type(beta)))


def _gemm(call: Call) -> Array:
    a, b = gemm_operands(call)
    return gemm_sum(call, np.matmul(a, b))


def _einsum(call: Call) -> Array:
    equation = call.get("equation").replace(" ", "")
    _check_einsum_sizes(equation, call.inputs)
    return np.asarray(np.einsum(equation, *call.inputs, optimize=len(call.inputs) > 1))


def _check_einsum_sizes(equation: str, operands: tuple[Array, ...]) -> None:
    # numpy lets a dimension of 1 broadcast against a labelled one; the specification does not.
    sizes: dict[str, int] = {}
    for term, operand in zip(equation.split("->", maxsplit=1)[0].split(","), operands, strict=True):
        head, dots, tail = term.partition("...")
        named = list(zip(head, operand.shape, strict=False))
        if dots:
            named += list(zip(reversed(tail), reversed(operand.shape), strict=False))
        for label, size in named:
            if sizes.setdefault(label, size) != size:
                raise ValueError(f"label {label!r} has sizes {sizes[label]} and {size}")


def _matmul_integer(call: Call) -> Array:
    a, b = call.inputs[0].astype(np.int32), call.inputs[1].astype(np.int32)
    a_zero, b_zero = call.input(2), call.input(3)
    if a_zero is not None:
        zero = a_zero.astype(np.int32)
        a = a - (zero[:, None] if zero.ndim == 1 and zero.size > 1 else zero)
    if b_zero is not None:
        b = b - b_zero.astype(np.int32)
    return np.asarray(np.matmul(a, b))


def _det(call: Call) -> Array:
    return np.asarray(np.linalg.det(call.inputs[0]))


KERNELS: Mapping[str, Kernel] = {
    "Det": _det,
    "Einsum": _einsum,
    "Gemm": _gemm,
    "MatMul": _matmul,
    "MatMulInteger": _matmul_integer,
}
