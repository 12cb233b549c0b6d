"""Trace a frozen graph anew with other operations in the place of single nodes, in functions that it calls, too.

Every node is made again under its own name; a chosen one is replaced by what its rewrite traces to. Functions of
control flow that stays are traced in the same way; a rewrite of control flow calls them in its place.
"""

from __future__ import annotations

import inspect
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.python.framework import op_def_registry

from tautomer.adapters.rewrite_rules import RewriteFunction
from tautomer.adapters.tf_programs.graph_plan import Edge, GraphPlan, NodePlan, attribute_value, edge_of
from tautomer.adapters.tf_programs.interpreter import CONTROL, execute
from tautomer.adapters.tf_programs.operators import RANDOM, SEEDED_RANDOM
from tautomer.adapters.tf_programs.rewrites.freezing import FunctionalGraph
from tautomer.adapters.tf_programs.rewrites.lists import LIST_FUNCTIONS, TensorList

LARGEST_FOLDED = 64
"""The most elements of a value that is computed while tracing, so that rewrites see sizes, places and trip counts."""

_REMADE = frozenset({"PartitionedCall", "StatefulPartitionedCall"}) | CONTROL
_UNSAID = frozenset({"Tout", "output_shapes", "parallel_iterations"})
"""Attributes of control flow that a person need not give."""

_NO_VALUE = frozenset({"NoOp", "Assert", "PrintV2"})


class DoesNotApply(Exception):
    """A rewrite that was begun cannot be carried through; its text says why."""


@dataclass(frozen=True, slots=True)
class Replaced:
    """One node that was replaced.

    Attributes:
        name: its name in the frozen graph or in the function that holds it.
        operator: its operator.
        operations: how many operations stand in its place, those of control flow counted as one.
        arguments: `name=value` of the attributes that the rewrite was called with.
    """

    name: str
    operator: str
    operations: int
    arguments: tuple[str, ...] = ()


Choice = Callable[[NodePlan], RewriteFunction | None]
"""Says of a node what replaces it; None keeps it."""


@dataclass
class Spliced:
    """A graph traced anew.

    Attributes:
        function: a tf.function of its inputs to the list of its outputs.
        replaced: what was replaced, in the order of tracing; complete once the function was traced.
    """

    function: Any
    replaced: list[Replaced] = field(default_factory=list)


def spliced(graph: FunctionalGraph, choose: Choice, signature: Sequence[Any]) -> Spliced:
    """A frozen graph with the chosen nodes replaced.

    A node whose rewrite answers NotImplemented stays as it is.

    Args:
        graph: as frozen for rewriting.
        choose: says what replaces a node.
        signature: specs of its inputs.

    Raises:
        DoesNotApply: a loop is written out in parts only, or a rewrite gives other types or shapes than its operator.
    """
    tracing = _Retracing(graph, choose)

    def model(*tensors: Any) -> list[Any]:
        tracing.replaced.clear()
        given = {edge_of(name): tensor for name, tensor in zip(graph.inputs, tensors, strict=True)}
        return tracing.run(graph.plan, None, given, [edge_of(name) for name in graph.outputs])

    function = tf.function(model, autograph=False)
    function.get_concrete_function(*signature)
    return Spliced(function, list(tracing.replaced))


class _Retracing:
    """Makes nodes anew in the graph that is being traced."""

    def __init__(self, graph: FunctionalGraph, choose: Choice) -> None:
        self.replaced: list[Replaced] = []
        self._known: dict[Any, np.ndarray[Any, Any]] = {}
        self._choose = choose
        self._functions = {one.signature.name: one for one in graph.graph_def.library.function}
        self._definitions: dict[str | None, Mapping[str, Any]] = {
            None: {node.name: node for node in graph.graph_def.node},
            **{name: {node.name: node for node in one.node_def} for name, one in self._functions.items()},
        }

    def run(self, plan: GraphPlan, of: str | None, given: Mapping[Edge, Any], wanted: Sequence[Edge]) -> list[Any]:
        """Trace what a graph or a function body computes.

        Args:
            plan: of the graph or the body.
            of: the function's name; None for the graph itself.
            given: values of inputs or arguments.
            wanted: what is to be computed.
        """
        values = dict(given)
        for node in plan.order(name for name, _ in wanted):
            if (node.name, 0) in given:
                continue
            inputs = [values[edge] for edge in node.inputs]
            for number, result in enumerate(self._node(plan, of, node, inputs)):
                values[node.name, number] = result
        return [values[edge] for edge in wanted]

    def _node(self, plan: GraphPlan, of: str | None, node: NodePlan, inputs: list[Any]) -> list[Any]:
        if node.op in _NO_VALUE:
            return []
        function = self._choose(node)
        on_lists = any(isinstance(one, TensorList) for one in inputs)
        if function is None and on_lists:
            function = LIST_FUNCTIONS.get(node.op)
        if function is not None:
            results = self._replacement(plan, node, function, inputs)
            if results is not None:
                return results
        if on_lists and node.op == "Identity":
            return inputs
        if on_lists:
            raise DoesNotApply(f"{node.op} takes a list of tensors whose sizes are not known")
        if node.op in _REMADE:
            return self._remade_control(plan, node, inputs)
        definition = self._definitions[of][node.name]
        made = tf.compat.v1.get_default_graph()._create_op_internal(
            definition.op,
            inputs,
            dtypes=list(node.output_dtypes),
            name=node.name,
            attrs={name: value for name, value in definition.attr.items() if not name.startswith("_")},
        )
        outputs = list(made.outputs)
        self._note_values(node, inputs, outputs)
        return outputs

    def _note_values(self, node: NodePlan, inputs: list[Any], outputs: list[Any]) -> None:
        """Remember outputs that do not depend on the values of inputs."""
        if not outputs or node.op in RANDOM | SEEDED_RANDOM or op_def_registry.get(node.op).is_stateful:
            return
        known = [self._value(one) for one in inputs]
        if not inputs or any(one is None for one in known):
            return
        with tf.init_scope():
            eager = [tf.constant(one, source.dtype) for one, source in zip(known, inputs, strict=True)]
            try:
                found = [one.numpy() for one in execute(node, eager, lift=False)]
            except tf.errors.OpError:
                return  # it may stand where it is never computed
        for value, output in zip(found, outputs, strict=True):
            if value.size <= LARGEST_FOLDED:
                self._known[output.ref()] = np.asarray(value)

    def _value(self, tensor: Any) -> Any:
        """What a small tensor is whatever the inputs are; None where that is not known."""
        if isinstance(tensor, TensorList) or (tensor.shape.num_elements() or 0) > LARGEST_FOLDED:
            return None
        known = self._known.get(tensor.ref())
        value = tf.get_static_value(tensor) if known is None else known
        return None if value is None or value.size > LARGEST_FOLDED else value

    def _seen(self, tensor: Any) -> Any:
        """A tensor as a rewrite is to see it: a constant where its value is known."""
        value = self._value(tensor)
        return tensor if value is None else tf.constant(value, tensor.dtype)

    def _replacement(
        self, plan: GraphPlan, node: NodePlan, function: RewriteFunction, inputs: list[Any]
    ) -> list[Any] | None:
        """What a rewrite traces to in the node's place; None where it does not apply."""
        graph = tf.compat.v1.get_default_graph()
        before, count = len(graph.get_operations()), len(self.replaced)
        with tf.name_scope(f"{node.name}/rewritten/"):
            operands, attributes, shown = self._arguments(plan, node, [self._seen(one) for one in inputs])
            answer = function(*operands.values(), **attributes)
        names = list(inspect.signature(function).parameters)[: len(operands)]
        shown = [*(f"{one}=..." for one in names), *shown]
        if answer is NotImplemented:
            del self.replaced[count:]
            return None
        single = isinstance(answer, TensorList) or tf.is_tensor(answer)
        results = [answer] if single else list(answer)
        _verify(node, results)
        if len(results) == 1 and tf.is_tensor(results[0]):
            results = [tf.identity(results[0], name=node.name)]
        operations = len(graph.get_operations()) - before
        self.replaced.insert(count, Replaced(node.name, node.op, operations, tuple(shown)))
        return results

    def _arguments(
        self, plan: GraphPlan, node: NodePlan, inputs: list[Any]
    ) -> tuple[dict[str, Any], dict[str, Any], list[str]]:
        """What `tf.raw_ops` takes of the operator: tensors by argument, attributes that they do not tell, and as text
        those of the attributes that a person has to give.
        """
        definition = op_def_registry.get(node.op)
        operands: dict[str, Any] = {}
        told = set()
        remaining = iter(inputs)
        for one in definition.input_arg:
            told |= {one.type_attr, one.number_attr, one.type_list_attr}
            if one.number_attr:
                operands[one.name] = [next(remaining) for _ in range(int(node.attributes[one.number_attr]))]
            elif one.type_list_attr:
                operands[one.name] = [next(remaining) for _ in node.attributes[one.type_list_attr]]
            else:
                operands[one.name] = next(remaining)
        attributes: dict[str, Any] = {}
        shown = []
        for attribute in definition.attr:
            if attribute.name in told:
                continue
            value: Any = node.attributes.get(attribute.name)
            if attribute.type == "func":
                attributes[attribute.name] = self._callable(plan, str(value))
                shown.append(f"{attribute.name}=...")
            elif attribute.type == "list(func)":
                attributes[attribute.name] = [self._callable(plan, str(one)) for one in value]
                shown.append(f"{attribute.name}=[...]")
            else:
                attributes[attribute.name] = value.decode() if isinstance(value, bytes) else value
                if attribute.name not in _UNSAID and not _is_default(attribute, value):
                    shown.append(f"{attribute.name}={_text(attributes[attribute.name])}")
        return operands, attributes, shown

    def _callable(self, plan: GraphPlan, name: str) -> Callable[..., list[Any]]:
        """A function of the library as one that is traced where it is called."""
        body = plan.function(name)

        def call(inputs: Sequence[Any]) -> list[Any]:
            given = {(argument, 0): value for argument, value in zip(body.arguments, inputs, strict=True)}
            return [self._seen(one) for one in self.run(body, name, given, body.results)]

        return call

    def _remade_control(self, plan: GraphPlan, node: NodePlan, inputs: list[Any]) -> list[Any]:
        """Control flow that stays, with its functions traced anew."""
        by_name, attributes, _ = self._arguments(plan, node, inputs)
        arguments = {**by_name, **attributes}
        definition = op_def_registry.get(node.op)
        operands = inputs[1:] if "If" in node.op or "Case" in node.op else inputs
        looping = "While" in node.op
        for attribute in definition.attr:
            names: Any = node.attributes.get(attribute.name)
            if attribute.type == "func":
                arguments[attribute.name] = self._concrete(plan, str(names), operands, looping=looping)
            elif attribute.type == "list(func)":
                made = [self._concrete(plan, str(one), operands, looping=looping) for one in names]
                arguments[attribute.name] = made
        if "output_shapes" in arguments:
            arguments["output_shapes"] = [tf.TensorShape(one) for one in arguments["output_shapes"]]
        results = getattr(tf.raw_ops, node.op)(**arguments, name=node.name)
        return [results] if tf.is_tensor(results) else list(results or ())

    def _concrete(self, plan: GraphPlan, name: str, operands: Sequence[Any], *, looping: bool) -> Any:
        body = plan.function(name)
        specs = list(self._specs(name, body, operands, looping=looping))
        call = self._callable(plan, name)
        return tf.function(lambda *inputs: call(inputs), autograph=False).get_concrete_function(*specs)

    def _specs(self, name: str, body: GraphPlan, operands: Sequence[Any], *, looping: bool) -> Iterator[Any]:
        """Types and shapes of a function's arguments: as stated, else of what it is called with where that stays."""
        stated = self._functions[name].arg_attr
        for number, (argument, operand) in enumerate(zip(body.arguments, operands, strict=True)):
            shapes = stated[number].attr["_output_shapes"].list.shape if number in stated else ()
            shape = tf.TensorShape(shapes[0]) if shapes else operand.shape
            if not shapes and looping and body.results[number : number + 1] != ((argument, 0),):
                shape = tf.TensorShape(None)
            yield tf.TensorSpec(shape, operand.dtype)


def _is_default(attribute: Any, value: Any) -> bool:
    return bool(attribute.HasField("default_value") and attribute_value(attribute.default_value) == value)


def _text(value: Any) -> str:
    return f"tf.{value.name}" if isinstance(value, tf.DType) else repr(value)


def _verify(node: NodePlan, results: Sequence[Any]) -> None:
    """Compare what stands in for a node with what the node gives.

    Raises:
        DoesNotApply: another number of results, or other types.
    """
    given = tuple(one.dtype if tf.is_tensor(one) else tf.variant for one in results)
    if given != node.output_dtypes:
        raise DoesNotApply(f"the rewrite of {node.op} gives {given} where the operator gives {node.output_dtypes}")
