"""Run a GraphDef node by node with eager kernels: in its own precision, lifted to float64, or with perturbed rounding.

What float64 means here: exact arithmetic on the program as its declared precision states it. Constants are rounded as
they are stored and then lifted; explicit casts to a narrower format are part of the function; sizes, trip counts and
branches are those of the declared precision (docs/explanation/numerics.md).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import tensorflow as tf
from tensorflow.python.eager import context
from tensorflow.python.eager import execute as eager_execute

from tautomer.adapters.tf_programs.decompositions import DECOMPOSED
from tautomer.adapters.tf_programs.graph_plan import Edge, GraphPlan, NodePlan, UnknownOperator, edge_of, planned
from tautomer.adapters.tf_programs.lifting import LIFTED, declared_of, lifted, rounded_cast
from tautomer.adapters.tf_programs.operators import (
    CHOOSES_VALUES,
    LOOKS_UP,
    ONLY_CHOOSES,
    RANDOM,
    SEEDED_RANDOM,
    is_exact,
)
from tautomer.adapters.tf_programs.perturbation import NodeNoise
from tautomer.adapters.user_modules import first_line
from tautomer.numerics.branches import Branches

Values = list[Any]


class NotLiftable(Exception):
    """An operator has no float64 counterpart; its text names the operator."""


class _Dead:
    """What a branch that is not taken computes, where control flow is lowered to switches."""


DEAD = _Dead()

_CALLS = frozenset({"PartitionedCall", "StatefulPartitionedCall"})
_LOOPS = frozenset({"While", "StatelessWhile"})
_CONDITIONS = frozenset({"If", "StatelessIf"})
_CASES = frozenset({"Case", "StatelessCase"})
_FRAMES = frozenset({"Enter", "Exit", "NextIteration", "LoopCond", "RefEnter", "RefExit", "RefNextIteration"})
_NOTHING = frozenset({"NoOp", "Assert", "PrintV2"})
_HANDS_ON = frozenset({"PlaceholderWithDefault", "Print"})
CONTROL = _CALLS | _LOOPS | _CONDITIONS | _CASES


class GraphDefRun:
    """One execution of a graph.

    Args:
        graph: a GraphDef, or its plan where several runs share one.
        lift: compute in float64.
        branches: conditions of loops and branches to take, or to record.
        perturbation: a generator; every rounding is perturbed with it. Only with `lift`.
        observe: called with every node of the graph itself, not of its functions, and its results; not on branches that
            are not taken.
        decisions: results that stand in the place of those the nodes of these names compute.
        shifts: by node, for each input how far its elements may be moved either way, to turn what the node decides.
    """

    def __init__(
        self,
        graph: Any,
        *,
        lift: bool,
        branches: Branches | None = None,
        perturbation: np.random.Generator | None = None,
        observe: Callable[[NodePlan, Values], None] | None = None,
        decisions: Mapping[str, Sequence[Any]] | None = None,
        shifts: Mapping[str, Sequence[Any]] | None = None,
    ) -> None:
        self.plan = graph if isinstance(graph, GraphPlan) else planned(graph)
        self._lift = lift
        self._branches = branches if branches is not None else Branches()
        self._generator = perturbation
        self._observe = observe
        self._decisions = decisions or {}
        self._shifts = shifts or {}

    def run(self, feeds: Mapping[str, Any], fetches: Sequence[str]) -> Values:
        """The values of `fetches` (tensor names) with `feeds` (tensor name -> value) in the graph.

        Raises:
            NotLiftable: an operator has no float64 counterpart.
            Exception: what a kernel raises.
        """
        given = {edge_of(name): self._fed(value) for name, value in feeds.items()}
        wanted = [edge_of(name) for name in fetches]
        try:
            return self._graph(self.plan, given, wanted, observed=True)
        except UnknownOperator as error:
            raise NotLiftable(str(error)) from error

    def _fed(self, value: Any) -> Any:
        tensor = tf.convert_to_tensor(value)
        return lifted(tensor) if self._lift else tensor

    def _graph(self, plan: GraphPlan, given: Mapping[Edge, Any], wanted: Sequence[Edge], *, observed: bool) -> Values:
        values: dict[Edge, Any] = dict(given)
        shadows: dict[Edge, Any] = {}
        order = plan.order(name for name, _ in wanted)
        remaining = _uses(order, wanted)
        for node in order:
            if (node.name, 0) in given:
                results = [values[node.name, 0]]
            else:
                results = self._node(plan, node, [values[edge] for edge in node.inputs], shadows, observed=observed)
                for number, result in enumerate(results):
                    values[node.name, number] = result
            if observed and self._observe is not None and not any(isinstance(one, _Dead) for one in results):
                self._observe(node, results)
            for edge in node.inputs:
                remaining[edge] -= 1
                if not remaining[edge]:
                    values.pop(edge, None)
        dead = [name for name, number in wanted if isinstance(values[name, number], _Dead)]
        if dead:
            raise NotLiftable(f"{dead[0]} is on a branch that is not taken")
        return [values[edge] for edge in wanted]

    def _node(
        self, plan: GraphPlan, node: NodePlan, inputs: Values, shadows: dict[Edge, Any], *, observed: bool
    ) -> Values:
        if observed and node.name in self._decisions:
            return list(self._decisions[node.name])
        if any(isinstance(one, _Dead) for one in inputs) and node.op != "Merge":
            return [DEAD] * max(len(node.output_dtypes), 1)
        if node.op in CONTROL:
            return self.control(plan, node, inputs)
        if node.op in ("Switch", "_SwitchN", "Merge"):
            return self._switch(node, inputs)
        if node.op in _NOTHING:
            return []
        if node.op in _HANDS_ON:
            return inputs[:1]
        if not self._lift:
            return run_declared(node, inputs)
        if node.name in plan.decides_sizes:
            rounded = declared_of(node, inputs)
            exact = run_declared(node, [shadows.get(edge, one) for edge, one in zip(node.inputs, rounded, strict=True)])
            shadows.update({(node.name, number): one for number, one in enumerate(exact)})
            if node.op != "Range" and not any(dtype.is_floating for dtype in node.output_dtypes):
                return exact
        noise = None
        if self._generator is not None:
            if observed and node.name in self._shifts:
                inputs = NodeNoise(node, plan, self._generator).shifted(inputs, self._shifts[node.name])
            noise = NodeNoise(node, plan, self._generator)
        return self.lifted_node(node, inputs, noise, shadows.get((node.name, 0)))

    def lifted_node(self, node: NodePlan, inputs: Values, noise: NodeNoise | None, shadow: Any = None) -> Values:
        """One operator in float64, with its rounding perturbed where noise is given.

        Raises:
            NotLiftable: it cannot be computed in float64.
        """
        if noise is not None and not is_exact(node.op):
            inputs = noise.inputs(inputs)
        results = self._exactly(node, inputs, noise, shadow)
        return noise.results(inputs, results) if noise is not None and not is_exact(node.op) else results

    def _exactly(self, node: NodePlan, inputs: Values, noise: NodeNoise | None, shadow: Any) -> Values:
        if node.op == "Const":
            return [lifted(constant(node))]
        if node.op == "Cast":
            return [rounded_cast(inputs[0], node.input_dtypes[0], node.output_dtypes[0])]
        if node.op == "Range" and node.output_dtypes[0] in LIFTED:
            start, _, step = (one.numpy() for one in inputs)
            count = int((shadow if shadow is not None else run_declared(node, declared_of(node, inputs))[0]).shape[0])
            return [tf.constant(start + np.arange(count) * step, tf.float64)]
        if node.op in SEEDED_RANDOM:
            return [lifted(one) for one in run_declared(node, inputs)]
        if node.op in RANDOM:
            raise NotLiftable(f"{node.op} draws random numbers")
        if node.op in _FRAMES:
            raise NotLiftable(f"{node.op}: loops of TensorFlow 1")
        touched = any(dtype in LIFTED for dtype in (*node.input_dtypes, *node.output_dtypes))
        if touched and node.op in ("Bitcast", "NextAfter"):
            raise NotLiftable(f"{node.op} works on the bits of the declared precision")
        if touched and node.op in DECOMPOSED:
            wrap = noise.internal if noise is not None else _unchanged
            try:
                with np.errstate(all="ignore"):
                    arrays = DECOMPOSED[node.op]([one.numpy() for one in inputs], node.attributes, wrap)
            except (ArithmeticError, IndexError, KeyError, TypeError, ValueError) as error:
                raise NotLiftable(f"{node.op}: {first_line(error)}") from error
            return [tf.convert_to_tensor(one) for one in arrays]
        if touched and node.op in LOOKS_UP:
            return [lifted(one) for one in run_declared(node, declared_of(node, inputs))]
        if touched and node.op in ONLY_CHOOSES:
            return run_declared(node, declared_of(node, inputs))
        if touched and node.op in CHOOSES_VALUES:
            return _exactly_chosen(node, inputs)
        if touched and node.fixed_float:
            raise NotLiftable(f"{node.op} computes in float32 only")
        try:
            return _with_declared_limits(node, execute(node, inputs, lift=True))
        except (tf.errors.OpError, TypeError, ValueError) as error:
            raise NotLiftable(f"{node.op}: {first_line(error)}") from error

    def control(self, plan: GraphPlan, node: NodePlan, inputs: Values) -> Values:
        """A call, a condition or a loop: the body's results."""
        attributes = node.attributes
        if node.op in _CALLS:
            return self._call(plan, attributes["f"], inputs)
        if node.op in _CONDITIONS:
            taken = self._branches.decide(_truth(inputs[0]))
            return self._call(plan, attributes["then_branch" if taken else "else_branch"], inputs[1:])
        if node.op in _CASES:
            return self._call(
                plan, attributes["branches"][self._case(inputs[0], len(attributes["branches"]))], inputs[1:]
            )
        state = inputs
        while self._branches.decide(_truth(self._call(plan, attributes["cond"], state)[0])):
            state = self._call(plan, attributes["body"], state)
        return list(state)

    def _case(self, index: Any, count: int) -> int:
        """The branch to take: the last for an index out of range, as the operator has it."""
        computed = int(index)
        computed = computed if 0 <= computed < count else count - 1
        return next((one for one in range(count - 1) if self._branches.decide(one == computed)), count - 1)

    def _call(self, plan: GraphPlan, name: str, inputs: Values) -> Values:
        body = plan.function(name)
        given = {(argument, 0): value for argument, value in zip(body.arguments, inputs, strict=True)}
        return self._graph(body, given, body.results, observed=False)

    def _switch(self, node: NodePlan, inputs: Values) -> Values:
        if node.op == "Merge":
            alive = next((number for number, one in enumerate(inputs) if not isinstance(one, _Dead)), None)
            return [DEAD, DEAD] if alive is None else [inputs[alive], tf.constant(alive)]
        count = len(node.output_dtypes)
        taken = int(self._branches.decide(_truth(inputs[1]))) if node.op == "Switch" else self._case(inputs[1], count)
        return [inputs[0] if number == taken else DEAD for number in range(count)]


_GIVES_LIMITS = frozenset({"UnsortedSegmentMax", "UnsortedSegmentMin", "SegmentMaxV2", "SegmentMinV2"})
"""Give the largest or smallest number of the element type where there is nothing to choose from."""


def _with_declared_limits(node: NodePlan, results: Values) -> Values:
    """Results in which float64's largest numbers are those of the declared type: which they are is the function."""
    declared = node.output_dtypes[0]
    if node.op not in _GIVES_LIMITS or declared not in LIFTED:
        return results
    most, own = np.finfo(np.float64).max, float(declared.max)
    array = results[0].numpy()
    return [tf.constant(np.where(np.abs(array) == most, np.sign(array) * own, array), tf.float64)]


def _exactly_chosen(node: NodePlan, inputs: Values) -> Values:
    """What a kernel for float32 only chose among its inputs, with the exact values of what it chose.

    Raises:
        NotLiftable: it gives a number that none of its inputs is.
    """
    exact = {np.float32(value): value for value in (0.0, 1.0, -1.0)}
    for one in inputs:
        if one.dtype == tf.float64:
            array = one.numpy().reshape(-1)
            with np.errstate(over="ignore"):
                exact |= dict(zip(array.astype(np.float32).tolist(), array.tolist(), strict=True))
    results: Values = []
    for one in run_declared(node, declared_of(node, inputs)):
        if one.dtype not in LIFTED:
            results.append(one)
            continue
        array = one.numpy()
        found = [exact.get(value) for value in array.reshape(-1).tolist()]
        if None in found:
            raise NotLiftable(f"{node.op} computes in float32 only")
        results.append(tf.constant(np.array(found, np.float64).reshape(array.shape)))
    return results


def _unchanged(array: Any) -> Any:
    return array


def _truth(value: Any) -> bool:
    """A condition: a boolean, or whether a number is not zero, a text not empty, a tensor not without elements."""
    array = np.asarray(value.numpy())
    return bool(array.size) if array.ndim else bool(array[()])


def _uses(order: Sequence[NodePlan], wanted: Sequence[Edge]) -> dict[Edge, int]:
    """How often each value is still needed."""
    found: dict[Edge, int] = {}
    for node in order:
        for edge in node.inputs:
            found[edge] = found.get(edge, 0) + 1
    for edge in wanted:
        found[edge] = found.get(edge, 0) + 1
    return found


def constant(node: NodePlan) -> Any:
    """The tensor a Const node holds."""
    return tf.constant(tf.make_ndarray(node.attributes["value"]), dtype=node.output_dtypes[0])


def run_declared(node: NodePlan, inputs: Values) -> Values:
    """One operator in its own precision."""
    return [constant(node)] if node.op == "Const" else execute(node, inputs, lift=False)


def execute(node: NodePlan, inputs: Values, *, lift: bool) -> Values:
    """One operator by its eager kernel, with the element types of the node or, lifted, float64 in their place."""
    attributes: list[Any] = []
    for name, value in node.attributes.items():
        if name in node.type_attributes:
            given: list[Any] = value if isinstance(value, list) else [value]
            many: list[Any] = [LIFTED.get(one, one) if lift else one for one in given]
            numbers = [one.as_datatype_enum for one in many]
            attributes += [name, numbers if isinstance(value, list) else numbers[0]]
        elif value is not None or name == "shape":
            attributes += [name, value]
    count = len(node.output_dtypes)
    found = eager_execute.execute(
        node.op.encode(), count, inputs=list(inputs), attrs=tuple(attributes), ctx=context.context()
    )
    return list(found) if isinstance(found, list | tuple) else [found]
