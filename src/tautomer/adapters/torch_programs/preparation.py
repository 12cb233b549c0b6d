"""Load a program with what a comparison needs: named inputs, dynamic dimensions, a second size, a state to restore."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import torch

from tautomer.adapters.tensor_file import read_values
from tautomer.adapters.torch_programs.fitting import argument_names, forward_of, in_the_form_of, verify_fit
from tautomer.adapters.torch_programs.loading import InputSet, TorchProgram, load_program, seed_everything
from tautomer.adapters.torch_programs.second_size import (
    DynamicDimension,
    dynamic_dimensions,
    not_varied,
    program_dimensions,
    resized,
    varied_dimensions,
)
from tautomer.adapters.torch_programs.state import ModuleState
from tautomer.adapters.torch_programs.trees import Leaves, from_tensor, leaves_of
from tautomer.adapters.user_modules import users_code
from tautomer.errors import InternalError
from tautomer.model import Tensor


@dataclass(frozen=True, slots=True)
class PreparedProgram:
    """A program that can be run again and again with the same answer.

    Attributes:
        program: model, input sets (a derived second size included) and settings.
        dimensions: dimensions declared dynamic.
        notes: for the report.
    """

    program: TorchProgram
    dimensions: tuple[DynamicDimension, ...]
    seed: int
    state: ModuleState | None
    notes: tuple[str, ...]

    @property
    def module(self) -> torch.nn.Module | None:
        """The module whose parameters the program uses, where it has one."""
        return _module_of(self.program)

    def leaves(self, index: int) -> Leaves:
        """The flattened inputs of one set."""
        call = self.program.input_sets[index].call
        return call.leaves(argument_names(self.program.model, len(call.args)))

    def tensors(self, index: int) -> list[torch.Tensor]:
        """The tensors among the inputs of one set, in order."""
        return [value for value in self.leaves(index).values if isinstance(value, torch.Tensor)]

    def reset(self) -> None:
        """Back to the state and the random generators of the start."""
        if self.state is not None:
            self.state.restore()
        seed_everything(self.seed)

    def run(self, index: int) -> Leaves:
        """The model's own answer on one input set, in its own precision.

        Raises:
            UserCodeError: the model raised.
        """
        self.reset()
        one = self.program.input_sets[index]
        call = one.call.copied()
        with users_code("TA126", f"the model itself, on {one.name},", self.program.path):
            return leaves_of(self.program.callable(*call.args, **call.kwargs))


def _module_of(program: TorchProgram) -> torch.nn.Module | None:
    return program.callable if isinstance(program.callable, torch.nn.Module) else None


def prepare(spec: dict[str, Any]) -> PreparedProgram:
    """Load a program from its spec (see `load_program`) and derive what the comparison needs.

    Args:
        spec: besides what `load_program` reads, `added_inputs`: input sets that another worker found, each with
            `name`, `origin` and the `file` that worker wrote its inputs to.

    Raises:
        MisuseError: the program cannot be loaded.
    """
    program = load_program(spec)
    seed = int(spec["seed"])
    program = replace(program, input_sets=in_the_form_of(program.model, program.input_sets))
    module = _module_of(program)
    if module is not None:
        _initialise(module, program, seed)
    prepared = PreparedProgram(program, (), seed, ModuleState.of(module) if module is not None else None, program.notes)
    leaves = [prepared.leaves(index) for index in range(len(program.input_sets))]
    dimensions, understood = _dimensions(program, leaves)
    pairs = [(one.paths, one.values) for one in leaves]
    prepared = replace(prepared, dimensions=tuple(dimensions))
    if spec.get("transferred_inputs"):
        return prepared  # which sizes it takes is found out by running it
    verify_fit(program.input_sets, pairs, dimensions, sizes_known=understood)
    prepared = _with_second_size(prepared)
    return with_sets(prepared, [_read_set(prepared, one) for one in spec.get("added_inputs") or ()])


def with_sets(prepared: PreparedProgram, sets: Sequence[InputSet]) -> PreparedProgram:
    """The same program with more input sets, after those it has."""
    program = replace(prepared.program, input_sets=(*prepared.program.input_sets, *sets))
    return replace(prepared, program=program)


def _read_set(prepared: PreparedProgram, entry: dict[str, Any]) -> InputSet:
    """An input set from the file in which the source's worker left its tensors by path."""
    values = read_values(Path(entry["file"]), mmap=False)
    first = prepared.leaves(0)
    paths = [path for path, one in zip(first.paths, first.values, strict=True) if isinstance(one, torch.Tensor)]
    if not isinstance(values, dict) or not all(isinstance(values.get(path), Tensor) for path in paths):
        raise InternalError("TA900", f"{entry['file']} does not hold the inputs {', '.join(paths)}.")
    leaves = [
        from_tensor(values[path]) if isinstance(one, torch.Tensor) else one
        for path, one in zip(first.paths, first.values, strict=True)
    ]
    call = prepared.program.input_sets[0].call
    return InputSet(str(entry["name"]), str(entry["origin"]), call.rebuilt(leaves))


def _initialise(module: torch.nn.Module, program: TorchProgram, seed: int) -> None:
    """Lazy modules get their parameters from a first call."""
    if any(torch.nn.parameter.is_lazy(one) for one in [*module.parameters(), *module.buffers()]):
        seed_everything(seed)
        call = program.input_sets[0].call.copied()
        with users_code("TA126", f"the model itself, on {program.input_sets[0].name},", program.path):
            program.callable(*call.args, **call.kwargs)


def _dimensions(program: TorchProgram, leaves: list[Leaves]) -> tuple[list[DynamicDimension], bool]:
    """Dynamic dimensions, and whether they are all there are: declared, the program's own, or those samples vary."""
    if isinstance(program.model, torch.export.ExportedProgram):
        return program_dimensions(program.model, leaves[0].paths, leaves[0].values), True
    if isinstance(program.model, torch.jit.ScriptModule):
        return varied_dimensions(leaves[0].paths, [one.values for one in leaves]), True
    call = program.input_sets[0].call
    names = argument_names(program.model, len(call.args))
    with users_code("TA137", "DYNAMIC_SHAPES", program.path):
        found = dynamic_dimensions(call, program.dynamic_shapes, names, forward_of(program.model))
    return found.dimensions, found.understood


def _with_second_size(prepared: PreparedProgram) -> PreparedProgram:
    program = prepared.program
    leaves = [prepared.leaves(index) for index in range(len(program.input_sets))]
    sizes = [
        {
            path: tuple(value.shape)
            for path, value in zip(one.paths, one.values, strict=True)
            if isinstance(value, torch.Tensor)
        }
        for one in leaves
    ]
    remaining = not_varied(list(prepared.dimensions), sizes)
    if not remaining:
        return prepared
    said = ", ".join(f"{one.path} axis {one.axis}" for one in remaining)
    for double in (False, True):
        call = resized(program.input_sets[0].call, remaining, double=double, paths=leaves[0].paths)
        if call is None:
            break
        derived = InputSet("second size", f"derived from {program.input_sets[0].name}: other sizes for {said}", call)
        candidate = TorchProgram(
            program.model,
            program.callable,
            (*program.input_sets, derived),
            program.dynamic_shapes,
            program.path,
            program.notes,
        )
        trial = replace(prepared, program=candidate)
        try:
            trial.run(len(candidate.input_sets) - 1)
        except Exception:
            continue
        finally:
            prepared.reset()
        return trial
    note = (
        f"no second size was found that the model accepts for the dynamic dimensions {said}; give one in run_inputs()."
    )
    return replace(prepared, notes=(*prepared.notes, note))
