"""The functions that are measured: the one-node ONNX model of each, and what its table goes by."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from types import MappingProxyType
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper

from tautomer.numerics.onnx_evaluator import Evaluator

Array = np.ndarray[Any, Any]

INPUT, EXPONENT, OUTPUT = "x", "exponent", "y"
_TYPES = {"float32": TensorProto.FLOAT, "float16": TensorProto.FLOAT16}
_IR_VERSION = 10


class Form(StrEnum):
    """What the model's inputs are made of."""

    ELEMENT = "element"
    """One number an element."""
    POWER = "power"
    """A base and an exponent an element."""
    PAIR = "pair"
    """Rows of zero and the argument, for functions along an axis."""
    STEP = "step"
    """One step of a recurrent layer of one unit, a sample an element of the batch."""


@dataclass(frozen=True, slots=True)
class MeasuredFunction:
    """One function of the table.

    Attributes:
        name: in the table.
        op_type: of the node that computes it.
        opset: at which the node is written.
        attributes: of the node.
        form: of its inputs.
    """

    name: str
    op_type: str
    opset: int = 20
    attributes: Mapping[str, Any] = field(default_factory=lambda: MappingProxyType({}))
    form: Form = Form.ELEMENT

    def model(self, element: str) -> onnx.ModelProto:
        """The model with this one node, for inputs of any length."""
        kind = _TYPES[element]
        shapes: dict[Form, list[int | str]] = {Form.PAIR: ["length", 2], Form.STEP: [1, "length", 1]}
        shape = shapes.get(self.form, ["length"])
        names = [INPUT, EXPONENT] if self.form is Form.POWER else [INPUT]
        inputs = [helper.make_tensor_value_info(name, kind, shape) for name in names]
        weights = []
        if self.form is Form.STEP:
            weights = [helper.make_tensor("w", kind, [1, 1, 1], [1.0]), helper.make_tensor("r", kind, [1, 1, 1], [0.0])]
        output = helper.make_tensor_value_info(OUTPUT, kind, [1, *shape] if self.form is Form.STEP else shape)
        given = [*names, *(one.name for one in weights)]
        node = helper.make_node(self.op_type, given, [OUTPUT], name=self.op_type, **self.attributes)
        graph = helper.make_graph([node], "calibration", inputs, [output], weights)
        return helper.make_model(graph, opset_imports=[helper.make_opsetid("", self.opset)], ir_version=_IR_VERSION)

    def inputs(self, samples: Array, exponents: Array) -> dict[str, Array]:
        """The model's inputs for these arguments.

        Shapes:
            samples (N,), exponents (N,) -> (N,) each, or (N, 2), or (1, N, 1)
        """
        if self.form is Form.STEP:
            return {INPUT: samples.reshape(1, -1, 1)}
        if self.form is Form.PAIR:
            # The larger number of a row is subtracted from it, so that only differences down from zero are seen.
            return {INPUT: np.stack([np.zeros_like(samples), -np.abs(samples)], axis=1)}
        if self.form is Form.POWER:
            return {INPUT: np.abs(samples), EXPONENT: exponents}
        return {INPUT: samples}

    def argument(self, inputs: Mapping[str, Array]) -> Array:
        """What the cells of the table go by: the argument; for a power y ln|x|, which its conditioning follows."""
        x = inputs[INPUT].astype(np.float64)
        with np.errstate(all="ignore"):
            if self.form is Form.POWER:
                argument = inputs[EXPONENT].astype(np.float64) * np.log(np.abs(x))
                return np.where(np.isnan(argument), 0.0, argument)
        return x[:, 1] if self.form is Form.PAIR else x.reshape(-1)

    def exact(self, inputs: Mapping[str, Array], element: str) -> Array:
        """The function in float64, by the evaluator."""
        outputs = Evaluator(self.model(element), lift=True).run(dict(inputs))
        value = np.asarray(outputs[OUTPUT], dtype=np.float64)
        return value[:, 1] if self.form is Form.PAIR else value.reshape(-1)

    def found(self, output: Array) -> Array:
        """What a kernel gave, as float64."""
        value = np.asarray(output).astype(np.float64)
        return value[:, 1] if self.form is Form.PAIR else value.reshape(-1)

    def as_measured(self, argument: Array, found: Array, exact: Array) -> tuple[Array, Array]:
        """|found - exact| and the exact value of the function that the table lists.

        A softmax of (0, -d) is e / (1 + e) with e = exp(-d): its error is turned into that of e, dy (1 + e)^2.
        """
        with np.errstate(all="ignore"):
            error = np.abs(found - exact)
            if self.op_type != "Softmax":
                return error, exact
            inner = np.exp(argument)
            return error * (1 + inner) ** 2, inner


def _plain(*names: str, opset: int = 20) -> list[MeasuredFunction]:
    return [MeasuredFunction(name, name, opset) for name in names]


FUNCTIONS: tuple[MeasuredFunction, ...] = (
    *_plain("Acos", "Acosh", "Asin", "Asinh", "Atan", "Atanh", "Ceil", "Celu", "Cos", "Cosh", "Elu", "Erf", "Exp"),
    *_plain("Floor"),
    MeasuredFunction("Gelu", "Gelu"),
    MeasuredFunction("Gelu tanh", "Gelu", attributes={"approximate": "tanh"}),
    *_plain("HardSigmoid", "HardSwish", "Log"),
    MeasuredFunction("LogSoftmax", "LogSoftmax", form=Form.PAIR),
    *_plain("Mish"),
    MeasuredFunction("Pow", "Pow", form=Form.POWER),
    MeasuredFunction("RNN sigmoid", "RNN", attributes={"hidden_size": 1, "activations": ["Sigmoid"]}, form=Form.STEP),
    MeasuredFunction("RNN tanh", "RNN", attributes={"hidden_size": 1, "activations": ["Tanh"]}, form=Form.STEP),
    *_plain("Reciprocal", "Round", "Selu", "Sigmoid", "Sin", "Sinh"),
    MeasuredFunction("Softmax", "Softmax", form=Form.PAIR),
    *_plain("Softplus", "Softsign", "Sqrt", "Tan", "Tanh"),
    *_plain("Swish", opset=24),
)
"""Every function that is measured."""

BY_NAME: Mapping[str, MeasuredFunction] = {one.name: one for one in FUNCTIONS}
