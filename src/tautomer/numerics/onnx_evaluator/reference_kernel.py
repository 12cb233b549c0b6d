"""The ONNX project's own reference operators, for those the evaluator has no kernel and no function body for."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
import onnx.reference.op_run
from onnx.reference.ops import load_op as _load_onnx
from onnx.reference.ops.aionnx_preview_training import load_op as _load_training
from onnx.reference.ops.aionnxml import load_op as _load_ml

from tautomer.numerics.onnx_evaluator.call import Call
from tautomer.numerics.onnx_evaluator.element_types import Value, compute_dtype, convert, element_of, is_floating
from tautomer.numerics.onnx_evaluator.errors import UnsupportedOperator

_LOADERS: dict[str, Any] = {"": _load_onnx, "ai.onnx.ml": _load_ml, "ai.onnx.preview.training": _load_training}


_REFUSED = {
    ("", "ImageDecoder"): "decoding images is a library's work, which the specification does not define to the bit"
}


def reference_kernel(call: Call) -> list[Value]:
    """The node's outputs as `onnx.reference` computes them, in the compute types of the declared outputs.

    Raises:
        UnsupportedOperator: `onnx.reference` has no such operator, or gives float32 where float64 is asked for.
    """
    location = {"node_name": call.node.name, "op_type": call.node.op_type, "domain": call.node.domain}
    if reason := _REFUSED.get((call.node.domain, call.node.op_type)):
        raise UnsupportedOperator(reason, **location)
    loader = _LOADERS.get(call.node.domain)
    if loader is None:
        raise UnsupportedOperator(f"no kernel for domain {call.node.domain!r}", **location)
    try:
        operator = loader(call.node.domain, call.node.op_type, call.opset)
    except (NotImplementedError, onnx.reference.op_run.RuntimeContextError) as error:
        raise UnsupportedOperator("neither a kernel nor a reference implementation exists", **location) from error
    settings = {
        "log": lambda *_: None,
        "opsets": {call.node.domain: call.opset},
        "verbose": 0,
        "new_ops": {},
        "existing_functions": {},
        "evaluator_cls": None,
    }
    results = operator(call.node, settings).run(*call.inputs)
    outputs: list[Value] = []
    for declared, result in zip(call.output_types, results, strict=False):
        dtype = compute_dtype(element_of(declared), lift=call.lift) if declared else None
        if dtype is not None and call.lift and dtype.kind in "fc" and _narrower(result, dtype):
            raise UnsupportedOperator("the only implementation of it computes in float32", **location)
        outputs.append(result if dtype is None else convert(_as_arrays(result), dtype))
    return outputs


def _as_arrays(value: Value) -> Value:
    if value is None or isinstance(value, list):
        return value
    return np.asarray(value)


def _narrower(value: Value, dtype: np.dtype[Any]) -> bool:
    if isinstance(value, list):
        return any(_narrower(item, dtype) for item in value)
    found = np.asarray(value).dtype
    return is_floating(found) and found.itemsize < dtype.itemsize
