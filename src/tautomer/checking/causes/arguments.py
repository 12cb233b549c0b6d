"""Compare what an operator was called with and what the target's node says: which argument has no counterpart, and
which counterpart says something else.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tautomer.checking.causes.calls import Argument, SourceCall
from tautomer.checking.causes.target_nodes import ABSENT, TargetNode

COUNTERPARTS: Mapping[str, tuple[str, ...]] = {
    "stride": ("strides",),
    "padding": ("pads",),
    "dilation": ("dilations",),
    "kernel_size": ("kernel_shape",),
    "groups": ("group",),
    "output_padding": ("output_padding",),
    "dim": ("axis", "axes"),
    "dims": ("perm", "axes", "axis"),
    "keepdim": ("keepdims",),
    "eps": ("epsilon",),
    "reduce": ("reduction",),
    "accumulate": ("reduction",),
    "align_corners": ("coordinate_transformation_mode",),
    "negative_slope": ("alpha",),
    "diagonal": ("k",),
    "descending": ("largest",),
    "interpolation_mode": ("mode",),
    "rounding_mode": ("fmod",),
    "min": ("min",),
    "max": ("max",),
    "value": ("constant_value", "value"),
    "chunks": ("num_outputs",),
    "lambd": ("lambd",),
    "beta": ("beta",),
    "hidden_size": ("hidden_size",),
    "bidirectional": ("direction",),
    "exponent": ("Y",),
    "self": ("A", "X"),
    "other": ("B", "Y"),
    "alpha": ("alpha",),
    "k": ("K", "k"),
    "num_groups": ("num_groups",),
    "output_size": ("sizes",),
    "repeats": ("repeats",),
    "half_pixel_centers": ("coordinate_transformation_mode",),
    "keep_dims": ("keepdims",),
    "ksize": ("kernel_shape",),
    "reduction_indices": ("axes",),
    "dimension": ("axis",),
}
"""What ONNX calls the arguments of PyTorch's and TensorFlow's operators, beyond equal names.

Source: PyTorch's operator schemas (native_functions.yaml), TensorFlow's (its op_def registry) and ONNX's operator
specification, which define each pair.
"""

_SPELLINGS = {
    "amax": "max",
    "amin": "min",
    "sum": "add",
    "prod": "mul",
    "bilinear": "linear",
    "trilinear": "linear",
    "bicubic": "cubic",
    "zeros": "constant",
    "circular": "wrap",
    "replicate": "edge",
}
"""Words of PyTorch, TensorFlow and ONNX for the same choice."""

_STORAGE = frozenset(
    {"dtype", "layout", "device", "pin_memory", "memory_format", "out_dtype", "generator", "non_blocking"}
)
"""Arguments that say how values are stored: compared as types, not as choices of a function."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """How a call and a node agree.

    Attributes:
        differing: arguments whose counterpart has another value, with the counterpart's name.
        missing: arguments that are not at their default and have no counterpart.
        agreeing: arguments that have a counterpart with the same value.
    """

    differing: tuple[tuple[Argument, str], ...]
    missing: tuple[Argument, ...]
    agreeing: tuple[tuple[Argument, str], ...]


def compare(call: SourceCall, node: TargetNode) -> Comparison:
    """Compare the arguments that are no tensors with the attributes and constant inputs of a node."""
    known = {**node.unset, **node.parameters}
    rank = len(call.shapes[0]) if call.shapes else 0
    differing, missing, agreeing = [], [], []
    for argument in call.arguments:
        if not argument.is_value or argument.name in _STORAGE:
            continue
        name = next((one for one in _names(argument.name) if one in known), None)
        if name is None:
            if argument.has_default and not argument.is_default:
                missing.append(argument)
            continue
        same = _agree(argument, name, known[name], rank)
        if same is False:
            differing.append((argument, name))
        elif same:
            agreeing.append((argument, name))
    return Comparison(tuple(differing), tuple(missing), tuple(agreeing))


def _names(name: str) -> tuple[str, ...]:
    return (name, f"{name}s", *COUNTERPARTS.get(name, ()))


def _agree(argument: Argument, name: str, found: Any, rank: int) -> bool | None:
    """Whether an argument and its counterpart say the same; None where that cannot be told."""
    given = argument.value
    if found == ABSENT and (argument.name, name) == ("size", "sizes"):
        return None  # Resize takes scales in their place
    if found == ABSENT:
        return None if given is None or argument.is_default else False
    if argument.name == "align_corners":
        return bool(given) is (found == "align_corners" if isinstance(found, str) else bool(found))
    if argument.name == "half_pixel_centers":
        return bool(given) is ("half_pixel" in str(found))
    if argument.name == "accumulate" and isinstance(found, str):
        return bool(given) is (str(found) == "add")
    if argument.name == "bidirectional":
        return bool(given) is (str(found) == "bidirectional")
    if argument.name == "descending":
        return bool(given) is bool(found)
    if given is None or found is None or found == "":
        return None
    if isinstance(given, str) or isinstance(found, str):
        return _same_word(given, found) if isinstance(given, str) and isinstance(found, str) else None
    one, other = _numbers(given), _numbers(found)
    if one is None or other is None:
        return None
    if name in ("axis", "axes") and rank:
        return sorted({int(axis) % rank for axis in one}) == sorted({int(axis) % rank for axis in other}) or (
            # A reduced result has fewer axes than what it was made from.
            sorted(one) == sorted(other)
        )
    if argument.name == "output_size":
        return _same_numbers(one, other[-len(one) :])
    if argument.name == "stride" and not one:
        return None
    return _same_numbers(one, other)


def _same_word(one: str, other: str) -> bool:
    return _SPELLINGS.get(one.lower(), one.lower()) == _SPELLINGS.get(other.lower(), other.lower())


def _numbers(value: Any) -> list[float] | None:
    every = value if isinstance(value, list) else [value]
    return [float(one) for one in every] if all(isinstance(one, bool | int | float) for one in every) else None


def _same_numbers(one: Sequence[float], other: Sequence[float]) -> bool:
    """Equal as float32 holds them; one for all axes, and pads given for both ends, stand for as many."""
    if not one or not other:
        return list(one) == list(other)
    size = max(len(one), len(other))
    if size % len(one) or size % len(other):
        return False
    pairs = zip(list(one) * (size // len(one)), list(other) * (size // len(other)), strict=True)
    return all(math.isclose(a, b, rel_tol=1e-6) for a, b in pairs)
