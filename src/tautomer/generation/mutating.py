"""Real models changed a little: what `tautomer generate --mutate MODEL` does."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

from tautomer.adapters.registry import require
from tautomer.checking.attempts import Bench
from tautomer.checking.onnx_modules import written_out
from tautomer.checking.sources import recognise, sample_files
from tautomer.errors import MisuseError
from tautomer.execution import Pool, Runner, RunStore
from tautomer.generation.generating import Generated, Work, frameworks
from tautomer.generation.settings import GenerationSettings
from tautomer.model import Limits

BATCH = 25
"""So many mutants are made by one worker: a real model takes much longer than one that is made up."""


def mutate(
    model: Path,
    settings: GenerationSettings,
    output: Path,
    *,
    inputs: Path | None = None,
    changes: tuple[int, int] = (1, 3),
    trust_pickle: bool = False,
    limits: Limits | None = None,
    runner: Runner | None = None,
    report: Callable[[int, int], None] = lambda done, count: None,
) -> Generated:
    """Make mutants of a model: operators put in, taken out, exchanged, set otherwise, in another dtype or size.

    Args:
        model: whatever a check takes of PyTorch, ONNX or TensorFlow.
        settings: their number and the seed of the first; the rest is the model's.
        output: the folder; it is made where it is not there.
        inputs: a sample, or a folder of them, in the place of the model's own inputs.
        changes: the least and the largest number of changes of a mutant.
        trust_pickle: whether a pickled file may be opened.
        limits: of each batch.
        runner: runs the workers; None for a pool of its own.
        report: called after each batch with the number of mutants made and wanted.

    Raises:
        MisuseError: TA166 models of this kind are not mutated; the model cannot be read, captured or run.
        NotInstalledError: the framework is not installed.
        OutputPathError: the folder cannot be written, or a file of another content is in the way.
    """
    source = recognise(model, trust_pickle=trust_pickle)
    host = source.adapter.host.name
    able = {name: one for name, one in frameworks().items() if one.host.name == host}
    if not able or not source.adapter.mutates:
        raise MisuseError(
            "TA166",
            f"models like {model.name} ({source.adapter.name}) are not mutated.",
            "Give one of PyTorch, ONNX or TensorFlow.",
        )
    framework, adapter = next(iter(able.items()))
    require(source.adapter)
    samples = sample_files(inputs)
    with contextlib.ExitStack() as stack:
        used = stack.enter_context(Pool()) if runner is None else runner
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        bench = Bench(used, limits or Limits(), stack.enter_context(RunStore(folder).create(f"build {model.name}")))
        source, own = written_out(bench, source, seed=0)
        spec = {
            "path": str(source.path),
            "kind": str(source.kind),
            "seed": 0,
            "inputs": [str(one) for one in samples or sample_files(own)],
            "trust_pickle": trust_pickle,
        }

        def arguments(seeds: Sequence[int], made: Generated) -> dict[str, Any]:
            return {"spec": spec, "seeds": list(seeds), "changes": list(changes)}

        asked = replace(settings, framework=framework)
        work = Work(source.adapter, f"{adapter.generated_by}:mutate", arguments, asked, output, batch=BATCH)
        return work.done(limits or Limits(), used, report)
