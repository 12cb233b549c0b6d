"""Graphs in float16 whose range is known by construction."""

from __future__ import annotations

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper


def model(nodes, inputs, outputs, initializers=(), opset=18):
    """A checked model from nodes, (name, element type, shape) triples and (name, array) pairs."""
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info(*one) for one in inputs],
        [helper.make_tensor_value_info(*one) for one in outputs],
        [numpy_helper.from_array(array, name) for name, array in initializers],
    )
    made = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)
    onnx.checker.check_model(made, full_check=True)
    return made


def types_of(made):
    """Element types of the values of a model, by name."""
    inferred = onnx.shape_inference.infer_shapes(made)
    values = (*inferred.graph.input, *inferred.graph.value_info, *inferred.graph.output)
    return {one.name: one.type.tensor_type.elem_type for one in values}


def rms_norm(element=TensorProto.FLOAT16):
    """y = (x / rms(x)) W with the square in the graph: it leaves float16 from |x| = 256 on, and the mean soon after."""
    kind = helper.tensor_dtype_to_np_dtype(element)
    weight = (np.eye(8) + np.arange(64).reshape(8, 8) / 64).astype(kind)
    nodes = [
        helper.make_node("Identity", ["x"], ["a"], name="first"),
        helper.make_node("Mul", ["a", "a"], ["squares"], name="square"),
        helper.make_node("ReduceMean", ["squares", "axes"], ["mean"], name="average", keepdims=1),
        helper.make_node("Sqrt", ["mean"], ["rms"], name="root"),
        helper.make_node("Div", ["a", "rms"], ["normal"], name="divide"),
        helper.make_node("MatMul", ["normal", "W"], ["y"], name="project"),
    ]
    return model(
        nodes,
        [("x", element, [2, 8])],
        [("y", element, [2, 8])],
        [("W", weight), ("axes", np.array([-1], np.int64))],
    )


LARGE = np.linspace(-900, 900, 16).reshape(2, 8).astype(np.float16)
"""Its squares leave float16, and their means do; their roots do not."""
SMALL = np.linspace(-3, 3, 16).reshape(2, 8).astype(np.float16)
