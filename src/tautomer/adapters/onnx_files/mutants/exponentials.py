"""Unstable forms of exponentials and logarithms: the same function in exact arithmetic, with less accuracy or range."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from tautomer.adapters.onnx_files.mutants.any_float import float_changes
from tautomer.adapters.onnx_files.mutants.edit import Edit
from tautomer.adapters.onnx_files.mutants.graph_view import Spot
from tautomer.adapters.onnx_files.mutants.site import Change, Family, Kind


def _softmax_axis(spot: Spot) -> int | None:
    if spot.opset >= 13:
        return int(spot.attribute("axis", -1))
    # Before opset 13 Softmax ran over everything behind its axis at once.
    rank = spot.rank(spot.input(0))
    axis = int(spot.attribute("axis", 1))
    return axis if rank is not None and axis % rank == rank - 1 else None


def _softmax_changes(description: str) -> Callable[[Spot], Iterator[Change]]:
    def changes(spot: Spot) -> Iterator[Change]:
        if _softmax_axis(spot) is not None:
            yield Change("form", description)

    return changes


def _unshifted_softmax(edit: Edit, _variant: str) -> None:
    axis = _softmax_axis(edit.spot)
    assert axis is not None
    output = edit.replace()
    exponential = edit.op("Exp", edit.spot.input(0))
    total = edit.reduce("ReduceSum", exponential, [axis])
    if edit.spot.op_type == "Softmax":
        edit.op("Div", exponential, total, output=output)
    else:
        edit.op("Sub", edit.spot.input(0), edit.op("Log", total), output=output)


def _log_of_softmax(edit: Edit, _variant: str) -> None:
    axis = _softmax_axis(edit.spot)
    assert axis is not None
    output = edit.replace()
    edit.op("Log", edit.op("Softmax", edit.spot.input(0), axis=axis), output=output)


def _shift_changes(spot: Spot) -> Iterator[Change]:
    """A softmax written out: x less its maximum, whose exponential is divided by its own sum."""
    largest = spot.producer(spot.input(1))
    if largest is None or largest.op_type != "ReduceMax" or largest.input(0) != spot.input(0):
        return
    for exponential, _ in spot.users(spot.output()):
        if exponential.op_type != "Exp":
            return
        for user, position in exponential.users(exponential.output()):
            if user.op_type == "Div" and position == 0:
                total = user.producer(user.input(1))
                if total is not None and total.op_type == "ReduceSum" and total.input(0) == exponential.output():
                    yield Change("form", "the maximum was not subtracted before Exp", (exponential.index,))
                    return


def _drop_shift(edit: Edit, _variant: str) -> None:
    output = edit.replace()
    edit.op("Identity", edit.spot.input(0), output=output)


def _log_sum_changes(spot: Spot) -> Iterator[Change]:
    if spot.axes() is not None:
        yield Change("form", "log(sum(exp(x))) without subtracting the maximum")


def _unshifted_log_sum(edit: Edit, _variant: str) -> None:
    spot = edit.spot
    axes = spot.axes()
    assert axes is not None
    output = edit.replace()
    total = edit.reduce("ReduceSum", edit.op("Exp", spot.input(0)), axes, keepdims=spot.attribute("keepdims", 1))
    edit.op("Log", total, output=output)


def _softplus_by_exp(edit: Edit, _variant: str) -> None:
    x = edit.spot.input(0)
    output = edit.replace()
    edit.op("Log", edit.op("Add", edit.like(1.0, x), edit.op("Exp", x)), output=output)


def _log_sigmoid_changes(spot: Spot) -> Iterator[Change]:
    """-softplus(-x)."""
    inner = spot.producer(spot.input(0))
    if inner is not None and inner.op_type == "Softplus":
        yield Change("form", "logsigmoid became Log(Sigmoid)", (inner.index,))


def _log_of_sigmoid(edit: Edit, _variant: str) -> None:
    inner = edit.spot.producer(edit.spot.input(0))
    assert inner is not None
    output = edit.replace()
    edit.op("Log", edit.op("Sigmoid", edit.op("Neg", inner.input(0))), output=output)


def _elu_by_exp(edit: Edit, _variant: str) -> None:
    spot = edit.spot
    x = spot.input(0)
    output = edit.replace()
    zero, one = edit.like(0.0, x), edit.like(1.0, x)
    alpha = edit.like(spot.attribute("alpha", 1.0), x)
    below = edit.op("Mul", alpha, edit.op("Sub", edit.op("Exp", edit.op("Min", x, zero)), one))
    edit.op("Where", edit.op("Greater", x, zero), x, below, output=output)


def _tanh_by_exp(edit: Edit, _variant: str) -> None:
    x = edit.spot.input(0)
    output = edit.replace()
    up, down = edit.op("Exp", x), edit.op("Exp", edit.op("Neg", x))
    edit.op("Div", edit.op("Sub", up, down), edit.op("Add", up, down), output=output)


def _sinh_by_exp(edit: Edit, _variant: str) -> None:
    x = edit.spot.input(0)
    output = edit.replace()
    difference = edit.op("Sub", edit.op("Exp", x), edit.op("Exp", edit.op("Neg", x)))
    edit.op("Mul", difference, edit.like(0.5, x), output=output)


def _asinh_by_log(edit: Edit, _variant: str) -> None:
    x = edit.spot.input(0)
    output = edit.replace()
    root = edit.op("Sqrt", edit.op("Add", edit.op("Mul", x, x), edit.like(1.0, x)))
    edit.op("Log", edit.op("Add", x, root), output=output)


def _sigmoid_by_exp(edit: Edit, _variant: str) -> None:
    x = edit.spot.input(0)
    output = edit.replace()
    exponential = edit.op("Exp", x)
    edit.op("Div", exponential, edit.op("Add", edit.like(1.0, x), exponential), output=output)


KINDS = (
    Kind(
        "unshifted_softmax",
        Family.RANGE,
        "Softmax or LogSoftmax does not subtract the maximum",
        ("Softmax", "LogSoftmax"),
        _softmax_changes("the maximum was not subtracted before Exp"),
        _unshifted_softmax,
    ),
    Kind(
        "unshifted_exponential",
        Family.RANGE,
        "a softmax written out does not subtract the maximum",
        ("Sub",),
        _shift_changes,
        _drop_shift,
    ),
    Kind(
        "unshifted_log_sum",
        Family.RANGE,
        "log-sum-exp does not subtract the maximum",
        ("ReduceLogSumExp",),
        _log_sum_changes,
        _unshifted_log_sum,
    ),
    Kind(
        "log_of_softmax",
        Family.STABILITY,
        "LogSoftmax is computed as Log(Softmax)",
        ("LogSoftmax",),
        _softmax_changes("LogSoftmax became Log(Softmax)"),
        _log_of_softmax,
    ),
    Kind(
        "log_of_sigmoid",
        Family.STABILITY,
        "logsigmoid is computed as Log(Sigmoid)",
        ("Neg",),
        _log_sigmoid_changes,
        _log_of_sigmoid,
    ),
    Kind(
        "softplus_by_exp",
        Family.STABILITY,
        "softplus is computed as Log(1 + Exp(x))",
        ("Softplus",),
        float_changes("softplus became Log(1 + Exp(x))"),
        _softplus_by_exp,
    ),
    Kind(
        "elu_by_exp",
        Family.STABILITY,
        "elu is computed with Exp(x) - 1",
        ("Elu",),
        float_changes("expm1 became Exp(x) - 1"),
        _elu_by_exp,
    ),
    Kind(
        "tanh_by_exp",
        Family.STABILITY,
        "tanh is computed from exponentials",
        ("Tanh",),
        float_changes("tanh became (e^x - e^-x) / (e^x + e^-x)"),
        _tanh_by_exp,
    ),
    Kind(
        "sinh_by_exp",
        Family.STABILITY,
        "sinh is computed from exponentials",
        ("Sinh",),
        float_changes("sinh became (e^x - e^-x) / 2"),
        _sinh_by_exp,
    ),
    Kind(
        "asinh_by_log",
        Family.STABILITY,
        "asinh is computed as Log(x + Sqrt(x^2 + 1))",
        ("Asinh",),
        float_changes("asinh became Log(x + Sqrt(x^2 + 1))"),
        _asinh_by_log,
    ),
    Kind(
        "sigmoid_by_exp",
        Family.RANGE,
        "sigmoid is computed as e^x / (1 + e^x)",
        ("Sigmoid",),
        float_changes("sigmoid became e^x / (1 + e^x)"),
        _sigmoid_by_exp,
    ),
)
