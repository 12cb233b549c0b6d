"""ONNX's operators that move elements, take them, or put them somewhere."""

from __future__ import annotations

from typing import Literal

from tautomer.adapters.onnx_files.operators.entry import FLOATING, MOVED, NUMBERS, WHOLE, operator
from tautomer.synthesis import Specification
from tautomer.synthesis.rules import arrangement as moves
from tautomer.synthesis.rules import cutting, nested_indices, selection, whole_tensors
from tautomer.synthesis.rules.refined import of_ranks
from tautomer.synthesis.rules.sequences import cache_update, reversed_beginnings
from tautomer.synthesis.rules.windows import shuffled

PADDED = (*FLOATING, "bfloat16", "bool", "int64", "int32", "int8", "uint8", "uint32", "uint64")
COPIED = (*NUMBERS, "bool")
BLOCKS = (*FLOATING, "int8", "uint8")
TRIANGLES = (*FLOATING, "int64", "int32", "bool")
ADDED = ("float32", "float64", *WHOLE)
PADDINGS: tuple[tuple[str, Literal["reflect", "replicate", "circular"]], ...] = (
    ("reflect", "reflect"),
    ("edge", "replicate"),
    ("wrap", "circular"),
)
REDUCTIONS = ("none", "add", "mul", "max", "min")

SHAPES: tuple[Specification, ...] = (
    operator("Reshape(x, sizes)", moves.reshaped(), MOVED),
    operator("Flatten(x, axis=axis)", moves.flattened(at_front=True), MOVED),
    operator("Transpose(x, perm=order)", moves.permuted(), MOVED),
    operator("Squeeze(x, [axis])", moves.squeezed(), MOVED),
    operator("Unsqueeze(x, [axis])", moves.unsqueezed(), MOVED),
    operator("Expand(x, sizes)", moves.expanded(), COPIED),
    operator("Tile(x, repeats)", moves.tiled(), COPIED),
    operator("Concat(*tensors, axis=axis)", cutting.concatenated(), MOVED),
    operator("Split(x, sizes, axis=axis)[:sizes]", cutting.split(), MOVED),
    operator("Split(x, axis=axis, num_outputs=count)[:count]", cutting.split(even=True), MOVED, name="Split evenly"),
    operator("Slice(x, [start], [stop], [axis], [step])", cutting.sliced(), MOVED),
    operator("Slice(x, starts, stops, axes, steps)", whole_tensors.cut_in_steps(), MOVED, name="Slice of axes"),
    operator('Pad(x, [*before, *after], value, mode="constant")', cutting.padded(), PADDED),
    *(
        operator(f'Pad(x, [*before, *after], mode="{mode}")', cutting.padded(mode=rule), PADDED, name=f"Pad {mode}")
        for mode, rule in PADDINGS
    ),
    operator("CenterCropPad(x, sizes, axes=axes)", whole_tensors.cropped_or_padded(), PADDED),
    operator("Trilu(x, offset, upper=1)", moves.triangle(), TRIANGLES, name="Trilu upper"),
    operator("Trilu(x, offset, upper=0)", moves.triangle(), TRIANGLES, name="Trilu lower"),
    *(
        operator(
            f'DepthToSpace(x, blocksize=factor, mode="{mode}")', shuffled(up=True), BLOCKS, name=f"DepthToSpace {mode}"
        )
        for mode in ("DCR", "CRD")
    ),
    operator("SpaceToDepth(x, blocksize=factor)", shuffled(up=False), BLOCKS),
    operator(
        "ReverseSequence(x, lengths, batch_axis=0, time_axis=1)",
        reversed_beginnings(batch_first=True),
        COPIED,
        name="ReverseSequence batch first",
    ),
    operator(
        "ReverseSequence(x, lengths, batch_axis=1, time_axis=0)",
        reversed_beginnings(batch_first=False),
        COPIED,
        name="ReverseSequence time first",
    ),
)

INDICES: tuple[Specification, ...] = (
    operator("Gather(x, index, axis=axis)", selection.gathered(negative=True), MOVED),
    operator("Gather(x, index, axis=axis)", selection.gathered(index_dtype="int32"), MOVED, name="Gather by int32"),
    operator("GatherElements(x, index, axis=axis)", selection.gathered_elements(negative=True), MOVED),
    operator("GatherND(x, index)", nested_indices.gathered_slices(), MOVED),
    operator("ScatterElements(x, index, source, axis=axis)", selection.scattered_elements(), MOVED),
    *(
        operator(
            f'ScatterElements(x, index, source, axis=axis, reduction="{reduction}")',
            selection.accumulated_elements(),
            ADDED if reduction in ("add", "mul") else NUMBERS,
            name=f"ScatterElements {reduction}",
        )
        for reduction in REDUCTIONS[1:]
    ),
    operator("ScatterND(x, places, source)", nested_indices.scattered_slices(accumulated=False), MOVED),
    *(
        operator(
            f'ScatterND(x, places, source, reduction="{reduction}")',
            nested_indices.scattered_slices(accumulated=True),
            ADDED,
            name=f"ScatterND {reduction}",
        )
        for reduction in REDUCTIONS[1:]
    ),
    operator("TensorScatter(x, update, places, axis=axis)", cache_update(), MOVED),
    operator("Compress(x, condition, axis=axis)", nested_indices.chosen_slices(), COPIED),
    *(
        operator(
            "OneHot(x, classes, values, axis=axis)",
            of_ranks(nested_indices.hot_along(result), 1, 2, 3, 4),  # ONNX Runtime takes no scalars
            ("int64",),
            name=f"OneHot of {result}",
            x=selection.indices_below(6, negative=True),
        )
        for result in ("float32", "int64")
    ),
    operator(
        'TfIdfVectorizer(x, mode="TF", min_gram_length=1, max_gram_length=2, max_skip_count=0, ngram_counts=starts, '
        "ngram_indexes=places, pool_int64s=pool)",
        nested_indices.counted_runs(),
        ("int64", "int32"),
    ),
)

OPERATORS = (*SHAPES, *INDICES)
