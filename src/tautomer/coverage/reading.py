"""From files and folders to architectures: which files are models, and the workers that read them."""

from __future__ import annotations

import ast
import json
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tautomer.adapters import registry
from tautomer.adapters.protocols import Adapter, AdapterKind
from tautomer.checking.attempts import Bench, describe
from tautomer.checking.sources import SourceFile, recognise
from tautomer.errors import MisuseError, ModelFileError, TautomerError
from tautomer.execution import Runner, RunStore
from tautomer.model import ArtifactKind, Completed, Limits
from tautomer.model.architecture import Architecture, from_plain

BACKEND_TESTS = "backend-tests"
"""What names the models of the ONNX backend test suite."""

_TOGETHER = 64
"""ONNX files that one worker reads."""

_SUFFIXES = frozenset({".onnx", ".pt2", ".keras", ".h5", ".hdf5", ".pt", ".pth", ".ts", ".torchscript", ".jit", ".py"})


@dataclass(frozen=True, slots=True)
class ReadModel:
    """A model and its architecture.

    Attributes:
        path: where it lies; None for one that is no file.
        architecture: named by its path below the folder it was found in.
    """

    path: Path | None
    architecture: Architecture


@dataclass(frozen=True, slots=True)
class ReadModels:
    """What came of reading.

    Attributes:
        models: in the order of the arguments, those of a folder by path.
        unread: files of folders that could not be read, with the reason.
    """

    models: tuple[ReadModel, ...] = ()
    unread: Mapping[str, str] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class _Found:
    path: Path
    name: str
    named: bool


def read_models(
    arguments: Sequence[str],
    *,
    runner: Runner,
    limits: Limits,
    seed: int = 0,
    trust_pickle: bool = False,
    run_dir: Path | None = None,
    heard: Callable[[str], None] = lambda _: None,
) -> ReadModels:
    """Read the architectures of files, of all models in folders, and of `backend-tests`.

    Args:
        arguments: paths; a folder is searched through, except that of a SavedModel, which is one model.
        runner: of the workers.
        limits: of each worker.
        seed: of random generators, for models that are made when they are loaded.
        trust_pickle: whether pickled files may be opened.
        run_dir: where the workers' files lie until the end.
        heard: told what is being read.

    Raises:
        MisuseError: a file that was named cannot be read, a folder holds no model, or there is nothing to read.
    """
    models: list[ReadModel] = []
    unread: dict[str, str] = {}
    with RunStore(run_dir).create("coverage") as folder:
        bench = Bench(runner, limits, folder)
        for number, argument in enumerate(arguments):
            if argument == BACKEND_TESTS:
                heard("the ONNX backend tests")
                models.extend(_backend_tests(bench, f"backend-tests-{number}"))
                continue
            reading = _Reading(bench, seed, trust_pickle, heard, unread, f"read-{number}")
            models.extend(reading.read(_models_at(Path(argument))))
    if not models:
        raise ModelFileError("TA190", "no model could be read.", next(iter(unread.values()), None))
    return ReadModels(tuple(models), unread)


def _models_at(path: Path) -> list[_Found]:
    """The models that a path stands for.

    Raises:
        ModelFileError: TA110 there is nothing; TA190 a folder without models.
    """
    if not path.exists():
        raise ModelFileError("TA110", f"there is no file or folder {path}.")
    if path.is_file() or (path / "saved_model.pb").exists():
        return [_Found(path, path.stem, named=True)]
    found = [_Found(one, str(one.relative_to(path)), named=False) for one in _below(path)]
    if not found:
        raise ModelFileError(
            "TA190",
            f"the folder {path} holds no models.",
            f"Known: {', '.join(sorted(_SUFFIXES))}, SavedModel folders.",
        )
    return found


def _below(folder: Path) -> Iterator[Path]:
    for one in sorted(folder.iterdir()):
        if one.name.startswith((".", "__")):
            continue
        if one.is_dir():
            if (one / "saved_model.pb").exists():
                yield one
            else:
                yield from _below(one)
        elif one.suffix.lower() in _SUFFIXES and (one.suffix != ".py" or _is_model_module(one)):
            yield one


def _is_model_module(path: Path) -> bool:
    """Whether a Python file defines `Model` or `model`, and `inputs` or SIGNATURE."""
    try:
        tree = ast.parse(path.read_bytes())
    except (SyntaxError, ValueError):
        return False
    names: set[str] = set()
    for one in tree.body:
        if isinstance(one, ast.ClassDef | ast.FunctionDef):
            names.add(one.name)
        elif isinstance(one, ast.Assign):
            names |= {target.id for target in one.targets if isinstance(target, ast.Name)}
    return bool(names & {"Model", "model"}) and bool(names & {"inputs", "SIGNATURE"})


@dataclass(slots=True)
class _Reading:
    """One pass over the models of an argument."""

    bench: Bench
    seed: int
    trust_pickle: bool
    heard: Callable[[str], None]
    unread: dict[str, str]
    label: str
    _attempts: int = 0

    def read(self, found: Sequence[_Found]) -> list[ReadModel]:
        recognised: list[tuple[_Found, SourceFile]] = []
        for one in found:
            try:
                recognised.append((one, recognise(one.path, trust_pickle=self.trust_pickle)))
            except MisuseError as error:
                self._leave_out(one, error)
        answers: dict[Path, Architecture] = {}
        graphs = [one for one, source in recognised if source.kind is ArtifactKind.ONNX]
        for start in range(0, len(graphs), _TOGETHER):
            answers |= self._onnx(graphs[start : start + _TOGETHER])
        for one, source in recognised:
            if source.kind is not ArtifactKind.ONNX:
                self.heard(one.name)
                answers |= self._alone(one, source)
        return [ReadModel(one.path, replace(answers[one.path], name=one.name)) for one in found if one.path in answers]

    def _onnx(self, found: Sequence[_Found]) -> dict[Path, Architecture]:
        """Several ONNX files in one worker; each in its own where one of them ends it."""
        self.heard(f"{found[0].name} and {len(found) - 1} more" if len(found) > 1 else found[0].name)
        adapter = registry.get(AdapterKind.SOURCE, "onnx")
        task = "tautomer.adapters.onnx_files.architecture:architectures"
        attempt = self._run(adapter, task, {"paths": [str(one.path) for one in found], "seed": self.seed})
        if not isinstance(attempt, Completed):
            if len(found) > 1:
                alone = [self._onnx([one]) for one in found]
                return {path: answer for each in alone for path, answer in each.items()}
            self._leave_out(found[0], ModelFileError("TA191", f"{found[0].path}: {describe(attempt)}."))
            return {}
        answers = {}
        for one, answer in zip(found, attempt.result, strict=True):
            if "error" in answer:
                self._leave_out(one, ModelFileError(answer["code"], answer["error"], answer["next_step"]))
            else:
                answers[one.path] = from_plain(answer)
        return answers

    def _alone(self, one: _Found, source: SourceFile) -> dict[Path, Architecture]:
        try:
            registry.require(source.adapter)
            if source.adapter.architecture_task is None:
                raise ModelFileError(
                    "TA192",
                    f"the operators of {one.path} are not visible: {source.adapter.name} says nothing of them.",
                    "Give the model it was made from.",
                )
            spec = {
                "path": str(source.path),
                "kind": str(source.kind),
                "seed": self.seed,
                "inputs": [],
                "trust_pickle": self.trust_pickle,
            }
            attempt = self._run(source.adapter, source.adapter.architecture_task, {"spec": spec})
        except TautomerError as error:
            self._leave_out(one, error)
            return {}
        if not isinstance(attempt, Completed):
            self._leave_out(one, ModelFileError("TA191", f"{one.path} cannot be read: {describe(attempt)}."))
            return {}
        return {one.path: from_plain(attempt.result)}

    def _run(self, adapter: Adapter, task: str, arguments: Mapping[str, Any]) -> Any:
        self._attempts += 1
        return self.bench.run(adapter.host, task, arguments, label=f"{self.label}-{self._attempts}")

    def _leave_out(self, one: _Found, error: TautomerError) -> None:
        """A file that was named must be readable; of a folder, the rest is read all the same."""
        if one.named:
            raise error
        self.unread[str(one.path)] = str(error)


def _backend_tests(bench: Bench, label: str) -> Iterable[ReadModel]:
    adapter = registry.get(AdapterKind.SOURCE, "onnx")
    attempt = bench.run(adapter.host, "tautomer.adapters.onnx_files.backend_tests:backend_tests", {}, label=label)
    if not isinstance(attempt, Completed):
        raise ModelFileError("TA191", f"the ONNX backend tests cannot be read: {describe(attempt)}.")
    with (attempt.log.parent / str(attempt.result["file"])).open(encoding="utf-8") as lines:
        return [ReadModel(None, from_plain(json.loads(line))) for line in lines]
