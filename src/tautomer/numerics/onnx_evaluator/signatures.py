"""Operator schemas applied to declared types: are a node's inputs allowed, and what do its outputs declare."""

from __future__ import annotations

from collections.abc import Sequence
from functools import lru_cache
from typing import Any

import onnx

from tautomer.numerics.onnx_evaluator.element_types import proto_of_type, type_of_proto
from tautomer.numerics.onnx_evaluator.errors import InvalidNode
from tautomer.numerics.onnx_evaluator.plan import decode_attribute

_Option = onnx.defs.OpSchema.FormalParameterOption


@lru_cache(maxsize=1024)
def schema_of(domain: str, op_type: str, opset: int) -> onnx.defs.OpSchema | None:
    """The newest schema of an operator that `opset` includes, or None where ONNX defines none."""
    try:
        return onnx.defs.get_schema(op_type, max_inclusive_version=opset, domain=domain)
    except onnx.defs.SchemaError:
        return None


@lru_cache(maxsize=1024)
def default_attributes(domain: str, op_type: str, opset: int) -> dict[str, Any]:
    """The schema's default attribute values by name; those without a default are not in it."""
    schema = schema_of(domain, op_type, opset)
    if schema is None:
        return {}
    return {
        name: decode_attribute(attribute.default_value)
        for name, attribute in schema.attributes.items()
        if attribute.default_value.type
    }


@lru_cache(maxsize=1024)
def _constraints(domain: str, op_type: str, opset: int) -> dict[str, frozenset[str]]:
    schema = schema_of(domain, op_type, opset)
    assert schema is not None
    return {item.type_param_str: frozenset(item.allowed_type_strs) for item in schema.type_constraints}


def check_inputs(schema: onnx.defs.OpSchema, opset: int, node: onnx.NodeProto, types: Sequence[str]) -> dict[str, str]:
    """The type each of the schema's type variables is bound to by the declared types of the inputs.

    Raises:
        InvalidNode: the number of inputs or outputs is wrong, a required input or attribute is missing, or an input's
            declared type is not one the operator takes. That an operator is deprecated is the checker's finding: it
            still has a meaning, and runs.
    """
    location = {"node_name": node.name, "op_type": node.op_type, "domain": schema.domain}
    if not schema.min_input <= len(types) <= schema.max_input:
        expected = f"{schema.min_input} to {schema.max_input}"
        raise InvalidNode(f"it has {len(types)} inputs where opset {opset} takes {expected}", **location)
    if not schema.min_output <= len(node.output) <= schema.max_output:
        expected = f"{schema.min_output} to {schema.max_output}"
        raise InvalidNode(f"it has {len(node.output)} outputs where opset {opset} gives {expected}", **location)
    constraints = _constraints(schema.domain, schema.name, opset)
    bound: dict[str, str] = {}
    for index, declared in enumerate(types):
        formal = schema.inputs[min(index, len(schema.inputs) - 1)]
        if not declared:
            if formal.option == _Option.Single:
                raise InvalidNode(f"its required input {index} ({formal.name}) is absent", **location)
            continue
        allowed = constraints.get(formal.type_str) or frozenset({formal.type_str})
        if declared not in allowed:
            listed = ", ".join(sorted(allowed))
            raise InvalidNode(
                f"input {index} ({formal.name}) has type {declared}; opset {opset} takes {listed}", **location
            )
        if formal.type_str not in constraints or not formal.is_homogeneous:
            continue
        earlier = bound.setdefault(formal.type_str, declared)
        if earlier != declared:
            raise InvalidNode(
                f"input {index} ({formal.name}) has type {declared} where an earlier input of the same type "
                f"{formal.type_str} has {earlier}",
                **location,
            )
    for name, attribute in schema.attributes.items():
        if attribute.required and all(item.name != name for item in node.attribute):
            raise InvalidNode(f"its required attribute {name!r} is missing", **location)
    return bound


def output_types(
    schema: onnx.defs.OpSchema, opset: int, node: onnx.NodeProto, types: Sequence[str], bound: dict[str, str]
) -> tuple[str, ...]:
    """The declared type string of each output.

    Type variables bound by the inputs decide first; ONNX's own type inference decides the rest (Cast, Range, ...).

    Raises:
        InvalidNode: ONNX's type inference refuses the node.
    """
    constraints = _constraints(schema.domain, schema.name, opset)
    found: list[str] = []
    inferred: dict[str, str] | None = None
    for index, name in enumerate(node.output):
        formal = schema.outputs[min(index, len(schema.outputs) - 1)]
        if not name:
            found.append("")
        elif formal.type_str in bound and formal.is_homogeneous:
            found.append(bound[formal.type_str])
        elif formal.type_str not in constraints:
            found.append(formal.type_str)
        elif len(constraints[formal.type_str]) == 1:
            found.append(next(iter(constraints[formal.type_str])))
        else:
            if inferred is None:
                inferred = _infer(schema, opset, node, types)
            found.append(inferred.get(name, ""))
    return tuple(found)


def _infer(schema: onnx.defs.OpSchema, opset: int, node: onnx.NodeProto, types: Sequence[str]) -> dict[str, str]:
    known = {name: proto_of_type(declared) for name, declared in zip(node.input, types, strict=True) if name}
    try:
        inferred = onnx.shape_inference.infer_node_outputs(
            schema, node, known, opset_imports=[onnx.helper.make_opsetid(schema.domain, opset)]
        )
    except onnx.shape_inference.InferenceError as error:
        raise InvalidNode(
            f"ONNX's type inference refuses it: {error}",
            node_name=node.name,
            op_type=node.op_type,
            domain=schema.domain,
        ) from error
    return {name: type_of_proto(proto) for name, proto in inferred.items()}
