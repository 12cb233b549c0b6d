"""In which format ONNX Runtime computes the nodes that a graph declares in float16 or bfloat16.

Its CPU provider has few kernels for float16. Where it has none it computes in float32 between casts of its own, and
drops those that would meet: results between two such nodes are never rounded to the declared format. Both can be read
from the graph that a session saves after all its transformations; some of them it needs at every level.
"""

from __future__ import annotations

import tempfile
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tautomer.adapters.runtimes.declared_formats import (
    FORMAT_NAMES,
    DeclaredNode,
    all_nodes,
    declared_nodes,
    read_graph,
    value_types,
)
from tautomer.adapters.worker_api import Channel

REDUCED = frozenset({"float16", "bfloat16"})
"""Formats that ONNX Runtime may replace by float32; nodes in float64 have kernels of their own or none."""

_INSERTED = "InsertedPrecisionFreeCast_"
"""How ONNX Runtime names the float32 twin of a float16 value. Source: its core/optimizer/insert_cast_transformer.cc."""


def emit_precision(channel: Channel, *, checkpoint: str, model: str, options: Any) -> None:
    """Emit a `precision` event for a graph that declares float16 or bfloat16 nodes; nothing for others.

    A session of its own is made to save the graph, so that the session whose values count is as users make it.

    Where the graph cannot be saved the event carries the error and counts nothing.

    Args:
        options: makes the session options that the values were computed with.
    """
    nodes = [node for node in declared_nodes(read_graph(Path(model))) if node.format in REDUCED]
    if not nodes:
        return
    fields: dict[str, Any] = {"nodes": []}
    try:
        with tempfile.TemporaryDirectory(dir=channel.folder) as folder:
            counts = computed_formats(nodes, _transformed(model, Path(folder) / "transformed.onnx", options))
    except Exception as error:  # the model has run; that its graph cannot be shown is no failure of the model
        fields["error"] = {"type": type(error).__name__, "message": str(error).strip()}
    else:
        fields["nodes"] = [
            {"declared": declared, "computed": computed, "rounded": rounded, "count": count}
            for (declared, computed, rounded), count in counts.items()
        ]
    channel.emit("precision", runtime="onnxruntime", checkpoint=checkpoint, **fields)


def _transformed(model: str, path: Path, options: Any) -> Any:
    """The graph that a session executes."""
    import onnxruntime

    given = options()
    given.optimized_model_filepath = str(path)
    # Weights in a file beside it: a graph that holds them could be more than protobuf serializes.
    given.add_session_config_entry("session.optimized_model_external_initializers_file_name", "weights")
    given.add_session_config_entry("session.optimized_model_external_initializers_min_size_in_bytes", "1024")
    onnxruntime.InferenceSession(model, given, providers=["CPUExecutionProvider"])
    return read_graph(path)


def computed_formats(
    nodes: Sequence[DeclaredNode], transformed: Any
) -> Mapping[tuple[str, str | None, bool | None], int]:
    """How many nodes there are by (declared format, format computed in, whether the result is rounded to the former).

    A node that is gone was fused with those that take its result, and computes as they do; its format is None where
    that does not settle it.

    Args:
        nodes: those of the graph that was given, in its order.
        transformed: the graph that is executed.
    """
    types = value_types(transformed)
    producers = {output: node for node in all_nodes(transformed.graph) for output in node.output if output}
    held = {tensor.name for tensor in transformed.graph.initializer}
    consumers: dict[str, list[str]] = {}
    for node in nodes:
        for value in node.inputs:
            consumers.setdefault(value, []).append(node.output)
    found: dict[str, tuple[str | None, bool | None]] = {}
    for node in reversed(nodes):
        takers = {found[output][0] for output in consumers.get(node.output, ()) if output in found}
        producer = producers.get(node.output)
        if producer is not None and node.op_type != "Cast":
            twin = producer.op_type == "Cast" and producer.input[0].startswith(_INSERTED)
            found[node.output] = ("float32" if twin else FORMAT_NAMES.get(types.get(node.output, 0)), True)
        elif producer is not None or node.output in held:
            found[node.output] = (node.format, True)  # a cast of the graph's own, or a constant: both hold the format
        elif _INSERTED + node.output in producers:
            found[node.output] = ("float32", False)
        else:
            found[node.output] = (takers.pop(), False) if len(takers) == 1 else (None, None)
    return Counter((node.format, *found[node.output]) for node in nodes)
