"""Faults planted in a runtime: changes it makes to every model it is given, so that its answer is wrong.

They are told the nodes by the environment variable `PLANTED`: one name, or two and what must connect them.
"""

from __future__ import annotations

import os

import onnx
from onnx import helper


def single(model: onnx.ModelProto) -> onnx.ModelProto:
    """The runtime gets one node wrong by a percent."""
    return _off_by_a_percent(model, os.environ["PLANTED"])


def pair(model: onnx.ModelProto) -> onnx.ModelProto:
    """The runtime gets the second node wrong by a percent where its value depends on the first one's.

    As a faulty optimizer does that carries something along the ways between two nodes.
    """
    first, second = os.environ["PLANTED"].split(",")
    reached: set[str] = set()
    for node in model.graph.node:
        if node.name == first or reached & set(node.input):
            if node.name == second:
                return _off_by_a_percent(model, second)
            reached.update(node.output)
    return model


def _off_by_a_percent(model: onnx.ModelProto, name: str) -> onnx.ModelProto:
    for index, node in enumerate(model.graph.node):
        if node.name == name:
            output = node.output[0]
            node.output[0] = f"{output}.right"
            model.graph.initializer.append(helper.make_tensor("planted.factor", onnx.TensorProto.FLOAT, [], [1.01]))
            wrong = helper.make_node("Mul", [node.output[0], "planted.factor"], [output], name="planted")
            model.graph.node.insert(index + 1, wrong)
            break
    return model
