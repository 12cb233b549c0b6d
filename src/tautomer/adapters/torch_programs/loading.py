"""Load what a user hands over (a model module, a .pt2, a TorchScript file) as one callable program with its inputs."""

from __future__ import annotations

import random
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tautomer.adapters.torch_programs.input_files import read_call
from tautomer.adapters.torch_programs.trees import CallArguments
from tautomer.adapters.user_modules import first_line, import_user_file, users_code
from tautomer.errors import InputsError, ModelFileError, UserCodeError
from tautomer.model import ArtifactKind


@dataclass(frozen=True, slots=True)
class InputSet:
    """One set of inputs: its call, a name for people, and where it came from."""

    name: str
    origin: str
    call: CallArguments


@dataclass(frozen=True, slots=True)
class TorchProgram:
    """A source model, ready to be called.

    Attributes:
        model: what `torch.onnx.export` takes: a module, an ExportedProgram or a ScriptModule.
        callable: what computes the source's answer.
        input_sets: the first is converted with; all are compared on.
        dynamic_shapes: as `torch.export` takes them, or None.
        notes: what a person should know about how it was loaded.
        path: the user's file.
    """

    model: Any
    callable: Callable[..., Any]
    input_sets: tuple[InputSet, ...]
    dynamic_shapes: Any
    path: Path
    notes: tuple[str, ...] = ()


def seed_everything(seed: int) -> None:
    """Seed Python's, numpy's and torch's random generators."""
    random.seed(seed)
    np.random.seed(seed % 2**32)
    torch.manual_seed(seed)


def load_program(spec: dict[str, Any]) -> TorchProgram:
    """Load a source.

    Args:
        spec: `path`, `kind` (an `ArtifactKind`), `seed`, `inputs` (list of files that replace the run inputs, or None),
            `trust_pickle`; `transferred_inputs`, where another model's input sets stand in the place of its own.

    Raises:
        UserCodeError: the user's code raised.
        ModelFileError: the file is not what it says, or needs unpickling.
        InputsError: the inputs are missing or cannot be read.
    """
    path = Path(spec["path"])
    kind = ArtifactKind(spec["kind"])
    if kind is ArtifactKind.MODEL_MODULE:
        program = _load_module_file(path, spec["seed"])
    elif kind is ArtifactKind.EXPORTED_PROGRAM:
        program = _load_exported_program(path)
    elif kind is ArtifactKind.TORCHSCRIPT:
        program = _load_torchscript(path)
    elif kind is ArtifactKind.PICKLED_MODULE:
        program = _load_pickled_module(path)
    else:
        raise ModelFileError("TA111", f"{path} is not a PyTorch model.")
    if spec.get("transferred_inputs"):
        from tautomer.adapters.torch_programs.comparison_inputs import with_transferred

        return with_transferred(program, spec["transferred_inputs"])
    return _with_input_files(program, [Path(file) for file in spec.get("inputs") or ()], spec)


def _with_input_files(program: TorchProgram, files: list[Path], spec: dict[str, Any]) -> TorchProgram:
    if files:
        sets = tuple(
            InputSet(file.name, str(file), read_call(file, trust_pickle=bool(spec.get("trust_pickle"))))
            for file in files
        )
        first = program.input_sets[:1] or sets[:1]
        program = TorchProgram(
            program.model,
            program.callable,
            (*first, *(one for one in sets if one is not first[0])),
            program.dynamic_shapes,
            program.path,
            program.notes,
        )
    if not program.input_sets:
        raise InputsError(
            "TA131",
            f"{program.path.name} does not say what its inputs are.",
            "Pass samples with --inputs FILE or --inputs FOLDER.",
        )
    return program


def _load_module_file(path: Path, seed: int) -> TorchProgram:
    seed_everything(seed)
    module = import_user_file(path)
    factory = getattr(module, "model", None)
    model_class = getattr(module, "Model", None)
    make_inputs = getattr(module, "inputs", None)
    if factory is None and model_class is None:
        raise UserCodeError(
            "TA121",
            f"{path.name} defines neither `class Model(torch.nn.Module)` nor `def model()`.",
            "A model module has one of them and `def inputs()`.",
        )
    if not callable(make_inputs):
        raise UserCodeError(
            "TA122",
            f"{path.name} has no `def inputs()`.",
            "Return a tuple of positional arguments or a dict of keyword arguments.",
        )
    notes: list[str] = []
    seed_everything(seed)
    made_by = "model()" if callable(factory) else "Model()"
    with users_code("TA124", made_by, path):
        model = factory() if callable(factory) else model_class()  # type: ignore[misc]
    if not callable(model):
        raise UserCodeError(
            "TA123", f"{made_by} in {path.name} returned {type(model).__name__}, which cannot be called."
        )
    train = bool(getattr(module, "TRAIN", False))
    if isinstance(model, torch.nn.Module):
        if model.training and not train and callable(factory):
            notes.append(
                "model() returned a module in train mode; it is converted and compared in eval mode."
                " Set TRAIN = True to check it as it is."
            )
        model.train(train)
    else:
        model = _FunctionModule(model)
    sets: list[InputSet] = []
    for name in ("inputs", "run_inputs"):
        function = getattr(module, name, None)
        if function is None:
            continue
        seed_everything(seed)
        with users_code("TA125", f"{name}()", path):
            value = function()
        several = list(value) if name == "run_inputs" and isinstance(value, list) else [value]
        sets.extend(
            InputSet(f"{name}()" if len(several) == 1 else f"{name}()[{index}]", f"{name}()", CallArguments.of(one))
            for index, one in enumerate(several)
        )
    return TorchProgram(model, model, tuple(sets), getattr(module, "DYNAMIC_SHAPES", None), path, tuple(notes))


class _FunctionModule(torch.nn.Module):
    """A plain function as a module, which is what the exporters take."""

    def __init__(self, function: Callable[..., Any]) -> None:
        super().__init__()
        self._function = function
        self.eval()

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self._function(*args, **kwargs)


def _load_exported_program(path: Path) -> TorchProgram:
    try:
        program = torch.export.load(path)
    except Exception as error:
        raise ModelFileError("TA113", f"{path.name} is not a readable ExportedProgram: {first_line(error)}") from error
    sets: tuple[InputSet, ...] = ()
    if program.example_inputs is not None:
        args, kwargs = program.example_inputs
        sets = (
            InputSet("example inputs", f"{path.name}'s own example inputs", CallArguments(tuple(args), dict(kwargs))),
        )
    return TorchProgram(program, program.module(), sets, None, path)


def _load_torchscript(path: Path) -> TorchProgram:
    try:
        model = torch.jit.load(str(path), map_location="cpu")
    except Exception as error:
        raise ModelFileError("TA114", f"{path.name} is not a readable TorchScript file: {first_line(error)}") from error
    notes: tuple[str, ...] = ()
    if getattr(model, "training", False):
        notes = (f"{path.name} was saved in train mode; it is converted and compared in eval mode.",)
    model.eval()
    return TorchProgram(model, model, (), None, path, notes)


def _load_pickled_module(path: Path) -> TorchProgram:
    try:
        model = torch.load(path, weights_only=False, map_location="cpu")
    except Exception as error:
        raise ModelFileError("TA114", f"{path.name} cannot be unpickled: {first_line(error)}") from error
    if not isinstance(model, torch.nn.Module):
        raise ModelFileError(
            "TA114",
            f"{path.name} holds a {type(model).__name__}, not a module.",
            "Write a model module that loads the weights.",
        )
    model.eval()
    return TorchProgram(model, model, (), None, path)
