"""If, Loop, Scan and SequenceMap: operators whose bodies see the values of the graph around them."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tautomer.numerics.onnx_evaluator.call import axis_of
from tautomer.numerics.onnx_evaluator.element_types import element_of, storage_dtype, type_of_proto
from tautomer.numerics.onnx_evaluator.errors import InvalidNode, UnsupportedOperator
from tautomer.numerics.onnx_evaluator.plan import Plan, Step
from tautomer.numerics.onnx_evaluator.scope import Held


@dataclass(frozen=True, slots=True, eq=False)
class ControlCall:
    """One execution of a node with subgraphs.

    Attributes:
        step: the node.
        opset: version of its domain.
        attributes: the node's own, without the subgraphs.
        inputs: None for an absent one.
        lift: whether floats are computed in float64.
        run: executes a body on arguments, inside the scope of the node.
        decide: what to act on where a condition was computed.
    """

    step: Step
    opset: int
    attributes: Mapping[str, Any]
    inputs: tuple[Held | None, ...]
    lift: bool
    run: Callable[[Plan, Sequence[Held]], list[Held]]
    decide: Callable[[bool], bool]


def _truth(held: Held) -> bool:
    array = np.asarray(held.value)
    if array.size != 1:
        raise InvalidNode(f"its condition has {array.size} elements where one is needed")
    return bool(array.reshape(-1)[0])


def _if(call: ControlCall) -> list[Held]:
    condition = call.inputs[0]
    assert condition is not None
    return call.run(call.step.subgraphs["then_branch" if call.decide(_truth(condition)) else "else_branch"], [])


def _stack(items: Sequence[Held], axis: int, plan: Plan, index: int, lift: bool) -> Held:
    if items:
        arrays = [item.value for item in items]
        rank = arrays[0].ndim + 1
        return Held(np.stack(arrays, axis=axis_of(axis, rank)), items[0].type_name)
    proto = plan.output_protos[index]
    type_name = type_of_proto(proto)
    if not type_name.startswith("tensor("):
        raise InvalidNode(f"it runs no iteration, and its body does not declare the type of {plan.outputs[index]!r}")
    sizes = [dimension.dim_value for dimension in proto.tensor_type.shape.dim]
    sizes.insert(axis_of(axis, len(sizes) + 1), 0)
    return Held(np.zeros(sizes, storage_dtype(element_of(type_name), lift=lift)), type_name)


def _loop(call: ControlCall) -> list[Held]:
    body = call.step.subgraphs["body"]
    trips, condition = call.inputs[0], call.inputs[1] if len(call.inputs) > 1 else None
    limit = None if trips is None else int(np.asarray(trips.value).reshape(-1)[0])
    carried = [item if item is not None else Held(None, "") for item in call.inputs[2:]]
    go_on = condition is None or call.decide(_truth(condition))
    scanned: list[list[Held]] = [[] for _ in body.outputs[1 + len(carried) :]]
    done = 0
    while go_on and (limit is None or done < limit):
        counter = Held(np.asarray(done, dtype=np.int64), "tensor(int64)")
        results = call.run(body, [counter, Held(np.asarray(go_on), "tensor(bool)"), *carried])
        go_on = call.decide(_truth(results[0]))
        carried = results[1 : 1 + len(carried)]
        for collected, item in zip(scanned, results[1 + len(carried) :], strict=True):
            collected.append(item)
        done += 1
    first = 1 + len(carried)
    return [*carried, *(_stack(items, 0, body, first + i, call.lift) for i, items in enumerate(scanned))]


def _scan(call: ControlCall) -> list[Held]:
    if call.opset < 9:
        raise UnsupportedOperator("Scan of opset 8, which has a batch axis and sequence lengths")
    body = call.step.subgraphs["body"]
    count = int(call.attributes["num_scan_inputs"])
    inputs = [item for item in call.inputs if item is not None]
    states, sequences = inputs[: len(inputs) - count], inputs[len(inputs) - count :]
    outputs_count = len(body.outputs) - len(states)
    input_axes = call.attributes.get("scan_input_axes") or [0] * count
    output_axes = call.attributes.get("scan_output_axes") or [0] * outputs_count
    input_directions = call.attributes.get("scan_input_directions") or [0] * count
    output_directions = call.attributes.get("scan_output_directions") or [0] * outputs_count
    moved = [
        np.moveaxis(item.value, axis_of(axis, item.value.ndim), 0)[:: -1 if backward else 1]
        for item, axis, backward in zip(sequences, input_axes, input_directions, strict=True)
    ]
    lengths = {array.shape[0] for array in moved}
    if len(lengths) != 1:
        raise InvalidNode(f"its scan inputs have different lengths {sorted(lengths)}")
    collected: list[list[Held]] = [[] for _ in range(outputs_count)]
    for index in range(lengths.pop()):
        slices = [Held(np.asarray(array[index]), item.type_name) for array, item in zip(moved, sequences, strict=True)]
        results = call.run(body, [*states, *slices])
        states = results[: len(states)]
        for items, item in zip(collected, results[len(states) :], strict=True):
            items.append(item)
    stacked = []
    for index, (items, axis, backward) in enumerate(zip(collected, output_axes, output_directions, strict=True)):
        ordered = items[::-1] if backward else items
        stacked.append(_stack(ordered, axis, body, len(states) + index, call.lift))
    return [*states, *stacked]


def _sequence_map(call: ControlCall) -> list[Held]:
    body = call.step.subgraphs["body"]
    first = call.inputs[0]
    assert first is not None
    rows: list[list[Held]] = []
    for index in range(len(first.value)):
        arguments = []
        for item in call.inputs:
            assert item is not None
            if item.type_name.startswith("seq("):
                if len(item.value) != len(first.value):
                    raise InvalidNode(f"its sequences have {len(first.value)} and {len(item.value)} elements")
                arguments.append(Held(item.value[index], item.type_name[4:-1]))
            else:
                arguments.append(item)
        rows.append(call.run(body, arguments))
    outputs = []
    for index, proto in enumerate(body.output_protos):
        declared = rows[0][index].type_name if rows else type_of_proto(proto)
        outputs.append(Held([row[index].value for row in rows], f"seq({declared})"))
    return outputs


OPERATORS: Mapping[str, Callable[[ControlCall], list[Held]]] = {
    "If": _if,
    "Loop": _loop,
    "Scan": _scan,
    "SequenceMap": _sequence_map,
}
"""Operators with subgraphs, all of ONNX's own domain."""
