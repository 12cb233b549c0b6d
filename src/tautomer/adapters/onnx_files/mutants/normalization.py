"""Faults of norms: epsilon, the variance's divisor, and formulas that cancel."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np
import onnx

from tautomer.adapters.onnx_files.mutants.edit import Edit
from tautomer.adapters.onnx_files.mutants.graph_view import Spot
from tautomer.adapters.onnx_files.mutants.site import Change, Family, Kind

_EPSILON_OPERATORS = (
    "BatchNormalization",
    "GroupNormalization",
    "InstanceNormalization",
    "LayerNormalization",
    "RMSNormalization",
)
_DEFAULT_EPSILON = 1e-5
_LARGEST_EPSILON = 1e-2
_ROOTS = ("Sqrt", "Pow", "Reciprocal")


def _epsilon_changes(spot: Spot) -> Iterator[Change]:
    if spot.op_type in _EPSILON_OPERATORS:
        epsilon = spot.attribute("epsilon", _DEFAULT_EPSILON)
        yield Change("attribute", f"epsilon {epsilon:.3g} became {_other_epsilon(epsilon):.3g}")
        return
    for index in (0, 1):
        value = spot.scalar(index)
        if value is None or not 0 < value <= _LARGEST_EPSILON:
            continue
        if any(user.op_type in _ROOTS for user, _ in spot.users(spot.output())):
            yield Change(str(index), f"epsilon {value:.3g} became {_other_epsilon(value):.3g}")


def _other_epsilon(epsilon: float) -> float:
    """Another library's habit: ONNX's and PyTorch's default for any other epsilon, and a tenth of it for that."""
    return _DEFAULT_EPSILON / 10 if np.isclose(epsilon, _DEFAULT_EPSILON) else _DEFAULT_EPSILON


def _change_epsilon(edit: Edit, variant: str) -> None:
    if variant == "attribute":
        edit.set("epsilon", _other_epsilon(edit.spot.attribute("epsilon", _DEFAULT_EPSILON)))
        return
    index = int(variant)
    value = edit.spot.scalar(index)
    assert value is not None
    edit.set_input(index, edit.like(_other_epsilon(value), edit.spot.input(index)))


def _square_of_deviation(spot: Spot) -> tuple[Spot, Spot] | None:
    """For a mean of squared deviations: the node that squares and the one that subtracts the mean."""
    square = spot.producer(spot.input(0))
    if square is None:
        return None
    squares = (square.op_type == "Mul" and square.input(0) == square.input(1)) or (
        square.op_type == "Pow" and _is_two(square)
    )
    deviation = square.producer(square.input(0)) if squares else None
    if deviation is None or deviation.op_type != "Sub":
        return None
    mean = deviation.producer(deviation.input(1))
    if mean is None or mean.op_type != "ReduceMean" or mean.input(0) != deviation.input(0):
        return None
    return square, deviation


def _is_two(power: Spot) -> bool:
    array = power.constant(1)
    return array is not None and array.size == 1 and float(array.reshape(-1)[0]) == 2.0


def _reduced_count(spot: Spot, name: str, axes: Sequence[int] | None) -> int | None:
    shape = spot.shape(name)
    if shape is None or axes is None:
        return None
    count = 1
    for axis in axes:
        if not -len(shape) <= axis < len(shape):
            return None
        size = shape[axis]
        if not isinstance(size, int):
            return None
        count *= size
    return count


def _norm_axes(spot: Spot) -> list[int] | None:
    """The axes a norm takes its mean over; None where the rank is not known."""
    rank = spot.rank(spot.input(0))
    if rank is None:
        return None
    if spot.op_type == "LayerNormalization":
        axis = spot.attribute("axis", -1)
        return list(range(axis + rank if axis < 0 else axis, rank))
    return list(range(2, rank))


def _unbiased_changes(spot: Spot) -> Iterator[Change]:
    if spot.op_type in ("LayerNormalization", "InstanceNormalization"):
        count = _reduced_count(spot, spot.input(0), _norm_axes(spot))
    else:
        count = _reduced_count(spot, spot.input(0), spot.axes()) if _square_of_deviation(spot) else None
    if count is not None and count > 1:
        yield Change(str(count), f"the variance was divided by {count - 1} instead of {count}")


def _make_unbiased(edit: Edit, variant: str) -> None:
    count = int(variant)
    spot = edit.spot
    if spot.op_type == "ReduceMean":
        mean = edit.keep()
        edit.op("Mul", mean, edit.like(count / (count - 1), spot.output()), output=spot.output())
        return
    # (x - m) / sqrt(v n / (n - 1) + epsilon) is the norm with a smaller epsilon, times sqrt((n - 1) / n).
    shrink = (count - 1) / count
    edit.set("epsilon", spot.attribute("epsilon", _DEFAULT_EPSILON) * shrink)
    edit.set_input(1, edit.op("Mul", spot.input(1), edit.like(shrink**0.5, spot.input(0))))


def _naive_changes(spot: Spot) -> Iterator[Change]:
    described = "the variance became the mean of squares less the square of the mean"
    if spot.op_type == "ReduceMean":
        found = _square_of_deviation(spot)
        if found and spot.axes() is not None:
            yield Change("decomposed", described, tuple(one.index for one in found))
    elif _norm_axes(spot) and not any(spot.output(index) for index in (1, 2)) and spot.input(1):
        yield Change("norm", described)


def _make_naive(edit: Edit, variant: str) -> None:
    spot = edit.spot
    if variant == "decomposed":
        found = _square_of_deviation(spot)
        axes = spot.axes()
        assert found is not None
        assert axes is not None
        keepdims = spot.attribute("keepdims", 1)
        x = found[1].input(0)
        output = edit.replace()
        mean = edit.reduce("ReduceMean", x, axes, keepdims=keepdims)
        squares = edit.reduce("ReduceMean", edit.op("Mul", x, x), axes, keepdims=keepdims)
        edit.op("Sub", squares, edit.op("Mul", mean, mean), output=output)
        return
    axes = _norm_axes(spot)
    assert axes is not None
    x, scale, bias = spot.input(0), spot.input(1), spot.input(2)
    if spot.op_type == "InstanceNormalization":
        behind = [axis - 1 for axis in axes]
        scale, bias = edit.unsqueezed(scale, behind), edit.unsqueezed(bias, behind)
    epsilon = edit.like(spot.attribute("epsilon", _DEFAULT_EPSILON), x)
    output = edit.replace()
    mean = edit.reduce("ReduceMean", x, axes)
    squares = edit.reduce("ReduceMean", edit.op("Mul", x, x), axes)
    variance = edit.op("Sub", squares, edit.op("Mul", mean, mean))
    root = edit.op("Sqrt", edit.op("Add", variance, epsilon))
    normal = edit.op("Div", edit.op("Sub", x, mean), root)
    if bias:
        edit.op("Add", edit.op("Mul", normal, scale), bias, output=output)
    else:
        edit.op("Mul", normal, scale, output=output)


def _fold_changes(spot: Spot) -> Iterator[Change]:
    rank = spot.rank(spot.input(0))
    inference = not spot.attribute("training_mode", 0) and not any(spot.output(index) for index in range(1, 5))
    if inference and rank is not None and rank > 1:
        yield Change(str(rank), "x was scaled before the mean was subtracted")


def _fold(edit: Edit, variant: str) -> None:
    spot = edit.spot
    x, scale, bias, mean, variance = (spot.input(index) for index in range(5))
    output = edit.replace()
    epsilon = edit.like(spot.attribute("epsilon", _DEFAULT_EPSILON), variance)
    slope = edit.op("Div", scale, edit.op("Sqrt", edit.op("Add", variance, epsilon)))
    offset = edit.op("Sub", bias, edit.op("Mul", mean, slope))
    behind = list(range(1, int(variant) - 1))
    if behind:
        slope, offset = edit.unsqueezed(slope, behind), edit.unsqueezed(offset, behind)
    edit.op("Add", edit.op("Mul", x, slope), offset, output=output)


def _scale_changes(spot: Spot) -> Iterator[Change]:
    tensor = spot.weight(1)
    small = spot.constant(1)
    if tensor is not None and np.prod(tensor.dims, dtype=np.int64) and (small is None or (small != 1).any()):
        yield Change("ones", "the scale of the norm was left out")


def _drop_scale(edit: Edit, _variant: str) -> None:
    tensor = edit.spot.weight(1)
    assert tensor is not None
    dtype = onnx.helper.tensor_dtype_to_np_dtype(tensor.data_type)
    edit.set_input(1, edit.constant(np.ones(tuple(tensor.dims), dtype=dtype)))


KINDS = (
    Kind(
        "epsilon",
        Family.SEMANTIC,
        "the epsilon of a norm, an attribute or a constant under a root, is 1e-5 for another or 1e-6 for 1e-5",
        (*_EPSILON_OPERATORS, "Add"),
        _epsilon_changes,
        _change_epsilon,
    ),
    Kind(
        "unbiased_variance",
        Family.SEMANTIC,
        "a variance is divided by n - 1 instead of n",
        ("LayerNormalization", "InstanceNormalization", "ReduceMean"),
        _unbiased_changes,
        _make_unbiased,
    ),
    Kind(
        "norm_scale_dropped",
        Family.SEMANTIC,
        "the learned scale of a norm is left out",
        ("LayerNormalization", "InstanceNormalization", "BatchNormalization", "RMSNormalization"),
        _scale_changes,
        _drop_scale,
    ),
    Kind(
        "naive_variance",
        Family.STABILITY,
        "a variance is computed as E[x^2] - E[x]^2",
        ("LayerNormalization", "InstanceNormalization", "ReduceMean"),
        _naive_changes,
        _make_naive,
    ),
    Kind(
        "folded_batch_norm",
        Family.STABILITY,
        "a batch norm is computed as x a + b, which cancels where the mean is large",
        ("BatchNormalization",),
        _fold_changes,
        _fold,
    ),
)
