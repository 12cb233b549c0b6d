"""A small PyTorch program as plain data: what is cut out of a captured model, made smaller and printed.

A program is straight-line code: calls of operators on named values. Its inputs carry their recorded values, one for
each input set, so that it can be run at any time without the model it was cut out of.
"""

from __future__ import annotations

import importlib
import math
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import torch

_UPDATING = ("batch_norm", "instance_norm")
"""Operators that update running statistics which they are given, in training."""


@dataclass(frozen=True, slots=True)
class Ref:
    """A value of the program, by name."""

    name: str


@dataclass(frozen=True, slots=True, eq=False)
class Recorded:
    """A tensor, and an expression that makes it again.

    Attributes:
        tensor: the value.
        made_by: Python that evaluates to exactly this value with `torch` in scope; None where only its elements say it.
    """

    tensor: torch.Tensor
    made_by: str | None = None


@dataclass(frozen=True, slots=True, eq=False)
class Input:
    """A tensor that the program is given.

    Attributes:
        name: of the value.
        values: one an input set.
        dynamic: axes that are declared dynamic.
    """

    name: str
    values: tuple[Recorded, ...]
    dynamic: tuple[int, ...] = ()


@dataclass(frozen=True, slots=True, eq=False)
class Constant:
    """A parameter or buffer of the model.

    Attributes:
        name: of the value.
        value: the tensor.
        trainable: whether it is a parameter.
    """

    name: str
    value: Recorded
    trainable: bool = False


@dataclass(frozen=True, slots=True)
class Call:
    """One operator applied.

    Attributes:
        name: of its result.
        operator: address of what is called, for `operator_of`.
        args, kwargs: nested lists and plain values, with `Ref` for values of the program.
    """

    name: str
    operator: str
    args: tuple[Any, ...]
    kwargs: tuple[tuple[str, Any], ...] = ()

    @property
    def target(self) -> Callable[..., Any]:
        """What is called."""
        found: Callable[..., Any] = operator_of(self.operator)
        return found

    def refs(self) -> Iterator[str]:
        """Names of the values it uses, in order, repeated where they are used again."""
        yield from refs_in((self.args, tuple(value for _, value in self.kwargs)))

    def with_arguments(self, replace: Callable[[Any], Any]) -> Call:
        """The same call with every leaf of its arguments replaced."""
        args = tuple(map_leaves(one, replace) for one in self.args)
        return Call(self.name, self.operator, args, tuple((key, map_leaves(one, replace)) for key, one in self.kwargs))


@dataclass(frozen=True, slots=True)
class Program:
    """Straight-line code with the values it is run on.

    Attributes:
        inputs: what it is given.
        constants: parameters and buffers.
        calls: in the order of execution.
        outputs: names of the values it returns.
    """

    inputs: tuple[Input, ...]
    constants: tuple[Constant, ...]
    calls: tuple[Call, ...]
    outputs: tuple[str, ...]

    @property
    def sets(self) -> int:
        """Number of input sets."""
        return len(self.inputs[0].values) if self.inputs else 1

    def operators(self) -> tuple[str, ...]:
        """ATen operators that it calls, in order."""
        return tuple(call.operator for call in self.calls if is_aten(call))


def is_aten(call: Call) -> bool:
    """Whether it computes with tensors by an operator, and is not Python arithmetic on sizes or a choice of results."""
    return isinstance(call.target, torch._ops.OpOverload) and not call.operator.startswith("aten.sym_")


def refs_in(value: Any) -> Iterator[str]:
    """Names of the values in a nested argument."""
    if isinstance(value, Ref):
        yield value.name
    elif isinstance(value, list | tuple):
        for one in value:
            yield from refs_in(one)
    elif isinstance(value, slice):
        yield from refs_in((value.start, value.stop, value.step))


def map_leaves(value: Any, replace: Callable[[Any], Any]) -> Any:
    """A nested argument with every leaf replaced."""
    if isinstance(value, list | tuple):
        return type(value)(map_leaves(one, replace) for one in value)
    if isinstance(value, slice):
        return slice(*(map_leaves(one, replace) for one in (value.start, value.stop, value.step)))
    return replace(value)


def address_of(target: Any) -> str:
    """The address of an operator or a Python function.

    Raises:
        LookupError: it cannot be found again by its name.
    """
    if isinstance(target, torch._ops.OpOverload):
        return str(target)
    module = {"_operator": "operator"}.get(str(getattr(target, "__module__", "")), getattr(target, "__module__", ""))
    address = f"{module}:{getattr(target, '__qualname__', '')}"
    try:
        found = operator_of(address)
    except (ImportError, AttributeError, ValueError):
        found = None
    if found is not target:
        raise LookupError(f"{target} has no address")
    return address


def operator_of(address: str) -> Any:
    """What an address names: `aten.add.Tensor`, or `module:function`.

    Raises:
        AttributeError, ImportError: there is no such thing.
    """
    if ":" in address:
        module, _, name = address.partition(":")
        return getattr(importlib.import_module(module), name)
    found: Any = torch.ops
    for part in address.split("."):
        found = getattr(found, part)
    return found


def run(program: Program, index: int = 0) -> dict[str, Any]:
    """Every value of the program on one input set, by name.

    Raises:
        Exception: whatever an operator raises.
    """
    values: dict[str, Any] = {one.name: one.value.tensor for one in program.constants}
    values |= {one.name: one.values[index].tensor for one in program.inputs}
    if any(map(_may_write, program.calls)):
        values = {name: tensor.clone() for name, tensor in values.items()}
    torch.manual_seed(0)
    with torch.no_grad():
        for call in program.calls:
            args, kwargs = arguments(call, values)
            values[call.name] = call.target(*args, **kwargs)
    return values


def _may_write(call: Call) -> bool:
    """Whether it may change one of its arguments in place; the schemas of some norms do not say so."""
    target = call.target
    if not isinstance(target, torch._ops.OpOverload):
        return False
    return bool(target._schema.is_mutable) or any(name in call.operator for name in _UPDATING)


def arguments(call: Call, values: Mapping[str, Any]) -> tuple[list[Any], dict[str, Any]]:
    """The arguments of a call with the values of the program in the place of their names."""

    def resolve(leaf: Any) -> Any:
        return values[leaf.name] if isinstance(leaf, Ref) else leaf

    args = [map_leaves(one, resolve) for one in call.args]
    return args, {name: map_leaves(one, resolve) for name, one in call.kwargs}


def outputs(program: Program, index: int = 0) -> list[Any]:
    """What the program returns on one input set.

    Raises:
        Exception: whatever an operator raises.
    """
    values = run(program, index)
    return [values[name] for name in program.outputs]


def pruned(program: Program) -> Program:
    """The program without what its outputs do not depend on."""
    needed = set(program.outputs)
    calls = []
    for call in reversed(program.calls):
        if call.name in needed:
            calls.append(call)
            needed.update(call.refs())
    return Program(
        tuple(one for one in program.inputs if one.name in needed),
        tuple(one for one in program.constants if one.name in needed),
        tuple(reversed(calls)),
        program.outputs,
    )


def same_bits(one: torch.Tensor, other: torch.Tensor) -> bool:
    """Whether two tensors have the same type, shape and bits: NaN payloads and signs of zero included."""
    if one.dtype != other.dtype or one.shape != other.shape:
        return False
    return torch.equal(bits_of(one), bits_of(other))


def bits_of(tensor: torch.Tensor) -> torch.Tensor:
    """The bytes of a tensor, in the order of its elements."""
    if not tensor.numel():
        return torch.zeros(0, dtype=torch.uint8)
    plain = tensor.detach().cpu().resolve_conj().resolve_neg()
    return plain.clone(memory_format=torch.contiguous_format).reshape(-1).view(torch.uint8)


def is_special(value: float) -> bool:
    """Whether a number is NaN, infinite or a negative zero."""
    return not math.isfinite(value) or (value == 0 and math.copysign(1.0, value) < 0)
