"""Faults of rounding, casting and integer arithmetic."""

from __future__ import annotations

from collections.abc import Iterator

import onnx

from tautomer.adapters.onnx_files.mutants.edit import Edit
from tautomer.adapters.onnx_files.mutants.graph_view import FLOATS, INTEGERS, Spot
from tautomer.adapters.onnx_files.mutants.site import Change, Family, Kind

_NARROWED = (
    *("Add", "Conv", "Div", "Exp", "Gelu", "Gemm", "GRU", "InstanceNormalization", "LayerNormalization", "LSTM"),
    *("MatMul", "Mul", "ReduceMean", "Relu", "Sigmoid", "Softmax", "Sub", "Tanh"),
)


def _rounding_changes(spot: Spot) -> Iterator[Change]:
    others = {"Round": ("half_up", "away"), "Floor": ("Round",), "Ceil": ("Round",)}[spot.op_type]
    said = {
        "half_up": "ties went up instead of to even",
        "away": "ties went away from zero instead of to even",
        "Round": f"{spot.op_type} became Round",
    }
    for other in others:
        yield Change(other, said[other])


def _change_rounding(edit: Edit, variant: str) -> None:
    if variant == "Round":
        edit.node.op_type = "Round"
        return
    x = edit.spot.input(0)
    half = edit.like(0.5, x)
    output = edit.replace()
    if variant == "half_up":
        edit.op("Floor", edit.op("Add", x, half), output=output)
    else:
        away = edit.op("Floor", edit.op("Add", edit.op("Abs", x), half))
        edit.op("Mul", edit.op("Sign", x), away, output=output)


def _dropped_changes(spot: Spot) -> Iterator[Change]:
    if spot.op_type != "Cast":
        yield Change("0", f"{spot.op_type} was left out")
        return
    # float -> integer -> float truncates; what follows then sees the fraction.
    source = spot.element(spot.input(0))
    before = spot.producer(spot.input(0))
    if before is None or before.op_type != "Cast" or source not in INTEGERS or not spot.is_float(spot.output()):
        return
    if spot.element(before.input(0)) == spot.element(spot.output()):
        yield Change("chain", "a truncation by casts was left out", (before.index,))


def _drop_truncation(edit: Edit, variant: str) -> None:
    x = edit.spot.input(0)
    if variant == "chain":
        before = edit.spot.producer(x)
        assert before is not None
        x = before.input(0)
    output = edit.replace()
    edit.op("Identity", x, output=output)


def _cast_rounding_changes(spot: Spot) -> Iterator[Change]:
    if spot.is_float(spot.input(0)) and spot.attribute("to") in INTEGERS:
        yield Change("round", "the cast to integer rounded instead of truncating")


def _round_before(edit: Edit, _variant: str) -> None:
    edit.set_input(0, edit.op("Round", edit.spot.input(0)))


def _narrow_changes(spot: Spot) -> Iterator[Change]:
    if spot.element(spot.output()) in (onnx.TensorProto.FLOAT, onnx.TensorProto.DOUBLE):
        yield Change("FLOAT16", "the result went through float16")
        yield Change("BFLOAT16", "the result went through bfloat16")


def _narrow(edit: Edit, variant: str) -> None:
    element = edit.spot.element(edit.spot.output())
    wide = edit.keep()
    narrow = edit.op("Cast", wide, to=onnx.TensorProto.DataType.Value(variant))
    edit.op("Cast", narrow, output=edit.spot.output(), to=element)


def _cast_changes(spot: Spot) -> Iterator[Change]:
    """Casts between floating-point formats, whose rounding is part of the function."""
    to, source = spot.attribute("to"), spot.element(spot.input(0))
    back = [user for user, _ in spot.users(spot.output()) if user.op_type == "Cast"]
    if to in FLOATS and source in FLOATS and to != source:
        for user in back:
            if user.attribute("to") == source:
                yield Change(str(user.index), "a cast to another format and back was left out", (user.index,))
                return


def _bypass(edit: Edit, _variant: str) -> None:
    output = edit.replace()
    x = edit.spot.input(0)
    # The value keeps its format, and what casts it back finds it unrounded.
    edit.op("Identity", x, output=output)


def _modulo_changes(spot: Spot) -> Iterator[Change]:
    if spot.is_float(spot.output()):
        yield Change("floor", "the remainder took the sign of the divisor")
    elif spot.element(spot.output()) in INTEGERS:
        yield Change("flip", "the remainder took the other operand's sign (fmod)")


def _change_modulo(edit: Edit, variant: str) -> None:
    if variant == "flip":
        edit.set("fmod", 1 - edit.spot.attribute("fmod", 0))
        return
    a, b = edit.spot.input(0), edit.spot.input(1)
    output = edit.replace()
    quotient = edit.op("Floor", edit.op("Div", a, b))
    edit.op("Sub", a, edit.op("Mul", quotient, b), output=output)


def _integer_changes(spot: Spot) -> Iterator[Change]:
    if spot.element(spot.output()) in INTEGERS:
        yield Change("float", "integers were divided as float32 and truncated")


def _divide_as_float(edit: Edit, _variant: str) -> None:
    element = edit.spot.element(edit.spot.output())
    output = edit.replace()
    a, b = (edit.op("Cast", edit.spot.input(index), to=onnx.TensorProto.FLOAT) for index in (0, 1))
    edit.op("Cast", edit.op("Div", a, b), output=output, to=element)


KINDS = (
    Kind(
        "rounding_mode",
        Family.SEMANTIC,
        "ties are rounded otherwise, or Floor and Ceil become Round",
        ("Round", "Floor", "Ceil"),
        _rounding_changes,
        _change_rounding,
    ),
    Kind(
        "rounding_dropped",
        Family.SEMANTIC,
        "a rounding, or a truncation by casts, is left out",
        ("Round", "Floor", "Ceil", "Cast"),
        _dropped_changes,
        _drop_truncation,
    ),
    Kind(
        "cast_rounds",
        Family.SEMANTIC,
        "a cast to an integer rounds",
        ("Cast",),
        _cast_rounding_changes,
        _round_before,
    ),
    Kind(
        "value_narrowed",
        Family.SEMANTIC,
        "a value goes through float16 or bfloat16",
        _NARROWED,
        _narrow_changes,
        _narrow,
    ),
    Kind(
        "cast_dropped",
        Family.SEMANTIC,
        "a cast to another floating-point format and back is left out",
        ("Cast",),
        _cast_changes,
        _bypass,
    ),
    Kind(
        "modulo_sign",
        Family.SEMANTIC,
        "a remainder has the other operand's sign",
        ("Mod",),
        _modulo_changes,
        _change_modulo,
    ),
    Kind(
        "integer_division",
        Family.SEMANTIC,
        "integers are divided in float32",
        ("Div",),
        _integer_changes,
        _divide_as_float,
    ),
)
