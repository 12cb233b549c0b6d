"""What a TensorFlow model is traced with: element types and shapes of its inputs, and which dimensions are dynamic."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf

from tautomer.adapters.tf_programs.loading import InputSet, TfProgram, is_graph_of_layers
from tautomer.adapters.tf_programs.nested import CallArguments, leaves_of
from tautomer.errors import InputsError, UserCodeError

SEEDED_SIZES = (2, 4, 8, 16, 32, 64, 224)
"""Sizes of unknown dimensions in seeded inputs; larger ones where the model refuses the smaller."""

Specs = dict[str, tf.TensorSpec]


@dataclass(frozen=True, slots=True)
class DynamicDimension:
    """One dimension that the model is traced without a size for.

    Attributes:
        path: of the input tensor.
        axis: of the dimension.
        symbol: what groups dimensions of one size.
        size: in the set the model is converted with.
    """

    path: str
    axis: int
    symbol: str
    size: int


def known_specs(program: TfProgram) -> list[tuple[str | None, tf.TensorSpec]] | None:
    """Specs that the source states itself, with names where it names them; None where it states none.

    SIGNATURE comes first, then a tf.function's own input signature, a SavedModel's, and a Keras model's inputs.

    Raises:
        UserCodeError: SIGNATURE holds something else than `tf.TensorSpec`.
    """
    model = program.model
    if program.signature is not None:
        stated = program.signature
        by_name = isinstance(stated, Mapping)
        leaves: list[tuple[str | None, Any]] = [(path if by_name else None, one) for path, one in leaves_of(stated)]
        wrong = next((one for _, one in leaves if not isinstance(one, tf.TensorSpec)), None)
        if wrong is not None or not leaves:
            raise UserCodeError(
                "TA137",
                f"SIGNATURE in {program.path.name} holds {wrong!r}.",
                "It is a list with one tf.TensorSpec for each input tensor, None for a dynamic dimension.",
            )
        return leaves
    if program.is_keras:
        return _keras_specs(model)
    declared = getattr(model, "input_signature", None)
    if declared is not None and not hasattr(model, "structured_input_signature"):
        return [(None, one) for _, one in leaves_of(declared) if isinstance(one, tf.TensorSpec)]
    structured = getattr(model, "structured_input_signature", None)
    if structured is not None:
        positional, keywords = structured
        pairs = [(None, one) for _, one in leaves_of(positional)] + list(leaves_of(keywords))
        return [(name, one) for name, one in pairs if isinstance(one, tf.TensorSpec)]
    return None


def _keras_specs(model: Any) -> list[tuple[str | None, tf.TensorSpec]] | None:
    if not is_graph_of_layers(model) or not getattr(model, "inputs", None):
        return None
    struct = getattr(model, "_inputs_struct", None)
    if isinstance(struct, dict):
        named: list[tuple[str | None, Any]] = list(leaves_of(struct))
    else:
        named = [(str(one.name).partition(":")[0], one) for one in model.inputs]
    return [(name, tf.TensorSpec(tuple(one.shape), one.dtype)) for name, one in named]


def specs_for(program: TfProgram, call: CallArguments) -> Specs:
    """One spec for each input tensor, by path, in the order of the call; static shapes where nothing is stated.

    Raises:
        UserCodeError: what is stated names no input or another number of them.
    """
    tensors = call.tensors()
    known = known_specs(program)
    if known is None:
        return {path: tf.TensorSpec(one.shape, tf.as_dtype(one.dtype), name=path) for path, one in tensors.items()}
    names = [name for name, _ in known]
    if len(known) != len(tensors):
        said = "SIGNATURE" if program.signature is not None else "the model"
        raise UserCodeError(
            "TA137",
            f"{said} in {program.path.name} states {len(known)} input tensors where inputs() gives {len(tensors)}: "
            f"{', '.join(tensors)}.",
            "State one tf.TensorSpec for each input tensor.",
        )
    if set(names) == set(tensors):
        by_name = dict(known)
        ordered = [by_name[path] for path in tensors]
    else:
        ordered = [one for _, one in known]
    return {path: tf.TensorSpec(one.shape, one.dtype, name=path) for path, one in zip(tensors, ordered, strict=True)}


def cast_to_specs(call: CallArguments, specs: Specs) -> CallArguments:
    """The call with each number in the element type that a Keras model states, as the model itself would cast it."""

    def cast(path: str, array: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        wanted = specs[path].dtype if path in specs else tf.string
        if wanted == tf.string or tf.as_dtype(array.dtype) == wanted:
            return array
        return array.astype(wanted.as_numpy_dtype)

    return call.with_tensors([cast(path, array) for path, array in call.tensors().items()])


def verify_fit(sets: Sequence[InputSet], specs: Specs, first: InputSet) -> None:
    """Compare every set with the specs: a graph has one structure, and one element type and rank an input.

    Raises:
        InputsError: with the set, the input, and what was expected and found.
    """
    constants = [(path, leaf) for path, leaf in first.call.leaves() if path not in specs]
    for one in sets:
        tensors = one.call.tensors()
        if list(tensors) != list(specs):
            raise InputsError(
                "TA139", f"{one.name} has the inputs {', '.join(tensors)} where {first.name} has {', '.join(specs)}."
            )
        for path, array in tensors.items():
            spec = specs[path]
            found = tf.TensorSpec(array.shape, tf.as_dtype(array.dtype))
            if not spec.is_compatible_with(found):
                raise InputsError(
                    "TA139",
                    f"input '{path}' of {one.name} is {_short(found)} where {_short(spec)} is expected.",
                    "State other shapes in SIGNATURE, with None for a dynamic dimension, or give inputs that fit.",
                )
        others = [(path, leaf) for path, leaf in one.call.leaves() if path not in specs]
        if repr(others) != repr(constants):
            raise InputsError(
                "TA139",
                f"{one.name} has other Python values than {first.name}.",
                "Python values become constants of a converted model; only tensors can change.",
            )


def _short(spec: tf.TensorSpec) -> str:
    shape = "of unknown rank" if spec.shape.rank is None else str(list(spec.shape))
    return f"{spec.dtype.name}{shape}"


def dynamic_dimensions(specs: Specs, tensors: Mapping[str, np.ndarray[Any, Any]]) -> list[DynamicDimension]:
    """The dimensions without a size; those of one size in the first set usually belong together."""
    found = []
    for path, spec in specs.items():
        shape = tensors[path].shape
        sizes = [None] * len(shape) if spec.shape.rank is None else spec.shape.as_list()
        found += [
            DynamicDimension(path, axis, f"size {shape[axis]}", shape[axis])
            for axis, size in enumerate(sizes)
            if size is None
        ]
    return found


def not_varied(dimensions: Sequence[DynamicDimension], sets: Sequence[InputSet]) -> list[DynamicDimension]:
    """The dynamic dimensions that have the same size in every set."""
    shapes = [{path: array.shape for path, array in one.call.tensors().items()} for one in sets]
    return [
        one
        for one in dimensions
        if all(len(of[one.path]) <= one.axis or of[one.path][one.axis] == one.size for of in shapes)
    ]


def resized(call: CallArguments, dimensions: Sequence[DynamicDimension], *, double: bool) -> CallArguments:
    """`call` with each dimension one larger (or twice as large); its own elements, cycled, fill the rest."""
    tensors = call.tensors()
    for one in dimensions:
        size = one.size * 2 if double and one.size else one.size + 1
        array = tensors[one.path]
        if array.shape[one.axis]:
            tensors[one.path] = np.take(array, np.arange(size) % array.shape[one.axis], axis=one.axis)
        else:
            shape = list(array.shape)
            shape[one.axis] = size
            tensors[one.path] = np.zeros(shape, array.dtype)
    return call.with_tensors(list(tensors.values()))


def seeded_arrays(specs: Sequence[tf.TensorSpec], size: int, seed: int) -> list[np.ndarray[Any, Any]]:
    """One array a spec from a seeded generator, with `size` for every unknown dimension."""
    generator = np.random.default_rng([seed, 0])
    return [_seeded(one, size, generator) for one in specs]


def _seeded(spec: tf.TensorSpec, size: int, generator: np.random.Generator) -> np.ndarray[Any, Any]:
    shape = () if spec.shape.rank is None else tuple(size if one is None else one for one in spec.shape.as_list())
    if spec.dtype == tf.string:
        return np.full(shape, "a", dtype=object)
    if spec.dtype == tf.bool or spec.dtype.is_integer:
        return generator.integers(0, 2, shape).astype(spec.dtype.as_numpy_dtype)
    return generator.standard_normal(shape).astype(spec.dtype.as_numpy_dtype)
