"""Turns every floating-point type of a case into float32."""

from __future__ import annotations

import numpy as np
import onnx

from tautomer.adapters.onnx_files.reduction.case import Case, all_nodes
from tautomer.adapters.onnx_files.reduction.simplification.step import Fails
from tautomer.adapters.onnx_files.reduction.simplification.tensors import tensors, with_tensors

_OTHERS = frozenset({"float16", "bfloat16", "float64"})
_ELEMENTS = frozenset({onnx.TensorProto.FLOAT16, onnx.TensorProto.BFLOAT16, onnx.TensorProto.DOUBLE})


def in_float32(case: Case, fails: Fails) -> Case:
    """The case in float32 throughout, where it fails then and was not so before."""
    table = tensors(case)
    changed = {name: array.astype(np.float32) for name, array in table.items() if array.dtype.name in _OTHERS}
    if not changed:
        return case
    candidate = with_tensors(case, changed)
    proto = candidate.copy()
    for node in all_nodes(proto.graph):
        for attribute in node.attribute:
            if attribute.name in ("to", "dtype") and attribute.i in _ELEMENTS:
                attribute.i = int(onnx.TensorProto.FLOAT)
    for output in proto.graph.output:
        if output.type.tensor_type.elem_type in _ELEMENTS:
            output.type.tensor_type.elem_type = int(onnx.TensorProto.FLOAT)
    candidate = candidate.changed(proto)
    return candidate if fails(candidate) else case
