"""Faults of constants: numbers in formulas, bounds, masks, and the values of weights."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from typing import Any

import numpy as np
import onnx

from tautomer.adapters.onnx_files.mutants.edit import Edit
from tautomer.adapters.onnx_files.mutants.graph_view import Array, Spot
from tautomer.adapters.onnx_files.mutants.site import Change, Family, Kind

RELATIVE = 1e-4
"""How far a wrongly folded constant is off."""

_ARITHMETIC = ("Add", "Sub", "Mul", "Div", "Pow")
_SMALLEST_MASK = -1e4
_WEIGHTED: dict[str, tuple[int, ...]] = {
    "MatMul": (0, 1),
    "Gemm": (1, 2),
    "Conv": (1, 2),
    "ConvTranspose": (1, 2),
    "Gather": (0,),
    "LSTM": (1, 2, 3),
    "GRU": (1, 2, 3),
    "RNN": (1, 2, 3),
    "Add": (0, 1),
    "Mul": (0, 1),
    "LayerNormalization": (1, 2),
    "BatchNormalization": (1, 2, 3, 4),
    "InstanceNormalization": (1, 2),
    "PRelu": (1,),
}
"""Inputs, by operator, that hold weights."""

_LARGEST_CHANGED_BYTES = 1 << 28
"""Larger tensors are left alone: a changed one is stored inside the model, which holds 2 GB at most."""


def _relative_changes(spot: Spot) -> Iterator[Change]:
    for index in (0, 1):
        array = spot.constant(index)
        if array is None or not spot.is_float(spot.input(index)) or array.dtype.kind in "OUS":
            continue
        values = array.astype(np.float64)
        # A constant of one rounding's size or without a finite element has nothing to be off by.
        if np.isfinite(values).all() and values.any():
            yield Change(str(index), f"a constant was off by {RELATIVE:g} of itself")


def _change_relative(edit: Edit, variant: str) -> None:
    index = int(variant)
    array = edit.spot.constant(index)
    assert array is not None
    edit.set_input(index, edit.constant((array.astype(np.float64) * (1 + RELATIVE)).astype(_dtype(edit, index))))


def _dtype(edit: Edit, index: int) -> np.dtype[Any]:
    """Of an input: a constant read through a Cast has the type it is cast to."""
    return onnx.helper.tensor_dtype_to_np_dtype(edit.spot.element(edit.spot.input(index)))


def _scale_changes(spot: Spot) -> Iterator[Change]:
    for index in (0, 1):
        value = spot.scalar(index)
        if value is None or not 0 < abs(value) < (1 if spot.op_type == "Mul" else np.inf) or value == 1:
            continue
        if spot.op_type == "Div" and (index == 0 or abs(value) <= 1):
            continue
        if any(_is_score(user) for user, _ in spot.users(spot.output())):
            yield Change(str(index), f"the scale of the scores ({value:.4g}) was left out")


def _is_score(spot: Spot) -> bool:
    """Whether a node is, or leads at once to, the scores of an attention."""
    if spot.op_type in ("MatMul", "Softmax"):
        return True
    if spot.op_type in ("Add", "Where", "Transpose"):
        return any(user.op_type in ("Softmax", "MatMul") for user, _ in spot.users(spot.output()))
    return False


def _drop_scale(edit: Edit, variant: str) -> None:
    index = int(variant)
    edit.set_input(index, edit.like(1.0, edit.spot.input(index)))


def _attention_scale_changes(spot: Spot) -> Iterator[Change]:
    shape = spot.shape(spot.input(0))
    size = shape[-1] if shape and len(shape) == 4 else None
    scale = spot.attribute("scale", float(size) ** -0.5 if isinstance(size, int) and size else None)
    if scale:
        yield Change(repr(float(scale) * 2), f"the scale of the scores {scale:.4g} became {scale * 2:.4g}")


def _set_scale(edit: Edit, variant: str) -> None:
    edit.set("scale", float(variant))


def _clip_changes(spot: Spot) -> Iterator[Change]:
    for index, name in ((1, "min"), (2, "max")):
        bound = spot.attribute(name) if spot.opset < 11 else spot.scalar(index)
        if bound is not None and abs(bound) < 1e30:
            yield Change(f"{index},{name}", f"bound {name} {bound:.4g} became {_other_bound(bound, name):.4g}")


def _other_bound(bound: float, name: str) -> float:
    step = abs(bound) / 16 if bound else 1 / 16
    return bound + step if name == "min" else bound - step


def _change_bound(edit: Edit, variant: str) -> None:
    position, name = variant.split(",")
    index = int(position)
    if edit.spot.opset < 11:
        edit.set(name, _other_bound(edit.spot.attribute(name), name))
        return
    bound = edit.spot.scalar(index)
    assert bound is not None
    edit.set_input(index, edit.like(_other_bound(bound, name), edit.spot.input(0)))


def _mask_changes(spot: Spot) -> Iterator[Change]:
    for index in range(len(spot.node.input)):
        array = spot.constant(index)
        if array is None or not spot.is_float(spot.input(index)) or array.dtype.kind not in "fV":
            continue
        values = array.astype(np.float64)
        lowest = float(values.min()) if values.size and not np.isnan(values).any() else 0.0
        if lowest <= _SMALLEST_MASK:
            for other in (-1e9, -1e4, -10.0):
                if other > lowest:
                    yield Change(f"{index},{other!r}", f"masked with {other:g} instead of {lowest:.3g}")
            return


def _change_mask(edit: Edit, variant: str) -> None:
    position, other = variant.split(",")
    index = int(position)
    array = edit.spot.constant(index)
    assert array is not None
    values = array.astype(np.float64)
    edit.set_input(index, edit.constant(np.maximum(values, float(other)).astype(_dtype(edit, index))))


def _weights(spot: Spot, *, matrices_only: bool = False) -> Iterator[tuple[int, onnx.TensorProto]]:
    for index in _WEIGHTED.get(spot.op_type, ()):
        tensor = spot.weight(index)
        if tensor is None or (matrices_only and len(tensor.dims) < 2):
            continue
        size = int(np.prod(tensor.dims, dtype=np.int64))
        # Tied weights are one fault, told of the first node that uses them.
        first = spot.graph.users[spot.input(index)][0][0] == spot.index
        if size > 1 and first and size * 4 <= _LARGEST_CHANGED_BYTES:
            yield index, tensor


def _narrow_changes(element: str, spot: Spot) -> Iterator[Change]:
    for index, tensor in _weights(spot):
        if tensor.data_type not in (onnx.TensorProto.FLOAT, onnx.TensorProto.DOUBLE):
            continue
        small = spot.constant(index)
        if small is None or not np.array_equal(_narrowed(small, element), small):
            yield Change(str(index), f"weight '{tensor.name}' went through {element}")


def _narrowed(array: Array, element: str) -> Array:
    """The array through the 16-bit format of that name and back."""
    dtype = onnx.helper.tensor_dtype_to_np_dtype(onnx.TensorProto.DataType.Value(element.upper()))
    with np.errstate(over="ignore"):
        return array.astype(dtype).astype(array.dtype)


def _narrow(element: str, edit: Edit, variant: str) -> None:
    _change_weight(edit, variant, lambda array: _narrowed(array, element))


def _change_weight(edit: Edit, variant: str, change: Any) -> None:
    name = edit.spot.input(int(variant))
    edit.replace_tensor(name, change(edit.tensor(name)))


def _place(name: str, size: int) -> int:
    """An index that depends on a tensor's name alone."""
    return zlib.crc32(name.encode()) % size


def _element_changes(spot: Spot) -> Iterator[Change]:
    for index, tensor in _weights(spot):
        small = spot.constant(index)
        if small is not None and not small.reshape(-1)[_place(tensor.name, small.size)]:
            continue
        yield Change(str(index), f"one element of weight '{tensor.name}' had the other sign")


def _flip_sign(edit: Edit, variant: str) -> None:
    name = edit.spot.input(int(variant))

    def flipped(array: Array) -> Array:
        flat = array.reshape(-1)
        at = _place(name, flat.size)
        flat[at] = -flat[at]
        return array

    _change_weight(edit, variant, flipped)


def _row_changes(spot: Spot) -> Iterator[Change]:
    for index, tensor in _weights(spot, matrices_only=True):
        small = spot.constant(index)
        if tensor.dims[0] > 1 and (small is None or small[_place(tensor.name, small.shape[0])].any()):
            yield Change(str(index), f"one row of weight '{tensor.name}' was zero")


def _zero_row(edit: Edit, variant: str) -> None:
    name = edit.spot.input(int(variant))

    def zeroed(array: Array) -> Array:
        array[_place(name, array.shape[0])] = 0
        return array

    _change_weight(edit, variant, zeroed)


def _transposed_changes(spot: Spot) -> Iterator[Change]:
    if spot.op_type not in ("MatMul", "Gemm", "Conv", "ConvTranspose"):
        return
    for index, tensor in _weights(spot, matrices_only=True):
        if len(tensor.dims) == 2 and tensor.dims[0] == tensor.dims[1]:
            yield Change(f"{index},0", f"square weight '{tensor.name}' was transposed")
        elif len(tensor.dims) == 4 and tensor.dims[2] == tensor.dims[3] > 1:
            yield Change(f"{index},2", f"the square kernels of '{tensor.name}' were transposed")


def _transpose_weight(edit: Edit, variant: str) -> None:
    position, axis = (int(one) for one in variant.split(","))
    _change_weight(edit, str(position), lambda array: np.ascontiguousarray(np.swapaxes(array, axis, axis + 1)))


KINDS = (
    Kind(
        "constant_relative",
        Family.SEMANTIC,
        f"a folded constant is off by {RELATIVE:g} of itself",
        _ARITHMETIC,
        _relative_changes,
        _change_relative,
    ),
    Kind(
        "score_scale",
        Family.SEMANTIC,
        "the 1/sqrt(d) of attention is left out",
        ("Mul", "Div"),
        _scale_changes,
        _drop_scale,
    ),
    Kind(
        "attention_scale",
        Family.SEMANTIC,
        "the scale attribute of Attention is twice as large",
        ("Attention",),
        _attention_scale_changes,
        _set_scale,
    ),
    Kind("clip_bound", Family.SEMANTIC, "a bound of Clip lies further in", ("Clip",), _clip_changes, _change_bound),
    Kind(
        "mask_value",
        Family.SEMANTIC,
        "a mask's -inf or -3.4e38 is -1e9, -1e4 or -10",
        ("Where", "Add", "Mul", "Sub"),
        _mask_changes,
        _change_mask,
    ),
    Kind(
        "weight_float16",
        Family.SEMANTIC,
        "a weight went through float16",
        tuple(_WEIGHTED),
        lambda spot: _narrow_changes("float16", spot),
        lambda edit, variant: _narrow("float16", edit, variant),
    ),
    Kind(
        "weight_bfloat16",
        Family.SEMANTIC,
        "a weight went through bfloat16",
        tuple(_WEIGHTED),
        lambda spot: _narrow_changes("bfloat16", spot),
        lambda edit, variant: _narrow("bfloat16", edit, variant),
    ),
    Kind(
        "weight_sign",
        Family.SEMANTIC,
        "one element of a weight has the other sign",
        tuple(_WEIGHTED),
        _element_changes,
        _flip_sign,
    ),
    Kind("weight_row", Family.SEMANTIC, "one row of a weight is zero", tuple(_WEIGHTED), _row_changes, _zero_row),
    Kind(
        "weight_transposed",
        Family.SEMANTIC,
        "a square weight, or square kernels, are transposed",
        ("MatMul", "Gemm", "Conv", "ConvTranspose"),
        _transposed_changes,
        _transpose_weight,
    ),
)
