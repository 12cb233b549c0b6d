"""Declared types (`tensor(float16)`, `seq(tensor(float))`) and the numpy types that hold and compute them."""

from __future__ import annotations

from functools import cache
from typing import Any

import ml_dtypes
import numpy as np
import onnx

Array = np.ndarray[Any, Any]
Value = Any
"""A numpy array, a list of values (a sequence) or None (an absent optional)."""

_IEEE = ("float16", "bfloat16", "float", "double")
_COMPLEX = ("complex64", "complex128")
LIFTED = frozenset({"float16", "bfloat16", "float", "double", "complex64", "complex128"})
"""Element types that are held in float64 (complex128) when the graph is lifted."""
FLOATS = frozenset(_IEEE)
_NARROW = frozenset({"float16", "bfloat16"})

_ELEMENT_NAMES = {
    number: "double" if name == "DOUBLE" else name.lower()
    for name, number in onnx.TensorProto.DataType.items()
    if name != "UNDEFINED"
}
_ELEMENT_NUMBERS = {name: number for number, name in _ELEMENT_NAMES.items()}


def element_name(number: int) -> str:
    """ONNX's name of a `TensorProto.DataType` (`float`, `bfloat16`, `float8e4m3fn`).

    Raises:
        ValueError: the number is not an element type of this version of ONNX.
    """
    if number not in _ELEMENT_NAMES:
        raise ValueError(f"{number} is not an ONNX element type")
    return _ELEMENT_NAMES[number]


def tensor_type(number: int) -> str:
    """The type string of a tensor of this element type: `1 -> "tensor(float)"`."""
    return f"tensor({element_name(number)})"


def element_of(type_name: str) -> str:
    """The innermost element name of a type string: `"seq(tensor(float))" -> "float"`; empty where there is none."""
    inner = type_name.rpartition("(")[2].rstrip(")")
    return inner if inner in _ELEMENT_NUMBERS else ""


@cache
def declared_dtype(element: str) -> np.dtype[Any]:
    """The numpy type that holds an element type exactly as declared (through ml_dtypes where numpy has none)."""
    if element == "string":
        return np.dtype(object)
    return np.dtype(onnx.helper.tensor_dtype_to_np_dtype(_ELEMENT_NUMBERS[element]))


def storage_dtype(element: str, *, lift: bool) -> np.dtype[Any]:
    """The numpy type of values between nodes: float64 for every lifted float, otherwise the declared one."""
    if lift and element in LIFTED:
        return np.dtype(np.complex128 if element in _COMPLEX else np.float64)
    return declared_dtype(element)


def compute_dtype(element: str, *, lift: bool) -> np.dtype[Any]:
    """The numpy type kernels compute in: as stored, but float16 and bfloat16 in float32 when not lifted."""
    if not lift and element in _NARROW:
        return np.dtype(np.float32)
    return storage_dtype(element, lift=lift)


def dtype_name(dtype: np.dtype[Any]) -> str:
    """ONNX's element name of a numpy (or ml_dtypes) type.

    Raises:
        ValueError: ONNX has no such element type.
    """
    if dtype.kind in "OUST":
        return "string"
    try:
        return element_name(onnx.helper.np_dtype_to_tensor_dtype(dtype))
    except (KeyError, ValueError) as error:
        raise ValueError(f"ONNX has no element type for numpy's {dtype}") from error


def spec_dtype(element: str) -> str:
    """The name `tautomer.model.TensorSpec` uses for ONNX's element name: numpy's, and `string`."""
    return "string" if element == "string" else str(declared_dtype(element).name)


@cache
def narrow_format(element: str) -> tuple[int, int, float]:
    """Of a type that ml_dtypes holds: binary digits behind the first, exponent of the least normal, largest number."""
    info = ml_dtypes.finfo(declared_dtype(element))  # type: ignore[no-untyped-call]
    return int(info.nmant), int(info.minexp), float(info.max)


def round_to(values: Array, element: str) -> Array:
    """`values` rounded once to the nearest numbers of a floating element type, ties to even, in that type.

    Out of range becomes infinity where the type has one (ml_dtypes' rule for bfloat16 and numpy's for the others).
    """
    target = declared_dtype(element)
    if element in ("float16", "float", "double") or (element == "bfloat16" and values.dtype == np.float32):
        return values.astype(target)
    # ml_dtypes converts through float32, and some formats through float16, which rounds twice.
    wide = _odd_float64(values)
    stored_digits, lowest_exponent, _ = narrow_format(element)
    _, exponent = np.frexp(wide)
    spacing = np.maximum(exponent - 1, lowest_exponent) - stored_digits
    return np.asarray(np.ldexp(np.rint(np.ldexp(wide, -spacing)), spacing)).astype(target)


def _odd_float64(values: Array) -> Array:
    """`values` in float64, exactly or rounded to odd: a further rounding to fewer bits is then that of `values`.

    Source: Boldo & Melquiond, Emulation of FMA and correctly rounded sums: proved algorithms using rounding to odd,
        IEEE Transactions on Computers 57(4), 2008 (doi 10.1109/TC.2007.70819).
    """
    if values.dtype.kind not in "iu" or values.dtype.itemsize < 8:
        return values.astype(np.float64)
    # 53 bits of an integer are kept: the last of them says whether any below it is set.
    low = np.bitwise_and(values, values.dtype.type(2047))
    sticky = np.bitwise_or(values - low, np.where(low != 0, 2048, 0).astype(values.dtype))
    exact = (values < 2**53) & (values > (0 if values.dtype.kind == "u" else -(2**53)))
    return np.where(exact, values, sticky).astype(np.float64)


def type_of_proto(proto: onnx.TypeProto) -> str:
    """The type string of a `TypeProto`; empty where it declares nothing."""
    kind = proto.WhichOneof("value")
    if kind == "tensor_type":
        number = proto.tensor_type.elem_type
        return tensor_type(number) if number else ""
    if kind == "sparse_tensor_type":
        return f"sparse_tensor({element_name(proto.sparse_tensor_type.elem_type)})"
    if kind == "sequence_type":
        return f"seq({type_of_proto(proto.sequence_type.elem_type)})"
    if kind == "optional_type":
        return f"optional({type_of_proto(proto.optional_type.elem_type)})"
    if kind == "map_type":
        return f"map({element_name(proto.map_type.key_type)}, {type_of_proto(proto.map_type.value_type)})"
    return ""


def proto_of_type(type_name: str) -> onnx.TypeProto:
    """A `TypeProto` without shapes for a tensor, sequence or optional type string."""
    outer, _, rest = type_name.partition("(")
    inner = rest[:-1]
    if outer == "tensor":
        return onnx.helper.make_tensor_type_proto(_ELEMENT_NUMBERS[inner], None)
    if outer == "seq":
        return onnx.helper.make_sequence_type_proto(proto_of_type(inner))
    if outer == "optional":
        return onnx.helper.make_optional_type_proto(proto_of_type(inner))
    raise ValueError(f"no TypeProto for the type {type_name!r}")


def convert(value: Value, dtype: np.dtype[Any]) -> Value:
    """`value` with its arrays in `dtype`; sequences element by element, None as it is."""
    if value is None:
        return None
    if isinstance(value, list):
        return [convert(item, dtype) for item in value]
    return value if value.dtype == dtype else value.astype(dtype)


def is_floating(dtype: np.dtype[Any]) -> bool:
    """Whether a numpy or ml_dtypes type is a floating-point or complex type."""
    if dtype.kind in "fc":
        return True
    if dtype.kind != "V":
        return False
    # ml_dtypes' types are all of kind V; its integers are int4, uint4, int2 and uint2.
    return "float" in dtype.name
