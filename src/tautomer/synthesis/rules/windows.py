"""Operators that slide a window: convolutions, pooling, resampling."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from tautomer.synthesis.dims import any_dynamic, is_dynamic, product
from tautomer.synthesis.draws import Draw
from tautomer.synthesis.rules.products import unit_scale
from tautomer.synthesis.rules.shapes import DrawnShape
from tautomer.synthesis.specification import Application, Operand, Rule, Scope
from tautomer.synthesis.tensor_types import TensorType

Shape = tuple[int, ...]


def image_shape(
    least: int = 3, most: int = 9, channels: tuple[int, ...] = (1, 2, 3, 4, 6), *, last: bool = False
) -> DrawnShape:
    """Draws `(batch, channels, spatial...)`, or the channels last."""

    def drawn(draw: Draw, rank: int, dimension: Callable[[], int]) -> Shape:
        batch, wide = draw.between(1, 3), draw.pick(channels)
        spatial = tuple(draw.between(least, most) for _ in range(rank - 2))
        return (batch, *spatial, wide) if last else (batch, wide, *spatial)

    return drawn


def spatial_of(shape: Shape, *, last: bool) -> Shape:
    """The spatial dimensions."""
    return shape[1:-1] if last else shape[2:]


def channels_of(shape: Shape, *, last: bool) -> int:
    """The number of channels."""
    return shape[-1] if last else shape[1]


def image(batch: int, channels: int, spatial: Sequence[int], *, last: bool) -> Shape:
    """A shape put together."""
    return (batch, *spatial, channels) if last else (batch, channels, *spatial)


def windows(size: int, kernel: int, stride: int, padding: int, dilation: int = 1) -> int:
    """How many windows fit: floor((n + p - d (k - 1) - 1) / s) + 1, for padding p on both sides together.

    Source: ONNX operator specification, Conv and MaxPool.
    """
    return (size + padding - dilation * (kernel - 1) - 1) // stride + 1


def convolution(spatial: int, *, last: bool = False, grouped: bool = True, bias: bool = True) -> Rule:
    """`x (b, c, ...), weight (o, c / groups, k...), bias (o,) -> (b, o, ...)`.

    Binds `stride`, `padding`, `dilation` (one number for each spatial dimension) and `groups`. Where channels are last,
    the weight is `(k..., c / groups, o)` and `padding` is "SAME" or "VALID".
    """

    def apply(scope: Scope, x: Operand) -> Application | None:
        draw, shape = scope.draw, x.type.shape
        channels, sizes = channels_of(shape, last=last), spatial_of(shape, last=last)
        if is_dynamic(channels) or channels < 1:
            return None
        groups = draw.pick([one for one in (1, 1, 1, 2, 3, channels) if channels % one == 0]) if grouped else 1
        outputs = groups * draw.between(1, 4)
        kernel = tuple(draw.between(1, min(3, int(size))) if size >= 1 else 1 for size in sizes)
        dilation = _dilation(draw, kernel, sizes)
        stride = (1,) * spatial if max(dilation) > 1 else tuple(draw.pick((1, 1, 2)) for _ in kernel)
        bound: dict[str, Any] = {"stride": stride, "dilation": dilation, "groups": groups}
        if last:
            same = draw.chance(0.5)
            bound["padding"] = "SAME" if same else "VALID"
            made = [
                (size + step - 1) // step if same else windows(size, k, step, 0, d)
                for size, k, step, d in zip(sizes, kernel, stride, dilation, strict=True)
            ]
            own: Shape = (*kernel, channels // groups, outputs)
        else:
            padding = tuple(draw.between(0, one - 1) if one > 1 else 0 for one in kernel)
            bound["padding"] = padding
            made = [
                windows(size, k, step, 2 * p, d)
                for size, k, step, p, d in zip(sizes, kernel, stride, padding, dilation, strict=True)
            ]
            own = (outputs, channels // groups, *kernel)
        if any(one < 1 for one in made):
            return None
        terms = product(kernel) * (channels // groups)
        operands = _weighted(scope, x, own, outputs, terms, bias=bias)
        return Application(operands, (x.type.of_shape(image(shape[0], outputs, made, last=last)),), bound)

    return Rule((spatial + 2,), apply, _same(), shape=image_shape(last=last))


def transposed_convolution(spatial: int) -> Rule:
    """`x (b, c, ...), weight (c, o / groups, k...), bias (o,) -> (b, o, ...)`.

    Binds `stride`, `padding`, `output_padding` (one number for each spatial dimension) and `groups`.
    """

    def apply(scope: Scope, x: Operand) -> Application | None:
        draw, shape = scope.draw, x.type.shape
        channels, sizes = shape[1], shape[2:]
        if is_dynamic(channels) or channels < 1 or any(size < 1 for size in sizes):
            return None
        groups = draw.pick([one for one in (1, 1, 2, channels) if channels % one == 0])
        each = draw.between(1, 3)
        kernel = tuple(draw.between(1, 3) for _ in sizes)
        stride = tuple(draw.pick((1, 2)) for _ in sizes)
        padding = tuple(draw.between(0, (k - 1) // 2) for k in kernel)
        more = tuple(draw.between(0, step - 1) for step in stride)
        made = [
            (size - 1) * step - 2 * p + k + extra
            for size, k, step, p, extra in zip(sizes, kernel, stride, padding, more, strict=True)
        ]
        if any(one < 1 for one in made):
            return None
        operands = _weighted(
            scope, x, (channels, each, *kernel), groups * each, product(kernel) * (channels // groups), bias=True
        )
        bound = {"stride": stride, "padding": padding, "output_padding": more, "groups": groups}
        return Application(operands, (x.type.of_shape((shape[0], groups * each, *made)),), bound)

    return Rule((spatial + 2,), apply, _same(), shape=image_shape(2, 6))


def pooling(
    spatial: int, *, last: bool = False, dilated: bool = False, ceil: bool = True, indices: str | None = None
) -> Rule:
    """`x (b, c, ...) -> (b, c, ...)`.

    Binds `kernel`, `stride`, `padding`, `ceil_mode`, `counted` (whether padding counts) and, where asked, `dilation`.

    Source: torch.nn.MaxPool2d for ceil_mode: a window that would begin beyond the input and its padding is dropped.
    """

    def apply(scope: Scope, x: Operand) -> Application | None:
        draw, shape = scope.draw, x.type.shape
        sizes = spatial_of(shape, last=last)
        if any(size < 1 for size in sizes) or channels_of(shape, last=last) < 1:
            return None
        kernel = tuple(draw.between(1, min(3, int(size))) for size in sizes)
        stride = tuple(draw.between(1, 2) for _ in kernel)
        dilation = _dilation(draw, kernel, sizes) if dilated else (1,) * spatial
        bound: dict[str, Any] = {"kernel": kernel, "stride": stride}
        if last:
            same = draw.chance(0.5)
            bound["padding"] = "SAME" if same else "VALID"
            made = [
                (size + step - 1) // step if same else windows(size, k, step, 0)
                for size, k, step in zip(sizes, kernel, stride, strict=True)
            ]
        else:
            padding = tuple(draw.between(0, k // 2) for k in kernel)
            round_up = ceil and draw.chance(0.3) and not any_dynamic(sizes)
            bound |= {"padding": padding, "ceil_mode": round_up, "counted": draw.chance(0.5)}
            if dilated:
                bound["dilation"] = dilation
            made = []
            for size, k, step, p, d in zip(sizes, kernel, stride, padding, dilation, strict=True):
                count = windows(size, k, step, 2 * p + (step - 1 if round_up else 0), d)
                made.append(count - 1 if round_up and (count - 1) * step >= size + p else count)
        if any(one < 1 for one in made):
            return None
        pooled = image(shape[0], channels_of(shape, last=last), made, last=last)
        results = [x.type.of_shape(pooled)]
        if indices is not None:
            results.append(TensorType(indices, pooled))
        return Application({"x": x}, tuple(results), bound)

    def possible(dtype: str, rank: int) -> frozenset[tuple[str, int]]:
        return frozenset({(dtype, rank), *(((indices, rank),) if indices else ())})

    return Rule((spatial + 2,), apply, possible, shape=image_shape(2, 9, last=last))


def adaptive(spatial: int, indices: str | None = None) -> Rule:
    """`x (b, c, ...) -> (b, c, sizes...)`: pooled to given sizes, which `sizes` binds."""

    def apply(scope: Scope, x: Operand) -> Application | None:
        shape = x.type.shape
        if any(size < 1 for size in shape):
            return None
        wanted = tuple(scope.draw.pick([n for n in range(1, int(size) + 1) if size % n == 0]) for size in shape[2:])
        if any_dynamic(shape[2:]):
            wanted = (1,) * spatial
        made = (*shape[:2], *wanted)
        results = [x.type.of_shape(made), *([TensorType(indices, made)] if indices else [])]
        return Application({"x": x}, tuple(results), {"sizes": wanted})

    def possible(dtype: str, rank: int) -> frozenset[tuple[str, int]]:
        return frozenset({(dtype, rank), *(((indices, rank),) if indices else ())})

    return Rule((spatial + 2,), apply, possible, shape=image_shape(2, 8))


def resampling(spatial: int, *, corners: bool = True, last: bool = False, factors: tuple[int, ...] = (2, 3)) -> Rule:
    """`x (b, c, ...) -> (b, c, sizes...)`: interpolated; binds `sizes` and, where the mode has it, `corners`."""

    def apply(scope: Scope, x: Operand) -> Application | None:
        draw, shape = scope.draw, x.type.shape
        sizes = spatial_of(shape, last=last)
        if any_dynamic(sizes) or any(size < 1 for size in sizes):
            return None
        if draw.chance(0.6):
            factor = draw.pick(factors)
            wanted = tuple(size * factor for size in sizes)
        else:
            wanted = tuple(draw.between(1, 2 * int(size)) for size in sizes)
        bound: dict[str, Any] = {"sizes": wanted}
        if corners:
            bound["corners"] = draw.chance(0.3)
        made = image(shape[0], channels_of(shape, last=last), wanted, last=last)
        return Application({"x": x}, (x.type.of_shape(made),), bound)

    return Rule((spatial + 2,), apply, _same(), shape=image_shape(2, 6, last=last))


def shuffled(*, up: bool, last: bool = False) -> Rule:
    """`x (b, c r^2, h, w) -> (b, c, h r, w r)`, or the way back; binds `factor`."""

    def apply(scope: Scope, x: Operand) -> Application | None:
        shape = x.type.shape
        channels, (height, width) = channels_of(shape, last=last), spatial_of(shape, last=last)
        factor = scope.draw.pick((2, 2, 3))
        if is_dynamic(channels):
            return None
        if up:
            if channels % (factor * factor) or channels < 1:
                return None
            made = image(shape[0], channels // factor**2, (height * factor, width * factor), last=last)
        else:
            if any_dynamic((height, width)) or height % factor or width % factor or min(height, width) < 1:
                return None
            made = image(shape[0], channels * factor**2, (height // factor, width // factor), last=last)
        return Application({"x": x}, (x.type.of_shape(made),), {"factor": factor})

    drawn = image_shape(2, 4, (4, 8), last=last) if up else image_shape(4, 4, (1, 2, 3), last=last)
    return Rule((4,), apply, _same(), shape=drawn)


def _weighted(
    scope: Scope, x: Operand, own: Shape, outputs: int, terms: int, *, bias: bool
) -> dict[str, Operand | tuple[Operand, ...]]:
    dtype = x.type.dtype
    operands: dict[str, Operand | tuple[Operand, ...]] = {
        "x": x,
        "weight": scope.fresh("weight", TensorType(dtype, own), domain=unit_scale(terms), fixed=True),
    }
    if bias:
        operands["bias"] = scope.fresh("bias", TensorType(dtype, (outputs,)), fixed=True)
    return operands


def _dilation(draw: Draw, kernel: Shape, sizes: Shape) -> Shape:
    wide = tuple(2 if k > 1 and 2 * (k - 1) + 1 <= size else 1 for k, size in zip(kernel, sizes, strict=True))
    return wide if draw.chance(0.25) else (1,) * len(kernel)


def _same() -> Callable[[str, int], frozenset[tuple[str, int]]]:
    return lambda dtype, rank: frozenset({(dtype, rank)})
