"""What TensorFlow's registry says of an operator: how its tensors are grouped, and how `tf.raw_ops` takes them.

Source: TensorFlow's op_def.proto; `tf.raw_ops` renames some arguments (Split's `split_dim` is `axis`) and leaves out
attributes that follow from its tensors.
"""

from __future__ import annotations

import inspect
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from typing import Any, TypeVar

import tensorflow as tf
from tensorflow.python.framework import op_def_registry

from tautomer.adapters.tf_programs.reduction.program import Step

T = TypeVar("T")


class NotExpressible(Exception):
    """A part of the model that is no code of public operators; its text names what stands in the way."""


@dataclass(frozen=True, slots=True)
class Definition:
    """How `tf.raw_ops` spells an operator.

    Attributes:
        inputs: for each argument that takes tensors, its name in `tf.raw_ops` and what its number follows from.
        outputs: for each group of results likewise, by the registered name.
        attributes: registered name -> name in `tf.raw_ops`, of those that have to be given.
        defaults: of these attributes, by registered name, those that have one.
        fixed: arguments whose element type no attribute decides: name in `tf.raw_ops` -> type.
        order: names of the arguments and attributes in `tf.raw_ops`, in its order.
    """

    inputs: tuple[tuple[str, str], ...]
    outputs: tuple[tuple[str, str], ...]
    attributes: Mapping[str, str]
    defaults: Mapping[str, Any]
    fixed: Mapping[str, str]
    order: tuple[str, ...]


@lru_cache(maxsize=512)
def definition_of(op: str) -> Definition:
    """The definition of an operator.

    Raises:
        NotExpressible: it is not public.
    """
    registered = op_def_registry.get(op)
    function = getattr(tf.raw_ops, op, None)
    if registered is None or function is None:
        raise NotExpressible(f"{op} is no public operator")
    parameters = {one.name: one for one in inspect.signature(function).parameters.values() if one.name != "name"}
    inputs = [one.name for one in registered.input_arg]
    attributes = [one.name for one in registered.attr]
    free = [one for one in parameters if one not in inputs and one not in attributes]
    renamed = {one: one if one in parameters else free.pop(0) if free else one for one in inputs}
    given = {one: one for one in attributes if one in parameters}
    inferred = _inferred(registered)
    for one in attributes:
        if one not in given and one not in inferred and free:
            given[one] = free.pop(0)
    return Definition(
        tuple((renamed[one.name], one.number_attr or one.type_list_attr) for one in registered.input_arg),
        tuple((one.name, one.number_attr or one.type_list_attr) for one in registered.output_arg),
        given,
        {
            name: parameters[said].default
            for name, said in given.items()
            if parameters[said].default is not inspect.Parameter.empty
        },
        {
            renamed[one.name]: tf.as_dtype(one.type).name
            for one in registered.input_arg
            if not one.type_attr and not one.type_list_attr
        },
        tuple(parameters),
    )


def _inferred(registered: Any) -> set[str]:
    """Attributes that the tensors decide."""
    return {
        name for one in registered.input_arg for name in (one.type_attr, one.number_attr, one.type_list_attr) if name
    }


def grouped(groups: Sequence[tuple[str, str]], flat: Sequence[T], attributes: Mapping[str, Any]) -> list[Any]:
    """Flat tensors as arguments or results are grouped: one, or a list where its number follows from an attribute."""
    found: list[Any] = []
    place = 0
    for _, counted_by in groups:
        if not counted_by:
            found.append(flat[place])
            place += 1
            continue
        count = attributes[counted_by]
        count = len(count) if isinstance(count, list | tuple) else int(count)
        found.append(list(flat[place : place + count]))
        place += count
    return found


def output_count(step: Step) -> int:
    """How many tensors a step gives."""
    if step.bodies:
        return len(step.bodies[-1].results)
    groups = definition_of(step.op).outputs
    return sum(
        1
        if not counted_by
        else len(step.attributes[counted_by])
        if isinstance(step.attributes[counted_by], list | tuple)
        else int(step.attributes[counted_by])
        for _, counted_by in groups
    )
