"""Real models changed a little: what `tautomer generate --mutate MODEL` does."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tautomer.checking.sources import recognise
from tautomer.errors import MisuseError
from tautomer.execution import Runner
from tautomer.generation.generating import Generated, Work, frameworks
from tautomer.generation.settings import GenerationSettings
from tautomer.model import Limits


def mutate(
    model: Path,
    settings: GenerationSettings,
    output: Path,
    *,
    changes: tuple[int, int] = (1, 3),
    trust_pickle: bool = False,
    limits: Limits | None = None,
    runner: Runner | None = None,
    report: Callable[[int, int], None] = lambda done, count: None,
) -> Generated:
    """Make mutants of a model: operators put in, taken out, exchanged, set otherwise or computed in another dtype.

    Args:
        model: a model module or an ExportedProgram.
        settings: their number and the seed of the first; the rest is the model's.
        output: the folder; it is made where it is not there.
        changes: the least and the largest number of changes of a mutant.
        trust_pickle: whether a pickled file may be opened.
        limits: of each batch.
        runner: runs the workers; None for a pool of its own.
        report: called after each batch with the number of mutants made and wanted.

    Raises:
        MisuseError: TA166 models of this kind are not mutated yet; the model cannot be read or captured.
        NotInstalledError: the framework is not installed.
        OutputPathError: the folder cannot be written, or a file of another content is in the way.
    """
    source = recognise(model, trust_pickle=trust_pickle)
    able = [one for one in frameworks().values() if one.mutates and one.host.name == source.adapter.host.name]
    if not able:
        raise MisuseError(
            "TA166", f"models like {model.name} ({source.adapter.name}) are not mutated yet.", "Give a PyTorch model."
        )
    spec = {
        "path": str(source.path),
        "kind": str(source.kind),
        "seed": 0,
        "inputs": [],
        "trust_pickle": trust_pickle,
    }

    def arguments(seeds: Sequence[int], made: Generated) -> dict[str, Any]:
        return {"spec": spec, "seeds": list(seeds), "changes": list(changes)}

    work = Work(source.adapter, f"{able[0].generated_by}:mutate", arguments, settings, output)
    return work.done(limits or Limits(), runner, report)
