"""What the files of generated models have in common, whatever framework they are written for."""

from __future__ import annotations

from collections.abc import Sequence

from tautomer.synthesis.dims import is_dynamic
from tautomer.synthesis.program import DrawnTensor, Program

DRAWN = '''
def drawn(seed, shape, dtype, low, high):
    """Values drawn evenly from an interval."""
    unit = np.random.Generator(np.random.PCG64(seed)).random(shape)
    if dtype == "bool":
        return np.asarray(unit < 0.5)
    if "int" in dtype:
        return np.asarray(np.floor(low + (high - low + 1) * unit)).astype(dtype)
    return np.asarray(low + (high - low) * unit).astype("float64" if dtype == "float64" else "float32")
'''
"""The function of a generated file that makes its inputs and weights: the same values as `values_of`."""


def drawn_call(tensor: DrawnTensor, *, run: int = 0) -> str:
    """The call of `drawn` that makes an input or a weight; `run` counts the sets of inputs, 2 is at the second size."""
    shape = tensor.type.shape_at_second_size() if run == 2 else tuple(int(one) for one in tensor.type.shape)
    low, high = (tensor.low, tensor.high) if "float" in tensor.type.dtype else (int(tensor.low), int(tensor.high))
    return f"drawn({tensor.seed + run}, {shape!r}, {tensor.type.dtype!r}, {low!r}, {high!r})"


def is_resizable(program: Program) -> bool:
    """Whether an input has a dynamic dimension, so that there is a second size."""
    return any(is_dynamic(size) for one in program.inputs for size in one.type.shape)


def dynamic_axes(tensor: DrawnTensor) -> tuple[int, ...]:
    """The axes of an input that differ between the sizes."""
    return tuple(index for index, size in enumerate(tensor.type.shape) if is_dynamic(size))


def title(program: Program) -> str:
    """The docstring of a generated file."""
    operators = sorted({node.operator for node in program.nodes})
    return f'"""A generated model of {len(program.nodes)} nodes (seed {program.seed}): {_listed(operators)}."""'


def _listed(names: Sequence[str]) -> str:
    shown = ", ".join(names)
    return shown if len(shown) <= 90 else f"{shown[:87].rpartition(', ')[0]}, ..."


def unpacked(results: Sequence[str]) -> str:
    """The left side of the assignment that names results."""
    return ", ".join(results)
