"""The worker's part of `tautomer generate --mutate` for PyTorch: changes that leave a program worth checking."""

from __future__ import annotations

from collections import Counter
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import torch
from torch.utils import _pytree as pytree

from tautomer.adapters.torch_programs.kernels import NAMES, TorchKernels
from tautomer.adapters.torch_programs.mutation import Change, Mutator
from tautomer.adapters.torch_programs.operators import OPERATORS
from tautomer.adapters.torch_programs.preparation import PreparedProgram, prepare
from tautomer.adapters.torch_programs.reduction.recording import exported_program, out_of_place
from tautomer.adapters.torch_programs.trees import CallArguments
from tautomer.adapters.user_modules import first_line
from tautomer.adapters.worker_api import Channel
from tautomer.errors import UserCodeError
from tautomer.synthesis import Draw
from tautomer.synthesis.health import PERTURBATION, Observed, ailment, extent

TRIES = 40
"""So many sets of changes are tried for a seed before it is given up."""

DRAWS = 200
"""So often a change is drawn until one fits."""


def make_mutants(channel: Channel, *, spec: dict[str, Any], seeds: list[int], changes: list[int]) -> dict[str, Any]:
    """See `tautomer.adapters.torch_programs.generating.mutate`."""
    torch.set_num_threads(1)
    prepared = prepare(spec)
    try:
        graph = exported_program(prepared).module(check_guards=False)
    except Exception as error:  # whatever stands in the way of torch.export
        raise UserCodeError("TA126", f"torch.export cannot capture it: {first_line(error)}.") from error
    out_of_place(graph)
    call = prepared.program.input_sets[0].call
    calls = _calls(prepared)
    with torch.no_grad():
        sound = [one is None for one in _ailments(graph, calls)]
    ground = _Ground(Mutator(graph, call, OPERATORS), call, calls, sound)
    for seed in seeds:
        channel.emit("begin", seed=seed)
        for attempt in range(TRIES):
            draw = Draw(seed, attempt)
            drawn = _changes(ground.mutator, draw, draw.between(*changes))
            program = ground.exported(drawn) if drawn else None
            if program is not None:
                name = f"mutant-{seed:06d}.pt2"
                torch.export.save(program, channel.folder / name)
                channel.emit("model", seed=seed, file=name, **_facts(drawn, program))
                break
        else:
            channel.emit("model", seed=seed, file=None, nodes=0, operators=[], sequences=[])
    return {"refused": ground.refused, "versions": {"torch": torch.__version__}}


@dataclass(slots=True)
class _Ground:
    """What mutants are made of and held against.

    Attributes:
        mutator: draws changes of the program.
        call: what it is captured with.
        calls: what it is run on: the same, perturbed, and other inputs.
        sound: for each output of the program itself, whether nothing is wrong with it.
        refused: how often changes were refused, by kinds and reason.
    """

    mutator: Mutator
    call: CallArguments
    calls: list[CallArguments]
    sound: list[bool]
    refused: Counter[str] = field(default_factory=Counter)

    def exported(self, changes: list[Change]) -> torch.export.ExportedProgram | None:
        """The mutant, captured; None where it does not run or an output is worse than in the program itself."""
        kinds = "+".join(sorted({change.kind for change in changes}))
        try:
            with torch.no_grad():
                copied = self.call.copied()
                mutant = self.mutator.mutant(changes)
                program = torch.export.export(mutant, copied.args, copied.kwargs or None, strict=False)
                ailments = _ailments(program.module(), self.calls)
        except Exception as error:  # a change that does not fit raises what the operators raise
            self.refused[f"{kinds}: {type(error).__name__}"] += 1
            return None
        wrong = [one for one, was_sound in zip(ailments, self.sound, strict=False) if one is not None and was_sound]
        if wrong:
            self.refused[f"{kinds}: {wrong[0]}"] += 1
            return None
        return program


def _changes(mutator: Mutator, draw: Draw, count: int) -> list[Change]:
    found: dict[str, Change] = {}
    for _ in range(DRAWS):
        change = mutator.change(draw)
        if change is not None:
            found.setdefault(change.node, change)
        if len(found) == count:
            break
    return list(found.values())


def _calls(prepared: PreparedProgram) -> list[CallArguments]:
    """The inputs that the program is written with, these perturbed, and others of the same sizes."""
    first = prepared.program.input_sets[0].call
    sizes = [one.shape for one in pytree.tree_leaves((first.args, first.kwargs)) if isinstance(one, torch.Tensor)]
    for one in prepared.program.input_sets[1:]:
        leaves = pytree.tree_leaves((one.call.args, one.call.kwargs))
        if [leaf.shape for leaf in leaves if isinstance(leaf, torch.Tensor)] == sizes:
            return [first, _moved(first, _perturbed), one.call]
    return [first, _moved(first, _perturbed), _moved(first, _another)]


def _moved(call: CallArguments, how: Any) -> CallArguments:
    generator = torch.Generator().manual_seed(0)

    def leaf(value: Any) -> Any:
        return how(value, generator) if isinstance(value, torch.Tensor) and value.numel() else value

    return CallArguments(pytree.tree_map(leaf, call.args), pytree.tree_map(leaf, call.kwargs))


def _perturbed(value: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    if not value.is_floating_point():
        return value
    noise = 2 * torch.rand(value.shape, generator=generator) - 1
    return value + value * noise.to(value.dtype) * PERTURBATION[NAMES[value.dtype]]


def _another(value: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Its elements in another order: what an input may hold stays what it was."""
    order = torch.randperm(value.numel(), generator=generator)
    return value.flatten()[order].reshape(value.shape)


def _ailments(model: torch.nn.Module, calls: list[CallArguments]) -> list[str | None]:
    """What is wrong with each output that is a tensor."""
    kernels = TorchKernels()
    answers = []
    for call in calls:
        copied = call.copied()
        leaves = pytree.tree_leaves(model(*copied.args, **copied.kwargs))
        answers.append([one.detach() for one in leaves if isinstance(one, torch.Tensor) and one.dtype in NAMES])
    found: list[str | None] = []
    for one, perturbed, other in zip(*answers, strict=True):
        arrays = [np.asarray(kernels.array(value)) for value in (one, perturbed, other)]
        seen = Observed(arrays[0], arrays[1], arrays[2], [extent(array) for array in arrays])
        found.append(ailment(seen, NAMES[one.dtype]))
    return found


def _facts(changes: list[Change], program: torch.export.ExportedProgram) -> dict[str, Any]:
    operators = [str(node.target) for node in program.graph.nodes if node.op == "call_function"]
    return {
        "nodes": len(operators),
        "operators": sorted(set(operators)),
        "sequences": [],
        "changes": [change.description for change in changes],
    }
