"""The worker's part of `tautomer generate --mutate`, for every framework: changes that leave a model worth checking."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, Protocol

import numpy as np

from tautomer.adapters.tensor_file import write_values
from tautomer.adapters.worker_api import Channel
from tautomer.model import Tensor
from tautomer.synthesis import Draw
from tautomer.synthesis.health import PERTURBATION, Array, Observed, ailment, extent, out_of_range
from tautomer.synthesis.mutation import Change, Mutator

TRIES = 40
"""So many sets of changes are tried for a seed before it is given up."""

WRITTEN, PERTURBED, OTHER, RESIZED = range(4)
"""The runs of a mutant; the last one only where dimensions are free."""


Answer = tuple[str, Array]
"""The dtype of an output, and its values; formats that NumPy lacks as float32."""


class Subject(Protocol):
    """A model that mutants are made of.

    Attributes:
        mutator: draws changes of it.
    """

    mutator: Mutator

    def mutant(self, changes: Sequence[Change]) -> Any:
        """The model with changes; with none, the model itself.

        Raises:
            Exception: what the framework raises where a change does not fit.
        """

    def answers(self, mutant: Any) -> Sequence[Sequence[Answer]]:
        """The outputs that are numbers, in each run: as written, perturbed, on other inputs, at other sizes.

        Raises:
            Exception: what the framework raises where the mutant does not run.
        """

    def written(self, mutant: Any, folder: Path, stem: str) -> dict[str, Any]:
        """Write a mutant; its `file`, `nodes` and `operators`, and `inputs`, the folder of inputs that go with it.

        Raises:
            Exception: what the framework raises where it cannot be written.
        """


def make_mutants(channel: Channel, subject: Subject, *, seeds: Sequence[int], changes: Sequence[int]) -> dict[str, Any]:
    """Change a model a little for each seed, and leave what comes out in the attempt's folder.

    Emits `begin` with a seed before a mutant is made, and `model` with what was made of it; its `changes` are
    sentences, its `kinds` those of its changes.

    Args:
        channel: of the task.
        subject: the model.
        seeds: of the mutants.
        changes: the least and the largest number of changes.

    Returns:
        `refused`: how often changes were refused, by kinds and reason; `tried`: how often they were tried, by kinds.
    """
    sound = [one is None for one in ailments(subject.answers(subject.mutant(())))]
    refused: Counter[str] = Counter()
    tried: Counter[str] = Counter()
    for seed in seeds:
        channel.emit("begin", seed=seed)
        for attempt in range(TRIES):
            draw = Draw(seed, attempt)
            drawn = subject.mutator.changes(draw, draw.between(changes[0], changes[1]))
            if not drawn:
                continue
            kinds = "+".join(sorted({change.kind for change in drawn}))
            tried[kinds] += 1
            try:
                mutant = subject.mutant(drawn)
                wrong = worse(ailments(subject.answers(mutant)), sound)
                if wrong is None:
                    facts = subject.written(mutant, channel.folder, f"mutant-{seed:06d}")
            except Exception as error:  # a change that does not fit raises what the operators raise
                refused[f"{kinds}: {type(error).__name__}"] += 1
                continue
            if wrong is not None:
                refused[f"{kinds}: {wrong}"] += 1
                continue
            told = {"changes": [one.description for one in drawn], "kinds": [one.kind for one in drawn]}
            channel.emit("model", seed=seed, sequences=[], **facts, **told)
            break
        else:
            channel.emit("model", seed=seed, file=None, nodes=0, operators=[], sequences=[])
    return {"refused": dict(refused), "tried": dict(tried)}


def worse(found: Sequence[str | None], sound: Sequence[bool]) -> str | None:
    """What is wrong with the first output that was sound before; None where nothing is."""
    if len(found) != len(sound):
        return "other outputs"
    return next((one for one, was_sound in zip(found, sound, strict=True) if one is not None and was_sound), None)


def ailments(answers: Sequence[Sequence[Answer]]) -> list[str | None]:
    """What is wrong with each output, from its values in the runs."""
    found: list[str | None] = []
    for values in zip(*answers, strict=True):
        dtype = values[WRITTEN][0]
        arrays = [array for _, array in values]
        extents = [extent(one) for one in arrays]
        wrong = ailment(Observed(arrays[WRITTEN], arrays[PERTURBED], arrays[OTHER], extents[:RESIZED]), dtype)
        if wrong is None and len(arrays) > RESIZED:
            wrong = out_of_range(extents[RESIZED], dtype)
        found.append(wrong)
    return found


def perturbed(dtype: str, array: Array, generator: np.random.Generator) -> Array:
    """An input of a dtype, moved by a small share of each element; integers as they are."""
    if dtype not in PERTURBATION:
        return array
    noise = PERTURBATION[dtype] * (2.0 * generator.random(array.shape) - 1.0)
    return np.asarray(array + array * noise.astype(array.dtype)).astype(array.dtype)


def shuffled(array: Array, generator: np.random.Generator) -> Array:
    """An input's elements in another order: what an input may hold stays what it was."""
    return generator.permutation(array.reshape(-1)).reshape(array.shape)


def write_inputs(folder: Path, runs: Sequence[Mapping[str, Any]]) -> None:
    """Write the inputs as written, and those at other sizes, as `--inputs` takes a folder of them."""
    folder.mkdir()
    for number, run in enumerate(runs[::RESIZED]):
        write_values(folder / f"{number}.safetensors", {name: Tensor.of(one) for name, one in run.items()})
