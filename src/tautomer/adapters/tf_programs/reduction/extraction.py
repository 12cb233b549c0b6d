"""Cut a part of a frozen graph out as a program, with the values that were recorded at the cut."""

from __future__ import annotations

import keyword
import re
from collections.abc import Collection, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from typing import Any

import numpy as np
import tensorflow as tf

from tautomer.adapters.tf_programs.graph_plan import Edge, GraphPlan, NodePlan, edge_of, planned
from tautomer.adapters.tf_programs.interpreter import GraphDefRun
from tautomer.adapters.tf_programs.preparation import PreparedFunction
from tautomer.adapters.tf_programs.reduction.definitions import NotExpressible
from tautomer.adapters.tf_programs.reduction.module_text import RESERVED
from tautomer.adapters.tf_programs.reduction.program import (
    CASES,
    CONDITIONS,
    CONST,
    LOOPS,
    VALUE,
    Array,
    Body,
    ElementType,
    Input,
    Program,
    Ref,
    Step,
    constant,
    pruned,
    renamed,
    unique,
)
from tautomer.minimization import Dag

_CALLS = frozenset({"PartitionedCall", "StatefulPartitionedCall"})
_SOURCES = frozenset({CONST, "Placeholder", "PlaceholderV2", "PlaceholderWithDefault"})
_COPIES = frozenset({"Identity", "Snapshot", "DebugIdentity"})
_HANDLES = (tf.resource, tf.variant)
"""What cannot be recorded: it is made by the program itself."""

_FUNCTIONS = {
    **dict.fromkeys(CONDITIONS, ("then_branch", "else_branch")),
    **dict.fromkeys(CASES, ("branches",)),
    **dict.fromkeys(LOOPS, ("cond", "body")),
}


class CutGraph:
    """The frozen graph of a model, with the values that its input sets give.

    Args:
        prepared: the model.

    Raises:
        NotFreezable: its variables cannot become constants.
        Exception: what the model or TensorFlow raises while it is traced.
    """

    def __init__(self, prepared: PreparedFunction) -> None:
        self._prepared = prepared
        self._frozen = prepared.frozen_whole()
        self.plan: GraphPlan = planned(self._frozen.graph_def)
        self._shapes = {node.name: node.attr["_output_shapes"].list.shape for node in self._frozen.graph_def.node}
        order = self.plan.order(name for name, _ in map(edge_of, self._frozen.outputs.values()))
        self.nodes = [node for node in order if node.op not in _SOURCES]
        self._number = {node.name: index for index, node in enumerate(self.nodes)}

    @cached_property
    def _dag(self) -> Dag:
        return Dag([[self._number[one] for one, _ in node.inputs if one in self._number] for node in self.nodes])

    def find(self, operators: Collection[str], line: str | None) -> list[str]:
        """Nodes that apply one of these operators, in a branch or a loop too; those of the user's line if any is."""
        found = [node.name for node in self.nodes if not self._operators(self.plan, node).isdisjoint(operators)]
        of_line = [name for name in found if line is not None and self._frozen.line_of(name) == line]
        return of_line or found

    def _operators(self, plan: GraphPlan, node: NodePlan) -> set[str]:
        found = {node.op}
        for name in _functions(node):
            inner = plan.function(name)
            for one in inner.nodes.values():
                found |= self._operators(inner, one)
        return found

    def alike(self, names: Collection[str], operators: Collection[str]) -> list[str]:
        """Operators that a fault of these nodes shows under where control flow among them is traced anew or left out.

        Traced anew it has no state, which its operator's name says; and what is wrong inside of it, is so without it.
        """
        found: set[str] = set()
        for node in map(self.plan.nodes.__getitem__, names):
            if node.op in operators and node.op in _FUNCTIONS:
                found |= self._operators(self.plan, node)
        return sorted(found | {twin for op in found for twin in (f"Stateless{op}",) if twin in _FUNCTIONS})

    def grown(self, names: Collection[str], count: int) -> list[str]:
        """These nodes and those at most `count` edges from one; all where that is negative."""
        if count < 0:
            return [node.name for node in self.nodes]
        return [self.nodes[one].name for one in sorted(self._dag.ball({self._number[name] for name in names}, count))]

    def program(self, names: Collection[str]) -> Program:
        """The part of the graph that these nodes are, as a program.

        What the nodes use and is not among them becomes an input, or a constant where the model's inputs have no
        influence on it. What others use of it is its output.

        Raises:
            NotExpressible: a node is no public operator.
        """
        included = self._closure(names)
        nodes = [node for node in self.nodes if node.name in included]
        boundary = list(dict.fromkeys(edge for node in nodes for edge in node.inputs if edge[0] not in included))
        values = [self._values(boundary, index) for index in range(len(self._prepared.input_sets))]
        fixed = {edge for edge in boundary if self._is_fixed(edge, values)}
        if boundary and fixed.issuperset(boundary):  # it would be all constant, and answer nothing
            computed = {edge for edge in boundary if self.plan.nodes[edge[0]].op != CONST}
            floating = {edge for edge in boundary if values[0][edge].dtype.kind in "fc"}
            fixed -= computed or floating or set(boundary)
        taken = set(RESERVED)
        by_kind = sorted(boundary, key=fixed.__contains__)  # inputs keep their names
        names_of = {edge: unique(_identifier(edge[0], edge[1]), taken) for edge in by_kind}
        steps = [constant(names_of[edge], values[0][edge]) for edge in boundary if edge in fixed]
        inputs = tuple(
            Input(
                names_of[edge], tuple(one[edge] for one in values), self._dynamic(edge, [one[edge] for one in values])
            )
            for edge in boundary
            if edge not in fixed
        )
        now = {edge: Ref(name) for edge, name in names_of.items()}
        for node in nodes:
            steps += self._step(self.plan, node, now, taken)
        outputs = self._outputs(nodes, included)
        return _without_copies(pruned(Program(inputs, tuple(steps), tuple(now[edge] for edge in outputs))))

    def _closure(self, names: Collection[str]) -> set[str]:
        """The nodes, what makes the handles that they use, and what computes sizes for them from those of inputs."""
        included = {name for name in names if name in self._number}
        waiting = list(included)
        while waiting:
            node = self.plan.nodes[waiting.pop()]
            for source, output in node.inputs:
                one = self.plan.nodes[source]
                if source in included or source not in self._number:
                    continue
                is_handle = one.output_dtypes[output] in _HANDLES
                if is_handle or self._is_size(one):
                    included.add(source)
                    waiting.append(source)
        return included

    def _is_size(self, node: NodePlan) -> bool:
        """Whether it follows from the sizes of inputs, and these are not all known."""
        if node.name in self.plan.varying or any(dtype.is_floating for dtype in node.output_dtypes):
            return False
        return bool(self._prepared.dimensions) and any(
            one.op in ("Shape", "ShapeN", "Size", "Rank") for one in self.plan.order([node.name])
        )

    def _values(self, edges: Sequence[Edge], index: int) -> dict[Edge, Array]:
        """What the graph computes at these edges on one input set, in its own precision."""
        wanted = set(edges)
        found: dict[Edge, Array] = {}

        def observe(node: NodePlan, results: list[Any]) -> None:
            for number, result in enumerate(results):
                if (node.name, number) in wanted and result.dtype not in _HANDLES:
                    found[node.name, number] = np.asarray(result.numpy())

        feeds: dict[str, Any] = {
            name: self._prepared.values(index)[path] for path, name in self._frozen.inputs.items()
        } | dict(self._frozen.captured)
        GraphDefRun(self.plan, lift=False, observe=observe).run(feeds, [f"{name}:{number}" for name, number in edges])
        missing = [name for name, number in edges if (name, number) not in found]
        if missing:
            raise NotExpressible(f"{missing[0]} has no value that can be recorded")
        return found

    def _is_fixed(self, edge: Edge, values: Sequence[Mapping[Edge, Array]]) -> bool:
        if self.plan.nodes[edge[0]].op == CONST:
            return True
        first = values[0][edge]
        alike = all(one[edge].shape == first.shape and np.array_equal(one[edge], first) for one in values[1:])
        return edge[0] not in self.plan.varying and alike

    def _dynamic(self, edge: Edge, values: Sequence[Array]) -> tuple[int, ...]:
        varying = [axis for axis in range(values[0].ndim) if len({one.shape[axis] for one in values}) > 1]
        shapes = self._shapes.get(edge[0], ())
        declared = shapes[edge[1]] if edge[1] < len(shapes) else None
        if varying or declared is None or declared.unknown_rank:
            return tuple(varying)
        return tuple(axis for axis, one in enumerate(declared.dim) if one.size < 0 and axis < values[0].ndim)

    def _outputs(self, nodes: Sequence[NodePlan], included: set[str]) -> list[Edge]:
        results = [edge_of(name) for name in self._frozen.outputs.values()]
        used = {edge for node in self.nodes if node.name not in included for edge in node.inputs} | set(results)
        every = [(node.name, number) for node in nodes for number in range(len(node.output_dtypes))]
        plain = [edge for edge in every if self.plan.nodes[edge[0]].output_dtypes[edge[1]] not in _HANDLES]
        found = [edge for edge in plain if edge in used]
        return found or plain[-1:]

    def _step(self, plan: GraphPlan, node: NodePlan, now: dict[Edge, Ref], taken: set[str]) -> list[Step]:
        """What a node is as a step, or as those of the function that it calls; `now` gets its results."""
        inputs = tuple(now[edge] for edge in node.inputs)
        if node.op in _CALLS:
            body = self._body(plan.function(_functions(node)[0]), taken)
            found, known = renamed(body.steps, taken, dict(zip(body.arguments, inputs, strict=True)))
            for number, ref in enumerate(body.results):
                moved = known.get(ref.name, ref)
                now[node.name, number] = moved if ref.output == 0 else Ref(moved.name, ref.output)
            return found
        name = unique(_identifier(node.name), taken)
        for number in range(len(node.output_dtypes)):
            now[node.name, number] = Ref(name, number)
        if node.op == CONST:
            return [constant(name, tf.make_ndarray(node.attributes[VALUE]))]
        bodies = tuple(self._body(plan.function(one), taken) for one in _functions(node))
        return [Step(name, node.op, inputs, _attributes(node), bodies)]

    def _body(self, plan: GraphPlan, taken: set[str]) -> Body:
        now: dict[Edge, Ref] = {}
        arguments = []
        for argument in plan.arguments:
            name = unique(_identifier(argument) if len(argument) <= _LONGEST_ARGUMENT else "state", taken)
            arguments.append(name)
            now[argument, 0] = Ref(name)
        steps: list[Step] = []
        for node in plan.order(name for name, _ in plan.results):
            if node.op != "_Arg":
                steps += self._step(plan, node, now, taken)
        plain, same = _copies_left_out(steps)
        results = tuple(same.get(ref.name, ref) for ref in (now[edge] for edge in plan.results))
        return Body(tuple(arguments), tuple(plain), results)


def _functions(node: NodePlan) -> list[str]:
    """Names of the functions that a node calls."""
    if node.op in _CALLS:
        return [str(node.attributes["f"])]
    found: list[str] = []
    for name in _FUNCTIONS.get(node.op, ()):
        value = node.attributes[name]
        found += [value] if isinstance(value, str) else list(value)
    return found


def _attributes(node: NodePlan) -> dict[str, Any]:
    """Plain values of a node's attributes, functions left out."""
    functions = _FUNCTIONS.get(node.op, ())
    return {name: _plain(value) for name, value in node.attributes.items() if name not in functions}


def _plain(value: Any) -> Any:
    if isinstance(value, tf.DType):
        return ElementType(value.name)
    if isinstance(value, list | tuple):
        return [_plain(one) for one in value]
    if value is None or isinstance(value, bool | int | float | str | bytes):
        return value
    raise NotExpressible(f"an attribute is a {type(value).__name__}")


_LONGEST_ARGUMENT = 16
"""Characters of an argument's name that a person still reads; loops are given long ones."""

_PLAIN = re.compile(r"\W+")


def _identifier(name: str, output: int = 0) -> str:
    """The last part of a node's name as Python takes it."""
    parts = [_PLAIN.sub("_", part).strip("_") for part in name.split("/")]
    last = next((part for part in reversed(parts) if part and not part.isdigit()), "value")
    snake = re.sub(r"(?<=[a-z])(?=[A-Z])", "_", last).lower()
    snake = f"value_{snake}" if snake[0].isdigit() else snake
    plain = snake if not keyword.iskeyword(snake) and snake not in dir(__builtins__) else f"{snake}_"
    return f"{plain}_{output}" if output else plain


def _without_copies(program: Program) -> Program:
    """Without operators that give back what they are given."""
    kept, same = _copies_left_out(program.steps)
    outputs = tuple(same.get(one.name, one) for one in program.outputs)
    given = {one.name for one in program.inputs} | {one.name for one in kept if one.op == CONST}
    if not kept or any(one.name in given for one in outputs):
        return program
    return pruned(replace(program, steps=tuple(kept), outputs=tuple(dict.fromkeys(outputs))))


def _copies_left_out(steps: Sequence[Step]) -> tuple[list[Step], dict[str, Ref]]:
    """The other steps, and what stands in the place of each copy."""
    same: dict[str, Ref] = {}
    kept = []
    for step in steps:
        if step.op in _COPIES:
            same[step.name] = same.get(step.inputs[0].name, step.inputs[0])
        else:
            kept.append(step.with_inputs(lambda ref: same.get(ref.name, ref)))
    return kept, same
