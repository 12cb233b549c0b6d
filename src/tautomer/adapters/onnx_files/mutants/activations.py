"""Faults of activations: another variant, another slope."""

from __future__ import annotations

import math
from collections.abc import Iterator

from tautomer.adapters.onnx_files.mutants.edit import Edit
from tautomer.adapters.onnx_files.mutants.graph_view import Spot
from tautomer.adapters.onnx_files.mutants.site import Change, Family, Kind

_SLOPES: dict[str, tuple[str, float]] = {
    "LeakyRelu": ("alpha", 0.01),
    "Elu": ("alpha", 1.0),
    "Celu": ("alpha", 1.0),
    "Selu": ("alpha", 1.67326),
    "HardSigmoid": ("alpha", 0.2),
    "ThresholdedRelu": ("alpha", 1.0),
    "Swish": ("alpha", 1.0),
}
"""The attribute that shapes an activation, and its default."""

_LOOKALIKES = {"Sigmoid": "HardSigmoid", "HardSwish": "Mish", "Mish": "HardSwish", "Softsign": "Tanh", "Elu": "Selu"}


def _gelu_changes(spot: Spot) -> Iterator[Change]:
    if spot.op_type == "Gelu":
        other = "none" if spot.attribute("approximate", "none") == "tanh" else "tanh"
        yield Change(other, f"approximate became {other}")
    else:
        yield Change("erf", "erf became the tanh that approximates it in gelu")


def _change_gelu(edit: Edit, variant: str) -> None:
    if variant != "erf":
        edit.set("approximate", variant)
        return
    # gelu's tanh(sqrt(2/pi) (x + 0.044715 x^3)) stands for erf(z) with x = sqrt(2) z.
    z = edit.spot.input(0)
    output = edit.replace()
    cube = edit.op("Mul", edit.op("Mul", z, z), z)
    argument = edit.op("Add", z, edit.op("Mul", cube, edit.like(2 * 0.044715, z)))
    edit.op("Tanh", edit.op("Mul", argument, edit.like(2 / math.sqrt(math.pi), z)), output=output)


def _slope_changes(spot: Spot) -> Iterator[Change]:
    name, default = _SLOPES[spot.op_type]
    value = spot.attribute(name, default)
    yield Change(repr(value * 1.01), f"{name} {value:.4g} became {value * 1.01:.4g}")


def _change_slope(edit: Edit, variant: str) -> None:
    edit.set(_SLOPES[edit.spot.op_type][0], float(variant))


def _lookalike_changes(spot: Spot) -> Iterator[Change]:
    other = _LOOKALIKES[spot.op_type]
    if other != "Mish" or spot.opset >= 18:
        yield Change(other, f"{spot.op_type} became {other}")


def _become(edit: Edit, variant: str) -> None:
    edit.node.op_type = variant
    del edit.node.attribute[:]


KINDS = (
    Kind(
        "gelu_variant",
        Family.SEMANTIC,
        "gelu's tanh approximation for its erf, or the other way round",
        ("Gelu", "Erf"),
        _gelu_changes,
        _change_gelu,
    ),
    Kind(
        "activation_slope",
        Family.SEMANTIC,
        "the slope of an activation is off by 1%",
        tuple(_SLOPES),
        _slope_changes,
        _change_slope,
    ),
    Kind(
        "activation_lookalike",
        Family.SEMANTIC,
        "an activation is one that looks like it",
        tuple(_LOOKALIKES),
        _lookalike_changes,
        _become,
    ),
)
