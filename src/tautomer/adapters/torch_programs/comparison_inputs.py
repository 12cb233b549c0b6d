"""Gives a program the input sets of another model, whatever either calls its inputs."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import torch

from tautomer.adapters.tensor_file import read_values
from tautomer.adapters.torch_programs.fitting import argument_names, forward_of
from tautomer.adapters.torch_programs.loading import InputSet, TorchProgram
from tautomer.adapters.torch_programs.trees import CallArguments, from_tensor, parameter_names
from tautomer.errors import InputsError
from tautomer.model import Tensor

LACKS_AN_INPUT = "TA155"
"""Code of the error of a model that asks for more tensors than it is given."""


def with_transferred(program: TorchProgram, entries: Sequence[Mapping[str, Any]]) -> TorchProgram:
    """The program with the input sets of another model in the place of its own.

    Tensors go to the inputs of their names, those left over in order. What is no tensor stays as in the program's own
    first set.

    Args:
        program: whose first input set, where it has one, shows the structure of a call.
        entries: input sets, each with `name`, `origin` and the `file` of its values by path.

    Raises:
        InputsError: TA155 the program asks for more tensors than there are; TA156 they do not fit.
    """
    sets = tuple(
        InputSet(str(one["name"]), str(one["origin"]), _call(program, _tensors(Path(one["file"])))) for one in entries
    )
    return replace(program, input_sets=sets)


def _tensors(file: Path) -> dict[str, torch.Tensor]:
    values = read_values(file, mmap=False)
    assert isinstance(values, Mapping)
    return {path: from_tensor(value) for path, value in values.items() if isinstance(value, Tensor)}


def _call(program: TorchProgram, given: Mapping[str, torch.Tensor]) -> CallArguments:
    if not program.input_sets:
        names = _declared_names(program.model, len(given))
        order = assigned(names, given, program.path.name)
        return CallArguments(tuple(given[order[name]] for name in names), {})
    call = program.input_sets[0].call
    leaves = call.leaves(argument_names(program.model, len(call.args)))
    wanted = {
        path: leaf for path, leaf in zip(leaves.paths, leaves.values, strict=True) if isinstance(leaf, torch.Tensor)
    }
    order = assigned(list(wanted), given, program.path.name)
    for path, own in wanted.items():
        other = given[order[path]]
        if other.dtype != own.dtype or other.dim() != own.dim():
            raise InputsError(
                "TA156",
                f"input '{path}' of {program.path.name} takes {_short(own)}, and '{order[path]}' of the other model is"
                f" {_short(other)}: no inputs fit both.",
                "Pass samples that both models take with --inputs.",
            )
    return call.rebuilt(
        [given[order[path]] if path in wanted else leaf for path, leaf in zip(leaves.paths, leaves.values, strict=True)]
    )


def _declared_names(model: Any, count: int) -> list[str]:
    """Names of the positional arguments that a model without samples asks for."""
    if isinstance(model, torch.jit.ScriptModule):
        declared = [one for one in model.forward.schema.arguments if one.name != "self"]  # type: ignore[attr-defined]
        return [one.name for index, one in enumerate(declared) if index < count or not one.has_default_value()]
    if isinstance(model, torch.export.ExportedProgram):
        inputs = [str(one) for one in model.graph_signature.user_inputs]
        names = argument_names(model, len(inputs))
        return list(names)
    return list(parameter_names(forward_of(model), count))


def assigned(wanted: Sequence[str], given: Mapping[str, Any], model: str) -> dict[str, str]:
    """For each input a model asks for, the one it gets: of its name, else of what is left in order.

    Raises:
        InputsError: TA155 there are too few.
    """
    spelled = {path.replace(".", "_"): path for path in given} | {path: path for path in given}
    found: dict[str, str] = {}
    for path in wanted:
        other = spelled.get(path) or spelled.get(path.replace(".", "_"))
        if other is not None and other not in found.values():
            found[path] = other
    left = iter([path for path in given if path not in found.values()])
    for path in wanted:
        if path not in found:
            other = next(left, None)
            if other is None:
                raise InputsError(
                    LACKS_AN_INPUT,
                    f"{model} asks for an input '{path}' that the other model does not have.",
                    "Pass samples that both models take with --inputs.",
                )
            found[path] = other
    return found


def _short(tensor: torch.Tensor) -> str:
    return f"a {str(tensor.dtype).removeprefix('torch.')} tensor of {tensor.dim()} dimensions"
