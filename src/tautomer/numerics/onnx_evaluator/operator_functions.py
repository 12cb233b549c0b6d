"""Operators that ONNX itself defines as functions of others: their bodies, for those without a kernel."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import onnx

from tautomer.numerics.onnx_evaluator.element_types import proto_of_type


def function_of_schema(
    schema: Any, opset: int, node: onnx.NodeProto, types: Sequence[str]
) -> onnx.FunctionProto | None:
    """The operator's body in terms of other operators at `opset`, or None where ONNX gives none.

    Args:
        schema: the operator's `OpSchema`, whose stubs lack the members used here.
        opset: version the body's own operators are read at.
        node: the node, for bodies that depend on its attributes.
        types: declared types of its inputs, for bodies that depend on them.
    """
    function = onnx.FunctionProto()
    if schema.has_function:
        versions = [version for version in schema.function_opset_versions if version <= opset]
        if not versions:
            return None
        function.ParseFromString(schema.get_function_with_opset_version(max(versions)))
    elif schema.has_context_dependent_function:
        versions = [version for version in schema.context_dependent_function_opset_versions if version <= opset]
        if not versions:
            return None
        protos = [(proto_of_type(declared) if declared else onnx.TypeProto()).SerializeToString() for declared in types]
        function.ParseFromString(
            schema.get_context_dependent_function_with_opset_version(max(versions), node.SerializeToString(), protos)
        )
    else:
        return None
    return function if function.node else None
