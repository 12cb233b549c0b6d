"""Faults of axes, orders and indices."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import numpy as np

from tautomer.adapters.onnx_files.mutants.edit import Edit
from tautomer.adapters.onnx_files.mutants.graph_view import INTEGERS, Spot
from tautomer.adapters.onnx_files.mutants.site import Change, Family, Kind
from tautomer.adapters.onnx_files.mutants.value_facts import Dimension

_SOFTMAXES = ("Softmax", "LogSoftmax", "Hardmax")
_OTHER_REDUCTION = {
    "ReduceMean": "ReduceMax",
    "ReduceSum": "ReduceMax",
    "ReduceMax": "ReduceMean",
    "ReduceMin": "ReduceMax",
    "ReduceL1": "ReduceL2",
    "ReduceL2": "ReduceL1",
    "ReduceSumSquare": "ReduceL2",
    "ReduceProd": "ReduceSum",
}
_INT64_END = 2**31 - 1
"""Slice ends from here on mean the end of the axis."""


def _softmax_changes(spot: Spot) -> Iterator[Change]:
    shape = spot.shape(spot.input(0))
    if shape is None:
        return
    axis = spot.attribute("axis", -1 if spot.opset >= 13 else 1) % max(len(shape), 1)
    other = next((one for one in reversed(range(len(shape))) if one != axis and shape[one] != 1), None)
    if other is not None:
        yield Change(str(other), f"axis {axis} became {other}")


def _set_axis(edit: Edit, variant: str) -> None:
    edit.set("axis", int(variant))


def _concat_changes(spot: Spot) -> Iterator[Change]:
    for index in range(len(spot.node.input) - 1):
        one, other = spot.input(index), spot.input(index + 1)
        shape = spot.shape(one)
        if one != other and shape is not None and None not in shape and shape == spot.shape(other):
            yield Change(str(index), f"inputs {index} and {index + 1} were exchanged")
            return


def _concat_order(edit: Edit, variant: str) -> None:
    edit.swap_inputs(int(variant), int(variant) + 1)


def _same_size_axis(shape: Sequence[Dimension], axis: int) -> int | None:
    size = shape[axis]
    if size is None or size == 1:
        return None
    return next((one for one in range(len(shape)) if one != axis and shape[one] == size), None)


def _axis_of_same_size(spot: Spot) -> Iterator[Change]:
    shape = spot.shape(spot.input(0))
    if not shape:
        return
    axis = spot.attribute("axis", 0) % len(shape)
    other = _same_size_axis(shape, axis)
    if other is None and spot.op_type == "CumSum":
        return
    if other is not None:
        yield Change(str(other), f"axis {axis} became {other}, which is as long")


def _reduce_changes(spot: Spot) -> Iterator[Change]:
    shape, axes = spot.shape(spot.input(0)), spot.axes()
    if not shape or not axes or len(axes) != 1 or not spot.is_float(spot.output()):
        return
    axis = axes[0] % len(shape)
    other = _same_size_axis(shape, axis)
    if other is None and spot.attribute("keepdims", 1):
        other = next((one for one in reversed(range(len(shape))) if one != axis and shape[one] != 1), None)
    if other is not None:
        yield Change(str(other), f"axis {axis} became {other}")


def _change_axes(edit: Edit, variant: str) -> None:
    if edit.spot.attribute("axes") is not None:
        edit.set("axes", [int(variant)])
    else:
        edit.set_input(1, edit.constant(np.asarray([int(variant)], dtype=np.int64)))


def _keepdims_changes(spot: Spot) -> Iterator[Change]:
    shape, axes = spot.shape(spot.input(0)), spot.axes()
    if not shape or len(shape) < 2 or not axes or len(axes) != 1 or not spot.attribute("keepdims", 1):
        return
    # The lost axis must not stop what follows from broadcasting: the one before it moves into its place.
    if axes[0] % len(shape) == len(shape) - 1 and shape[-1] == shape[-2] != 1:
        yield Change("0", "keepdims was lost, and the result broadcasts along the wrong axis")


def _drop_keepdims(edit: Edit, _variant: str) -> None:
    edit.set("keepdims", 0)


def _reduction_changes(spot: Spot) -> Iterator[Change]:
    other = _OTHER_REDUCTION[spot.op_type]
    if not spot.is_float(spot.output()) or (spot.axes() is None and spot.input(1)):
        return
    yield Change(other, f"{spot.op_type} became {other}")


def _change_reduction(edit: Edit, variant: str) -> None:
    spot = edit.spot
    axes = spot.axes()
    if axes is None:  # every axis
        edit.node.op_type = variant
        return
    output = edit.replace()
    made = edit.reduce(variant, spot.input(0), axes, keepdims=spot.attribute("keepdims", 1))
    edit.op("Identity", made, output=output)


def _last_index_changes(spot: Spot) -> Iterator[Change]:
    if spot.opset >= 12:
        yield Change("flip", "of equal elements the other end's index is taken (select_last_index)")


def _flip_last(edit: Edit, _variant: str) -> None:
    edit.set("select_last_index", 1 - edit.spot.attribute("select_last_index", 0))


def _transpose_changes(spot: Spot) -> Iterator[Change]:
    shape = spot.shape(spot.output())
    if shape is None or not spot.is_float(spot.output()):
        return
    for one in range(len(shape)):
        other = next((at for at in range(one + 1, len(shape)) if shape[at] == shape[one] not in (1, None)), None)
        if other is not None:
            yield Change(f"{one},{other}", f"axes {one} and {other} of the result, which are as long, were exchanged")
            return


def _change_permutation(edit: Edit, variant: str) -> None:
    shape = edit.spot.shape(edit.spot.output()) or ()
    order = list(edit.spot.attribute("perm", list(reversed(range(len(shape))))))
    one, other = (int(at) for at in variant.split(","))
    order[one], order[other] = order[other], order[one]
    edit.set("perm", order)


def _split_changes(spot: Spot) -> Iterator[Change]:
    for index in range(len(spot.node.output) - 1):
        one, other = spot.output(index), spot.output(index + 1)
        shape = spot.shape(one)
        if one and other and shape is not None and None not in shape and shape == spot.shape(other):
            yield Change(str(index), f"outputs {index} and {index + 1} were exchanged")


def _split_order(edit: Edit, variant: str) -> None:
    edit.swap_outputs(int(variant), int(variant) + 1)


def _cumulative_changes(_spot: Spot) -> Iterator[Change]:
    for name in ("exclusive", "reverse"):
        yield Change(name, f"{name} was flipped")


def _flip_attribute(edit: Edit, variant: str) -> None:
    edit.set(variant, 1 - edit.spot.attribute(variant, 0))


def _top_changes(_spot: Spot) -> Iterator[Change]:
    yield Change("largest", "the smallest elements were taken for the largest, or the other way round")


def _flip_largest(edit: Edit, _variant: str) -> None:
    edit.set("largest", 1 - edit.spot.attribute("largest", 1))


def _slice_bounds(spot: Spot) -> tuple[list[int], list[int]] | None:
    if spot.opset < 10:
        starts, ends = spot.attribute("starts"), spot.attribute("ends")
        return (list(starts), list(ends)) if starts is not None else None
    starts, ends = spot.constant(1), spot.constant(2)
    if starts is None or ends is None or starts.dtype.kind != "i" or ends.dtype.kind != "i":
        return None
    return [int(one) for one in starts.reshape(-1)], [int(one) for one in ends.reshape(-1)]


def _slice_changes(spot: Spot) -> Iterator[Change]:
    bounds = _slice_bounds(spot)
    steps = spot.constant(4)
    if bounds is None or not spot.is_float(spot.output()) or (steps is not None and (steps != 1).any()):
        return
    for at, (start, end) in enumerate(zip(*bounds, strict=True)):
        if (start > 0 and end > 0) or start < 0:
            # A begin moved toward the front stays inside; an open end becomes one that leaves the last element out.
            yield Change(f"{at},-1", "the slice begins and ends one element earlier")
            return
        if start == 0 and (end < 0 or end < _sliced_size(spot, at)):
            yield Change(f"{at},1", "the slice begins and ends one element later")
            return


def _sliced_size(spot: Spot, at: int) -> int:
    """Length of the axis that a pair of bounds is about; 0 where it is not known."""
    shape = spot.shape(spot.input(0))
    axes = spot.attribute("axes") if spot.opset < 10 else spot.constant(3)
    axis = at if axes is None else int(np.asarray(axes).reshape(-1)[at])
    size = shape[axis] if shape is not None and -len(shape) <= axis < len(shape) else None
    return size if isinstance(size, int) else 0


def _shift_slice(edit: Edit, variant: str) -> None:
    bounds = _slice_bounds(edit.spot)
    assert bounds is not None
    at, step = (int(one) for one in variant.split(","))
    starts, ends = (list(one) for one in bounds)
    starts[at] += step
    if ends[at] >= _INT64_END:
        ends[at] = -1
    else:
        ends[at] += step
        if step > 0 and ends[at] == 0:
            ends[at] = _INT64_END
    if edit.spot.opset < 10:
        edit.set("starts", starts)
        edit.set("ends", ends)
        return
    edit.set_input(1, edit.constant(np.asarray(starts, dtype=np.int64)))
    edit.set_input(2, edit.constant(np.asarray(ends, dtype=np.int64)))
    if edit.spot.input(3):
        axes = edit.spot.constant(3)
        if axes is not None:
            edit.set_input(3, edit.constant(axes.astype(np.int64)))
    if edit.spot.input(4):
        edit.set_input(4, edit.constant(np.ones(len(starts), dtype=np.int64)))


def _index_changes(spot: Spot) -> Iterator[Change]:
    indices = spot.constant(1)
    shape = spot.shape(spot.input(0))
    if indices is None or not shape or not spot.is_float(spot.output()):
        return
    size = shape[spot.attribute("axis", 0) % len(shape)]
    if isinstance(size, int) and size < 2:
        return
    step = -1 if (indices > 0).all() or (indices < 0).all() else 1
    if step == -1 and isinstance(size, int) and (indices == -size).any():
        return
    if step == 1 and not (isinstance(size, int) and indices.max() + 1 < size):
        return
    yield Change(str(step), f"every index is off by {step}")


def _shift_indices(edit: Edit, variant: str) -> None:
    indices = edit.spot.constant(1)
    assert indices is not None
    edit.set_input(1, edit.constant(indices + np.asarray(int(variant), dtype=indices.dtype)))


def _clamp_changes(spot: Spot) -> Iterator[Change]:
    shape = spot.shape(spot.input(0))
    indices = spot.input(1)
    if not shape or spot.opset < 12 or not spot.is_float(spot.output()) or spot.element(indices) not in INTEGERS:
        return
    if spot.is_constant(indices):
        return
    yield Change("negative", "negative indices were clamped to 0")
    size = shape[spot.attribute("axis", 0) % len(shape)]
    if isinstance(size, int) and size > 1:
        yield Change(str(size // 2), f"indices were clamped to {size // 2}")


def _clamp(edit: Edit, variant: str) -> None:
    indices = edit.spot.input(1)
    if variant == "negative":
        edit.set_input(1, edit.op("Max", indices, edit.like(0, indices)))
    else:
        edit.set_input(1, edit.op("Min", indices, edit.like(int(variant), indices)))


KINDS = (
    Kind("softmax_axis", Family.SEMANTIC, "Softmax runs along another axis", _SOFTMAXES, _softmax_changes, _set_axis),
    Kind(
        "concat_order",
        Family.SEMANTIC,
        "two inputs of Concat with the same shape are exchanged",
        ("Concat",),
        _concat_changes,
        _concat_order,
    ),
    Kind(
        "gather_axis",
        Family.SEMANTIC,
        "an axis is another one of the same length",
        ("Gather", "GatherElements", "ScatterElements", "ArgMax", "ArgMin"),
        _axis_of_same_size,
        _set_axis,
    ),
    Kind(
        "reduce_axis",
        Family.SEMANTIC,
        "a reduction runs along another axis",
        tuple(_OTHER_REDUCTION),
        _reduce_changes,
        _change_axes,
    ),
    Kind(
        "reduce_keepdims",
        Family.SEMANTIC,
        "a reduction loses its axis, and the result broadcasts along another",
        tuple(_OTHER_REDUCTION),
        _keepdims_changes,
        _drop_keepdims,
    ),
    Kind(
        "reduce_kind",
        Family.SEMANTIC,
        "a reduction is another one (maximum for mean, ...)",
        tuple(_OTHER_REDUCTION),
        _reduction_changes,
        _change_reduction,
    ),
    Kind(
        "arg_tie",
        Family.SEMANTIC,
        "ArgMax takes the last of equal elements for the first",
        ("ArgMax", "ArgMin"),
        _last_index_changes,
        _flip_last,
    ),
    Kind(
        "transpose_order",
        Family.SEMANTIC,
        "a permutation is another one with the same resulting shape",
        ("Transpose",),
        _transpose_changes,
        _change_permutation,
    ),
    Kind(
        "split_order", Family.SEMANTIC, "two outputs of Split are exchanged", ("Split",), _split_changes, _split_order
    ),
    Kind(
        "cumulative_sum",
        Family.SEMANTIC,
        "CumSum is exclusive or reversed",
        ("CumSum",),
        _cumulative_changes,
        _flip_attribute,
    ),
    Kind("top_k_order", Family.SEMANTIC, "TopK takes the other end", ("TopK",), _top_changes, _flip_largest),
    Kind("slice_offset", Family.SEMANTIC, "a slice is off by one", ("Slice",), _slice_changes, _shift_slice),
    Kind(
        "index_offset", Family.SEMANTIC, "constant indices are off by one", ("Gather",), _index_changes, _shift_indices
    ),
    Kind("index_clamped", Family.SEMANTIC, "computed indices are clamped", ("Gather",), _clamp_changes, _clamp),
)
