"""Small ONNX models from their nodes."""

from __future__ import annotations

from onnx import helper


def graph(nodes, inputs, outputs, initializers=(), opset=18):
    """A model from nodes and (name, element type, shape) triples."""
    made = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info(*one) for one in inputs],
        [helper.make_tensor_value_info(*one) for one in outputs],
        list(initializers),
    )
    return helper.make_model(made, opset_imports=[helper.make_opsetid("", opset)], ir_version=9)
