"""Judge a graph by the names its exporter gave values: each is compared with the program's value of that name, forced.

Where values have names that the exporter took from its program, integers, booleans, shapes and the places of NaN can be
compared one operator at a time, which alignment by value cannot do: few integers look like no others.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tautomer.adapters.onnx_files.aligned_source import Source, read_alignment
from tautomer.adapters.onnx_files.evaluation import graph_inputs, kernel_table, load_as
from tautomer.adapters.onnx_files.graph_paths import GraphPaths
from tautomer.adapters.tensor_file import read_values, write_values
from tautomer.adapters.worker_api import Channel
from tautomer.model import Tensor
from tautomer.numerics.alignment import Match
from tautomer.numerics.layouts import Layout

Array = np.ndarray[Any, Any]

_REARRANGING = frozenset({"Flatten", "Identity", "Reshape", "Squeeze", "Transpose", "Unsqueeze"})
"""Operators whose result has each element of what they are given once."""

FAR_OFF = 1e-3
"""Share of a tensor's largest element by which a floating value must be off to be named: smaller faults are judged by
their fragments, against what rounding explains."""

ROUNDINGS = 4.0
"""Roundings of an output's largest element that a fault must be worth to be one of those that reach it."""


def judge_named(
    channel: Channel,
    *,
    model: str,
    inputs: list[str],
    feeds: dict[str, str],
    values: list[str | None],
    record: list[str],
    opset_override: int | None = None,
    layouts: bool = False,
) -> dict[str, Any]:
    """Compare a graph's values with those of the same names in the program it was made from, each on forced inputs.

    Emits a `named` event for each value that differs: its `input` set, `value`, what is `said`, the element it
    speaks of (`at`; None for types and shapes), the `nodes` that compute it from forced values, and its `users`;
    and for each input set a `computed` event with the file of what the graph computes under the names that differ and
    those to `record`, and the names that were `compared`, or only rearranged into what was right.

    Args:
        model, inputs, feeds, opset_override: as for `evaluate`.
        values: for each input set the file of the program's values; None where there is none.
        record: names of values that are wanted whether they differ or not.
        layouts: whether a value may have its axes in another order than the program's, and then is left as it is.
    """
    from tautomer.numerics.onnx_evaluator import Evaluator, EvaluatorError

    loaded = load_as(model, opset_override)
    paths = GraphPaths(loaded.proto.graph)
    for index, file in enumerate(values):
        if file is None:
            continue
        comparison = _ByName(_tensors(file), frozenset(record), layouts)
        try:
            evaluator = Evaluator(loaded, lift=False, kernels=kernel_table())
            evaluator.run(graph_inputs(inputs[index], feeds), force=comparison.force)
        except EvaluatorError as error:
            channel.emit("named_end", input=index, error=error.message, node=error.node_name)
        path = Path(channel.folder) / f"computed-{index}.safetensors"
        write_values(path, comparison.computed)
        right = comparison.compared - comparison.wrong.keys()
        channel.emit(
            "computed", input=index, file=str(path), compared=sorted(comparison.compared | _rearranged(paths, right))
        )
        for name, (said, at) in comparison.wrong.items():
            nodes = paths.between(name, comparison.forced.__contains__)
            channel.emit(
                "named",
                input=index,
                value=name,
                said=said,
                at=at,
                nodes=[node.name or node.output[0] for node in nodes],
                users=[node.name or node.output[0] for node in loaded.proto.graph.node if name in node.input],
            )
    return {}


def _rearranged(paths: GraphPaths, right: Iterable[str]) -> set[str]:
    """Values whose elements are those of a right one in another order, and so are right, too."""
    found: set[str] = set()
    for name in right:
        node = paths.producer(name)
        while node is not None and node.op_type in _REARRANGING:
            found.add(node.input[0])
            node = paths.producer(node.input[0])
    return found


class _ByName:
    """One run of a graph with the program's values in the places of those of the same names.

    Attributes:
        forced: names of the values that were replaced.
        compared: names of these, and of those that are what is expected in another layout.
        wrong: how values differed before they were.
        computed: what they were, of those that differ and those to record.
    """

    def __init__(self, known: Mapping[str, Tensor], record: frozenset[str], layouts: bool) -> None:
        self._known, self._record, self._layouts = known, record, layouts
        self.forced: set[str] = set()
        self.compared: set[str] = set()
        self.wrong: dict[str, tuple[str, list[int] | None]] = {}
        self.computed: dict[str, Tensor] = {}

    def force(self, _node: Any, name: str, value: Any) -> Any:
        """The program's value of a name, in the type that the graph gives it; None where it has none."""
        source = self._known.get(name)
        if source is None or not isinstance(value, np.ndarray):
            return None
        expected = source.numpy()
        found = difference(expected, value, FAR_OFF)
        self.compared.add(name)
        if found is not None and self._layouts and _in_another_layout(expected, value):
            return None
        self.forced.add(name)
        if found is not None:
            self.wrong[name] = found
        if found is not None or name in self._record:
            self.computed[name] = Tensor.of(value)
        return expected.astype(value.dtype, copy=False)


def _in_another_layout(expected: Array, value: Array) -> bool:
    """Whether a value is what is expected, with the channels at the other end."""
    if value.ndim < 3 or value.ndim != expected.ndim or value.dtype != expected.dtype:
        return False
    last_first, first_last = np.moveaxis(expected, -1, 1), np.moveaxis(expected, 1, -1)
    return any(difference(one, value, FAR_OFF) is None for one in (last_first, first_last))


def _tensors(file: str) -> dict[str, Tensor]:
    values = read_values(Path(file))
    if not isinstance(values, Mapping):
        raise TypeError(f"{file} does not hold values by name")
    return {name: value for name, value in values.items() if isinstance(value, Tensor)}


def difference(expected: Array, value: Array, share: float) -> tuple[str, list[int] | None] | None:
    """How a value differs, and at which element most.

    Args:
        expected: what the operator gives.
        value: what was computed.
        share: of the largest element, by which a floating value must be off.
    """
    if expected.dtype != value.dtype:
        return f"is {value.dtype} where the operator gives {expected.dtype}", None
    if expected.shape != value.shape:
        return f"has shape {list(value.shape)} where the operator gives {list(expected.shape)}", None
    if not value.size:
        return None
    if expected.dtype.kind not in "fc":
        differs = np.asarray(expected != value)
        distance = differs.astype(np.float64)
    else:
        with np.errstate(all="ignore"):
            same = (expected == value) | (np.isnan(expected) & np.isnan(value))
            distance = np.where(same, 0.0, np.abs(expected.astype(np.complex128) - value))
            largest = np.max(np.abs(expected), where=np.isfinite(expected), initial=0.0)
        distance = np.where(np.isnan(distance), np.inf, distance)
        differs = distance > share * largest
    if not differs.any():
        return None
    at = tuple(int(axis) for axis in np.unravel_index(int(np.argmax(distance)), distance.shape))
    said = f"is {_text(value[at])} at {list(at)} where the operator gives {_text(expected[at])}"
    return said, list(at)


def _text(element: Any) -> str:
    return f"{element:.9g}" if isinstance(element, np.floating) else str(element)


def isolate(
    channel: Channel,
    *,
    model: str,
    inputs: list[str],
    feeds: dict[str, str],
    faults: list[list[str]],
    references: list[dict[str, str] | None],
    alignments: list[str | None],
    values: list[str | None],
    opset_override: int | None = None,
) -> dict[str, Any]:
    """Which of several faults reach an output: putting a fault right changes an output, or it alone does.

    Emits an `isolated` event for each input set: `visible`, for each fault whether it reaches an output. Both are
    asked: putting one right changes nothing where another hides it, and values held after a fault hide that fault.

    Args:
        model, inputs, feeds, opset_override: as for `evaluate`.
        faults: for each the names of the values that it makes wrong.
        references, alignments: as `judge_fragments` takes and leaves them, by input set.
        values: as for `judge_named`.
    """
    from tautomer.numerics.onnx_evaluator import EvaluatorError

    loaded = load_as(model, opset_override)
    every = {name for names in faults for name in names}
    for index, file in enumerate(inputs):
        truth = Truth.read(references[index], alignments[index], values[index] if index < len(values) else None)
        given = graph_inputs(file, feeds)
        try:
            as_it_is, put_right = _held(loaded, given, truth, set()), _held(loaded, given, truth, every)
            visible = [
                _changes(as_it_is, _held(loaded, given, truth, {*names}))
                or _changes(put_right, _held(loaded, given, truth, every - {*names}))
                for names in faults
            ]
        except EvaluatorError as error:
            channel.emit("isolated", input=index, error=error.message, visible=[True] * len(faults))
            continue
        channel.emit("isolated", input=index, error=None, visible=visible)
    return {}


class Truth:
    """What values of a graph should be on one input set, from an alignment or by the exporter's names."""

    def __init__(self, matches: Mapping[str, Match], source: Source | None, named: Mapping[str, Tensor]) -> None:
        self._matches, self._source, self._named = matches, source, named

    @classmethod
    def read(cls, reference: dict[str, str] | None, alignment: str | None, values: str | None) -> Truth:
        """From the files of a source's trace, of an alignment with it, and of values by the exporter's names."""
        aligned = reference is not None and alignment is not None
        return cls(
            read_alignment(Path(str(alignment))) if aligned else {},
            Source.read(reference) if aligned and reference is not None else None,
            _tensors(values) if values is not None else {},
        )

    def of(self, name: str, value: Any) -> Any:
        """What a value should be, in the layout and type it has in the graph; None where that is not known."""
        if not isinstance(value, np.ndarray):
            return None
        match = self._matches.get(name)
        if match is not None and self._source is not None:
            one = self._source.declared[match.source]
            layout: Layout = match.layout
            if one.numpy().size == value.size:
                return Tensor(one.dtype, layout.arranged(one.array, value.shape)).numpy().astype(value.dtype)
        tensor = self._named.get(name)
        found = tensor.numpy() if tensor is not None else None
        return found if found is not None and (found.shape, found.dtype) == (value.shape, value.dtype) else None


def _held(loaded: Any, given: Mapping[str, Any], truth: Truth, names: set[str]) -> Mapping[str, Any]:
    """A graph's outputs in its declared types, with what the source computes in the place of the named values."""
    from tautomer.numerics.onnx_evaluator import Evaluator

    def force(_node: Any, name: str, value: Any) -> Any:
        return truth.of(name, value) if name in names else None

    return Evaluator(loaded, lift=False, kernels=kernel_table()).run(given, force=force)


def _changes(sound: Mapping[str, Any], other: Mapping[str, Any]) -> bool:
    return any(_differs(value, other.get(name)) for name, value in sound.items())


def _differs(one: Any, other: Any) -> bool:
    if not isinstance(one, np.ndarray) or not isinstance(other, np.ndarray) or one.shape != other.shape:
        return not (one is None and other is None)
    if one.dtype.kind not in "fc":
        return bool(np.any(np.asarray(one != other)))
    with np.errstate(all="ignore"):
        same = (one == other) | (np.isnan(one) & np.isnan(other))
        both = np.isfinite(one) & np.isfinite(other)
        if np.any(~same & ~both):
            return True
        distance = np.max(np.abs(one.astype(np.complex128) - other), where=both, initial=0.0)
        largest = np.max(np.abs(one), where=both, initial=0.0)
    unit = float(np.finfo(one.dtype).eps) / 2 if one.dtype in (np.float32, np.float64, np.float16) else 2.0**-8
    return bool(distance > ROUNDINGS * unit * largest)
