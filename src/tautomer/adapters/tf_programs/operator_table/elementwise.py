"""TensorFlow's operators on each element."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tautomer.adapters.tf_programs.operator_table.entry import (
    ANY,
    BITS,
    FLOATS,
    INTEGERS,
    NOT_BFLOAT,
    NUMBERS,
    SIGNED,
    SINGLE,
    WIDE,
    operator,
)
from tautomer.synthesis import Domain, Draw, Specification, TensorType
from tautomer.synthesis.rules.elementwise import broadcasting, cast, elementwise
from tautomer.synthesis.tensor_types import NOT_ZERO, POSITIVE

UNIT = Domain(-0.95, 0.95)
SMALL = Domain(-8.0, 5.0)
SHIFTS = Domain(0, 4)


def _scalar(draw: Draw, type_: TensorType) -> Mapping[str, Any]:
    return {"number": draw.between(1, 4) if type_.dtype in INTEGERS else draw.number(0.25, 2.5)}


def _bounds(draw: Draw, type_: TensorType) -> Mapping[str, Any]:
    if type_.dtype in INTEGERS:
        return {"low": 0, "high": draw.between(1, 3)}
    return {"low": draw.number(-1.5, -0.2), "high": draw.number(0.2, 1.5)}


def _exponent(draw: Draw, type_: TensorType) -> Mapping[str, Any]:
    return {"exponent": draw.pick((2, 3)) if type_.dtype in INTEGERS else draw.pick((2, 3, 0.5, 1.5, -1.0, 2.5))}


def _quantized(draw: Draw, type_: TensorType) -> Mapping[str, Any]:
    return {"low": draw.number(-3, -1), "high": draw.number(1, 3), "bits": draw.pick((4, 8))}


UNARY: tuple[Specification, ...] = (
    operator("tf.abs(x)", "Abs", elementwise(), SIGNED),
    operator("tf.negative(x)", "Neg", elementwise(), SIGNED),
    operator("tf.square(x)", "Square", elementwise(), NUMBERS),
    operator("tf.sign(x)", "Sign", elementwise(), SIGNED, decides=True),
    operator("tf.exp(x)", "Exp", elementwise(), x=SMALL),
    operator("tf.math.expm1(x)", "Expm1", elementwise(), x=SMALL),
    operator("tf.math.log(x)", "Log", elementwise(), x=POSITIVE),
    operator("tf.math.log1p(x)", "Log1p", elementwise(), x=Domain(-0.8)),
    operator("tf.sqrt(x)", "Sqrt", elementwise(), x=POSITIVE),
    operator("tf.math.rsqrt(x)", "Rsqrt", elementwise(), x=POSITIVE),
    operator("tf.math.reciprocal(x)", "Reciprocal", elementwise(), x=NOT_ZERO),
    operator("tf.math.reciprocal_no_nan(x)", "DivNoNan", elementwise(), x=NOT_ZERO),
    operator("tf.sin(x)", "Sin", elementwise()),
    operator("tf.cos(x)", "Cos", elementwise()),
    operator("tf.tan(x)", "Tan", elementwise(), x=Domain(-1.3, 1.3)),
    operator("tf.asin(x)", "Asin", elementwise(), x=UNIT),
    operator("tf.acos(x)", "Acos", elementwise(), x=UNIT),
    operator("tf.atan(x)", "Atan", elementwise()),
    operator("tf.sinh(x)", "Sinh", elementwise(), x=SMALL),
    operator("tf.cosh(x)", "Cosh", elementwise(), x=SMALL),
    operator("tf.tanh(x)", "Tanh", elementwise()),
    operator("tf.asinh(x)", "Asinh", elementwise()),
    operator("tf.acosh(x)", "Acosh", elementwise(), x=Domain(1.1)),
    operator("tf.atanh(x)", "Atanh", elementwise(), x=UNIT),
    operator("tf.math.erf(x)", "Erf", elementwise()),
    operator("tf.math.erfc(x)", "Erfc", elementwise()),
    operator("tf.math.erfinv(x)", "Erfinv", elementwise(), SINGLE, x=UNIT),
    operator("tf.math.ndtri(x)", "Ndtri", elementwise(), SINGLE, x=Domain(0.05, 0.95)),
    operator("tf.math.lgamma(x)", "Lgamma", elementwise(), NOT_BFLOAT, x=POSITIVE),
    operator("tf.math.digamma(x)", "Digamma", elementwise(), NOT_BFLOAT, x=POSITIVE),
    operator("tf.math.bessel_i0e(x)", "BesselI0e", elementwise(), NOT_BFLOAT),
    operator("tf.math.bessel_i1e(x)", "BesselI1e", elementwise(), NOT_BFLOAT),
    operator("tf.sigmoid(x)", "Sigmoid", elementwise()),
    operator("tf.math.ceil(x)", "Ceil", elementwise(), decides=True),
    operator("tf.floor(x)", "Floor", elementwise(), decides=True),
    operator("tf.round(x)", "Round", elementwise(), decides=True),
    operator("tf.math.rint(x)", "Rint", elementwise(), SINGLE, decides=True),
    operator("tf.logical_not(x)", "LogicalNot", elementwise(), ("bool",)),
    operator("tf.bitwise.invert(x)", "Invert", elementwise(), INTEGERS),
    operator("tf.identity(x)", "Identity", elementwise(), ANY),
    operator("tf.stop_gradient(x)", "StopGradient", elementwise(), ANY),
    operator("tf.debugging.check_numerics(x, 'finite')", "CheckNumerics", elementwise()),
)

WITH_NUMBERS: tuple[Specification, ...] = (
    operator("x + number", "AddV2", elementwise(attributes=_scalar), NUMBERS, name="add number"),
    operator("x - number", "Sub", elementwise(attributes=_scalar), NUMBERS, name="subtract number"),
    operator("number - x", "Sub", elementwise(attributes=_scalar), NUMBERS, name="subtract from number"),
    operator("x * number", "Mul", elementwise(attributes=_scalar), NUMBERS, name="multiply by number"),
    operator("x / number", "RealDiv", elementwise(attributes=_scalar), name="divide by number"),
    operator("number / x", "RealDiv", elementwise(attributes=_scalar), name="divide number", x=NOT_ZERO),
    operator("x // number", "FloorDiv", elementwise(attributes=_scalar), NUMBERS, name="floor number", decides=True),
    operator("x % number", "FloorMod", elementwise(attributes=_scalar), NUMBERS, name="modulo number", decides=True),
    operator("tf.pow(x, exponent)", "Pow", elementwise(attributes=_exponent), SIGNED, name="power number", x=POSITIVE),
    operator("tf.clip_by_value(x, low, high)", "Minimum", elementwise(attributes=_bounds), SIGNED),
    operator(
        "tf.raw_ops.ClipByValue(t=x, clip_value_min=low, clip_value_max=high)",
        "ClipByValue",
        elementwise(attributes=_bounds),
        NUMBERS,
    ),
    operator("tf.maximum(x, number)", "Maximum", elementwise(attributes=_scalar), NUMBERS, name="maximum number"),
    operator("tf.minimum(x, number)", "Minimum", elementwise(attributes=_scalar), NUMBERS, name="minimum number"),
    operator("x > number", "Greater", elementwise("bool", _scalar), NUMBERS, name="greater number", decides=True),
    operator("x <= number", "LessEqual", elementwise("bool", _scalar), NUMBERS, name="less number", decides=True),
    operator("tf.equal(x, number)", "Equal", elementwise("bool", _scalar), INTEGERS, name="equal number"),
    operator(
        "tf.quantization.fake_quant_with_min_max_args(x, min=low, max=high, num_bits=bits)",
        "FakeQuantWithMinMaxArgs",
        elementwise(attributes=_quantized),
        ("float32",),
        decides=True,
    ),
    operator(
        "tf.raw_ops.Bucketize(input=x, boundaries=boundaries)",
        "Bucketize",
        elementwise("int32", lambda draw, type_: {"boundaries": [-1.0, draw.number(-0.6, 0.6), 1.0]}),
        (*SINGLE, "int64", "int32"),
        decides=True,
    ),
)

BINARY: tuple[Specification, ...] = (
    operator("tf.add(x, y)", "AddV2", broadcasting(), NUMBERS),
    operator("tf.subtract(x, y)", "Sub", broadcasting(), NUMBERS),
    operator("tf.multiply(x, y)", "Mul", broadcasting(), NUMBERS),
    operator("tf.divide(x, y)", "RealDiv", broadcasting(), y=NOT_ZERO),
    operator("tf.math.divide_no_nan(x, y)", "DivNoNan", broadcasting(), y=NOT_ZERO),
    operator("tf.math.multiply_no_nan(x, y)", "MulNoNan", broadcasting(), FLOATS),
    operator("tf.math.floordiv(x, y)", "FloorDiv", broadcasting(), NUMBERS, decides=True, y=NOT_ZERO),
    operator("tf.math.floormod(x, y)", "FloorMod", broadcasting(), NUMBERS, decides=True, y=NOT_ZERO),
    operator("tf.truncatediv(x, y)", "TruncateDiv", broadcasting(), ("int64", "int32"), y=NOT_ZERO),
    operator("tf.truncatemod(x, y)", "TruncateMod", broadcasting(), ("int64", "int32"), y=NOT_ZERO),
    operator("tf.pow(x, y)", "Pow", broadcasting(), name="tf.pow", x=POSITIVE, y=Domain(-3, 3)),
    operator("tf.maximum(x, y)", "Maximum", broadcasting(), NUMBERS),
    operator("tf.minimum(x, y)", "Minimum", broadcasting(), NUMBERS),
    operator("tf.math.squared_difference(x, y)", "SquaredDifference", broadcasting(), WIDE),
    operator("tf.atan2(x, y)", "Atan2", broadcasting(), x=NOT_ZERO, y=NOT_ZERO, decides=True),
    operator("tf.math.xlogy(x, y)", "Xlogy", broadcasting(), y=POSITIVE),
    operator("tf.math.xlog1py(x, y)", "Xlog1py", broadcasting(), y=Domain(-0.8)),
    operator("tf.math.xdivy(x, y)", "Xdivy", broadcasting(), y=NOT_ZERO),
    operator("tf.math.igamma(x, y)", "Igamma", broadcasting(), SINGLE, x=POSITIVE, y=POSITIVE),
    operator("tf.equal(x, y)", "Equal", broadcasting(result="bool"), BITS),
    operator("tf.not_equal(x, y)", "NotEqual", broadcasting(result="bool"), BITS),
    operator("tf.less(x, y)", "Less", broadcasting(result="bool"), NUMBERS, decides=True),
    operator("tf.less_equal(x, y)", "LessEqual", broadcasting(result="bool"), NUMBERS, decides=True),
    operator("tf.greater(x, y)", "Greater", broadcasting(result="bool"), NUMBERS, decides=True),
    operator("tf.greater_equal(x, y)", "GreaterEqual", broadcasting(result="bool"), NUMBERS, decides=True),
    operator("tf.logical_and(x, y)", "LogicalAnd", broadcasting(), ("bool",)),
    operator("tf.logical_or(x, y)", "LogicalOr", broadcasting(), ("bool",)),
    operator("tf.math.logical_xor(x, y)", "LogicalAnd", broadcasting(), ("bool",)),
    operator("tf.bitwise.bitwise_and(x, y)", "BitwiseAnd", broadcasting(), INTEGERS),
    operator("tf.bitwise.bitwise_or(x, y)", "BitwiseOr", broadcasting(), INTEGERS),
    operator("tf.bitwise.bitwise_xor(x, y)", "BitwiseXor", broadcasting(), INTEGERS),
    operator("tf.bitwise.left_shift(x, y)", "LeftShift", broadcasting(), INTEGERS, y=SHIFTS),
    operator("tf.bitwise.right_shift(x, y)", "RightShift", broadcasting(), INTEGERS, y=SHIFTS),
    operator("tf.math.add_n([x, y])", "AddN", broadcasting(same_shape=True), NUMBERS),
    operator("tf.keras.ops.logaddexp(x, y)", "Exp", broadcasting(), FLOATS),
)

OF_THREE: tuple[Specification, ...] = (
    operator(
        "tf.where(condition, x, y)", "SelectV2", broadcasting("condition", "y", dtypes={"condition": "bool"}), ANY
    ),
    operator(
        "tf.math.add_n([x, y, z])",
        "AddN",
        broadcasting("y", "z", same_shape=True),
        NUMBERS,
        name="tf.math.add_n of three",
    ),
    operator(
        "tf.math.betainc(x, y, z)",
        "Betainc",
        broadcasting("y", "z", same_shape=True),
        SINGLE,
        x=POSITIVE,
        y=POSITIVE,
        z=Domain(0.05, 0.95),
    ),
    operator(
        "tf.clip_by_value(x, tf.minimum(y, z), tf.maximum(y, z))",
        "Maximum",
        broadcasting("y", "z", same_shape=True),
        NUMBERS,
        name="tf.clip_by_value by tensors",
    ),
)

CASTS: tuple[Specification, ...] = (
    operator("tf.cast(x, dtype)", "Cast", cast("float32", "float64"), NUMBERS, name="tf.cast to float"),
    operator("tf.cast(x, dtype)", "Cast", cast("float16", "bfloat16"), SINGLE, name="tf.cast to half"),
    operator("tf.cast(x, dtype)", "Cast", cast("int64", "int32"), ANY, name="tf.cast to integer", decides=True),
    operator("tf.cast(x, dtype)", "Cast", cast("float32"), ("bool",), name="tf.cast of bool"),
    operator("tf.cast(x, dtype)", "Cast", cast("bool"), INTEGERS, name="tf.cast to bool"),
    operator(
        "tf.saturate_cast(x, dtype)",
        "Cast",
        cast("uint8", "int8", "int16"),
        (*SINGLE, "int64", "int32"),
        decides=True,
    ),
)

OPERATORS = (*UNARY, *WITH_NUMBERS, *BINARY, *OF_THREE, *CASTS)
