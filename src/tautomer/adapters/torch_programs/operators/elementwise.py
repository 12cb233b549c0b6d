"""PyTorch's operators on each element."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tautomer.adapters.torch_programs.operators.entry import ANY, BITS, SIGNED, operator
from tautomer.synthesis import Domain, Draw, Specification, TensorType
from tautomer.synthesis.rules.elementwise import broadcasting, cast, elementwise
from tautomer.synthesis.rules.promotion import promoting
from tautomer.synthesis.rules.selection import masked, sorted_places
from tautomer.synthesis.rules.whole_tensors import led
from tautomer.synthesis.tensor_types import FLOATS, INTEGERS, NOT_ZERO, NUMBERS, POSITIVE

SINGLE = ("float32", "float64")


def _numbers(**ranges: tuple[float, float]) -> Callable[[Draw, TensorType], Mapping[str, Any]]:
    return lambda draw, type_: {name: draw.number(low, high) for name, (low, high) in ranges.items()}


def _scalar(draw: Draw, type_: TensorType) -> Mapping[str, Any]:
    return {"number": draw.between(1, 4) if type_.dtype in INTEGERS else draw.number(0.25, 2.5)}


def _bounds(draw: Draw, type_: TensorType) -> Mapping[str, Any]:
    if type_.dtype in INTEGERS:
        return {"low": 0, "high": draw.between(1, 3)}
    return {"low": draw.number(-1.5, -0.2), "high": draw.number(0.2, 1.5)}


def _exponent(draw: Draw, type_: TensorType) -> Mapping[str, Any]:
    return {"exponent": draw.pick((2, 3)) if type_.dtype in INTEGERS else draw.pick((2, 3, 0.5, 1.5, -1.0, 2.5))}


def _fraction(draw: Draw, type_: TensorType) -> Mapping[str, Any]:
    return {"number": draw.between(0, 2) + draw.number(0.2, 0.8)}


UNIT = Domain(-0.95, 0.95)
SMALL = Domain(-8.0, 5.0)

UNARY: tuple[Specification, ...] = (
    operator("torch.abs(x)", elementwise(), SIGNED),
    operator("torch.neg(x)", elementwise(), SIGNED),
    operator("torch.square(x)", elementwise(), (*FLOATS, "int64", "int32")),
    operator("torch.sign(x)", elementwise(), SIGNED, decides=True),
    operator("torch.exp(x)", elementwise(), x=SMALL),
    operator("torch.exp2(x)", elementwise(), x=SMALL),
    operator("torch.expm1(x)", elementwise(), x=SMALL),
    operator("torch.log(x)", elementwise(), x=POSITIVE),
    operator("torch.log2(x)", elementwise(), x=POSITIVE),
    operator("torch.log10(x)", elementwise(), x=POSITIVE),
    operator("torch.log1p(x)", elementwise(), x=Domain(-0.8)),
    operator("torch.sqrt(x)", elementwise(), x=POSITIVE),
    operator("torch.rsqrt(x)", elementwise(), x=POSITIVE),
    operator("torch.reciprocal(x)", elementwise(), x=NOT_ZERO),
    operator("torch.sin(x)", elementwise()),
    operator("torch.cos(x)", elementwise()),
    operator("torch.tan(x)", elementwise(), x=Domain(-1.3, 1.3)),
    operator("torch.asin(x)", elementwise(), x=UNIT),
    operator("torch.acos(x)", elementwise(), x=UNIT),
    operator("torch.atan(x)", elementwise()),
    operator("torch.sinh(x)", elementwise(), x=SMALL),
    operator("torch.cosh(x)", elementwise(), x=SMALL),
    operator("torch.tanh(x)", elementwise()),
    operator("torch.asinh(x)", elementwise()),
    operator("torch.acosh(x)", elementwise(), x=Domain(1.1)),
    operator("torch.atanh(x)", elementwise(), x=UNIT),
    operator("torch.erf(x)", elementwise()),
    operator("torch.erfc(x)", elementwise()),
    operator("torch.erfinv(x)", elementwise(), x=UNIT),
    operator("torch.lgamma(x)", elementwise(), x=POSITIVE),
    operator("torch.digamma(x)", elementwise(), x=POSITIVE),
    operator("torch.sinc(x)", elementwise()),
    operator("torch.logit(x)", elementwise(), x=Domain(0.05, 0.95)),
    operator("torch.sigmoid(x)", elementwise()),
    operator("torch.relu(x)", elementwise()),
    operator("torch.ceil(x)", elementwise(), decides=True),
    operator("torch.floor(x)", elementwise(), decides=True),
    operator("torch.round(x)", elementwise(), decides=True),
    operator("torch.trunc(x)", elementwise(), decides=True),
    operator("torch.frac(x)", elementwise(), decides=True),
    operator("torch.deg2rad(x)", elementwise()),
    operator("torch.logical_not(x)", elementwise("bool"), BITS),
    operator("torch.bitwise_not(x)", elementwise(), BITS),
    operator("torch.nan_to_num(x)", elementwise()),
    operator("torch.clone(x)", elementwise(), ANY),
)

ACTIVATIONS: tuple[Specification, ...] = (
    operator("F.relu6(x)", elementwise()),
    operator("F.elu(x, alpha=alpha)", elementwise(attributes=_numbers(alpha=(0.5, 1.5)))),
    operator("F.selu(x)", elementwise()),
    operator("F.celu(x, alpha=alpha)", elementwise(attributes=_numbers(alpha=(0.5, 1.5)))),
    operator(
        "F.gelu(x, approximate=approximate)",
        elementwise(attributes=lambda draw, type_: {"approximate": draw.pick(("none", "tanh"))}),
    ),
    operator("F.silu(x)", elementwise()),
    operator("F.mish(x)", elementwise()),
    operator(
        "F.softplus(x, beta=beta, threshold=threshold)",
        elementwise(attributes=lambda draw, type_: {"beta": draw.pick((1.0, 0.5, 2.0)), "threshold": 20.0}),
    ),
    operator("F.softsign(x)", elementwise(), graph="div"),
    operator("F.hardtanh(x, min_val=low, max_val=high)", elementwise(attributes=_bounds)),
    operator("F.hardsigmoid(x)", elementwise()),
    operator("F.hardswish(x)", elementwise()),
    operator("F.leaky_relu(x, negative_slope=slope)", elementwise(attributes=_numbers(slope=(0.01, 0.4)))),
    operator("F.logsigmoid(x)", elementwise(), graph="log_sigmoid"),
    operator("F.tanhshrink(x)", elementwise(), graph="sub"),
    operator("F.softshrink(x, lambd=width)", elementwise(attributes=_numbers(width=(0.1, 0.6)))),
    operator("F.hardshrink(x, lambd=width)", elementwise(attributes=_numbers(width=(0.1, 0.6))), decides=True),
    operator(
        "F.threshold(x, threshold, value)",
        elementwise(attributes=_numbers(threshold=(-0.5, 0.5), value=(-1.0, 1.0))),
        decides=True,
    ),
)

WITH_NUMBERS: tuple[Specification, ...] = (
    operator("x + number", elementwise(attributes=_scalar), NUMBERS, name="add number"),
    operator("x * number", elementwise(attributes=_scalar), NUMBERS, name="multiply number", graph="mul"),
    operator("number - x", elementwise(attributes=_scalar), SIGNED, name="subtract from number", graph="rsub"),
    operator("x / number", elementwise(attributes=_scalar), name="divide by number", graph="div"),
    operator(
        "x // number",
        elementwise(attributes=_scalar),
        NUMBERS,
        name="floor divide by number",
        decides=True,
        graph="floor_divide",
    ),
    operator("x % number", elementwise(attributes=_scalar), NUMBERS, name="remainder by number", decides=True),
    operator("torch.pow(x, exponent)", elementwise(attributes=_exponent), (*FLOATS, "int64"), x=POSITIVE),
    operator("torch.clamp(x, min=low, max=high)", elementwise(attributes=_bounds), SIGNED),
    operator("torch.clamp_min(x, low)", elementwise(attributes=_bounds), SIGNED),
    operator("torch.clamp_max(x, high)", elementwise(attributes=_bounds), SIGNED),
    operator("x > number", elementwise("bool", _scalar), NUMBERS, name="greater than number", decides=True, graph="gt"),
    operator("x == number", elementwise("bool", _scalar), INTEGERS, name="equal to number", graph="eq"),
    operator("torch.bucketize(x, torch.tensor(boundaries), right=right)", sorted_places(), FLOATS, decides=True),
)

BINARY: tuple[Specification, ...] = (
    operator("torch.add(x, y)", broadcasting(), NUMBERS),
    operator("torch.sub(x, y)", broadcasting(), SIGNED),
    operator("torch.mul(x, y)", broadcasting(), NUMBERS),
    operator("torch.div(x, y)", broadcasting(), y=NOT_ZERO),
    operator("torch.add(x, y, alpha=alpha)", broadcasting(attributes=_numbers(alpha=(-2, 2))), name="torch.add scaled"),
    operator(
        "torch.div(x, y, rounding_mode=rounding)",
        broadcasting(attributes=lambda draw, type_: {"rounding": draw.pick(("floor", "trunc"))}),
        SIGNED,
        name="torch.div rounded",
        decides=True,
        y=NOT_ZERO,
    ),
    operator("torch.floor_divide(x, y)", broadcasting(), SIGNED, decides=True, y=NOT_ZERO),
    operator("torch.remainder(x, y)", broadcasting(), SIGNED, decides=True, y=NOT_ZERO),
    operator("torch.fmod(x, y)", broadcasting(), SIGNED, decides=True, y=NOT_ZERO),
    operator("torch.pow(x, y)", broadcasting(), name="torch.pow tensors", x=POSITIVE, y=Domain(-3, 3)),
    operator("torch.maximum(x, y)", broadcasting(), NUMBERS),
    operator("torch.minimum(x, y)", broadcasting(), NUMBERS),
    operator("torch.fmax(x, y)", broadcasting(), NUMBERS),
    operator("torch.atan2(x, y)", broadcasting(), x=NOT_ZERO, y=NOT_ZERO, decides=True),
    operator("torch.hypot(x, y)", broadcasting()),
    operator("torch.copysign(x, y)", broadcasting(), y=NOT_ZERO),
    operator("torch.xlogy(x, y)", broadcasting(), y=POSITIVE),
    operator("torch.logaddexp(x, y)", broadcasting()),
    operator("torch.logaddexp2(x, y)", broadcasting()),
    operator("torch.eq(x, y)", broadcasting(result="bool"), BITS),
    operator("torch.ne(x, y)", broadcasting(result="bool"), BITS),
    operator("torch.lt(x, y)", broadcasting(result="bool"), NUMBERS, decides=True),
    operator("torch.le(x, y)", broadcasting(result="bool"), NUMBERS, decides=True),
    operator("torch.gt(x, y)", broadcasting(result="bool"), NUMBERS, decides=True),
    operator("torch.ge(x, y)", broadcasting(result="bool"), NUMBERS, decides=True),
    operator("torch.logical_and(x, y)", broadcasting(result="bool"), ("bool",)),
    operator("torch.logical_or(x, y)", broadcasting(result="bool"), ("bool",)),
    operator("torch.logical_xor(x, y)", broadcasting(result="bool"), ("bool",)),
    operator("torch.bitwise_and(x, y)", broadcasting(), BITS),
    operator("torch.bitwise_or(x, y)", broadcasting(), BITS),
    operator("torch.bitwise_xor(x, y)", broadcasting(), BITS),
    operator("torch.bitwise_left_shift(x, y)", broadcasting(), INTEGERS, y=Domain(0, 4)),
    operator("torch.bitwise_right_shift(x, y)", broadcasting(), INTEGERS, y=Domain(0, 4)),
)

PROMOTED: tuple[Specification, ...] = (
    operator("torch.add(x, y)", promoting(), NUMBERS, name="torch.add of two dtypes"),
    operator("torch.sub(x, y)", promoting(), SIGNED, name="torch.sub of two dtypes"),
    operator("torch.mul(x, y)", promoting(), (*NUMBERS, "bool"), name="torch.mul of two dtypes"),
    operator("torch.div(x, y)", promoting(), name="torch.div of two dtypes", y=NOT_ZERO),
    operator("torch.maximum(x, y)", promoting(), NUMBERS, name="torch.maximum of two dtypes"),
    operator("torch.pow(x, y)", promoting(others=INTEGERS), name="torch.pow of two dtypes", x=POSITIVE, y=Domain(0, 3)),
    operator("torch.lt(x, y)", promoting(result="bool"), NUMBERS, name="torch.lt of two dtypes", decides=True),
    operator("torch.ge(x, y)", promoting(result="bool"), NUMBERS, name="torch.ge of two dtypes", decides=True),
    operator("torch.where(condition, x, y)", promoting(condition="condition"), ANY, name="torch.where of two dtypes"),
    operator(
        "x * number", elementwise("float32", _fraction), INTEGERS, name="multiply integers by fraction", graph="mul"
    ),
    operator("x - number", elementwise("float32", _fraction), INTEGERS, name="subtract fraction", graph="sub"),
    operator("x >= number", elementwise("bool", _fraction), INTEGERS, name="integers at least fraction", graph="ge"),
    operator(
        "torch.where(condition, x, number)",
        led("condition", dtype="bool", attributes=_scalar),
        NUMBERS,
        name="torch.where or number",
    ),
)

OF_THREE: tuple[Specification, ...] = (
    operator(
        "torch.where(condition, x, y)", broadcasting("condition", "y", dtypes={"condition": "bool"}), (*NUMBERS, "bool")
    ),
    operator("torch.lerp(x, y, weight)", broadcasting("y", "weight")),
    operator("torch.addcmul(x, y, z, value=value)", broadcasting("y", "z", attributes=_numbers(value=(-1, 1)))),
    operator("torch.addcdiv(x, y, z)", broadcasting("y", "z"), z=NOT_ZERO),
    operator("torch.clamp(x, y, z)", broadcasting("y", "z"), name="torch.clamp by tensors"),
    operator("x.masked_fill(mask, value)", masked(), NUMBERS, name="Tensor.masked_fill"),
)

CASTS: tuple[Specification, ...] = (
    operator("x.to(dtype)", cast("float32", "float64"), NUMBERS, name="Tensor.to float"),
    operator("x.to(dtype)", cast("float16"), SINGLE, name="Tensor.to half"),
    operator("x.to(dtype)", cast("int64", "int32"), ANY, name="Tensor.to integer", decides=True),
    operator("x.to(dtype)", cast("float32"), ("bool",), name="Tensor.to float of bool"),
    operator("x.to(dtype)", cast("bool"), INTEGERS, name="Tensor.to bool"),
)

OPERATORS = (*UNARY, *ACTIVATIONS, *WITH_NUMBERS, *BINARY, *PROMOTED, *OF_THREE, *CASTS)
