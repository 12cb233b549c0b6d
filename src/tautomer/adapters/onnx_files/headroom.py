"""Where a graph in reduced precision leaves the range of its formats, and how near the others come to it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tautomer.adapters.onnx_files.evaluation import graph_inputs, kernel_table, load_as
from tautomer.adapters.worker_api import Channel
from tautomer.numerics.formats import REDUCED, RangeUse, range_use

Array = np.ndarray[Any, Any]
_REDUCED_CODES = frozenset({10, 16, 17, 19})
"""FLOAT16, BFLOAT16, FLOAT8E4M3FN and FLOAT8E5M2. Source: onnx.proto, TensorProto.DataType."""


@dataclass(frozen=True, slots=True)
class NonFinite:
    """Elements that are NaN or infinite in the declared types and finite in float64.

    Attributes:
        input: index of the input set.
        count: how many there are on it.
        found: what the first of them is (`inf`, `-inf`, `nan`).
        should_be: its value in float64.
    """

    input: int
    count: int
    found: str
    should_be: float


@dataclass(slots=True)
class ValueRange:
    """One value of the main graph in a reduced format, over all input sets.

    Attributes:
        name: of the value.
        node: name of the node that makes it; empty where it has none, or for a stored constant.
        op_type: its operator; empty for a stored constant.
        dtype: the format the graph declares.
        use: how its float64 values lie in that format's range.
        non_finite: the first input set on which it is not finite although float64 is; None on all others.
    """

    name: str
    node: str
    op_type: str
    dtype: str
    use: RangeUse = field(default_factory=RangeUse)
    non_finite: NonFinite | None = None

    def as_json(self) -> dict[str, Any]:
        """The value as an entry of the task's result; counts become shares of its finite elements."""
        count = max(self.use.count, 1)
        first = self.non_finite
        bits = self.use.headroom_bits(self.dtype)
        return {
            "value": self.name,
            "node": self.node,
            "op_type": self.op_type,
            "dtype": self.dtype,
            "largest": self.use.largest,
            "headroom_bits": bits if np.isfinite(bits) else None,
            "overflowing_share": self.use.overflowing / count,
            "subnormal_share": self.use.subnormal / count,
            "vanishing_share": self.use.vanishing / count,
            "non_finite": None
            if first is None
            else {
                "input": first.input,
                "count": first.count,
                "found": first.found,
                "should_be": first.should_be,
            },
        }


def headroom(
    channel: Channel, *, model: str, inputs: list[str], feeds: dict[str, str], opset_override: int | None = None
) -> dict[str, Any]:
    """Compare a graph's reduced-precision values with what they are in float64, over all input sets.

    Args:
        model, inputs, feeds, opset_override: as for `evaluate`.

    Returns:
        `values`: entries of `ValueRange.as_json`, values that are not finite first, then by rising headroom;
        `first_non_finite`: the first entry in the graph's order, or None; `constants_not_finite`: names of stored
        tensors in a reduced format that hold NaN or infinity, as one that was stored from a larger number does;
        `reasons`: why an input set tells nothing.
    """
    from tautomer.numerics.onnx_evaluator import EvaluatorError

    loaded = load_as(model, opset_override)
    if not uses_reduced_formats(loaded.proto.graph):
        return {"values": [], "first_non_finite": None, "constants_not_finite": [], "reasons": []}
    kernels = kernel_table()
    ranges: dict[str, ValueRange] = {}
    reasons = []
    for index, file in enumerate(inputs):
        channel.emit("stage", stage="validation", doing=f"measuring the range of its values on input set {index}")
        try:
            measure(loaded, graph_inputs(file, feeds), ranges, index=index, kernels=kernels)
        except EvaluatorError as error:
            reasons.append(f"input set {index}: {error}")
    first = next((one for one in ranges.values() if one.non_finite is not None), None)
    return {
        "values": [one.as_json() for one in sorted(ranges.values(), key=_urgency)],
        "first_non_finite": None if first is None else first.as_json(),
        "constants_not_finite": _constants_not_finite(loaded),
        "reasons": reasons,
    }


def uses_reduced_formats(graph: Any) -> bool:
    """Whether the main graph takes, stores or makes values in a reduced format; a walk over it without its weights."""
    codes = {tensor.data_type for tensor in graph.initializer}
    codes |= {value.type.tensor_type.elem_type for value in (*graph.input, *graph.output, *graph.value_info)}
    for node in graph.node:
        for attribute in node.attribute:
            if attribute.name == "to":
                codes.add(attribute.i)
            elif attribute.HasField("t"):
                codes.add(attribute.t.data_type)
    return bool(codes & _REDUCED_CODES)


def _constants_not_finite(loaded: Any) -> list[str]:
    from tautomer.numerics.onnx_evaluator.loading import read_tensor

    found = []
    for tensor in loaded.proto.graph.initializer:
        array = read_tensor(tensor, loaded.folder) if tensor.data_type in _REDUCED_CODES else None
        if array is not None and not np.isfinite(array.astype(np.float32)).all():
            found.append(tensor.name)
    return found


def _urgency(one: ValueRange) -> tuple[bool, float]:
    return one.non_finite is None, one.use.headroom_bits(one.dtype)


def measure(
    loaded: Any,
    given: Mapping[str, Any],
    ranges: dict[str, ValueRange],
    *,
    index: int = 0,
    kernels: Mapping[tuple[str, str], Any] | None = None,
) -> None:
    """Add what one input set shows to `ranges`, by value name in the graph's order.

    Values inside subgraphs and functions are not looked at by themselves.

    Args:
        loaded: from `load_model`.
        given: arrays by graph input name.
        index: of the input set.

    Raises:
        EvaluatorError: the graph cannot be computed in one of the two precisions.
    """
    from tautomer.numerics.onnx_evaluator import Evaluator

    makers = {name: node for node in loaded.proto.graph.node for name in node.output if name}
    declared: dict[str, Array] = {}

    def keep_non_finite(name: str, value: Any) -> None:
        if isinstance(value, np.ndarray) and value.dtype.name in REDUCED:
            wide = value.astype(np.float64)
            bad = ~np.isfinite(wide)
            entry = ranges.get(name)
            if entry is None:
                node = makers[name]
                ranges[name] = ValueRange(name, node.name, node.op_type, value.dtype.name)
            # Only what is not finite is needed later: a graph's values together can be larger than memory.
            declared[name] = np.where(bad, wide, 0.0) if bad.any() else np.zeros(0)

    Evaluator(loaded, lift=False, kernels=kernels or {}).run(given, keep_non_finite)
    if not declared:
        return
    before_cast = _before_casts(loaded, declared)

    def compare(name: str, exact: Array) -> None:
        entry = ranges[name]
        entry.use = entry.use.merged(range_use(exact, entry.dtype))
        found = declared[name]
        if entry.non_finite is None and found.size:
            bad = ~np.isfinite(found) & np.isfinite(exact)
            if bad.any():
                at = tuple(int(one) for one in np.argwhere(bad)[0])
                entry.non_finite = NonFinite(index, int(bad.sum()), str(found[at]), float(exact[at]))

    Evaluator(loaded, lift=True, kernels=kernels or {}).run(given, _comparing(given, declared, before_cast, compare))


def _before_casts(loaded: Any, declared: Mapping[str, Array]) -> dict[str, list[str]]:
    """Value name -> the reduced values that a Cast makes of it.

    A cast to a narrower format is part of the function, so that a lifted run leaves the range there too: what the value
    should have been is what went into the cast.
    """
    casts: dict[str, list[str]] = {}
    stored = {tensor.name for tensor in loaded.proto.graph.initializer}
    for node in loaded.proto.graph.node:
        if node.op_type in ("Cast", "CastLike") and node.output[0] in declared and node.input[0] not in stored:
            casts.setdefault(node.input[0], []).append(node.output[0])
    return casts


def _comparing(
    given: Mapping[str, Any],
    declared: Mapping[str, Array],
    before_cast: Mapping[str, list[str]],
    compare: Callable[[str, Array], None],
) -> Callable[[str, Any], None]:
    made_by_cast = {name for names in before_cast.values() for name in names}
    for source, names in before_cast.items():
        if source in given and _is_real(np.asarray(given[source])):
            for name in names:
                compare(name, np.asarray(given[source]).astype(np.float64))

    def observe(name: str, value: Any) -> None:
        if not isinstance(value, np.ndarray) or not _is_real(value):
            return
        if name in declared and name not in made_by_cast:
            compare(name, value.astype(np.float64))
        for made in before_cast.get(name, ()):
            compare(made, value.astype(np.float64))

    return observe


def _is_real(array: Array) -> bool:
    return array.dtype.kind in "fiub" or "float" in array.dtype.name
