"""Load a program with what a comparison needs: named inputs, dynamic dimensions, a second size, a state to restore."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import torch

from tautomer.adapters.torch_programs.loading import (
    InputSet,
    TorchProgram,
    load_program,
    seed_everything,
    user_code_error,
)
from tautomer.adapters.torch_programs.second_size import DynamicDimension, dynamic_dimensions, not_varied, resized
from tautomer.adapters.torch_programs.state import ModuleState
from tautomer.adapters.torch_programs.trees import Leaves, leaves_of, parameter_names


@dataclass(frozen=True, slots=True)
class PreparedProgram:
    """A program that can be run again and again with the same answer.

    Attributes:
        program: model, input sets (a derived second size included) and settings.
        names: parameter names of positional arguments.
        dimensions: dimensions declared dynamic.
        notes: for the report.
    """

    program: TorchProgram
    names: tuple[str, ...]
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
        return self.program.input_sets[index].call.leaves(self.forward)

    @property
    def forward(self) -> Callable[..., Any] | None:
        """The function whose signature names the arguments."""
        return _forward_of(self.program.model)

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
        try:
            return leaves_of(self.program.callable(*call.args, **call.kwargs))
        except Exception as error:
            raise user_code_error("TA126", f"the model itself, on {one.name},", self.program.path, error) from error


def _module_of(program: TorchProgram) -> torch.nn.Module | None:
    return program.callable if isinstance(program.callable, torch.nn.Module) else None


def _forward_of(model: Any) -> Callable[..., Any] | None:
    if isinstance(model, torch.export.ExportedProgram):
        return None
    inner = getattr(model, "_function", None)
    forward: Callable[..., Any] = inner if callable(inner) else getattr(model, "forward", model)
    return forward


def prepare(spec: dict[str, Any]) -> PreparedProgram:
    """Load a program from its spec (see `load_program`) and derive what the comparison needs.

    Raises:
        MisuseError: the program cannot be loaded.
    """
    program = load_program(spec)
    seed = int(spec["seed"])
    first = program.input_sets[0].call
    names = _names(program, first)
    module = _module_of(program)
    state = ModuleState.of(module) if module is not None else None
    dimensions = dynamic_dimensions(first, program.dynamic_shapes, names)
    prepared = PreparedProgram(program, names, tuple(dimensions), seed, state, program.notes)
    return _with_second_size(prepared)


def _names(program: TorchProgram, call: Any) -> tuple[str, ...]:
    model = program.model
    if isinstance(model, torch.export.ExportedProgram):
        user = [str(name) for name in model.graph_signature.user_inputs]
        return (
            tuple(user[: len(call.args)])
            if len(user) >= len(call.args)
            else tuple(f"arg{i}" for i in range(len(call.args)))
        )
    if isinstance(model, torch.jit.ScriptModule):
        method: Any = model.forward
        arguments = [one.name for one in method.schema.arguments if one.name != "self"]
        return tuple(arguments[: len(call.args)])
    forward = _forward_of(model)
    return (
        tuple(parameter_names(forward, len(call.args))) if forward else tuple(f"arg{i}" for i in range(len(call.args)))
    )


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
        trial = PreparedProgram(
            candidate, prepared.names, prepared.dimensions, prepared.seed, prepared.state, prepared.notes
        )
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
    return PreparedProgram(
        program, prepared.names, prepared.dimensions, prepared.seed, prepared.state, (*prepared.notes, note)
    )
