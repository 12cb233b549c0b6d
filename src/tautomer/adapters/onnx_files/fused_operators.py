"""ONNX Runtime's fused operators spelled out in those of the standard, so that an optimized session's file is compared
like any other.

Source: the operators' schemas in ONNX Runtime's docs/ContribOperators.md.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import onnx
from onnx import helper

FUSED_DOMAIN = "com.microsoft"

FIRST_OPSET = 17
"""The first with LayerNormalization and CastLike, which the forms below need."""


def spell_out(model: onnx.ModelProto) -> None:
    """Replace, in the main graph, each fused operator that is known by standard ones of the same node name.

    What is unknown stays: it is then refused with its name, as every operator without a specification is.
    """
    opset = next((one.version for one in model.opset_import if one.domain in ("", "ai.onnx")), 0)
    if opset < FIRST_OPSET or not any(node.domain == FUSED_DOMAIN for node in model.graph.node):
        return
    nodes: list[onnx.NodeProto] = []
    for node in model.graph.node:
        form = _FORMS.get(node.op_type) if node.domain == FUSED_DOMAIN else None
        spelled = _Spelled(node)
        if form is not None and form(spelled):
            nodes.extend(spelled.nodes)
        else:
            nodes.append(node)
    del model.graph.node[:]
    model.graph.node.extend(nodes)


@dataclass(slots=True)
class _Spelled:
    """The standard nodes that stand for a fused one."""

    fused: onnx.NodeProto
    nodes: list[onnx.NodeProto] = field(default_factory=list)

    @property
    def attributes(self) -> Mapping[str, Any]:
        return {one.name: helper.get_attribute_value(one) for one in self.fused.attribute}

    def input(self, index: int) -> str:
        """The name of an input; empty where it is left out."""
        return self.fused.input[index] if index < len(self.fused.input) else ""

    def output(self, index: int) -> str:
        """The name of an output; empty where it is not asked for."""
        return self.fused.output[index] if index < len(self.fused.output) else ""

    def add(self, op_type: str, *inputs: str, output: str | None = None, **attributes: Any) -> str:
        """Add a node, and give the name of what it makes."""
        made = output or f"{self.fused.output[0]}/{len(self.nodes)}"
        node = helper.make_node(op_type, list(inputs), [made], self.fused.name, **attributes)
        node.metadata_props.extend(self.fused.metadata_props)
        self.nodes.append(node)
        return made

    def number(self, value: float, like: str) -> str:
        """A constant of the type of another value."""
        return self.add("CastLike", self.add("Constant", value_float=value), like)


def _activated(to: _Spelled, value: str, name: str, parameters: list[float]) -> bool:
    """Add what a fused node does last; False where that is unknown."""
    output = to.fused.output[0]
    if name in ("Relu", "Sigmoid", "Tanh"):
        to.add(name, value, output=output)
    elif name == "LeakyRelu":
        to.add(name, value, output=output, alpha=parameters[0] if parameters else 0.01)
    elif name == "HardSigmoid" and len(parameters) == 2:
        to.add(name, value, output=output, alpha=parameters[0], beta=parameters[1])
    elif name == "Clip" and len(parameters) == 2:
        to.add(name, value, *(to.number(one, value) for one in parameters), output=output)
    elif name == "":
        to.add("Identity", value, output=output)
    else:
        return False
    return True


def _text(value: Any) -> str:
    return value.decode() if isinstance(value, bytes) else str(value)


def _fused_conv(to: _Spelled) -> bool:
    given = dict(to.attributes)
    name, parameters = _text(given.pop("activation", "")), list(given.pop("activation_params", []))
    inputs = [one for one in (to.input(0), to.input(1), to.input(2)) if one]
    value = to.add("Conv", *inputs, **given)
    if to.input(3):
        value = to.add("Add", value, to.input(3))
    return _activated(to, value, name, parameters)


def _fused_gemm(to: _Spelled) -> bool:
    given = dict(to.attributes)
    name = _text(given.pop("activation", ""))
    parameters = [given.pop(f"activation_{one}") for one in ("alpha", "beta", "gamma") if f"activation_{one}" in given]
    inputs = [one for one in (to.input(0), to.input(1), to.input(2)) if one]
    return _activated(to, to.add("Gemm", *inputs, **given), name, parameters)


def _fused_matmul(to: _Spelled) -> bool:
    given = to.attributes
    if given.get("transBatchA") or given.get("transBatchB"):
        return False
    turned = [
        to.add("Einsum", to.input(index), equation="...ij->...ji") if given.get(flag) else to.input(index)
        for index, flag in enumerate(("transA", "transB"))
    ]
    alpha = float(given.get("alpha", 1.0))
    if alpha == 1.0:
        to.add("MatMul", *turned, output=to.output(0))
        return True
    product = to.add("MatMul", *turned)
    to.add("Mul", product, to.number(alpha, product), output=to.output(0))
    return True


def _gelu(to: _Spelled) -> bool:
    value = to.add("Add", to.input(0), to.input(1)) if to.input(1) else to.input(0)
    scaled = to.add("Mul", value, to.number(0.5**0.5, value))
    gate = to.add("Add", to.add("Erf", scaled), to.number(1.0, value))
    to.add("Mul", to.add("Mul", value, to.number(0.5, value)), gate, output=to.output(0))
    return True


def _fast_gelu(to: _Spelled) -> bool:
    value = to.add("Add", to.input(0), to.input(1)) if to.input(1) else to.input(0)
    cube = to.add("Mul", to.add("Mul", value, value), value)
    inner = to.add("Add", value, to.add("Mul", cube, to.number(0.044715, value)))
    bent = to.add("Tanh", to.add("Mul", inner, to.number(0.7978845608028654, value)))
    gate = to.add("Add", bent, to.number(1.0, value))
    to.add("Mul", to.add("Mul", value, to.number(0.5, value)), gate, output=to.output(0))
    return True


def _quick_gelu(to: _Spelled) -> bool:
    value = to.input(0)
    alpha = to.number(float(to.attributes.get("alpha", 1.702)), value)
    to.add("Mul", value, to.add("Sigmoid", to.add("Mul", value, alpha)), output=to.output(0))
    return True


def _skip_layer_normalization(to: _Spelled) -> bool:
    if to.output(1) or to.output(2):
        return False  # the mean and the inverse deviation are those of no standard operator's shape
    total = to.add("Add", to.input(0), to.input(1), output=None if to.input(4) else (to.output(3) or None))
    if to.input(4):
        total = to.add("Add", total, to.input(4), output=to.output(3) or None)
    given = [one for one in (to.input(2), to.input(3)) if one]
    epsilon = float(to.attributes.get("epsilon", 1e-12))
    to.add("LayerNormalization", total, *given, output=to.output(0), axis=-1, epsilon=epsilon)
    return True


_FORMS: Mapping[str, Callable[[_Spelled], bool]] = {
    "FusedConv": _fused_conv,
    "FusedGemm": _fused_gemm,
    "FusedMatMul": _fused_matmul,
    "Gelu": _gelu,
    "BiasGelu": _gelu,
    "FastGelu": _fast_gelu,
    "QuickGelu": _quick_gelu,
    "SkipLayerNormalization": _skip_layer_normalization,
}
