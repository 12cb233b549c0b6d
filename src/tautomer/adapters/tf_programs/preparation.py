"""Load a TensorFlow model with what a comparison needs: named inputs, a signature, a second size, a frozen graph."""

from __future__ import annotations

import hashlib
import tempfile
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf

from tautomer.adapters.tensor_file import read_values, write_values
from tautomer.adapters.tf_programs.freezing import FrozenGraph, freeze
from tautomer.adapters.tf_programs.loading import (
    InputSet,
    TfProgram,
    argument_names,
    arguments_from_specs,
    load_program,
    seed_everything,
)
from tautomer.adapters.tf_programs.nested import CallArguments, is_tensor, leaves_of, mapped, to_array, to_tensor
from tautomer.adapters.tf_programs.signatures import (
    SEEDED_SIZES,
    DynamicDimension,
    cast_to_specs,
    dynamic_dimensions,
    known_specs,
    not_varied,
    resized,
    seeded_arrays,
    specs_for,
    verify_fit,
)
from tautomer.adapters.user_modules import first_line, users_code
from tautomer.errors import InputsError, InternalError, UserCodeError
from tautomer.model import Tensor

SEEDED_NOTE = "no inputs were given: they were drawn from a seeded generator; pass real samples with --inputs"


class PreparedFunction:
    """A model that can be run again and again with the same answer, and traced.

    Attributes:
        program: the model, its input sets (a derived second size included) and settings.
        signature: the specs it is traced with, one for each input tensor, in the order of the call.
        dimensions: those without a size in the signature.
        notes: for the report.
    """

    def __init__(self, program: TfProgram, seed: int) -> None:
        self.program = program
        self.seed = seed
        self.notes: tuple[str, ...] = program.notes
        first = program.input_sets[0]
        self._specs = specs_for(program, first.call)
        if program.is_keras:
            cast = tuple(replace(one, call=cast_to_specs(one.call, self._specs)) for one in program.input_sets)
            self.program = replace(program, input_sets=cast)
        verify_fit(self.program.input_sets, self._specs, self.program.input_sets[0])
        self.dimensions: tuple[DynamicDimension, ...] = tuple(
            dynamic_dimensions(self._specs, self.program.input_sets[0].call.tensors())
        )
        self._state: tuple[tuple[Any, Any], ...] | None = None
        self._concrete: Any = None
        self._flat: Any = None
        self._output_paths: list[str] = []
        self._frozen: FrozenGraph | None = None

    @property
    def signature(self) -> list[tf.TensorSpec]:
        """The specs it is traced with, in the order of the call."""
        return list(self._specs.values())

    @property
    def model(self) -> Any:
        """What the user made: a Keras model, a tf.function, a ConcreteFunction; a plain function as a tf.function."""
        model = self.program.model
        return model if self.is_keras or hasattr(model, "get_concrete_function") or _is_concrete(model) else self.flat

    @property
    def is_keras(self) -> bool:
        """Whether the model is a Keras model."""
        return self.program.is_keras

    @property
    def input_sets(self) -> tuple[InputSet, ...]:
        """The first is converted with; all are compared on."""
        return self.program.input_sets

    def values(self, index: int) -> dict[str, np.ndarray[Any, Any]]:
        """The input tensors of one set by path, in the order of the call."""
        return self.input_sets[index].call.tensors()

    def call(self, index: int) -> CallArguments:
        """The arguments of one set as the user's model takes them, with tensors of TensorFlow in them."""
        return _as_tensors(self.input_sets[index].call)

    def inputs(self, index: int) -> dict[str, Tensor]:
        """The input tensors of one set by path, as values that can be written."""
        return {path: to_tensor(array) for path, array in self.values(index).items()}

    @property
    def variables(self) -> list[Any]:
        """The variables that the model uses; none where it cannot be traced to find them."""
        model = self.program.model
        if self.is_keras:
            return list(model.variables)
        if isinstance(model, tf.Module):
            return list(model.variables)
        try:
            return list(self.concrete().variables)
        except Exception:  # whoever needs the trace reports it; here nothing more can be known
            return []

    def reset(self, *, seed: int | None = None, restore: bool = True) -> None:
        """Back to the state and the random generators of the start, or those of another seed."""
        if self._state is None:
            written = [one for one in self.variables if not (self.is_keras and one.trainable)]
            self._state = tuple((one, one.numpy()) for one in written)
        for variable, value in self._state if restore else ():
            variable.assign(value)
        seed_everything(self.seed if seed is None else seed)

    def run(self, index: int, *, seed: int | None = None, restore: bool = True) -> dict[str, Tensor]:
        """The user's own model on one input set, in its own precision: output path -> value.

        Args:
            index: of the input set.
            seed: of the random generators, where not its own.
            restore: whether the model's variables begin with the values they were loaded with.

        Raises:
            UserCodeError: the model raised.
        """
        self.reset(seed=seed, restore=restore)
        one = self.input_sets[index]
        with users_code("TA126", f"the model itself, on {one.name},", self.program.path):
            answer = self.program(self.call(index))
            return {path or "output": to_tensor(_tensor_of(leaf)) for path, leaf in leaves_of(answer)}

    @property
    def flat(self) -> Any:
        """The model as a tf.function of its input tensors alone, in the order of the call, to a list of its outputs."""
        if self._flat is None:
            call = self.input_sets[0].call

            def model(*tensors: Any) -> list[Any]:
                leaves = list(leaves_of(self.program(call.with_tensors(tensors))))
                self._output_paths[:] = [path or "output" for path, _ in leaves]
                return [_tensor_of(leaf) for _, leaf in leaves]

            self._flat = tf.function(model)
        return self._flat

    def concrete(self) -> Any:
        """The ConcreteFunction traced with the signature; its inputs are the input tensors in the order of the call.

        Raises:
            Exception: what the model or TensorFlow raises while it is traced.
        """
        if self._concrete is None:
            if _is_concrete(self.program.model):
                self._concrete = self.program.model
            else:
                seed_everything(self.seed)
                self._concrete = self.flat.get_concrete_function(*_named(self._specs))
        return self._concrete

    def frozen(self) -> FrozenGraph:
        """The frozen graph, as `freezing.freeze` makes it.

        Raises:
            NotFreezable: its variables cannot become constants.
            Exception: what the model or TensorFlow raises while it is traced.
        """
        if self._frozen is None:
            concrete = self.concrete()
            inputs, outputs = self.interface(concrete)
            self._frozen = freeze(concrete, inputs, outputs, self.program.path, self.program.layer_lines)
        return self._frozen

    def interface(self, concrete: Any) -> tuple[dict[str, str], dict[str, str]]:
        """Tensor names of the inputs and the outputs, by path."""
        own = [one.name for one in concrete.inputs][: len(self._specs)]
        names = [one.name for one in concrete.outputs]
        if not _is_concrete(self.program.model):
            return dict(zip(self._specs, own, strict=True)), dict(zip(self._output_paths, names, strict=True))
        positional, keywords = concrete.structured_input_signature
        order = getattr(concrete, "_arg_keywords", None) or [path for path, _ in leaves_of((*positional, keywords))]
        by_name = dict(zip(order, own, strict=False))
        inputs = {path: by_name.get(path, own[at]) for at, path in enumerate(self._specs)}
        # The structure's leaves are graph tensors or specs, named or not; TensorFlow flattens both in one order.
        paths = [path or "output" for path, _ in leaves_of(concrete.structured_outputs)]
        return inputs, dict(zip(paths, names, strict=True))

    def parameters_digest(self) -> str:
        """A digest of every variable, by name, type, shape and bytes."""
        digest = hashlib.blake2b(digest_size=16)
        for at, variable in enumerate(self.variables):
            array = np.ascontiguousarray(variable.numpy())
            digest.update(f"{at} {array.dtype} {array.shape}\n".encode())
            digest.update(array.reshape(-1).view(np.uint8).data if array.dtype.kind != "O" else repr(array).encode())
        return digest.hexdigest()

    def verify(self, expected: dict[str, Any]) -> None:
        """Compare digests with those of the first load (`parameters_digest`, `inputs_digests`).

        Raises:
            UserCodeError: the module built other parameters or other inputs from the same seed.
        """
        name = self.program.path.name
        if expected.get("parameters_digest") not in (None, self.parameters_digest()):
            raise UserCodeError(
                "TA127",
                f"{name} builds other parameters each time it is loaded, although the random generators are seeded.",
                "Save the weights to a file and load them in model().",
            )
        for index, digest in enumerate(expected.get("inputs_digests", ())):
            with tempfile.TemporaryDirectory() as folder:
                found = write_values(Path(folder) / "inputs.safetensors", self.inputs(index))
            if found != digest:
                raise UserCodeError(
                    "TA128",
                    f"{name} makes other inputs each time it is loaded, although the random generators are seeded.",
                    "Seed your own generators in inputs().",
                )

    def with_set(self, one: InputSet) -> PreparedFunction:
        """The same model with one more input set."""
        program = replace(self.program, input_sets=(*self.input_sets, one))
        more = PreparedFunction(program, self.seed)
        more.notes = self.notes
        more._state, more._flat, more._output_paths = self._state, self._flat, self._output_paths
        more._concrete, more._frozen = self._concrete, self._frozen
        return more


def prepare(spec: dict[str, Any]) -> PreparedFunction:
    """Load a model from its spec (see `load_program`) and derive what the comparison needs.

    Args:
        spec: besides what `load_program` reads, `added_inputs`: input sets that another worker found, each with
            `name`, `origin` and the `file` that worker wrote its inputs to.

    Raises:
        MisuseError: the model cannot be loaded, or says nothing of its inputs.
    """
    program = load_program(spec)
    seed = int(spec["seed"])
    notes: tuple[str, ...] = ()
    if program.input_sets and program.is_keras and not program.model.built:
        _build(program, seed)
    program = replace(program, input_sets=tuple(_with_names(program, one) for one in program.input_sets))
    if not program.input_sets:
        program = _with_seeded_set(program, seed)
        notes = (SEEDED_NOTE,)
    prepared = PreparedFunction(program, seed)
    prepared.notes += notes
    prepared = _with_second_size(prepared)
    for one in spec.get("added_inputs") or ():
        prepared = prepared.with_set(_read_set(prepared, one))
    return prepared


def _is_concrete(model: Any) -> bool:
    """Whether a model is a signature of a SavedModel."""
    return hasattr(model, "structured_input_signature")


def _as_tensors(call: CallArguments) -> CallArguments:
    def tensor(leaf: Any) -> Any:
        return tf.convert_to_tensor(leaf) if is_tensor(leaf) else leaf

    return CallArguments(tuple(mapped(call.args, tensor)), mapped(call.kwargs, tensor), call.names)


def _tensor_of(leaf: Any) -> Any:
    """An output as the tensor that a tf.function makes of it."""
    return leaf if tf.is_tensor(leaf) and not isinstance(leaf, tf.Variable) else tf.convert_to_tensor(leaf)


def _named(specs: dict[str, tf.TensorSpec]) -> list[tf.TensorSpec]:
    """The specs with names that a graph takes."""
    allowed = "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_."

    def name(path: str) -> str:
        plain = "".join(letter if letter in allowed else "_" for letter in path)
        return f"input{plain}" if plain[:1] in ("_", "") else plain

    return [tf.TensorSpec(one.shape, one.dtype, name=name(path)) for path, one in specs.items()]


def _with_names(program: TfProgram, one: InputSet) -> InputSet:
    return replace(one, call=replace(one.call, names=argument_names(program.model, one.call)))


def _with_seeded_set(program: TfProgram, seed: int) -> TfProgram:
    """One set of seeded inputs, of the smallest sizes that the model takes.

    Raises:
        InputsError: the source does not say what its inputs are, or takes none of the sizes.
    """
    known = known_specs(program)
    if known is None:
        raise InputsError(
            "TA131",
            f"{program.path.name} does not say what its inputs are.",
            "Pass samples with --inputs FILE or --inputs FOLDER.",
        )
    specs = [one for _, one in known]
    failure: Exception | None = None
    for size in SEEDED_SIZES:
        call = arguments_from_specs(program, seeded_arrays(specs, size, seed))
        made = replace(program, input_sets=(_with_names(program, InputSet("seeded 0", "seeded", call)),))
        try:
            made(_as_tensors(call))
        except Exception as error:  # it may take larger sizes only
            failure = error
            continue
        return made
    assert failure is not None
    raise InputsError(
        "TA131",
        f"{program.path.name} takes none of the seeded inputs: {first_line(failure)}",
        "Pass samples with --inputs FILE or --inputs FOLDER.",
    ) from failure


def _build(program: TfProgram, seed: int) -> None:
    """A Keras model of its own class gets its variables from a first call."""
    one = program.input_sets[0]
    seed_everything(seed)
    with users_code("TA126", f"the model itself, on {one.name},", program.path):
        program(_as_tensors(one.call))


def _read_set(prepared: PreparedFunction, entry: dict[str, Any]) -> InputSet:
    """An input set from the file in which the source's worker left its tensors by path."""
    values = read_values(Path(entry["file"]), mmap=False)
    paths = list(prepared.values(0))
    if not isinstance(values, dict) or not all(isinstance(values.get(path), Tensor) for path in paths):
        raise InternalError("TA900", f"{entry['file']} does not hold the inputs {', '.join(paths)}.")
    tensors = [to_array(one) for path in paths if isinstance(one := values[path], Tensor)]
    return InputSet(str(entry["name"]), str(entry["origin"]), prepared.input_sets[0].call.with_tensors(tensors))


def _with_second_size(prepared: PreparedFunction) -> PreparedFunction:
    """One more set with other sizes, where dimensions are dynamic and no given set varies them."""
    remaining = not_varied(prepared.dimensions, prepared.input_sets)
    if not remaining:
        return prepared
    first = prepared.input_sets[0]
    said = ", ".join(f"{one.path} axis {one.axis}" for one in remaining)
    batches = [one for one in remaining if one.axis == 0]
    for dimensions, double in ((remaining, False), (remaining, True), (batches, False)):
        if not dimensions:
            continue
        varied = ", ".join(f"{one.path} axis {one.axis}" for one in dimensions)
        derived = InputSet(
            "second size",
            f"derived from {first.name}: other sizes for {varied}",
            resized(first.call, dimensions, double=double),
        )
        trial = prepared.with_set(derived)
        try:
            trial.run(len(trial.input_sets) - 1)
        except Exception:  # the model does not take these sizes
            continue
        return trial
    prepared.notes += (
        f"no second size was found that the model accepts for the dynamic dimensions {said}; give one in run_inputs().",
    )
    return prepared
