"""What nodes and interfaces declare: attributes with references resolved, a Constant's value, interface specs."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from tautomer.model import TensorSpec
from tautomer.numerics.onnx_evaluator.element_types import Array, element_of, spec_dtype, tensor_type
from tautomer.numerics.onnx_evaluator.errors import InvalidNode
from tautomer.numerics.onnx_evaluator.loading import densify, read_tensor
from tautomer.numerics.onnx_evaluator.plan import Reference, Step


def location_of(step: Step) -> dict[str, str]:
    """Name, operator and domain of a node, as the errors take them."""
    return {"node_name": step.node.name, "op_type": step.op_type, "domain": step.domain}


def resolve(attributes: Mapping[str, Any], function_attributes: Mapping[str, Any]) -> dict[str, Any]:
    """The attributes with references replaced by the function's values; a reference to an absent one is left out."""
    resolved = {}
    for name, value in attributes.items():
        if not isinstance(value, Reference):
            resolved[name] = value
        elif value.name in function_attributes:
            resolved[name] = function_attributes[value.name]
    return resolved


def resolved_node(step: Step, given: Mapping[str, Any]) -> onnx.NodeProto:
    """The node with `given` written in place of its references; the node itself where it has none."""
    referring = [name for name, value in step.attributes.items() if isinstance(value, Reference)]
    if not referring:
        return step.node
    node = onnx.NodeProto()
    node.CopyFrom(step.node)
    kept = [attribute for attribute in step.node.attribute if attribute.name not in referring]
    del node.attribute[:]
    node.attribute.extend(kept)
    for name in referring:
        if name in given:
            kind = onnx.AttributeProto.INTS if given[name] == [] else None
            node.attribute.append(onnx.helper.make_attribute(name, given[name], attr_type=kind))
    return node


def constant_value(given: Mapping[str, Any], step: Step, folder: Path | None) -> Array:
    """The array a Constant node holds.

    Raises:
        InvalidNode: it has no value, several, or one of an unknown kind.
    """
    if len(given) != 1:
        raise InvalidNode(f"it has {len(given)} values where one is needed", **location_of(step))
    name, value = next(iter(given.items()))
    if name == "value":
        return read_tensor(value, folder)
    if name == "sparse_value":
        return densify(value, folder)
    dtypes: dict[str, Any] = {
        "value_float": np.float32,
        "value_floats": np.float32,
        "value_int": np.int64,
        "value_ints": np.int64,
        "value_string": object,
        "value_strings": object,
    }
    if name not in dtypes:
        raise InvalidNode(f"it has the unknown attribute {name!r}", **location_of(step))
    return np.asarray(value, dtype=dtypes[name])


def spec_of(value: onnx.ValueInfoProto) -> TensorSpec:
    """What a graph declares of one of its inputs or outputs."""
    if value.type.WhichOneof("value") != "tensor_type":
        return TensorSpec(value.name, None, None)
    tensor = value.type.tensor_type
    dtype = spec_dtype(element_of(tensor_type(tensor.elem_type))) if tensor.elem_type else None
    if not tensor.HasField("shape"):
        return TensorSpec(value.name, dtype, None)
    shape = tuple(
        # A negative size is how some converters write one that is not known.
        dimension.dim_value
        if dimension.HasField("dim_value") and dimension.dim_value >= 0
        else dimension.dim_param or None
        for dimension in tensor.shape.dim
    )
    return TensorSpec(value.name, dtype, shape)
