"""The worker's part of `tautomer generate --mutate` for TensorFlow: mutants run and written as SavedModels."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.core.protobuf import rewriter_config_pb2

from tautomer.adapters.mutating import Answer, perturbed, shuffled, write_inputs
from tautomer.adapters.tf_programs.freezing import NotFreezable
from tautomer.adapters.tf_programs.graph_plan import NodePlan, UnknownOperator
from tautomer.adapters.tf_programs.interpreter import GraphDefRun, NotLiftable
from tautomer.adapters.tf_programs.loading import SERVING
from tautomer.adapters.tf_programs.mutation import (
    Traced,
    array_of,
    constants_of,
    is_number,
    places_of,
    retraced,
)
from tautomer.adapters.tf_programs.operator_table import OPERATORS
from tautomer.adapters.tf_programs.preparation import prepare
from tautomer.adapters.tf_programs.rewrites.freezing import functional_graph
from tautomer.adapters.tf_programs.tracing import tensor_name
from tautomer.adapters.user_modules import first_line
from tautomer.errors import UserCodeError
from tautomer.synthesis.dims import is_dynamic, sized
from tautomer.synthesis.health import Array, extent
from tautomer.synthesis.mutation import Change, Mutator, Source, resized
from tautomer.synthesis.specification import Origin, Value
from tautomer.synthesis.tensor_types import ALL, TensorType

Feeds = Mapping[str, Array]


@dataclass(frozen=True, slots=True)
class TfMutant:
    """A graph with changes, and what it is run on: inputs by path, as written, perturbed, others, at other sizes."""

    traced: Traced
    runs: Sequence[Feeds]


class TfSubject:
    """A model that mutants are made of: its graph with variables as constants.

    Args:
        spec: of the model; see `load_program`.

    Raises:
        MisuseError: it cannot be loaded, traced or frozen.
    """

    def __init__(self, spec: dict[str, Any]) -> None:
        prepared = prepare(spec)
        try:
            self._graph = functional_graph(prepared)
            frozen = prepared.frozen_whole()
            self._inputs, self._outputs = dict(frozen.inputs), list(frozen.outputs)
            sets = [prepared.values(index) for index in range(len(prepared.input_sets))]
            self._sets = [sets[0], *(one for one in sets[1:] if _sizes(one) != _sizes(sets[0]))][:2]
            watched = [self._watched(one) for one in self._sets]
        except (NotFreezable, NotLiftable, UnknownOperator) as error:
            raise UserCodeError("TA126", f"{Path(spec['path']).name} has no graph to change: {error}.") from error
        except (tf.errors.OpError, ValueError, TypeError) as error:
            raise UserCodeError("TA126", f"TensorFlow cannot trace or run it: {first_line(error)}") from error
        self._specs = {
            self._inputs[path]: tf.TensorSpec(one.shape, one.dtype)
            for path, one in zip(self._inputs, prepared.signature, strict=True)
        }
        values = self._values(watched[0], watched[-1])
        self.mutator = Mutator(places_of(self._graph, values), _sources(values), OPERATORS)

    def mutant(self, changes: Sequence[Change]) -> TfMutant:
        """The model with changes.

        Raises:
            NoEffect: no output is computed from a node that is changed.
            Exception: what TensorFlow raises where a change does not fit.
        """
        shapes = {name: shape for one in changes for name, shape in one.shapes.items()}
        specs = {name: _with_shape(spec, shapes.get(name)) for name, spec in self._specs.items()}
        traced = retraced(self._graph, changes, specs)
        by_path = {path: shapes[name] for path, name in self._inputs.items() if name in shapes}
        return TfMutant(traced, _runs(self._sets, by_path))

    def answers(self, mutant: TfMutant) -> list[list[Answer]]:
        """What it answers.

        Raises:
            tf.errors.OpError: a kernel refuses.
        """
        found = []
        with tf.compat.v1.Session(graph=mutant.traced.graph, config=_plain_session()) as session:
            for run in mutant.runs:
                feeds = {mutant.traced.inputs[self._inputs[path]]: array for path, array in run.items()}
                arrays = session.run(list(mutant.traced.outputs), feeds)
                pairs = [
                    (one.dtype.name, np.asarray(one)) for one in arrays if isinstance(one, np.ndarray | np.generic)
                ]
                found.append([(dtype, _plain(dtype, array)) for dtype, array in pairs if dtype in ALL])
        return found

    def written(self, mutant: TfMutant, folder: Path, stem: str) -> dict[str, Any]:
        """Write a mutant as a SavedModel, and its inputs beside it.

        Raises:
            Exception: what TensorFlow raises.
        """
        traced = mutant.traced
        with traced.graph.as_default(), tf.compat.v1.Session(graph=traced.graph, config=_plain_session()) as session:
            signature = tf.compat.v1.saved_model.build_signature_def(
                {path: _info(traced.inputs[name]) for path, name in self._inputs.items()},
                {path: _info(tensor) for path, tensor in zip(self._outputs, traced.outputs, strict=True)},
                tf.saved_model.PREDICT_METHOD_NAME,
            )
            builder = tf.compat.v1.saved_model.Builder(str(folder / stem))
            builder.add_meta_graph_and_variables(
                session, [tf.saved_model.SERVING], signature_def_map={SERVING: signature}
            )
            builder.save()
        write_inputs(folder / f"{stem}-inputs", mutant.runs)
        operators = [one.type for one in traced.graph.get_operations() if one.type not in ("Const", "Placeholder")]
        return {
            "file": stem,
            "inputs": f"{stem}-inputs",
            "nodes": len(operators),
            "operators": sorted(set(operators)),
        }

    def _watched(self, given: Feeds) -> dict[str, Any]:
        """Every value of the graph that rules know."""
        found: dict[str, Any] = {}

        def observe(node: NodePlan, results: Sequence[Any]) -> None:
            for number, one in enumerate(results):
                if is_number(one):
                    found[tensor_name((node.name, number))] = array_of(one), one.dtype.name

        feeds = {self._inputs[path]: array for path, array in given.items()}
        GraphDefRun(self._graph.plan, lift=False, observe=observe).run(feeds, list(self._graph.outputs))
        inputs = {name: (_plain(array.dtype.name, array), array.dtype.name) for name, array in feeds.items()}
        weights = {
            name: (_plain(one.dtype.name, one), one.dtype.name) for name, one in constants_of(self._graph).items()
        }
        return {**{name: one for name, one in inputs.items() if one[1] in ALL}, **weights, **found}

    def _values(self, first: Mapping[str, Any], second: Mapping[str, Any]) -> dict[str, Value]:
        """Values with both of their sizes."""
        weights, inputs = constants_of(self._graph).keys(), set(self._inputs.values())
        found = {}
        for name, (array, dtype) in first.items():
            other = second.get(name, (array, dtype))[0]
            if other.ndim != array.ndim:
                continue
            shape = tuple(sized(a, b) for a, b in zip(array.shape, other.shape, strict=True))
            seen = extent(array)
            origin = Origin.WEIGHT if name in weights else Origin.INPUT if name in inputs else Origin.NODE
            found[name] = Value(name, TensorType(dtype, shape), origin, seen.least, seen.largest)
        return found


def _sizes(given: Feeds) -> list[tuple[int, ...]]:
    return [one.shape for one in given.values()]


def _sources(values: Mapping[str, Value]) -> list[Source]:
    """Inputs and weights; free dimensions of one size usually belong together."""
    return [
        Source(name, one.type, one.origin is Origin.INPUT, tuple(map(_label, one.type.shape)))
        for name, one in values.items()
        if one.origin is not Origin.NODE
    ]


def _label(size: int) -> str | int:
    return f"free {int(size)}" if is_dynamic(size) else int(size)


def _with_shape(spec: tf.TensorSpec, shape: Sequence[int] | None) -> tf.TensorSpec:
    """A spec with sizes; where one still differs from run to run it stays free."""
    if shape is None:
        return spec
    return tf.TensorSpec([None if is_dynamic(size) else int(size) for size in shape], spec.dtype)


def _runs(sets: Sequence[Feeds], shapes: Mapping[str, Sequence[int]]) -> list[Feeds]:
    """The inputs of the runs, with the sizes that a change gives them."""
    sets = [
        {
            path: resized(one, [getattr(size, "second", int(size)) if at else int(size) for size in shapes[path]])
            if path in shapes
            else one
            for path, one in given.items()
        }
        for at, given in enumerate(sets)
    ]

    def moved(how: Any) -> Feeds:
        generator = np.random.Generator(np.random.PCG64(0))
        return {path: how(one, generator) if one.dtype.name in ALL else one for path, one in sets[0].items()}

    runs = [sets[0], moved(lambda one, by: perturbed(one.dtype.name, one, by)), moved(shuffled)]
    return [*runs, *(one for one in sets[1:] if _sizes(one) != _sizes(sets[0]))]


def _plain(dtype: str, array: Array) -> Array:
    return array.astype(np.float32) if dtype == "bfloat16" else array


def _info(tensor: tf.Tensor) -> Any:
    return tf.compat.v1.saved_model.build_tensor_info(tensor)


def _plain_session() -> Any:
    """One thread, and no rewriting of the graph: what runs is what is written."""
    options = rewriter_config_pb2.RewriterConfig(disable_meta_optimizer=True)
    return tf.compat.v1.ConfigProto(
        intra_op_parallelism_threads=1,
        inter_op_parallelism_threads=1,
        graph_options=tf.compat.v1.GraphOptions(rewrite_options=options),
    )
