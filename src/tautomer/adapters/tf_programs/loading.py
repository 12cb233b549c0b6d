"""Load what a user hands over (a model module, a SavedModel, a Keras file) as one callable with its inputs."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from tensorflow.python.saved_model import load_v1_in_v2

from tautomer.adapters.tf_programs.input_files import read_call
from tautomer.adapters.tf_programs.layer_lines import recorded_layer_lines
from tautomer.adapters.tf_programs.nested import CallArguments, leaves_of
from tautomer.adapters.user_modules import first_line, import_user_file, users_code
from tautomer.errors import InputsError, ModelFileError, UserCodeError
from tautomer.model import ArtifactKind

SERVING = "serving_default"
"""The signature that a SavedModel is served with."""


@dataclass(frozen=True, slots=True)
class InputSet:
    """One set of inputs: its call, a name for people, and where it came from."""

    name: str
    origin: str
    call: CallArguments


@dataclass(frozen=True, slots=True)
class TfProgram:
    """A source model, ready to be called.

    Attributes:
        model: a keras.Model, a tf.function, the ConcreteFunction of a SavedModel's signature, or a plain callable.
        input_sets: the first is converted with; all are compared on. Empty where the source says nothing.
        signature: what SIGNATURE says, or None.
        path: the user's file.
        notes: what a person should know about how it was loaded.
        train: whether a Keras model is called as in training.
        keep: what must stay alive as long as the model: a SavedModel's signature does not own its variables.
        layer_lines: the user's line at which each Keras layer was called, by its name.
    """

    model: Any
    input_sets: tuple[InputSet, ...]
    signature: Any
    path: Path
    notes: tuple[str, ...] = ()
    train: bool = False
    keep: Any = None
    layer_lines: Mapping[str, str] = field(default_factory=dict)

    @property
    def is_keras(self) -> bool:
        """Whether the model is a Keras model."""
        return isinstance(self.model, keras.Model)

    def __call__(self, call: CallArguments) -> Any:
        """What the model answers, with arguments in the form its kind takes."""
        args, kwargs = call.args, call.kwargs
        if not self.is_keras:
            return self.model(*args, **kwargs)
        args, kwargs = keras_arguments(self.model, args, kwargs)
        return self.model(*args, **kwargs, training=self.train)


def seed_everything(seed: int) -> None:
    """Seed Python's, numpy's and TensorFlow's random generators."""
    keras.utils.set_random_seed(seed % 2**32)


def keras_arguments(
    model: Any, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    """Arguments as a Keras model takes them: one with a graph of layers takes all its inputs as one argument."""
    parameters = _positional(model.call, besides=("training", "mask"))
    if parameters is None:
        return args, kwargs
    whole = is_graph_of_layers(model) or len(parameters) == 1
    if whole and len(args) > 1 and not kwargs:
        return (list(args),), {}
    if whole and kwargs and not args and not set(kwargs) <= set(parameters):
        return (dict(kwargs),), {}
    return args, kwargs


def is_graph_of_layers(model: Any) -> bool:
    """Whether a Keras model is functional or sequential, and so knows its inputs."""
    return isinstance(model, keras.Sequential) or hasattr(model, "_inputs_struct")


def argument_names(model: Any, call: CallArguments) -> tuple[str, ...]:
    """Names for the positional arguments: the function's own, a Keras model's input names, else `arg0`, `arg1`..."""
    count = len(call.args)
    if isinstance(model, keras.Model):
        inputs = getattr(model, "inputs", None) or ()  # a sequential model that is not built has none
        if is_graph_of_layers(model) and len(inputs) == count:
            return tuple(str(one.name).partition(":")[0] for one in inputs)
        parameters = _positional(model.call, besides=("training", "mask")) or []
        return tuple(parameters[:count]) if len(parameters) >= count else ()
    function = getattr(model, "python_function", None) or model
    if not inspect.isroutine(function) and not inspect.isclass(function):
        function = function.__call__
        function = getattr(function, "python_function", None) or function
    return tuple(_positional(function) or ())[:count]


def _positional(function: Callable[..., Any], besides: Sequence[str] = ()) -> list[str] | None:
    """Names of the positional parameters; None where it takes any number of them or cannot be asked."""
    try:
        parameters = list(inspect.signature(function).parameters.values())
    except (TypeError, ValueError):
        return None
    if any(one.kind is one.VAR_POSITIONAL for one in parameters):
        return None
    kinds = (inspect.Parameter.POSITIONAL_ONLY, inspect.Parameter.POSITIONAL_OR_KEYWORD)
    return [one.name for one in parameters if one.kind in kinds and one.name not in (*besides, "self")]


def load_program(spec: dict[str, Any]) -> TfProgram:
    """Load a source.

    Args:
        spec: `path`, `kind` (an `ArtifactKind`), `seed`, `inputs` (list of files that replace the run inputs, or None),
            `trust_pickle`.

    Raises:
        UserCodeError: the user's code raised.
        ModelFileError: the file is not what it says, or needs unpickling.
        InputsError: the samples cannot be read.
    """
    path = Path(spec["path"])
    kind = ArtifactKind(spec["kind"])
    if kind is ArtifactKind.TENSORFLOW_MODULE:
        program = _load_module_file(path, int(spec["seed"]))
    elif kind is ArtifactKind.SAVED_MODEL:
        program = _load_saved_model(path)
    elif kind is ArtifactKind.KERAS_FILE:
        program = _load_keras_file(path, int(spec["seed"]), trust_pickle=bool(spec.get("trust_pickle")))
    else:
        raise ModelFileError("TA111", f"{path} is not a TensorFlow model.")
    files = [Path(file) for file in spec.get("inputs") or ()]
    sets = tuple(InputSet(file.name, str(file), _in_its_form(program.model, read_call(file))) for file in files)
    if not sets:
        return program
    first = program.input_sets[:1] or sets[:1]
    return replace(program, input_sets=(*first, *(one for one in sets if one is not first[0])))


def _in_its_form(model: Any, call: CallArguments) -> CallArguments:
    """A sample's positional arguments by keyword, where that is all a signature of a SavedModel takes."""
    known = getattr(model, "structured_input_signature", None)
    if known is None or not call.args or known[0]:
        return call
    names = getattr(model, "_arg_keywords", None) or [path for path, _ in leaves_of(known[1])]
    if len(names) != len(call.args):
        raise InputsError("TA135", f"the sample has {len(call.args)} arrays; the signature takes {', '.join(names)}.")
    return CallArguments((), dict(zip(names, call.args, strict=True)))


def _load_module_file(path: Path, seed: int) -> TfProgram:
    seed_everything(seed)
    with recorded_layer_lines(path) as layers:
        module = import_user_file(path)
    given = getattr(module, "model", None)
    model_class = getattr(module, "Model", None)
    if given is None and model_class is None:
        raise UserCodeError(
            "TA121",
            f"{path.name} defines neither `def model(*tensors)`, `def model()` nor `class Model(keras.Model)`.",
            "A model module has one of them and `def inputs()`.",
        )
    if not callable(getattr(module, "inputs", None)):
        raise UserCodeError(
            "TA122",
            f"{path.name} has no `def inputs()`.",
            "Return a tuple of positional arguments or a dict of keyword arguments.",
        )
    seed_everything(seed)
    is_model = given is not None and _is_the_model(given)
    model, made_by = given, "model"
    if not is_model:
        made_by = "model()" if given is not None else "Model()"
        with recorded_layer_lines(path) as layers, users_code("TA124", made_by, path):
            model = given() if given is not None else model_class()  # type: ignore[misc]
    if not callable(model):
        raise UserCodeError(
            "TA123", f"{made_by} in {path.name} returned {type(model).__name__}, which cannot be called."
        )
    sets: list[InputSet] = []
    for name in ("inputs", "run_inputs"):
        function = getattr(module, name, None)
        if function is None:
            continue
        seed_everything(seed)
        with users_code("TA125", f"{name}()", path):
            value = function()
            several = list(value) if name == "run_inputs" and isinstance(value, list) else [value]
            calls = [CallArguments.of(one) for one in several]
        sets.extend(
            InputSet(f"{name}()" if len(calls) == 1 else f"{name}()[{index}]", f"{name}()", call)
            for index, call in enumerate(calls)
        )
    train = bool(getattr(module, "TRAIN", False))
    signature = getattr(module, "SIGNATURE", None)
    return TfProgram(model, tuple(sets), signature, path, train=train, layer_lines=layers)


def _is_the_model(given: Any) -> bool:
    """Whether `model` is the model itself and not what makes it: a function that must be given something is."""
    if isinstance(given, keras.Model | tf.Module) or hasattr(given, "get_concrete_function"):
        return True
    if not callable(given) or inspect.isclass(given):
        return not inspect.isclass(given)
    try:
        parameters = inspect.signature(given).parameters.values()
    except (TypeError, ValueError):
        return False
    variadic = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)
    return any(one.default is one.empty and one.kind not in variadic for one in parameters) or any(
        one.kind is inspect.Parameter.VAR_POSITIONAL for one in parameters
    )


def _load_saved_model(path: Path) -> TfProgram:
    notes: tuple[str, ...] = ()
    try:
        loaded = tf.saved_model.load(str(path))
    except Exception as error:
        # Objects that an older Keras saved cannot always be revived; the graph of the signature is there all the same.
        try:
            loaded = load_v1_in_v2.load(str(path), [tf.saved_model.SERVING], False)
        except Exception:
            raise ModelFileError("TA113", f"{path.name} is not a readable SavedModel: {first_line(error)}") from error
        notes = (
            f"tf.saved_model.load cannot revive the objects of {path.name} ({first_line(error)}): its graph is used.",
        )
    signatures = dict(getattr(loaded, "signatures", None) or {})
    name = SERVING if SERVING in signatures else next(iter(signatures), None)
    if len(signatures) > 1 and SERVING not in signatures:
        raise ModelFileError(
            "TA113",
            f"{path.name} has the signatures {', '.join(sorted(signatures))} and none named {SERVING}.",
            f"Save it again with the one to check as {SERVING}.",
        )
    if name is None:
        raise ModelFileError(
            "TA113",
            f"{path.name} has no signature, so that nothing says what its inputs are.",
            "Save it with tf.saved_model.save(model, path, signatures=...), or with model.export(path).",
        )
    if name != SERVING:
        notes += (f"the signature '{name}' is checked, the only one there is.",)
    return TfProgram(signatures[name], (), None, path, notes, keep=loaded)


def _load_keras_file(path: Path, seed: int, *, trust_pickle: bool) -> TfProgram:
    seed_everything(seed)
    try:
        model = keras.models.load_model(path, compile=False, safe_mode=not trust_pickle)
    except Exception as error:
        if "safe_mode" in str(error) or "unsafe" in str(error):
            raise ModelFileError(
                "TA119",
                f"{path.name} holds a pickled Python function (a Lambda layer); opening it can run any code.",
                "If you trust the file, pass --trust-pickle.",
            ) from error
        raise ModelFileError("TA114", f"{path.name} is not a readable Keras file: {first_line(error)}") from error
    if not isinstance(model, keras.Model):
        raise ModelFileError("TA114", f"{path.name} holds a {type(model).__name__}, not a model.")
    return TfProgram(model, (), None, path)


def arguments_from_specs(program: TfProgram, arrays: Sequence[np.ndarray[Any, Any]]) -> CallArguments:
    """A call of a model that knows its own inputs, from one array an input.

    Raises:
        InputsError: the source does not say what its inputs are.
    """
    model = program.model
    if program.is_keras and getattr(model, "inputs", None):
        struct = getattr(model, "_inputs_struct", None)
        if isinstance(struct, dict):
            names = [path for path, _ in leaves_of(struct)]
            return CallArguments((), dict(zip(names, arrays, strict=True)))
        return CallArguments(tuple(arrays), {})
    if hasattr(model, "structured_input_signature"):
        positional, keywords = model.structured_input_signature
        if not positional:
            return CallArguments((), dict(zip((path for path, _ in leaves_of(keywords)), arrays, strict=True)))
        return CallArguments(tuple(arrays), {})
    if getattr(model, "input_signature", None) is not None:
        return CallArguments(tuple(arrays), {})
    raise InputsError(
        "TA131",
        f"{program.path.name} does not say what its inputs are.",
        "Pass samples with --inputs FILE or --inputs FOLDER.",
    )
