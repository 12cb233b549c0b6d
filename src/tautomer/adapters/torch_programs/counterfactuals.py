"""Try what an operator gives with other arguments, to see which of them its translation ignored or took for another."""

from __future__ import annotations

import itertools
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch

from tautomer.adapters.tensor_file import read_values
from tautomer.adapters.torch_programs.trees import from_tensor
from tautomer.adapters.worker_api import Channel
from tautomer.model import Tensor

EXPLAINED = 0.01
"""A supposition explains a deviation where it leaves no more than this share of it: rounding of the declared precision,
and what another formula of the same function errs."""

_STORAGE = frozenset({"dtype", "layout", "device", "pin_memory", "memory_format", "out_dtype", "generator"})


def try_arguments(channel: Channel, *, tried: list[dict[str, Any]]) -> dict[str, Any]:
    """Call operators again, on what they were given, with arguments left at their defaults or operands exchanged.

    Emits an `explained` event for each call that a supposition explains: its `position` in the list, `how` (`default`
    or `exchanged`), and the names of the `arguments`.

    Args:
        tried: for each call `call` (as `calls_of` describes it), `values` (the file of the program's values by node),
            and `computed` (the file of what the target computes in their places).
    """
    files: dict[str, Mapping[str, Any]] = {}
    for position, one in enumerate(tried):
        values, computed = (_values(files, one[key]) for key in ("values", "computed"))
        found = _explanation(one["call"], values, computed)
        if found is not None:
            channel.emit("explained", position=position, how=found[0], arguments=list(found[1]))
    return {}


def _values(files: dict[str, Mapping[str, Any]], file: str) -> Mapping[str, Any]:
    if file not in files:
        values = read_values(Path(file))
        files[file] = values if isinstance(values, Mapping) else {}
    return files[file]


def _explanation(
    call: Mapping[str, Any], values: Mapping[str, Any], computed: Mapping[str, Any]
) -> tuple[str, tuple[str, ...]] | None:
    """The first supposition under which an operator gives what the target computes; None where none does."""
    name = str(call["name"])
    target, right = computed.get(name), values.get(name)
    if not isinstance(target, Tensor) or not isinstance(right, Tensor):
        return None
    given = _arguments(call, values)
    operator = _operator(str(call["operator"]))
    if given is None or operator is None:
        return None
    for how, names, arguments in _suppositions(call, given):
        try:
            result = operator(**arguments)
        except (RuntimeError, ValueError, TypeError, IndexError, NotImplementedError):
            continue  # the operator does not take them so
        if isinstance(result, torch.Tensor) and _explains(result, from_tensor(target), from_tensor(right)):
            return how, names
    return None


def _operator(spelled: str) -> Any:
    """`aten.add.Tensor` to be called; None where there is no such operator, or it writes into its arguments."""
    parts = spelled.split(".")
    if len(parts) != 3:
        return None
    try:
        found = getattr(getattr(getattr(torch.ops, parts[0]), parts[1]), parts[2])
    except (AttributeError, RuntimeError):
        return None
    return None if found._schema.is_mutable else found


def _arguments(call: Mapping[str, Any], values: Mapping[str, Any]) -> dict[str, Any] | None:
    """What an operator was given, by name; None where something of it was not recorded."""
    try:
        return {str(one["name"]): _given(one["value"], str(one["type"]), values) for one in call["arguments"]}
    except KeyError:
        return None


def _given(value: Any, kind: str, values: Mapping[str, Any]) -> Any:
    """One argument as it was before it became JSON.

    Raises:
        KeyError: it is, or holds, something that was not recorded.
    """
    if isinstance(value, dict):
        tensor = values[value["node"]]
        if not isinstance(tensor, Tensor):
            raise KeyError(value["node"])
        return from_tensor(tensor)
    if isinstance(value, list):
        return [_given(one, kind, values) for one in value]
    if isinstance(value, str) and "str" not in kind:
        found = getattr(torch, value.removeprefix("torch."), None)
        if isinstance(found, torch.dtype | torch.layout | torch.memory_format):
            return found
        if "Device" in kind:
            return torch.device(value)
        if value in ("inf", "-inf", "nan"):
            return float(value)
        raise KeyError(value)  # a symbolic size
    return value


def _suppositions(
    call: Mapping[str, Any], given: Mapping[str, Any]
) -> Iterator[tuple[str, tuple[str, ...], dict[str, Any]]]:
    """Each argument left at its default, all of them, and each pair of operands exchanged."""
    defaults = {
        str(one["name"]): one["default"]
        for one in call["arguments"]
        if one["has_default"] and one["value"] != one["default"] and one["name"] not in _STORAGE
    }
    # Defaults that are no JSON of themselves (types, infinities) are not tried.
    plain = {key: value for key, value in defaults.items() if value is None or isinstance(value, bool | int | float)}
    plain |= {key: value for key, value in defaults.items() if isinstance(value, list) or key in _strings(call)}
    for name, default in plain.items():
        yield "default", (name,), {**given, name: default}
    if len(plain) > 1:
        yield "default", tuple(plain), {**given, **plain}
    tensors = {str(one["name"]): _operand(given[one["name"]]) for one in call["arguments"] if one["type"] == "Tensor"}
    for one, other in itertools.combinations([name for name, value in tensors.items() if value is not None], 2):
        yield "exchanged", (one, other), {**given, one: tensors[other], other: tensors[one]}


def _operand(value: Any) -> torch.Tensor | None:
    """What stands for a tensor, as one: PyTorch takes numbers for tensors."""
    if isinstance(value, int | float) and not isinstance(value, bool):
        return torch.tensor(value)
    return value if isinstance(value, torch.Tensor) else None


def _strings(call: Mapping[str, Any]) -> set[str]:
    return {str(one["name"]) for one in call["arguments"] if "str" in str(one["type"])}


def _explains(supposed: torch.Tensor, target: torch.Tensor, right: torch.Tensor) -> bool:
    """Whether what is supposed leaves next to nothing of the difference between the target and what is right."""
    if supposed.shape != target.shape:
        return False
    if not target.is_floating_point():
        wrong = right.shape != target.shape or not torch.equal(right.to(target.dtype), target)
        return wrong and torch.equal(supposed.to(target.dtype), target)
    one, other = supposed.to(torch.float64), target.to(torch.float64)
    left = _apart(one, other)
    if left is None:
        return False
    off = _apart(right.to(torch.float64), other) if right.shape == target.shape else None
    # Where shapes or the places of NaN and infinities were off, it is enough that now nothing but rounding is.
    return left <= EXPLAINED * off if off is not None else left <= 1e-5 * _norm(other)


def _apart(one: torch.Tensor, other: torch.Tensor) -> float | None:
    """Euclidean distance over what is finite; None where what is not finite differs."""
    finite = torch.isfinite(one)
    if not torch.equal(finite, torch.isfinite(other)):
        return None
    rest, other_rest = one[~finite], other[~finite]
    if not bool(((rest == other_rest) | (rest.isnan() & other_rest.isnan())).all()):
        return None
    return _norm(one[finite] - other[finite])


def _norm(value: torch.Tensor) -> float:
    return float(torch.linalg.vector_norm(value[torch.isfinite(value)]))
