"""Faults planted in a runtime, as changes it makes to every model it is given (`reduce_onnx(through=...)`)."""

from __future__ import annotations

import os
import signal
from pathlib import Path

from onnx import TensorProto, helper


def wrong_elu(model):
    """Elu is computed with another slope."""
    for node in model.graph.node:
        if node.op_type == "Elu":
            for attribute in node.attribute:
                attribute.f *= 1.01
    return model


def wrong_after_elu(model):
    """The node `late` is off by a percent where its value depends on an Elu."""
    reached = set()
    for index, node in enumerate(model.graph.node):
        if node.op_type == "Elu" or reached & set(node.input):
            reached.update(node.output)
            if node.name == "late":
                output = node.output[0]
                node.output[0] = "right"
                model.graph.initializer.append(helper.make_tensor("factor", TensorProto.FLOAT, [], [1.01]))
                model.graph.node.insert(index + 1, helper.make_node("Mul", ["right", "factor"], [output]))
                break
    return model


def segfault_at_elu(model):
    """An Elu whose slope is not 1 kills the process."""
    if any(node.op_type == "Elu" and node.attribute for node in model.graph.node):
        os.kill(os.getpid(), signal.SIGSEGV)
    return model


def wrong_every_other_time(model):
    """Like `wrong_elu`, but not always: it counts in a file."""
    count = Path(os.environ["TAUTOMER_TEST_COUNT"])
    with count.open("a") as file:
        file.write("x")
    return wrong_elu(model) if count.stat().st_size % 2 else model
