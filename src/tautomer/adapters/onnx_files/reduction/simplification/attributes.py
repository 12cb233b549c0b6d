"""Puts attributes at their defaults and leaves optional inputs out."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import onnx

from tautomer.adapters.onnx_files.reduction.case import Case, all_nodes, without_unused
from tautomer.adapters.onnx_files.reduction.simplification.step import Fails, with_most_changes


def without_attributes(case: Case, fails: Fails) -> Case:
    """The case in which no attribute that has a default can be left out."""
    changes = [
        (index, attribute.name)
        for index, (node, schema) in enumerate(_with_schemas(case.proto))
        for attribute in node.attribute
        if schema is not None and attribute.name in schema.attributes and not schema.attributes[attribute.name].required
    ]
    return with_most_changes(case, changes, _without_attributes, fails)


def _without_attributes(case: Case, changes: Sequence[tuple[int, str]]) -> Case:
    proto = case.copy()
    nodes = list(all_nodes(proto.graph))
    for index, name in changes:
        node = nodes[index]
        kept = [onnx.AttributeProto.FromString(one.SerializeToString()) for one in node.attribute if one.name != name]
        del node.attribute[:]
        node.attribute.extend(kept)
    without_unused(proto)
    return case.changed(proto)


def without_optional_inputs(case: Case, fails: Fails) -> Case:
    """The case in which no optional input of a node can be left out."""
    optional = onnx.defs.OpSchema.FormalParameterOption.Optional
    changes = [
        (index, position)
        for index, (node, schema) in enumerate(_with_schemas(case.proto))
        for position, name in enumerate(node.input)
        if name and schema is not None and position < len(schema.inputs) and schema.inputs[position].option == optional
    ]
    return with_most_changes(case, changes, _without_inputs, fails)


def _without_inputs(case: Case, changes: Sequence[tuple[int, int]]) -> Case | None:
    proto = case.copy()
    nodes = list(all_nodes(proto.graph))
    for index, position in changes:
        nodes[index].input[position] = ""
    for node in nodes:
        while node.input and not node.input[-1]:
            del node.input[-1]
    return without_unused_inputs(case.changed(proto))


def without_unused_inputs(case: Case) -> Case:
    """The case without graph inputs, tensors and nodes' leftovers that nothing uses."""
    from tautomer.adapters.onnx_files.graph_paths import uses

    proto = case.copy()
    without_unused(proto)
    used = {name for node in proto.graph.node for name in uses(node)} | {one.name for one in proto.graph.output}
    kept = [onnx.ValueInfoProto.FromString(one.SerializeToString()) for one in proto.graph.input if one.name in used]
    del proto.graph.input[:]
    proto.graph.input.extend(kept)
    names = {one.name for one in kept}
    return case.changed(proto, {name: array for name, array in case.inputs.items() if name in names})


def _with_schemas(proto: onnx.ModelProto) -> Iterator[tuple[onnx.NodeProto, onnx.defs.OpSchema | None]]:
    versions = {"" if one.domain == "ai.onnx" else one.domain: one.version for one in proto.opset_import}
    for node in all_nodes(proto.graph):
        domain = "" if node.domain == "ai.onnx" else node.domain
        try:
            yield node, onnx.defs.get_schema(node.op_type, versions.get(domain, 1), domain)
        except onnx.defs.SchemaError:
            yield node, None
