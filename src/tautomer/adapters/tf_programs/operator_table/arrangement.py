"""TensorFlow's operators that move elements without addressing them one by one."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tautomer.adapters.tf_programs.operator_table.entry import (
    ANY,
    NUMBERS,
    operator,
)
from tautomer.synthesis import Specification, TensorType
from tautomer.synthesis.rules import arrangement as moves
from tautomer.synthesis.rules import cutting
from tautomer.synthesis.rules.refined import derived
from tautomer.synthesis.rules.subscripts import subscripted

PADDED_AXES = (0, 1, 2, 2, 3, 2)
"""How many of the last axes are padded, by rank."""


def _paddings(bound: Mapping[str, Any], type_: TensorType) -> Mapping[str, Any]:
    return {"paddings": tuple(zip(bound["before"], bound["after"], strict=True))}


def _filled(bound: Mapping[str, Any], type_: TensorType) -> Mapping[str, Any]:
    return {**_paddings(bound, type_), "filling": bound["value"] or 1}


def _begin_and_size(bound: Mapping[str, Any], type_: TensorType) -> Mapping[str, Any]:
    place, rest = bound["axis"], type_.rank - bound["axis"] - 1
    return {
        "begin": (*(0,) * place, bound["start"], *(0,) * rest),
        "size": (*(-1,) * place, bound["length"], *(-1,) * rest),
    }


SHAPES: tuple[Specification, ...] = (
    operator("tf.reshape(x, sizes)", "Reshape", moves.reshaped(), ANY),
    operator("tf.keras.ops.reshape(x, sizes)", "Reshape", moves.reshaped(), ANY),
    operator("tf.transpose(x, order)", "Transpose", moves.permuted(), ANY),
    operator("tf.keras.ops.swapaxes(x, first, second)", "Transpose", moves.exchanged(), ANY),
    operator("tf.expand_dims(x, axis)", "ExpandDims", moves.unsqueezed(), ANY),
    operator("tf.squeeze(x, axis)", "Squeeze", moves.squeezed(), ANY),
    operator("tf.broadcast_to(x, sizes)", "BroadcastTo", moves.expanded(), ANY),
    operator("tf.tile(x, repeats)", "Tile", moves.tiled(), ANY),
    operator("tf.repeat(x, count, axis)", "Tile", moves.repeated_along(), ANY),
    operator("tf.roll(x, shifts, axes)", "Roll", moves.rearranged_along(several=True), ANY),
    operator("tf.reverse(x, axes)", "ReverseV2", moves.rearranged_along(several=True), ANY),
    operator("tf.keras.ops.tril(x, offset)", "MatrixBandPart", moves.triangle(), ANY),
)

PARTS: tuple[Specification, ...] = (
    operator("tf.concat(tensors, axis)", "ConcatV2", cutting.concatenated(), ANY),
    operator("tf.stack(tensors, axis)", "Pack", cutting.stacked(), ANY),
    operator("tf.split(x, sizes, axis)", "SplitV", cutting.split(), ANY),
    operator("tf.split(x, count, axis)", "Split", cutting.split(even=True), ANY, name="tf.split evenly"),
    operator("tf.unstack(x, axis=axis)", "Unpack", cutting.unbound(), ANY),
    operator("x[where]", "StridedSlice", cutting.sliced(), ANY, name="slice"),
    operator("x[where]", "StridedSlice", subscripted(), ANY, name="subscript"),
    operator("tf.slice(x, begin, size)", "Slice", derived(cutting.sliced(steps=False), _begin_and_size), ANY),
    operator("tf.pad(x, paddings)", "Pad", derived(cutting.padded(), _paddings), ANY, name="tf.pad zeros"),
    operator(
        "tf.pad(x, paddings, constant_values=filling)",
        "PadV2",
        derived(cutting.padded(), _filled),
        NUMBERS,
        name="tf.pad constant",
    ),
    operator(
        "tf.pad(x, paddings, 'REFLECT')",
        "MirrorPad",
        derived(cutting.padded(mode="reflect", last_axes=PADDED_AXES), _paddings),
        ANY,
        name="tf.pad reflect",
    ),
    operator(
        "tf.pad(x, paddings, 'SYMMETRIC')",
        "MirrorPad",
        derived(cutting.padded(mode="circular", last_axes=PADDED_AXES), _paddings),
        ANY,
        name="tf.pad symmetric",
    ),
)

OPERATORS = (*SHAPES, *PARTS)
