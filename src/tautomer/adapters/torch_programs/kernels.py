"""PyTorch as the generator uses it: one operator at a time, eagerly."""

from __future__ import annotations

import functools
import types
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch

from tautomer.synthesis import DtypeName, Specification
from tautomer.synthesis.health import Array

NAMES = {
    dtype: str(dtype).removeprefix("torch.")
    for dtype in (
        torch.float32,
        torch.float64,
        torch.float16,
        torch.bfloat16,
        torch.int64,
        torch.int32,
        torch.int16,
        torch.int8,
        torch.uint8,
        torch.bool,
    )
}
DTYPES = {name: dtype for dtype, name in NAMES.items()}


class TorchKernels:
    """Operators run by PyTorch on the CPU."""

    refusals: tuple[type[BaseException], ...] = (RuntimeError, ValueError, TypeError, IndexError, NotImplementedError)

    def tensor(self, array: Array, dtype: str) -> torch.Tensor:
        """An array as a tensor of a dtype."""
        tensor = torch.from_numpy(array).clone() if array.ndim else torch.tensor(array)
        return tensor if tensor.dtype == DTYPES[dtype] else tensor.to(DTYPES[dtype])

    def array(self, tensor: torch.Tensor) -> Array:
        """A tensor as an array; bfloat16 as float32."""
        return (tensor.float() if tensor.dtype == torch.bfloat16 else tensor).numpy()

    def dtype(self, tensor: torch.Tensor) -> str:
        """The name of a tensor's dtype."""
        return NAMES[tensor.dtype]

    def evaluate(self, specification: Specification, bound: Mapping[str, Any]) -> tuple[Any, ...]:
        """The results of an operator on tensors and attributes."""
        names = {name: DTYPES[value] if isinstance(value, DtypeName) else value for name, value in bound.items()}
        with torch.no_grad():  # some kernels are others where gradients may be wanted
            # One scope, since the bodies of functions (branches and loops) do not see the local names of an evaluation.
            made = eval(compiled(specification.expression), {**_GLOBALS, **names})
        return tuple(made) if isinstance(made, tuple | list) else (made,)


@functools.cache
def compiled(expression: str) -> Any:
    """An expression's code."""
    return compile(expression, f"<{expression}>", "eval")


def _branch(chosen: Any, first: Callable[..., Any], second: Callable[..., Any], operands: Sequence[Any]) -> Any:
    """What torch.cond documents that it computes; called eagerly, that one compiles the branches first."""
    return first(*operands) if chosen else second(*operands)


def _loop(holds: Callable[..., Any], body: Callable[..., Any], carried: Sequence[Any]) -> Any:
    """What torch.while_loop documents that it computes; called eagerly, that one compiles the body first."""
    while holds(*carried):
        made = body(*carried)
        if [one.stride() for one in made] != [one.stride() for one in carried]:
            raise RuntimeError("what a loop carries must keep its strides")  # as torch.while_loop itself asks
        carried = made
    return carried


_EAGER = types.SimpleNamespace(**{**vars(torch), "cond": _branch, "while_loop": _loop})
_GLOBALS = {"torch": _EAGER, "F": torch.nn.functional}
