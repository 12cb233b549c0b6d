"""The tensors of a case, stored and fed, as one table; and the case with others in their place."""

from __future__ import annotations

from collections.abc import Mapping

import onnx
from onnx import numpy_helper

from tautomer.adapters.onnx_files.reduction.case import Array, Case


def tensors(case: Case) -> dict[str, Array]:
    """Inputs and stored tensors by name; the case must be self-contained."""
    stored = {one.name: numpy_helper.to_array(one) for one in case.proto.graph.initializer}
    return {**stored, **case.inputs}


def with_tensors(case: Case, changed: Mapping[str, Array]) -> Case:
    """The case with some tensors replaced; inputs are declared as what they are then, sizes that follow are dropped."""
    if not changed:
        return case
    before = tensors(case)
    resized = any(
        before[name].shape != array.shape or before[name].dtype != array.dtype for name, array in changed.items()
    )
    proto = case.copy()
    for stored in proto.graph.initializer:
        if stored.name in changed:
            stored.CopyFrom(numpy_helper.from_array(changed[stored.name], stored.name))
    inputs = {name: changed.get(name, array) for name, array in case.inputs.items()}
    if resized:
        for one in proto.graph.input:
            if one.name in changed and changed[one.name].dtype.kind not in "OUS":
                array = changed[one.name]
                element = onnx.helper.np_dtype_to_tensor_dtype(array.dtype)
                one.CopyFrom(onnx.helper.make_tensor_value_info(one.name, element, array.shape))
        proto.graph.ClearField("value_info")
        for output in proto.graph.output:
            for dimension in output.type.tensor_type.shape.dim:
                dimension.ClearField("value")
    return case.changed(proto, inputs)
