"""ONNX's operators that act on each element."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tautomer.adapters.onnx_files.operators.entry import (
    FLOATING,
    HALF,
    NUMBERS,
    SIGNED_WHOLE,
    UNSIGNED,
    WHOLE,
    operator,
)
from tautomer.synthesis import Domain, Draw, Specification, TensorType
from tautomer.synthesis.rules.elementwise import broadcasting, cast, elementwise, joined
from tautomer.synthesis.rules.whole_tensors import cast_to_that_of, led
from tautomer.synthesis.tensor_types import NOT_ZERO, POSITIVE

ARITHMETIC = (*FLOATING, *WHOLE)
ORDERED = (*FLOATING, "int64", "int32", "int8", "uint8", "uint32", "uint64")
CHOSEN = (*FLOATING, "int64", "int32", "int8", "uint8", "uint32")
SIGNED = (*FLOATING, *SIGNED_WHOLE)
UNIT = Domain(-0.95, 0.95)
SMALL = Domain(-8.0, 5.0)


def _numbers(**ranges: tuple[float, float]) -> Callable[[Draw, TensorType], Mapping[str, Any]]:
    return lambda draw, type_: {name: draw.number(low, high) for name, (low, high) in ranges.items()}


def _bounds(draw: Draw, type_: TensorType) -> Mapping[str, Any]:
    if type_.dtype in WHOLE:
        return {"low": 0, "high": draw.between(1, 3)}
    return {"low": draw.number(-1.5, -0.2), "high": draw.number(0.2, 1.5)}


UNARY: tuple[Specification, ...] = (
    operator("Abs(x)", elementwise(), NUMBERS),
    operator("Neg(x)", elementwise(), SIGNED),
    operator("Sign(x)", elementwise(), (*NUMBERS, "bfloat16"), decides=True),
    operator("Exp(x)", elementwise(), x=SMALL),
    operator("Log(x)", elementwise(), x=POSITIVE),
    operator("Sqrt(x)", elementwise(), x=POSITIVE),
    operator("Reciprocal(x)", elementwise(), x=NOT_ZERO),
    operator("Sin(x)", elementwise()),
    operator("Cos(x)", elementwise()),
    operator("Tan(x)", elementwise(), HALF, x=Domain(-1.3, 1.3)),
    operator("Asin(x)", elementwise(), HALF, x=UNIT),
    operator("Acos(x)", elementwise(), HALF, x=UNIT),
    operator("Atan(x)", elementwise(), HALF),
    operator("Sinh(x)", elementwise(), HALF, x=SMALL),
    operator("Cosh(x)", elementwise(), HALF, x=SMALL),
    operator("Tanh(x)", elementwise()),
    operator("Asinh(x)", elementwise(), HALF),
    operator("Acosh(x)", elementwise(), HALF, x=Domain(1.1)),
    operator("Atanh(x)", elementwise(), HALF, x=UNIT),
    operator("Erf(x)", elementwise(), HALF),
    operator("Sigmoid(x)", elementwise()),
    operator("Ceil(x)", elementwise(), decides=True),
    operator("Floor(x)", elementwise(), decides=True),
    operator("Round(x)", elementwise(), decides=True),
    operator("Not(x)", elementwise(), ("bool",)),
    operator("BitwiseNot(x)", elementwise(), (*SIGNED_WHOLE, "uint8", "uint16")),
    operator("Identity(x)", elementwise(), (*NUMBERS, "bool", "bfloat16")),
    operator("Dropout(x)", elementwise(), FLOATING),
)

ACTIVATIONS: tuple[Specification, ...] = (
    operator("Relu(x)", elementwise(), (*FLOATING, "int32", "int8")),
    operator("LeakyRelu(x, alpha=alpha)", elementwise(attributes=_numbers(alpha=(0.01, 0.4))), HALF),
    operator("ThresholdedRelu(x, alpha=alpha)", elementwise(attributes=_numbers(alpha=(0.1, 1))), HALF, decides=True),
    operator("PRelu(x, y)", led(), HALF),
    operator("Elu(x, alpha=alpha)", elementwise(attributes=_numbers(alpha=(0.5, 1.5))), HALF),
    operator("Celu(x, alpha=alpha)", elementwise(attributes=_numbers(alpha=(0.5, 1.5))), ("float32",)),
    operator("Selu(x)", elementwise(), HALF),
    operator(
        "Selu(x, alpha=alpha, gamma=gamma)",
        elementwise(attributes=_numbers(alpha=(0.5, 1.5), gamma=(0.5, 2))),
        HALF,
        name="Selu with numbers",
    ),
    operator("Gelu(x)", elementwise(), HALF),
    operator('Gelu(x, approximate="tanh")', elementwise(), name="Gelu by tanh"),
    operator(
        "HardSigmoid(x, alpha=alpha, beta=beta)",
        elementwise(attributes=_numbers(alpha=(0.1, 0.5), beta=(0.3, 0.7))),
        HALF,
    ),
    operator("HardSwish(x)", elementwise(), HALF),
    operator("Mish(x)", elementwise(), HALF),
    operator("Swish(x, alpha=alpha)", elementwise(attributes=_numbers(alpha=(0.5, 2)))),
    operator("Softplus(x)", elementwise(), HALF),
    operator("Softsign(x)", elementwise(), HALF),
    operator(
        "Shrink(x, lambd=width, bias=bias)",
        elementwise(attributes=_numbers(width=(0.1, 0.6), bias=(0, 0.5))),
        (*FLOATING, *WHOLE),
        decides=True,
    ),
    operator("Clip(x, low, high)", elementwise(attributes=_bounds), ORDERED),
    operator("Clip(x, None, high)", elementwise(attributes=_bounds), ORDERED, name="Clip from above"),
)

BINARY: tuple[Specification, ...] = (
    operator("Add(x, y)", broadcasting(), ARITHMETIC),
    operator("Sub(x, y)", broadcasting(), ARITHMETIC),
    operator("Mul(x, y)", broadcasting(), ARITHMETIC),
    operator("Div(x, y)", broadcasting(), FLOATING, y=NOT_ZERO),
    operator("Div(x, y)", broadcasting(), WHOLE, name="Div of integers", decides=True, y=Domain(1.0)),
    operator("Mod(x, y)", broadcasting(), WHOLE, decides=True, y=Domain(1.0)),
    operator("Mod(x, y, fmod=1)", broadcasting(), (*FLOATING, *WHOLE), name="Mod as in C", decides=True, y=NOT_ZERO),
    operator("Pow(x, y)", broadcasting(), x=POSITIVE, y=Domain(-3, 3)),
    operator("Pow(x, y)", led(dtype="int64"), (*FLOATING, "int64", "int32"), name="Pow of integers", y=Domain(0, 3)),
    operator(
        "Pow(x, y)", led(dtype="float32"), ("float64", "float16"), name="Pow by float32", x=POSITIVE, y=Domain(-3, 3)
    ),
    operator(
        "Pow(x, y)",
        led(dtype="float32"),
        ("int64", "int32"),
        name="Pow of integers by float32",
        decides=True,
        x=Domain(1.0, 9.0),
        y=Domain(0.2, 2.5),
    ),
    operator("Equal(x, y)", broadcasting(result="bool"), (*WHOLE, "bool")),
    operator("Less(x, y)", broadcasting(result="bool"), ARITHMETIC, decides=True),
    operator("LessOrEqual(x, y)", broadcasting(result="bool"), ARITHMETIC, decides=True),
    operator("Greater(x, y)", broadcasting(result="bool"), ARITHMETIC, decides=True),
    operator("GreaterOrEqual(x, y)", broadcasting(result="bool"), ARITHMETIC, decides=True),
    operator("And(x, y)", broadcasting(), ("bool",)),
    operator("Or(x, y)", broadcasting(), ("bool",)),
    operator("Xor(x, y)", broadcasting(), ("bool",)),
    operator("BitwiseAnd(x, y)", broadcasting(), WHOLE),
    operator("BitwiseOr(x, y)", broadcasting(), WHOLE),
    operator("BitwiseXor(x, y)", broadcasting(), WHOLE),
    operator('BitShift(x, y, direction="LEFT")', broadcasting(), UNSIGNED, name="BitShift left", y=Domain(0, 4)),
    operator('BitShift(x, y, direction="RIGHT")', broadcasting(), UNSIGNED, name="BitShift right", y=Domain(0, 4)),
)

OF_SEVERAL: tuple[Specification, ...] = (
    operator("Where(condition, x, y)", broadcasting("condition", "y", dtypes={"condition": "bool"}), CHOSEN),
    operator("Max(*tensors)", joined(), ORDERED),
    operator("Min(*tensors)", joined(), ORDERED),
    operator("Sum(*tensors)", joined()),
    operator("Mean(*tensors)", joined(), HALF),
)

CASTS: tuple[Specification, ...] = (
    operator("Cast(x, to=dtype)", cast("float32", "float64", "float16", "bfloat16"), (*NUMBERS, "bool", "bfloat16")),
    operator(
        "Cast(x, to=dtype)",
        cast(*WHOLE),
        ("float32", "float64", "float16", "bfloat16"),
        name="Cast to integer",
        decides=True,
        x=Domain(0.0, 100.0),
    ),
    operator("Cast(x, to=dtype)", cast(*WHOLE), (*WHOLE, "bool"), name="Cast of integer", x=Domain(0.0, 100.0)),
    operator("Cast(x, to=dtype)", cast("bool"), WHOLE, name="Cast to bool"),
    operator("CastLike(x, y)", cast_to_that_of("float32", "float64", "float16"), (*NUMBERS, "bool", "bfloat16")),
)

OPERATORS = (*UNARY, *ACTIVATIONS, *BINARY, *OF_SEVERAL, *CASTS)
