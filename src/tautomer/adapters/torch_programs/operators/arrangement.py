"""PyTorch's operators that move elements, take them, or put them somewhere."""

from __future__ import annotations

from tautomer.adapters.torch_programs.operators.entry import ANY, operator
from tautomer.synthesis import Specification
from tautomer.synthesis.rules import arrangement as moves
from tautomer.synthesis.rules import cutting, selection
from tautomer.synthesis.tensor_types import FLOATS, NUMBERS

ACCUMULATED = (*FLOATS, "int64", "int32")
COMMON = (*FLOATS, "int64", "int32", "bool")

SHAPES: tuple[Specification, ...] = (
    operator("torch.reshape(x, sizes)", moves.reshaped(), ANY),
    operator("x.contiguous().view(sizes)", moves.reshaped(), ANY, name="Tensor.view"),
    operator("torch.flatten(x, start, end)", moves.flattened(), ANY),
    operator("torch.unflatten(x, axis, sizes)", moves.unflattened(), ANY),
    operator("torch.permute(x, order)", moves.permuted(), ANY),
    operator("torch.transpose(x, first, second)", moves.exchanged(), ANY),
    operator("torch.movedim(x, source, target)", moves.moved(), ANY),
    operator("torch.squeeze(x, axis)", moves.squeezed(), ANY),
    operator("torch.unsqueeze(x, axis)", moves.unsqueezed(), ANY),
    operator("x.expand(sizes)", moves.expanded(), ANY, name="Tensor.expand"),
    operator("torch.broadcast_to(x, sizes)", moves.expanded(), ANY),
    operator("x.repeat(repeats)", moves.tiled(), ANY, name="Tensor.repeat"),
    operator("torch.tile(x, repeats)", moves.tiled(), ANY),
    operator("torch.repeat_interleave(x, count, dim=axis)", moves.repeated_along(), ANY),
    operator("torch.cat(tensors, dim=axis)", cutting.concatenated(), ANY),
    operator("torch.vstack(tensors)", cutting.concatenated(axis_of="first"), ANY, name="torch.vstack"),
    operator("torch.hstack(tensors)", cutting.concatenated(axis_of="second"), ANY),
    operator("torch.stack(tensors, dim=axis)", cutting.stacked(), ANY),
    operator("torch.split(x, sizes, dim=axis)", cutting.split(), ANY, graph="split_with_sizes"),
    operator("torch.chunk(x, count, dim=axis)", cutting.split(even=True), ANY),
    operator("torch.tensor_split(x, count, dim=axis)", cutting.split(even=True), ANY),
    operator("torch.unbind(x, dim=axis)", cutting.unbound(), ANY),
    operator("x[where]", cutting.sliced(), ANY, name="slice"),
    operator("torch.narrow(x, axis, start, length)", cutting.sliced(steps=False), ANY),
    operator("torch.select(x, axis, index)", cutting.selected(), ANY),
    operator("F.pad(x, pairs, value=value)", cutting.padded(), (*FLOATS, "int64", "int32")),
    *(
        operator(
            f'F.pad(x, pairs, mode="{mode}")',
            cutting.padded(mode=mode, last_axes=(0, 0, 1, 1, 2, 3) if mode != "circular" else (0, 0, 0, 1, 2, 3)),
            FLOATS,
            name=f"F.pad {mode}",
        )
        for mode in ("reflect", "replicate", "circular")
    ),
    operator("torch.roll(x, shifts, axes)", moves.rearranged_along(several=True), ANY),
    operator("torch.flip(x, axes)", moves.rearranged_along(several=True), ANY),
    operator("torch.rot90(x, turns, axes)", moves.rotated(), ANY),
    operator("torch.tril(x, offset)", moves.triangle(), COMMON),
    operator("torch.triu(x, offset)", moves.triangle(), COMMON),
    operator("torch.diagonal(x, dim1=-2, dim2=-1)", moves.diagonal(), ANY),
    operator("torch.diag_embed(x)", moves.diagonal_matrix(), NUMBERS),
)

INDICES: tuple[Specification, ...] = (
    operator("torch.gather(x, axis, index)", selection.gathered_elements(), ANY),
    operator("torch.take_along_dim(x, index, axis)", selection.gathered_elements(), ANY),
    operator("torch.index_select(x, axis, index)", selection.gathered(index_ranks=(1,)), ANY),
    operator("torch.scatter(x, axis, index, source)", selection.scattered_elements(), ANY),
    operator("torch.scatter_add(x, axis, index, source)", selection.accumulated_elements(), ACCUMULATED),
    *(
        operator(
            f'torch.scatter_reduce(x, axis, index, source, "{reduce}")',
            selection.accumulated_elements(),
            ACCUMULATED,
            name=f"torch.scatter_reduce {reduce}",
        )
        for reduce in ("sum", "amax", "amin", "mean", "prod")
    ),
    operator("torch.index_add(x, axis, index, source)", selection.added_slices(), ACCUMULATED),
    operator(
        "F.embedding(index, weight)",
        selection.looked_up(index="index"),
        ("int64", "int32"),
        index=selection.indices_below(6),
    ),
    operator("F.one_hot(x, classes)", selection.one_hot(), ("int64",), x=selection.indices_below(6)),
)

OPERATORS = (*SHAPES, *INDICES)
