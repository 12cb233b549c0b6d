"""Operators that slide a window over images whose channels are last, beyond plain convolution and pooling."""

from __future__ import annotations

from typing import Any

from tautomer.synthesis.dims import any_dynamic, is_dynamic, product
from tautomer.synthesis.draws import Draw
from tautomer.synthesis.rules.products import unit_scale
from tautomer.synthesis.rules.shapes import same_type
from tautomer.synthesis.rules.windows import image_shape, windows
from tautomer.synthesis.specification import Application, Operand, Rule, Scope
from tautomer.synthesis.tensor_types import TensorType

Shape = tuple[int, ...]


def window_counts(sizes: Shape, kernel: Shape, stride: Shape, dilation: Shape, *, same: bool) -> Shape:
    """How many windows fit into each dimension, with TensorFlow's padding SAME or VALID.

    Source: TensorFlow's documentation of tf.nn, "Notes on padding".
    """
    return tuple(
        (size + step - 1) // step if same else windows(size, k, step, 0, d)
        for size, k, step, d in zip(sizes, kernel, stride, dilation, strict=True)
    )


def padded_convolution() -> Rule:
    """`x (b, h, w, c), weight (k, k, c, o) -> (b, h', w', o)`.

    Binds `stride`, `padding` (before and after, for each of the four axes) and `dilation`.
    """

    def apply(scope: Scope, x: Operand) -> Application | None:
        draw, (batch, *sizes, channels) = scope.draw, x.type.shape
        if is_dynamic(channels) or any(one < 1 for one in x.type.shape):
            return None
        kernel = tuple(draw.between(1, min(3, int(size))) for size in sizes)
        stride = tuple(draw.pick((1, 1, 2)) for _ in kernel)
        pairs = tuple((draw.between(0, k - 1), draw.between(0, k - 1)) for k in kernel)
        made = [windows(size, k, s, sum(p)) for size, k, s, p in zip(sizes, kernel, stride, pairs, strict=True)]
        wide = draw.between(1, 5)
        operands = {"x": x, "weight": _weight(scope, x, (*kernel, channels, wide), product(kernel) * channels)}
        bound = {"stride": stride, "padding": ((0, 0), *pairs, (0, 0))}
        return Application(operands, (x.type.of_shape((batch, *made, wide)),), bound)

    return Rule((4,), apply, same_type(), shape=image_shape(last=True))


def depthwise_convolution(*, separable: bool = False) -> Rule:
    """`x (b, h, w, c), weight (k, k, c, m) -> (b, h', w', c m)`, and `pointwise (1, 1, c m, o)` where separable.

    Binds `stride` (four numbers), `padding` and `dilation` (two).
    """

    def apply(scope: Scope, x: Operand) -> Application | None:
        draw, (batch, *sizes, channels) = scope.draw, x.type.shape
        if is_dynamic(channels) or any(one < 1 for one in x.type.shape):
            return None
        kernel = tuple(draw.between(1, min(3, int(size))) for size in sizes)
        step, multiplier, same = draw.pick((1, 1, 2)), draw.between(1, 2), draw.chance(0.5)
        dilation = _dilation(draw, kernel, tuple(sizes)) if step == 1 else (1, 1)
        made = window_counts(tuple(sizes), kernel, (step, step), dilation, same=same)
        wide = channels * multiplier
        operands = {"x": x, "weight": _weight(scope, x, (*kernel, channels, multiplier), product(kernel))}
        if separable:
            outputs = draw.between(1, 5)
            operands["pointwise"] = _weight(scope, x, (1, 1, wide, outputs), wide)
            wide = outputs
        bound = {"stride": (1, step, step, 1), "padding": "SAME" if same else "VALID", "dilation": dilation}
        return Application(operands, (x.type.of_shape((batch, *made, wide)),), bound)

    return Rule((4,), apply, same_type(), shape=image_shape(last=True))


def transposed_convolution_last(spatial: int) -> Rule:
    """`x (b, ..., c), weight (k..., o, c) -> (b, ..., o)`; binds `shape` (of the result), `stride` and `padding`."""

    def apply(scope: Scope, x: Operand) -> Application | None:
        draw, (batch, *sizes, channels) = scope.draw, x.type.shape
        if any_dynamic(x.type.shape) or any(one < 1 for one in x.type.shape):
            return None
        kernel = tuple(draw.between(1, 3) for _ in sizes)
        stride = tuple(draw.pick((1, 2)) for _ in sizes)
        outputs, same = draw.between(1, 4), draw.chance(0.5)
        # Of the sizes that a convolution would bring back to this one, the largest.
        grown = [
            size * s if same else size * s + max(k - s, 0) for size, s, k in zip(sizes, stride, kernel, strict=True)
        ]
        made = (batch, *grown, outputs)
        operands = {"x": x, "weight": _weight(scope, x, (*kernel, outputs, channels), product(kernel) * channels)}
        bound = {"shape": made, "stride": stride, "padding": "SAME" if same else "VALID"}
        return Application(operands, (x.type.of_shape(made),), bound)

    return Rule((spatial + 2,), apply, same_type(), shape=image_shape(2, 5, last=True))


def morphology() -> Rule:
    """`x (b, h, w, c), weight (k, k, c) -> (b, h', w', c)`: greyscale dilation and erosion.

    Binds `stride` and `dilation` (four numbers each) and `padding`.
    """

    def apply(scope: Scope, x: Operand) -> Application | None:
        draw, (batch, *sizes, channels) = scope.draw, x.type.shape
        if is_dynamic(channels) or any(one < 1 for one in x.type.shape):
            return None
        kernel = tuple(draw.between(1, min(3, int(size))) for size in sizes)
        step, same = draw.pick((1, 1, 2)), draw.chance(0.5)
        made = window_counts(tuple(sizes), kernel, (step, step), (1, 1), same=same)
        operands = {"x": x, "weight": _weight(scope, x, (*kernel, channels), 4)}
        bound = {"stride": (1, step, step, 1), "dilation": (1, 1, 1, 1), "padding": "SAME" if same else "VALID"}
        return Application(operands, (x.type.of_shape((batch, *made, channels)),), bound)

    return Rule((4,), apply, same_type(), shape=image_shape(last=True))


def patches() -> Rule:
    """`x (b, h, w, c) -> (b, h', w', k k c)`: the windows themselves.

    Binds `kernel`, `stride` and `rate` (four numbers each) and `padding`.
    """

    def apply(scope: Scope, x: Operand) -> Application | None:
        draw, (batch, *sizes, channels) = scope.draw, x.type.shape
        if is_dynamic(channels) or any(one < 1 for one in x.type.shape):
            return None
        kernel = tuple(draw.between(1, min(3, int(size))) for size in sizes)
        stride, same = tuple(draw.between(1, 2) for _ in sizes), draw.chance(0.5)
        rate = _dilation(draw, kernel, tuple(sizes))
        made = window_counts(tuple(sizes), kernel, stride, rate, same=same)
        bound: dict[str, Any] = {"kernel": (1, *kernel, 1), "stride": (1, *stride, 1), "rate": (1, *rate, 1)}
        bound["padding"] = "SAME" if same else "VALID"
        return Application({"x": x}, (x.type.of_shape((batch, *made, channels * product(kernel))),), bound)

    return Rule((4,), apply, same_type(), shape=image_shape(last=True))


def _weight(scope: Scope, x: Operand, shape: Shape, terms: int) -> Operand:
    return scope.fresh("weight", TensorType(x.type.dtype, shape), domain=unit_scale(terms), fixed=True)


def _dilation(draw: Draw, kernel: Shape, sizes: Shape) -> Shape:
    wide = tuple(2 if k > 1 and 2 * (k - 1) + 1 <= size else 1 for k, size in zip(kernel, sizes, strict=True))
    return wide if draw.chance(0.25) else (1,) * len(kernel)
