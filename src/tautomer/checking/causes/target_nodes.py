"""The target's nodes as evidence: what they were made from, what they compute, and how they are parameterised."""

from __future__ import annotations

import itertools
import json
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tautomer.adapters.stack_traces import users_line

_FX_NODE = re.compile(r"^%(\w+) :.*?\[target=(?:torch\.ops\.)?([\w.]+)\]", re.DOTALL)
_LARGEST_CONSTANT = 16
_MOST_SHOWN = 8

ABSENT = "absent"
"""What stands for an optional input that a node does not have."""


@dataclass(frozen=True, slots=True)
class TargetNode:
    """One node of an ONNX graph.

    Attributes:
        name: its name, or that of its first output.
        op_type, domain: its operator.
        parameters: attributes and small constant inputs by the schema's names.
        unset: attributes of the schema that are left at their default, with it, and optional inputs that are absent.
        outputs: names of its values.
        sizes_only: whether it computes only shapes and constants.
        moves: whether its operator only puts elements in other places, or makes constants.
        source_name: node of the exporter's program that it was made for.
        source_operator: its operator.
        line: `file.py:12`.
        inner: operators that the nodes of its own graphs were made for, where it is control flow.
    """

    name: str
    op_type: str
    domain: str
    parameters: Mapping[str, Any]
    unset: Mapping[str, Any]
    outputs: tuple[str, ...]
    sizes_only: bool
    moves: bool
    source_name: str | None
    source_operator: str | None
    line: str | None
    inner: tuple[str, ...] = ()

    @property
    def computes(self) -> bool:
        """Whether it does more than move values or compute shapes."""
        return not self.sizes_only and not self.moves

    def text(self, *names: str) -> str:
        """The node with the named parameters, or with all attributes it sets."""
        shown = {**self.unset, **self.parameters} if names else self.parameters
        parts = [f"{key}={_shown(value)}" for key, value in shown.items() if not names or key in names]
        return f"{self.op_type}({', '.join(parts)})"


def _shown(value: Any) -> str:
    return f"<{len(value)} values>" if isinstance(value, list) and len(value) > _MOST_SHOWN else repr(value)


def read_nodes(path: Path, facts: Mapping[str, Any] | None = None, *, nested: bool = False) -> dict[str, TargetNode]:
    """The nodes of a file's main graph by name, in its order; calls of the model's own functions stand as they are.

    Args:
        path: the file.
        facts: what its converter knows of it beside what the nodes' metadata says.
        nested: whether those of branches and of bodies of loops are wanted, too.
    """
    import onnx
    from onnx import numpy_helper

    from tautomer.adapters.onnx_files.digest import read_structure
    from tautomer.adapters.onnx_files.graph_paths import MOVES

    model = read_structure(path)
    opset = next((one.version for one in model.opset_import if one.domain in ("", "ai.onnx")), 0)
    constants: dict[str, Any] = {}
    for tensor in model.graph.initializer:
        if not tensor.external_data and _is_small(tensor.dims):
            constants[tensor.name] = numpy_helper.to_array(tensor).tolist()
    fixed = {tensor.name for tensor in model.graph.initializer}
    nodes = {}
    origins = read_origins(facts)
    for node in _nested(model.graph.node) if nested else model.graph.node:
        attributes = {
            one.name: _plain(onnx.helper.get_attribute_value(one)) for one in node.attribute if not one.HasField("g")
        }
        if node.op_type == "Constant":
            value = next((one.t for one in node.attribute if one.type == onnx.AttributeProto.TENSOR), None)
            if value is not None and _is_small(value.dims):
                constants[node.output[0]] = numpy_helper.to_array(value).tolist()
        sizes = node.op_type in ("Shape", "Size") or all(name in fixed for name in node.input if name)
        if sizes:
            fixed.update(node.output)
        schema = _schema(node, opset)
        names = [one.name for one in schema.inputs] if schema is not None else []
        inputs = {key: constants[name] for key, name in zip(names, node.input, strict=False) if name in constants}
        absent = {key: ABSENT for key, name in itertools.zip_longest(names, node.input) if key and not name}
        name = node.name or node.output[0]
        origin = origins.get(name) or _origin_in_metadata(node)
        nodes[name] = TargetNode(
            name,
            node.op_type,
            node.domain,
            {**inputs, **attributes},
            {**absent, **_defaults(schema, attributes)},
            tuple(node.output),
            sizes,
            node.domain in ("", "ai.onnx") and (node.op_type in MOVES or node.op_type == "Range"),
            origin.name,
            origin.operator,
            origin.line,
            tuple(dict.fromkeys(_inner_operators(node))),
        )
    return nodes


def _inner_operators(node: Any) -> Iterator[str]:
    """Operators that nodes of a node's own graphs were made for, however deep."""
    for attribute in node.attribute:
        for inner in attribute.g.node if attribute.HasField("g") else ():
            operator = _origin_in_metadata(inner).operator
            if operator is not None:
                yield operator
            yield from _inner_operators(inner)


def _nested(nodes: Iterable[Any]) -> Iterator[Any]:
    """Nodes with those of the graphs that they hold."""
    for node in nodes:
        yield node
        for attribute in node.attribute:
            if attribute.HasField("g"):
                yield from _nested(attribute.g.node)


@dataclass(frozen=True, slots=True)
class NodeOrigin:
    """What a node was made for: a node of the exporter's program, its operator, and the user's line."""

    name: str | None
    operator: str | None
    line: str | None


def read_origins(facts: Mapping[str, Any] | None) -> dict[str, NodeOrigin]:
    """By name of a node, what it was made for, where the converter wrote that beside the model; else empty.

    Args:
        facts: of a checkpoint; `origins` is the file.
    """
    file = (facts or {}).get("origins")
    if file is None:
        return {}
    written = json.loads(Path(str(file)).read_text("utf-8"))
    return {name: NodeOrigin(one["node"], one["operator"], one["line"]) for name, one in written.items()}


def _origin_in_metadata(node: Any) -> NodeOrigin:
    """What PyTorch's exporter writes of a node."""
    metadata = {one.key: one.value for one in node.metadata_props}
    made_for = _FX_NODE.match(str(metadata.get("pkg.torch.onnx.fx_node", "")))
    line = users_line(str(metadata.get("pkg.torch.onnx.stack_trace", "")))
    return NodeOrigin(made_for.group(1) if made_for else None, made_for.group(2) if made_for else None, line)


def _is_small(dims: Iterable[int]) -> bool:
    size = 1
    for one in dims:
        size *= one
    return size <= _LARGEST_CONSTANT


def _plain(value: Any) -> Any:
    if isinstance(value, bytes):
        return value.decode("utf-8", "replace")
    if isinstance(value, float):
        return float(f"{value:.9g}")
    if isinstance(value, str | int):
        return value
    try:
        return [_plain(one) for one in value]
    except TypeError:
        return type(value).__name__


def _schema(node: Any, opset: int) -> Any:
    import onnx

    if node.domain not in ("", "ai.onnx") or not onnx.defs.has(node.op_type):
        return None
    try:
        return onnx.defs.get_schema(node.op_type, opset, "")
    except onnx.defs.SchemaError:
        return None


def _defaults(schema: Any, given: Mapping[str, Any]) -> dict[str, Any]:
    import onnx

    if schema is None:
        return {}
    found = {}
    for name, attribute in schema.attributes.items():
        if name in given:
            continue
        default = attribute.default_value
        found[name] = _plain(onnx.helper.get_attribute_value(default)) if default.type else None
    return found


def responsible(nodes: Iterable[TargetNode]) -> list[TargetNode]:
    """Those that can have a part in a fault: what computes; where nothing does, what moves values; else all."""
    every = list(nodes)
    moving = [one for one in every if not one.sizes_only]
    return [one for one in every if one.computes] or moving or every
