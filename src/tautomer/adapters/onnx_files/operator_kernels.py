"""ONNX Runtime as the generator uses it: one node in a session, without graph optimization, in one thread."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

import ml_dtypes
import numpy as np
import onnx
import onnx.parser

from tautomer.adapters.onnx_files.graph_attributes import GraphAttribute, graph_text
from tautomer.adapters.onnx_files.node_calls import ELEMENT_TYPES, Initializer, node_call, numpy_dtype
from tautomer.adapters.onnx_files.operators.entry import IR_VERSION, OPSET
from tautomer.adapters.runtimes.ort_values import session_call
from tautomer.synthesis import Specification
from tautomer.synthesis.health import Array

SESSIONS = 4096
"""So many sessions are kept; one holds one node and no weights."""

Declared = tuple[str, int] | Initializer | None
"""An input of a node: dtype and rank, an initializer, or one that is left out."""


class OnnxRuntimeKernels:
    """Operators run by ONNX Runtime on the CPU."""

    def __init__(self) -> None:
        from onnxruntime.capi import onnxruntime_pybind11_state as state

        self.refusals: tuple[type[BaseException], ...] = (
            state.Fail,
            state.InvalidArgument,
            state.InvalidGraph,
            state.InvalidProtobuf,
            state.NotImplemented,
            state.RuntimeException,
        )

    def tensor(self, array: Array, dtype: str) -> Array:
        """An array of a dtype; of ml_dtypes' for bfloat16."""
        return np.asarray(array, numpy_dtype(dtype))

    def array(self, tensor: Array) -> Array:
        """The array itself; bfloat16 as float32."""
        return tensor.astype(np.float32) if tensor.dtype == ml_dtypes.bfloat16 else tensor

    def dtype(self, tensor: Array) -> str:
        """The name of an array's dtype."""
        return tensor.dtype.name

    def evaluate(self, specification: Specification, bound: Mapping[str, Any]) -> tuple[Any, ...]:
        """The results of a node on arrays and attributes."""
        call = node_call(specification.expression, bound, self.dtype)
        declared: list[Declared] = []
        feeds: dict[str, Array] = {}
        for place, one in enumerate(call.inputs):
            if one is None or isinstance(one, Initializer):
                declared.append(one)
            else:
                declared.append((self.dtype(one), one.ndim))
                feeds[f"i{place}"] = one
        around = []
        for name, one in call.captured.items():
            around.append((name, self.dtype(one), one.ndim))
            feeds[name] = one
        types = tuple(call.parameter_types.items())
        attributes = tuple((name, _hashable(value, types)) for name, value in call.attributes.items())
        return tuple(_node(call.op_type, tuple(declared), attributes, call.results, tuple(around))(feeds))


def _hashable(value: Any, parameter_types: tuple[tuple[str, str], ...]) -> Any:
    if isinstance(value, GraphAttribute):
        return value, parameter_types
    return tuple(value) if isinstance(value, list) else value


def _attribute(name: str, value: Any) -> Any:
    if not isinstance(value, tuple) or not value or not isinstance(value[0], GraphAttribute):
        return value
    graph, types = value
    captured = {one: one for one in graph.captured}
    text = graph_text(graph, name, captured=captured, parameter_types=dict(types), spell_attribute=repr)
    return onnx.parser.parse_graph(text)


@functools.lru_cache(SESSIONS)
def _node(
    op_type: str,
    declared: tuple[Declared, ...],
    attributes: tuple[tuple[str, Any], ...],
    results: int,
    around: tuple[tuple[str, str, int], ...],
) -> Callable[[Mapping[str, Any]], Sequence[Any]]:
    import onnxruntime

    names = ["" if one is None else f"i{place}" for place, one in enumerate(declared)]
    outputs = [f"o{index}" for index in range(results)]
    node = onnx.helper.make_node(
        op_type, names, outputs, **{name: _attribute(name, value) for name, value in attributes}
    )
    graph = onnx.helper.make_graph(
        [node],
        "node",
        [
            onnx.helper.make_tensor_value_info(name, ELEMENT_TYPES[one[0]], [None] * one[1])
            for name, one in zip(names, declared, strict=True)
            if isinstance(one, tuple)
        ]
        + [
            onnx.helper.make_tensor_value_info(name, ELEMENT_TYPES[dtype], [None] * rank)
            for name, dtype, rank in around
        ],
        [onnx.helper.make_empty_tensor_value_info(name) for name in outputs],
        [
            onnx.numpy_helper.from_array(np.array(one.value, numpy_dtype(one.dtype)), name)
            for name, one in zip(names, declared, strict=True)
            if isinstance(one, Initializer)
        ],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", OPSET)], ir_version=IR_VERSION)
    session = onnxruntime.InferenceSession(
        model.SerializeToString(), session_options(), providers=["CPUExecutionProvider"]
    )
    return session_call(session)


@functools.cache
def session_options() -> Any:
    """Options under which a whole model computes bit for bit what its nodes compute one by one.

    That holds but for float16: where two nodes follow one another for which ONNX Runtime has no kernel in it, both are
    computed in float32 and the rounding in between is left out.
    """
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = options.inter_op_num_threads = 1
    options.log_severity_level = 4
    # Weights are inputs here; where they are constants, kernels would arrange them beforehand and sum in another order.
    options.add_session_config_entry("session.disable_prepacking", "1")
    return options
