"""TensorFlow graphs changed a little while they stay valid: traced anew, operation by operation, with the changes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.python.framework import op_def_registry

from tautomer.adapters.tf_programs.graph_plan import Edge, NodePlan, edge_of, formal_parameters
from tautomer.adapters.tf_programs.interpreter import CONTROL
from tautomer.adapters.tf_programs.kernels import DTYPES, TensorFlowKernels, compiled
from tautomer.adapters.tf_programs.rewrites.freezing import FunctionalGraph
from tautomer.adapters.tf_programs.tracing import tensor_name
from tautomer.synthesis import DtypeName, Reference, values_of
from tautomer.synthesis.health import Array
from tautomer.synthesis.mutation import LARGEST_LIST, Change, NoEffect, Place, Placed, followed, resized
from tautomer.synthesis.specification import Origin, Value

_NOT_SET = frozenset(
    {
        "N",
        "grad_a",
        "grad_b",
        "is_training",
        "num_args",
        "parallel_iterations",
        "seed",
        "seed2",
        "swap_memory",
        "use_cudnn_on_gpu",
    }
)
"""Attributes that are numbers and count operands, name a mode, or make no difference."""

_WITHOUT_PLACE = frozenset({"Const", "Identity", "NoOp", "Placeholder"}) | CONTROL
_NO_VALUE = frozenset({"NoOp", "Assert", "PrintV2"})


@dataclass(frozen=True, slots=True)
class Traced:
    """A graph with changes.

    Attributes:
        graph: the graph.
        inputs: its tensors, by the names of those of the model.
        outputs: its tensors, in the model's order.
    """

    graph: tf.Graph
    inputs: Mapping[str, tf.Tensor]
    outputs: Sequence[tf.Tensor]


def places_of(graph: FunctionalGraph, values: Mapping[str, Value]) -> list[Place]:
    """The nodes of a graph whose values were seen, by their names."""
    constants = {name: array for name, array in constants_of(graph).items() if _is_setting(array)}
    seen = [values[name] for name in graph.inputs if name in values]
    found = []
    for node in graph.plan.order(edge_of(name)[0] for name in graph.outputs):
        results = [tensor_name((node.name, number)) for number in range(len(node.output_dtypes))]
        if node.op not in _WITHOUT_PLACE and results:
            operands = [values[name] for edge in node.inputs if (name := tensor_name(edge)) in values]
            attributes = list(_attributes(node, constants))
            title = f"{node.name} ({node.op})"
            found.append(Place(node.name, title, values.get(results[0]), operands, list(seen), attributes))
        if node.op != "Placeholder":
            seen += [values[name] for name in results if name in values and values[name].origin is Origin.NODE]
    return found


def constants_of(graph: FunctionalGraph) -> dict[str, Array]:
    """Constants of numbers, by the names of their tensors."""
    found = {}
    for node in graph.graph_def.node:
        if node.op == "Const" and tf.as_dtype(node.attr["dtype"].type).name in DTYPES:
            found[f"{node.name}:0"] = tf.make_ndarray(node.attr["value"].tensor)
    return found


def _is_setting(array: Array) -> bool:
    return array.size <= LARGEST_LIST and array.ndim <= 1 and (array.dtype.kind == "i" or array.ndim == 0)


def _attributes(node: NodePlan, constants: Mapping[str, Array]) -> Iterator[tuple[str, Any]]:
    """What a node is set to: attributes that are numbers, and small constants that it takes as inputs."""
    for name, value in node.attributes.items():
        if name not in _NOT_SET and isinstance(value, int | float | list):
            yield name, value
    definition = op_def_registry.get(node.op)
    for edge, formal in zip(node.inputs, formal_parameters(node)[0], strict=True):
        array = constants.get(tensor_name(edge))
        if array is not None and definition is not None and array.size:
            yield definition.input_arg[formal].name, array.tolist()


def retraced(graph: FunctionalGraph, changes: Sequence[Change], specs: Mapping[str, tf.TensorSpec]) -> Traced:
    """A graph with changes applied.

    Args:
        graph: as frozen for rewriting.
        changes: at different nodes.
        specs: of the inputs, by the names of their tensors.

    Raises:
        NoEffect: no output is computed from a node that is changed.
        ValueError, TypeError, tf.errors.OpError: a change does not fit.
    """
    made = tf.Graph()
    with made.as_default():
        library = tf.compat.v1.GraphDef(library=graph.graph_def.library, versions=graph.graph_def.versions)
        tf.import_graph_def(library, name="")
        tracing = _Retracing(graph, changes)
        inputs = {name: tracing.input(name, spec) for name, spec in specs.items()}
        outputs = [tracing.value(edge_of(name)) for name in graph.outputs]
        # An output has a name that no other has, and is no input.
        outputs = [tf.identity(one, name=f"output_{number}") for number, one in enumerate(outputs)]
    live = _live(outputs)
    if not all(name in live for name in tracing.changed):
        raise NoEffect
    kept = [*(one.op.name for one in outputs), *(one.op.name for one in inputs.values())]
    pruned = tf.compat.v1.graph_util.extract_sub_graph(made.as_graph_def(), kept)
    small = tf.Graph()
    with small.as_default():
        tf.import_graph_def(pruned, name="")
    return Traced(
        small,
        {name: small.get_tensor_by_name(one.name) for name, one in inputs.items()},
        [small.get_tensor_by_name(one.name) for one in outputs],
    )


def _live(outputs: Sequence[tf.Tensor]) -> set[str]:
    found: set[str] = set()
    pending = [one.op for one in outputs]
    while pending:
        operation = pending.pop()
        if operation.name not in found:
            found.add(operation.name)
            pending += [one.op for one in operation.inputs]
    return found


class _Retracing:
    """Makes the nodes of a graph anew in the default graph, the changes applied on the way.

    Attributes:
        changed: names of the operations that give the changed results.
    """

    def __init__(self, graph: FunctionalGraph, changes: Sequence[Change]) -> None:
        self._graph = graph
        self._all = changes
        self._changes = {one.place: one for one in changes if one.kind != "shape"}
        self._shapes = {name: shape for one in changes for name, shape in one.shapes.items()}
        self._definitions = {node.name: node for node in graph.graph_def.node}
        self._values: dict[Edge, Any] = {}
        self._new: dict[str, Any] = {}
        self._done = False
        self.changed: list[str] = []

    def input(self, name: str, spec: tf.TensorSpec) -> tf.Tensor:
        """An input of the graph."""
        made = tf.compat.v1.placeholder(spec.dtype, spec.shape, name=edge_of(name)[0])
        self._values[edge_of(name)] = made
        return made

    def value(self, edge: Edge) -> tf.Tensor:
        """A tensor of the model, in the graph that is made."""
        if not self._done:
            for node in self._graph.plan.order(edge_of(name)[0] for name in self._graph.outputs):
                if (node.name, 0) not in self._values and node.op not in _NO_VALUE:
                    for number, result in enumerate(self._results(node)):
                        self._values[node.name, number] = result
            self._done = True
        return self._values[edge]

    def _results(self, node: NodePlan) -> list[Any]:
        inputs = [self._values[edge] for edge in node.inputs]
        shape = self._shapes.get(f"{node.name}:0")
        if node.op == "Const" and shape is not None:
            array = tf.make_ndarray(self._definitions[node.name].attr["value"].tensor)
            return [tf.constant(resized(array, shape), node.output_dtypes[0], name=node.name)]
        if node.op == "Const" and self._shapes and node.output_dtypes[0].is_integer:
            array = tf.make_ndarray(self._definitions[node.name].attr["value"].tensor)
            if array.ndim == 1 and array.size <= LARGEST_LIST:
                sizes = followed(self._all, array.tolist())
                return [tf.constant(sizes, node.output_dtypes[0], array.shape, name=node.name)]
        change = self._changes.get(node.name)
        if change is None:
            return self._made(node, inputs, {}, node.output_dtypes)
        results: list[Any] = getattr(self, f"_{change.kind}")(change, node, inputs)
        self.changed.append(results[0].op.name)
        return results

    def _made(
        self, node: NodePlan, inputs: Sequence[Any], instead: Mapping[str, Any], dtypes: Sequence[tf.DType]
    ) -> list[Any]:
        definition = self._definitions[node.name]
        attributes = {name: value for name, value in definition.attr.items() if not name.startswith("_")}
        made = tf.compat.v1.get_default_graph()._create_op_internal(
            definition.op, list(inputs), dtypes=list(dtypes), name=node.name, attrs={**attributes, **instead}
        )
        return list(made.outputs)

    def _insert(self, change: Change, node: NodePlan, inputs: Sequence[Any]) -> list[Any]:
        results = self._made(node, inputs, {}, node.output_dtypes)
        self._values[node.name, 0] = results[0]
        return [self._evaluated(change, node.name), *results[1:]]

    def _swap(self, change: Change, node: NodePlan, inputs: Sequence[Any]) -> list[Any]:
        others = self._made(node, inputs, {}, node.output_dtypes)[1:] if len(node.output_dtypes) > 1 else []
        return [self._evaluated(change, node.name), *others]

    def _remove(self, change: Change, node: NodePlan, inputs: Sequence[Any]) -> list[Any]:
        others = self._made(node, inputs, {}, node.output_dtypes)[1:] if len(node.output_dtypes) > 1 else []
        return [self._values[edge_of(str(change.stays))], *others]

    def _attribute(self, change: Change, node: NodePlan, inputs: Sequence[Any]) -> list[Any]:
        assert change.setting is not None
        name, value = change.setting
        definition = op_def_registry.get(node.op)
        formal = [one.name for one in definition.input_arg]
        if name in formal:
            at = formal_parameters(node)[0].index(formal.index(name))
            changed = list(inputs)
            changed[at] = tf.constant(value, node.input_dtypes[at], name=f"{node.name}/{name}")
            return self._made(node, changed, {}, node.output_dtypes)
        kind = next(one.type for one in definition.attr if one.name == name)
        return self._made(node, inputs, {name: _attribute_value(kind, value)}, node.output_dtypes)

    def _dtype(self, change: Change, node: NodePlan, inputs: Sequence[Any]) -> list[Any]:
        own, wanted = node.output_dtypes[0], DTYPES[str(change.dtype)]

        def changed(dtype: tf.DType) -> tf.DType:
            return wanted if dtype == own else dtype

        types = {
            name: tf.compat.v1.AttrValue(type=changed(value).as_datatype_enum)
            for name, value in node.attributes.items()
            if name in node.type_attributes and isinstance(value, tf.DType)
        }
        given = [tf.cast(one, wanted) if one.dtype == own else one for one in inputs]
        results = self._made(node, given, types, [changed(one) for one in node.output_dtypes])
        return [tf.cast(one, dtype) for one, dtype in zip(results, node.output_dtypes, strict=True)]

    def _evaluated(self, change: Change, name: str) -> Any:
        """The result of an operator that was put in."""
        assert change.placed is not None
        with tf.name_scope(f"{name}/{change.kind}/"):
            return _result(change.placed, self._values)


def _result(placed: Placed, values: Mapping[Edge, Any]) -> Any:
    kernels = TensorFlowKernels()
    held = {
        one.name: kernels.tensor(values_of(one, one.seed, one.type.shape), one.type.dtype) for one in placed.tensors
    }

    def looked_up(value: Any) -> Any:
        if isinstance(value, tuple) and value and isinstance(value[0], Reference):
            return [looked_up(one) for one in value]
        if isinstance(value, Reference):
            return held[value.name] if value.name in held else values[edge_of(value.name)]
        return DTYPES[value] if isinstance(value, DtypeName) else value

    names = {name: looked_up(value) for name, value in placed.bindings.items()}
    made = eval(compiled(placed.specification.expression), {"tf": tf, **names})
    return tf.identity(made[0] if isinstance(made, tuple | list) else made)


def _attribute_value(kind: str, value: Any) -> tf.compat.v1.AttrValue:
    made = tf.compat.v1.AttrValue()
    if kind == "int":
        made.i = value
    elif kind == "float":
        made.f = value
    elif kind == "bool":
        made.b = value
    else:
        made.list.i.extend(value)
    return made


def is_number(value: Any) -> bool:
    """Whether an eager value is a tensor that rules know."""
    return tf.is_tensor(value) and value.dtype.name in DTYPES


def array_of(tensor: Any) -> Array:
    """An eager tensor as an array; bfloat16 as float32."""
    return np.asarray(TensorFlowKernels().array(tensor))
