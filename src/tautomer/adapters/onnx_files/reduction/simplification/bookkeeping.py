"""Takes out of a model what says nothing about what it computes."""

from __future__ import annotations

from collections.abc import Callable, Sequence

import onnx

from tautomer.adapters.onnx_files.reduction.case import Case, all_nodes, without_unused
from tautomer.adapters.onnx_files.reduction.simplification.step import Fails, with_most_changes


def without_bookkeeping(case: Case, fails: Fails) -> Case:
    """The case without doc strings, metadata, stated types of inner values, stated sizes of outputs, symbolic sizes."""
    return with_most_changes(case, sorted(_REMOVALS), _without, fails)


def _without(case: Case, kinds: Sequence[str]) -> Case:
    proto = case.copy()
    for kind in kinds:
        _REMOVALS[kind](proto, case)
    without_unused(proto)
    return case.changed(proto)


def _doc_strings(proto: onnx.ModelProto, _case: Case) -> None:
    graph = proto.graph
    for one in (proto, graph, *graph.input, *graph.output, *graph.value_info, *graph.initializer, *proto.functions):
        one.ClearField("doc_string")
    for node in all_nodes(graph):
        node.ClearField("doc_string")
        for attribute in node.attribute:
            attribute.ClearField("doc_string")


def _metadata(proto: onnx.ModelProto, _case: Case) -> None:
    graph = proto.graph
    for one in (proto, graph, *graph.input, *graph.output, *graph.value_info, *graph.initializer, *proto.functions):
        one.ClearField("metadata_props")
    for node in all_nodes(graph):
        node.ClearField("metadata_props")


def _producer(proto: onnx.ModelProto, _case: Case) -> None:
    for name in ("producer_name", "producer_version", "domain", "model_version"):
        proto.ClearField(name)


def _inner_types(proto: onnx.ModelProto, _case: Case) -> None:
    proto.graph.ClearField("value_info")


def _output_sizes(proto: onnx.ModelProto, _case: Case) -> None:
    for output in proto.graph.output:
        for dimension in output.type.tensor_type.shape.dim:
            dimension.ClearField("value")


def _symbolic_sizes(proto: onnx.ModelProto, case: Case) -> None:
    for one in proto.graph.input:
        sizes = case.inputs[one.name].shape if one.name in case.inputs else ()
        for dimension, size in zip(one.type.tensor_type.shape.dim, sizes, strict=False):
            dimension.dim_value = size


_REMOVALS: dict[str, Callable[[onnx.ModelProto, Case], None]] = {
    "doc strings": _doc_strings,
    "inner types": _inner_types,
    "metadata": _metadata,
    "output sizes": _output_sizes,
    "producer": _producer,
    "symbolic sizes": _symbolic_sizes,
}
