"""The worker's part of `tautomer generate --mutate` for PyTorch: mutants captured, run and written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch.utils import _pytree as pytree

from tautomer.adapters.mutating import Answer, perturbed, shuffled
from tautomer.adapters.torch_programs.kernels import NAMES, TorchKernels
from tautomer.adapters.torch_programs.mutation import MutantModule, places_and_sources, with_shape
from tautomer.adapters.torch_programs.operators import OPERATORS
from tautomer.adapters.torch_programs.preparation import PreparedProgram, prepare
from tautomer.adapters.torch_programs.reduction.recording import exported_program, out_of_place
from tautomer.adapters.torch_programs.trees import CallArguments
from tautomer.adapters.user_modules import first_line
from tautomer.errors import UserCodeError
from tautomer.synthesis.mutation import Change, Mutator

GRAPHS = 16
"""So many captures of the program at other sizes are kept."""


@dataclass(frozen=True, slots=True)
class TorchMutant:
    """A captured program, and what it is run on: inputs as written, perturbed, and others."""

    program: torch.export.ExportedProgram
    calls: Sequence[CallArguments]


class TorchSubject:
    """A program that mutants are made of.

    Args:
        spec: of the program; see `load_program`.

    Raises:
        MisuseError: the program cannot be loaded, or torch.export does not capture it.
    """

    def __init__(self, spec: dict[str, Any]) -> None:
        self._prepared = prepare(spec)
        try:
            graph = _captured(self._prepared)
        except Exception as error:  # whatever stands in the way of torch.export
            raise UserCodeError("TA126", f"torch.export cannot capture it: {first_line(error)}.") from error
        self._graphs: dict[tuple[Any, ...], torch.fx.GraphModule] = {(): graph}
        self._inputs = [node.name for node in graph.graph.nodes if node.op == "placeholder"]
        call = self._prepared.program.input_sets[0].call
        self.mutator = Mutator(*places_and_sources(graph, call), OPERATORS)

    def mutant(self, changes: Sequence[Change]) -> TorchMutant:
        """The program with changes, captured.

        Raises:
            Exception: what torch.export raises where a change does not fit.
        """
        shapes = {name: shape for one in changes for name, shape in one.shapes.items() if name in self._inputs}
        prepared = self._with_sizes(shapes)
        graph = self._graph(prepared, shapes)
        call = prepared.program.input_sets[0].call
        with torch.no_grad():
            copied = call.copied()
            module = MutantModule(graph, changes, self._inputs)
            program = torch.export.export(module, copied.args, copied.kwargs or None, strict=False)
        return TorchMutant(program, _calls(prepared))

    def answers(self, mutant: TorchMutant) -> list[list[Answer]]:
        """What it answers.

        Raises:
            Exception: what PyTorch raises.
        """
        kernels, model = TorchKernels(), mutant.program.module()
        found = []
        for call in mutant.calls:
            copied = call.copied()
            with torch.no_grad():
                leaves = pytree.tree_leaves(model(*copied.args, **copied.kwargs))
            tensors = [one.detach() for one in leaves if isinstance(one, torch.Tensor) and one.dtype in NAMES]
            found.append([(NAMES[one.dtype], np.asarray(kernels.array(one))) for one in tensors])
        return found

    def written(self, mutant: TorchMutant, folder: Path, stem: str) -> dict[str, Any]:
        """Write a mutant, with its inputs in it.

        Raises:
            Exception: what torch.export raises.
        """
        torch.export.save(mutant.program, folder / f"{stem}.pt2")
        operators = [str(node.target) for node in mutant.program.graph.nodes if node.op == "call_function"]
        return {"file": f"{stem}.pt2", "nodes": len(operators), "operators": sorted(set(operators))}

    def _with_sizes(self, shapes: Mapping[str, Sequence[int]]) -> PreparedProgram:
        """The program with inputs of these sizes."""
        if not shapes:
            return self._prepared
        first = self._prepared.program.input_sets[0]
        leaves = pytree.tree_leaves((first.call.args, first.call.kwargs))
        changed = [
            with_shape(leaf, shapes[name]) if name in shapes else leaf
            for name, leaf in zip(self._inputs, leaves, strict=True)
        ]
        sets = (replace(first, call=first.call.rebuilt(changed)),)
        return replace(self._prepared, program=replace(self._prepared.program, input_sets=sets))

    def _graph(self, prepared: PreparedProgram, shapes: Mapping[str, Sequence[int]]) -> torch.fx.GraphModule:
        """The program as captured with inputs of these sizes: Python code may take another way there.

        What was captured before it came here has its sizes in it; whether it runs at these is found by running it.
        """
        key = tuple(sorted((name, tuple(shape)) for name, shape in shapes.items()))
        if isinstance(prepared.program.model, torch.export.ExportedProgram):
            return self._graphs[()]
        if key not in self._graphs:
            while len(self._graphs) > GRAPHS:
                del self._graphs[list(self._graphs)[1]]
            self._graphs[key] = _captured(prepared)
        return self._graphs[key]


def _captured(prepared: PreparedProgram) -> torch.fx.GraphModule:
    graph: torch.fx.GraphModule = exported_program(prepared).module(check_guards=False)
    out_of_place(graph)
    return graph


def _calls(prepared: PreparedProgram) -> list[CallArguments]:
    """The inputs that the program is written with, these perturbed, and others of the same sizes."""
    first = prepared.program.input_sets[0].call
    sizes = _sizes(first)
    others = (one.call for one in prepared.program.input_sets[1:] if _sizes(one.call) == sizes)
    other = next(others, None) or _moved(first, lambda dtype, array, by: shuffled(array, by))
    return [first, _moved(first, perturbed), other]


def _sizes(call: CallArguments) -> list[torch.Size]:
    leaves = pytree.tree_leaves((call.args, call.kwargs))
    return [one.shape for one in leaves if isinstance(one, torch.Tensor)]


def _moved(call: CallArguments, how: Any) -> CallArguments:
    generator = np.random.Generator(np.random.PCG64(0))
    kernels = TorchKernels()

    def leaf(value: Any) -> Any:
        if not isinstance(value, torch.Tensor) or not value.numel() or value.dtype not in NAMES:
            return value
        dtype = NAMES[value.dtype]
        return kernels.tensor(how(dtype, kernels.array(value.detach()), generator), dtype)

    return CallArguments(pytree.tree_map(leaf, call.args), pytree.tree_map(leaf, call.kwargs))
