"""Freeze a traced function: one GraphDef with its variables as constants, and the user's line of every node."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from unittest import mock

from tensorflow.python.framework import convert_to_constants

from tautomer.adapters.tf_programs.layer_lines import line_of_layer
from tautomer.adapters.user_modules import first_line


class NotFreezable(Exception):
    """A function whose variables cannot become constants; its text says why."""


@dataclass(frozen=True, slots=True)
class FrozenGraph:
    """A graph without variables.

    Attributes:
        graph_def: nodes and the library of functions that control flow calls.
        inputs: source path -> tensor name.
        outputs: source path -> tensor name.
        lines: node name -> `file.py:12` of the user's code; nodes without one are left out.
        captured: values of inputs that are not the user's, by tensor name: handles of lookup tables.
    """

    graph_def: Any
    inputs: Mapping[str, str]
    outputs: Mapping[str, str]
    lines: Mapping[str, str]
    captured: Mapping[str, Any] = field(default_factory=dict)

    def line_of(self, node: str) -> str | None:
        """The user's line of a node, also where passes put the name of what was inlined or rewritten before its own."""
        parts = node.split("/")
        for start in range(len(parts)):
            found = self.lines.get("/".join(parts[start:]))
            if found is not None:
                return found
        return self.lines.get("/".join(parts[:-1])) if len(parts) > 1 else None


def freeze(
    concrete: Any,
    inputs: Mapping[str, str],
    outputs: Mapping[str, str],
    user_file: Path,
    layer_lines: Mapping[str, str] | None = None,
    *,
    whole_cases: bool = False,
) -> FrozenGraph:
    """Freeze a ConcreteFunction as tf2onnx does: functions inlined, loops and conditions not lowered to switches.

    Args:
        concrete: from tracing.
        inputs, outputs: source path -> tensor name in its graph.
        user_file: the file whose lines are wanted.
        layer_lines: where each Keras layer was called, by its name.
        whole_cases: whether cases are not lowered either, which is not how tf2onnx gets them.

    Raises:
        NotFreezable: it assigns variables, or holds resources that have no value.
    """
    written = sorted({op.type for graph in _graphs(concrete.graph) for op in graph.get_operations() if _assigns(op)})
    if written:
        raise NotFreezable(f"the model assigns variables while it runs ({', '.join(written)}), which a graph cannot")
    try:
        with _whole_cases() if whole_cases else contextlib.nullcontext():
            frozen = convert_to_constants.convert_variables_to_constants_v2(
                concrete, lower_control_flow=False, aggressive_inlining=True
            )
    except Exception as error:
        raise NotFreezable(f"the model cannot be frozen: {first_line(error)}") from error
    graph_def = frozen.graph.as_graph_def(add_shapes=True)
    placeholders = {f"{node.name}:0" for node in graph_def.node if node.op == "Placeholder"}
    captured = {inner.name: outer for outer, inner in concrete.graph.captures if inner.name in placeholders}
    return FrozenGraph(
        graph_def,
        dict(inputs),
        _renamed_outputs(concrete, frozen, outputs),
        lines_of(concrete.graph, user_file, layer_lines or {}),
        captured,
    )


def _whole_cases() -> Any:
    """TensorFlow keeps loops and conditions whole when it is asked to, and forgets cases."""
    kept = {*convert_to_constants._CONTROL_FLOW_OPS, "Case", "StatelessCase"}
    return mock.patch.object(convert_to_constants, "_CONTROL_FLOW_OPS", kept)


def _renamed_outputs(concrete: Any, frozen: Any, outputs: Mapping[str, str]) -> dict[str, str]:
    """Freezing keeps the order of outputs, not always their names."""
    names = {old.name: new.name for old, new in zip(concrete.outputs, frozen.outputs, strict=True)}
    return {path: names[name] for path, name in outputs.items()}


def _assigns(operation: Any) -> bool:
    return "Assign" in operation.type and "Variable" in operation.type


def _graphs(graph: Any) -> Iterator[Any]:
    """The graph of a function and those of the functions it calls."""
    yield graph
    for function in dict(getattr(graph, "_functions", {})).values():
        inner = getattr(function, "graph", None)
        if inner is not None:
            yield from _graphs(inner)


def lines_of(graph: Any, user_file: Path, layer_lines: Mapping[str, str]) -> dict[str, str]:
    """The user's line of every operation of a function and of those it calls, by its name there."""
    found: dict[str, str] = {}
    for one in _graphs(graph):
        for operation in one.get_operations():
            line = _line(operation, user_file) or line_of_layer(operation.name, layer_lines)
            if line is not None:
                found.setdefault(operation.name, line)
    return found


def _line(operation: Any, user_file: Path) -> str | None:
    """`file.py:12` of the innermost frame of the user's file, else outside installed packages."""
    try:
        frames = list(operation.traceback or ())
    except (AttributeError, TypeError):
        return None  # a graph that was loaded has none
    places = [(str(frame.filename), int(frame.lineno or 0)) for frame in reversed(frames)]
    own = [(name, line) for name, line in places if name == str(user_file)]
    beside = [(name, line) for name, line in places if Path(name).parent == user_file.parent]
    for name, line in (*own, *beside):
        return f"{Path(name).name}:{line}"
    return None
