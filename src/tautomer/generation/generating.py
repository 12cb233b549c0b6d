"""Models made up in workers, batch by batch, and put where the user wants them."""

from __future__ import annotations

import contextlib
import fnmatch
import importlib
import json
import os
import tempfile
import time
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tautomer.adapters.protocols import Adapter, AdapterKind
from tautomer.adapters.registry import adapters, require
from tautomer.checking.attempts import Bench, describe
from tautomer.errors import MisuseError, OutputPathError
from tautomer.execution import Pool, Runner, RunStore
from tautomer.generation.settings import GenerationSettings
from tautomer.model import Attempt, Completed, Limits

BATCH = 200
"""So many models are made by one worker: enough that its start does not count, few enough to be lost without regret."""

SCHEMA = "tautomer/generate/1"
INDEX = "index.json"

KEPT = ("seed", "file", "inputs", "nodes", "operators", "changes", "kinds")
"""What the index says of each model."""

VARIED: Mapping[str, Any] = {"kind": "varied"}
"""Each model is to hold many different sequences; none depends on another."""


@dataclass(slots=True)
class Generated:
    """What came of it.

    Attributes:
        settings: what was asked for.
        models: for each model its seed, file, number of nodes and operators.
        failed: seeds for which no model was made, and why.
        refused: how often nodes were refused, by operator and reason; of mutants, changes by their kinds.
        tried: how often changes were tried, by their kinds.
        versions: of the framework.
        seconds: that it took, the workers' start included.
        sequences: those of one to three operators that the models hold, by the operators' names in the graph.
    """

    settings: GenerationSettings
    models: list[dict[str, Any]] = field(default_factory=list)
    failed: dict[int, str] = field(default_factory=dict)
    refused: Counter[str] = field(default_factory=Counter)
    tried: Counter[str] = field(default_factory=Counter)
    versions: dict[str, str] = field(default_factory=dict)
    seconds: float = 0.0
    sequences: set[tuple[str, ...]] = field(default_factory=set)

    def document(self) -> dict[str, Any]:
        """The index of the models, as JSON values."""
        return {
            "schema": SCHEMA,
            "framework": self.settings.framework,
            "seed": self.settings.seed,
            "count": len(self.models),
            "versions": self.versions,
            "models": self.models,
            "failed": {str(seed): reason for seed, reason in self.failed.items()},
            "distinct_operators": len({name for one in self.models for name in one["operators"]}),
            "distinct_sequences": {str(n): sum(len(one) == n for one in self.sequences) for n in (2, 3)},
            "sequences": sorted(self.sequences),
            "refused_nodes": dict(self.refused.most_common()),
            **({"tried_changes": dict(self.tried.most_common())} if self.tried else {}),
        }


def frameworks() -> dict[str, Adapter]:
    """The sources that models can be generated for, by name."""
    return {
        name: adapter
        for (kind, name), adapter in adapters().items()
        if kind is AdapterKind.SOURCE and adapter.generated_by is not None
    }


def operator_table(framework: str) -> list[dict[str, Any]]:
    """The operators of a framework: name, name in the graph, dtypes.

    Raises:
        MisuseError: TA166 nothing is generated for it.
    """
    module = importlib.import_module(str(_adapter(framework).generated_by))
    table: list[dict[str, Any]] = module.operators()
    return table


def chosen_operators(framework: str, patterns: Sequence[str], without: Sequence[str] = ()) -> tuple[str, ...]:
    """The operators that patterns name (`torch.add`, `*conv*`), by their own name or that in the graph.

    Args:
        framework: that is generated for.
        patterns: of those to use.
        without: of those to leave out again.

    Raises:
        MisuseError: TA167 a pattern names none, or none is left.
    """
    left_out = {name for pattern in without for name in _named(framework, pattern)}
    chosen: list[str] = []
    for pattern in patterns:
        chosen += [one for one in _named(framework, pattern) if one not in chosen and one not in left_out]
    if not chosen:
        raise MisuseError("TA167", "no operator is left.", "Leave out fewer.")
    return tuple(chosen)


def _named(framework: str, pattern: str) -> list[str]:
    table = operator_table(framework)
    named = [
        str(one["name"])
        for one in table
        if fnmatch.fnmatchcase(one["name"], pattern) or fnmatch.fnmatchcase(one["graph_operator"], pattern)
    ]
    if not named:
        raise MisuseError(
            "TA167",
            f"no operator of {framework} is called {pattern!r}.",
            f"`tautomer generate --framework {framework} --list` names all {len(table)}.",
        )
    return named


def generate(
    settings: GenerationSettings,
    output: Path,
    *,
    aim: Mapping[str, Any] = VARIED,
    limits: Limits | None = None,
    runner: Runner | None = None,
    report: Callable[[int, int], None] = lambda done, count: None,
) -> Generated:
    """Generate models into a folder, with an index beside them.

    A worker that dies takes the model with it that it was at, which is listed; the others are made.

    Args:
        settings: what they should be like.
        output: the folder; it is made where it is not there.
        aim: what the choice of operators is after; see `tautomer.adapters.generating.generate_models`.
        limits: of each batch.
        runner: runs the workers; None for a pool of its own.
        report: called after each batch with the number of models made and wanted.

    Raises:
        MisuseError: TA166 nothing is generated for the framework.
        NotInstalledError: the framework is not installed.
        OutputPathError: the folder cannot be written, or a file of another content is in the way.
    """
    adapter = _adapter(settings.framework)

    def arguments(seeds: Sequence[int], made: Generated) -> dict[str, Any]:
        covered = {tuple(one) for one in aim.get("covered", ())} | made.sequences
        return {
            "seeds": list(seeds),
            "nodes": list(settings.nodes),
            "request": settings.request(),
            "operators": None if settings.operators is None else list(settings.operators),
            "aim": {**aim, "covered": sorted(covered)} if aim["kind"] == "aim" else dict(aim),
        }

    work = Work(adapter, f"{adapter.generated_by}:generate", arguments, settings, output)
    return work.done(limits or Limits(), runner, report)


@dataclass(frozen=True, slots=True)
class Work:
    """Models to be made by a task, a batch of seeds at a time.

    Attributes:
        adapter: of the source they are made for.
        function: the task.
        arguments: of the task, for the seeds of a batch and what was made before.
        settings: what was asked for.
        output: where the models go.
        batch: how many are made by one worker.
    """

    adapter: Adapter
    function: str
    arguments: Callable[[Sequence[int], Generated], dict[str, Any]]
    settings: GenerationSettings
    output: Path
    batch: int = BATCH

    def done(self, limits: Limits, runner: Runner | None, report: Callable[[int, int], None]) -> Generated:
        """Make them all.

        Raises:
            MisuseError: what the task says of what it was given.
            NotInstalledError: the framework is not installed.
            OutputPathError: the folder cannot be written, or a file of another content is in the way.
        """
        require(self.adapter)
        check_folder(self.output)
        made, settings = Generated(self.settings), self.settings
        began = time.monotonic()
        with contextlib.ExitStack() as stack:
            used = stack.enter_context(Pool()) if runner is None else runner
            folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
            bench = Bench(used, limits, stack.enter_context(RunStore(folder).create(f"generate {settings.framework}")))
            pending = list(range(settings.seed, settings.seed + settings.count))
            while pending:
                reached = self._batch(bench, made, pending[: self.batch])
                pending = [seed for seed in pending if seed > reached]
                report(len(made.models), settings.count)
        made.seconds = time.monotonic() - began
        _write(self.output / INDEX, (json.dumps(made.document(), indent=1) + "\n").encode())
        return made

    def _batch(self, bench: Bench, made: Generated, seeds: Sequence[int]) -> int:
        """Make the models of some seeds; the last seed that was begun."""
        host = replace(self.adapter.host, name=f"{self.adapter.host.name}-generation", prime=None)
        attempt = bench.run(host, self.function, self.arguments(seeds, made), label=f"generate {seeds[0]}")
        reached = _collect(attempt, made, self.output, seeds[0])
        if isinstance(attempt, Completed):
            made.refused.update(attempt.result["refused"])
            made.tried.update(attempt.result.get("tried", {}))
            made.versions = attempt.result["versions"]
        else:
            made.failed[reached] = describe(attempt)
        return reached


def check_folder(output: Path) -> None:
    """Make a folder, and refuse it where it cannot be written.

    Raises:
        OutputPathError: TA168.
    """
    try:
        output.mkdir(parents=True, exist_ok=True)
        if not os.access(output, os.W_OK):
            raise PermissionError(13, "Permission denied")
    except OSError as error:
        raise OutputPathError(
            "TA168", f"cannot write models to '{output}': {error.strerror or error}.", "Give another folder."
        ) from error


def _adapter(framework: str) -> Adapter:
    known = frameworks()
    if framework not in known:
        raise MisuseError(
            "TA166", f"no models are generated for {framework!r}.", f"Give one of: {', '.join(sorted(known))}."
        )
    return known[framework]


def _collect(attempt: Attempt, made: Generated, output: Path, first: int) -> int:
    """Take the models of a batch; the last seed that was begun, the first where none was."""
    reached = first
    for event in attempt.events:
        if event.name not in ("begin", "model"):
            continue
        seed = int(event.fields["seed"])
        reached = max(reached, seed)
        if event.name != "model":
            continue
        if event.fields["file"] is None:
            made.failed[seed] = "all that was tried was refused"
            continue
        for name in ("file", "inputs"):
            if name in event.fields:
                _take(attempt.log.parent, str(event.fields[name]), output)
        made.sequences |= {tuple(one) for one in event.fields["sequences"]}
        made.models.append({name: event.fields[name] for name in KEPT if name in event.fields})
    return reached


def _take(folder: Path, name: str, output: Path) -> None:
    """Take a file, or a folder of files, from where a worker left it."""
    for file in sorted((folder / name).rglob("*")) or [folder / name]:
        if file.is_file():
            target = output / file.relative_to(folder)
            check_folder(target.parent)
            _write(target, file.read_bytes())


def _write(path: Path, data: bytes) -> None:
    """Write a file whole or not at all; a generated file of other content is not overwritten unless it is the index."""
    if path.name != INDEX and path.exists() and path.read_bytes() != data:
        raise OutputPathError(
            "TA169", f"'{path}' exists and is another model.", "Give a folder that is empty, or other seeds."
        )
    aside = path.with_name(f".{path.name}.partial")
    try:
        aside.write_bytes(data)
        aside.replace(path)
    except OSError as error:
        raise OutputPathError(
            "TA168", f"cannot write '{path}': {error.strerror or error}.", "Give another folder."
        ) from error
