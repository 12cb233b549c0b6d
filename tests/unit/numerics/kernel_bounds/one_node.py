"""One node with its exact outputs and their bounds, for tests of single operators."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import onnx
from onnx import TensorProto, helper

from tautomer.numerics.approximation_tables import ApproximationTable, table_for
from tautomer.numerics.kernel_bounds import forward_bounds
from tautomer.numerics.kernel_bounds.forward_bounds import RULES
from tautomer.numerics.kernel_bounds.node_errors import worst_element
from tautomer.numerics.kernel_bounds.rule import Node
from tautomer.numerics.kernel_bounds.running_error import Arithmetic, Running
from tautomer.numerics.onnx_evaluator import Call, Evaluator
from tautomer.numerics.onnx_evaluator.kernels import KERNELS

_TYPES = {
    "float16": TensorProto.FLOAT16,
    "float32": TensorProto.FLOAT,
    "float64": TensorProto.DOUBLE,
    "int64": TensorProto.INT64,
    "int32": TensorProto.INT32,
    "uint8": TensorProto.UINT8,
    "bool": TensorProto.BOOL,
}


@dataclass(frozen=True)
class OneNode:
    """A node that was computed exactly."""

    call: Call
    exact: list[np.ndarray]

    def bounds(self, table: ApproximationTable | None = None, **options) -> list[np.ndarray | None]:
        return forward_bounds(self.call, self.exact, table or onnxruntime_table(), **options)

    def ratio(self, found, output: int = 0, **options) -> float:
        """The largest error of a kernel's output over its bound."""
        bound = self.bounds(**options)[output]
        assert bound is not None
        worst = worst_element(np.asarray(found), self.exact[output], bound)
        assert worst is not None
        return worst.ratio

    def by_rule(self, element: str = "float32") -> list[Running | None]:
        """What the rule gives, its own values included."""
        kernel = KERNELS[self.call.node.op_type]
        given = RULES[self.call.node.op_type](
            Node(self.call, self.exact, Arithmetic(element, onnxruntime_table()), kernel)
        )
        return [given] if isinstance(given, Running) else list(given)


def onnxruntime_table() -> ApproximationTable:
    table = table_for("onnxruntime", "1.32.0")
    assert table is not None
    return table


def one_node(op_type: str, *inputs, outputs: int = 1, opset: int = 20, **attributes) -> OneNode:
    """Compute one node of these inputs (None for an absent one) in float64."""
    names = ["" if value is None else f"x{index}" for index, value in enumerate(inputs)]
    given = {name: np.asarray(value) for name, value in zip(names, inputs, strict=True) if name}
    node = helper.make_node(op_type, names, [f"y{index}" for index in range(outputs)], name="the_node", **attributes)
    graph = helper.make_graph(
        [node],
        "g",
        [helper.make_tensor_value_info(name, _TYPES[value.dtype.name], value.shape) for name, value in given.items()],
        [onnx.ValueInfoProto(name=name) for name in node.output],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)], ir_version=10)
    calls = []

    def watched(call):
        calls.append(call)
        return KERNELS[op_type](call)

    exact = Evaluator(model, lift=True, kernels={("", op_type): watched}).run(given)
    [call] = calls
    return OneNode(call, [np.asarray(exact[name]) for name in node.output])
