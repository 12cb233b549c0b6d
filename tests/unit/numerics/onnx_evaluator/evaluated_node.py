"""Runs one ONNX operator in float64, so that it can be laid beside a source that knows nothing of the evaluator."""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper

from tautomer.numerics.onnx_evaluator import Evaluator


def evaluate(
    op_type: str,
    *inputs: Any,
    opset: int = 23,
    outputs: int = 1,
    lift: bool = True,
    domain: str = "",
    declared: int | None = None,
    **attributes: Any,
) -> Any:
    """The node's output, or a list of them; an input of None is absent.

    Inputs are declared as the types their arrays have, float64 ones as `declared` where it is given: operators that
    take no doubles are still computed in float64 when they are lifted.
    """
    names = [f"i{index}" if value is not None else "" for index, value in enumerate(inputs)]
    given = {name: np.asarray(value) for name, value in zip(names, inputs, strict=True) if name}
    results = [f"o{index}" for index in range(outputs)]
    node = helper.make_node(op_type, names, results, domain=domain)
    for name, value in attributes.items():
        kind = onnx.AttributeProto.INTS if value == [] else None
        node.attribute.append(helper.make_attribute(name, value, attr_type=kind))
    graph = helper.make_graph(
        [node],
        "one_node",
        [helper.make_tensor_value_info(name, _element(value, declared), None) for name, value in given.items()],
        [onnx.ValueInfoProto(name=name) for name in results],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid(domain, opset)])
    found = list(Evaluator(model, lift=lift).run(given).values())
    return found[0] if outputs == 1 else found


def _element(value: np.ndarray, declared: int | None) -> int:
    if value.dtype == np.float64 and declared is not None:
        return declared
    if value.dtype.kind in "OUST":
        return int(TensorProto.STRING)
    return int(helper.np_dtype_to_tensor_dtype(value.dtype))


def random(*shape: int, seed: int = 0) -> np.ndarray:
    """Standard normal float64 values."""
    return np.random.default_rng(seed).standard_normal(shape)


def float32(value: float) -> float:
    """What an operator's float attribute holds of `value`."""
    return float(np.float32(value))
