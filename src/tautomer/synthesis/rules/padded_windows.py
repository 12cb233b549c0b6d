"""Operators that slide a window whose padding differs between the two sides of an axis, as ONNX writes them."""

from __future__ import annotations

from typing import Any

from tautomer.synthesis.dims import any_dynamic, is_dynamic, product
from tautomer.synthesis.draws import Draw
from tautomer.synthesis.rules.products import unit_scale
from tautomer.synthesis.rules.shapes import same_type
from tautomer.synthesis.rules.windows import Shape, image_shape, windows
from tautomer.synthesis.specification import Application, Operand, Rule, Scope
from tautomer.synthesis.tensor_types import Domain, TensorType

SAME = ("SAME_UPPER", "SAME_LOWER")


def drawn_windows(draw: Draw, sizes: Shape, *, same: bool, dilated: bool) -> tuple[dict[str, Any], Shape] | None:
    """Attributes of a window over these sizes, and how often it fits; None where it does not fit.

    Binds `kernel`, `strides` and `dilations`, and `pads` (those before each axis, then those after) or `auto`.
    """
    if any(size < 1 for size in sizes):
        return None
    kernel = tuple(draw.between(1, min(3, int(size))) for size in sizes)
    wide = tuple(2 if k > 1 and 2 * (k - 1) + 1 <= size else 1 for k, size in zip(kernel, sizes, strict=True))
    dilations = wide if dilated and not same and draw.chance(0.3) else (1,) * len(kernel)
    strides = tuple(draw.pick((1, 1, 2)) for _ in kernel)
    if same:  # a stride beyond the kernel would be padded by less than nothing
        strides = tuple(min(step, k) for step, k in zip(strides, kernel, strict=True))
    bound: dict[str, Any] = {"kernel": kernel, "strides": strides, "dilations": dilations}
    if same:
        return {**bound, "auto": draw.pick(SAME)}, tuple(
            (size + step - 1) // step for size, step in zip(sizes, strides, strict=True)
        )
    before, after = (tuple(draw.between(0, k - 1) for k in kernel) for _ in range(2))
    made = tuple(
        windows(size, k, step, b + a, d)
        for size, k, step, b, a, d in zip(sizes, kernel, strides, before, after, dilations, strict=True)
    )
    return None if any(one < 1 for one in made) else ({**bound, "pads": (*before, *after)}, made)


def weighted_windows(spatial: int, *, same: bool = False) -> Rule:
    """`x (b, c, ...), weight (o, c / groups, k...), bias (o,) -> (b, o, ...)`; binds `groups` and a window's names."""

    def apply(scope: Scope, x: Operand) -> Application | None:
        draw, (batch, channels, *sizes) = scope.draw, x.type.shape
        if is_dynamic(channels) or channels < 1:
            return None
        drawn = drawn_windows(draw, tuple(sizes), same=same, dilated=True)
        if drawn is None:
            return None
        bound, made = drawn
        groups = draw.pick([one for one in (1, 1, 1, 2, 3, channels) if channels % one == 0])
        outputs, own = groups * draw.between(1, 4), (channels // groups, *bound["kernel"])
        weight = TensorType(x.type.dtype, (outputs, *own))
        operands: dict[str, Operand | tuple[Operand, ...]] = {
            "x": x,
            "weight": scope.fresh("weight", weight, domain=unit_scale(product(own)), fixed=True),
            "bias": scope.fresh("bias", TensorType(x.type.dtype, (outputs,)), fixed=True),
        }
        return Application(operands, (x.type.of_shape((batch, outputs, *made)),), {**bound, "groups": groups})

    return Rule((spatial + 2,), apply, same_type(), shape=image_shape())


def pooled(spatial: int, *, same: bool = False, dilated: bool = True, indices: str | None = None) -> Rule:
    """`x (b, c, ...) -> (b, c, ...)`; binds a window's names, `round_up`, `counted` (whether padding counts) and `p`.

    Source: ONNX operator specification, MaxPool: with ceil_mode, a window that would begin in the padding after the
    input is ignored.
    """

    def apply(scope: Scope, x: Operand) -> Application | None:
        draw, (batch, channels, *sizes) = scope.draw, x.type.shape
        drawn = drawn_windows(draw, tuple(sizes), same=same, dilated=dilated)
        if drawn is None or channels < 1:
            return None
        bound, made = drawn
        round_up = not same and draw.chance(0.3) and not any_dynamic(tuple(sizes))
        if round_up:
            pads, count = bound["pads"], len(sizes)
            made = tuple(
                _rounded_up(windows(size, k, step, before + after + step - 1, d), size + before, step)
                for size, k, step, before, after, d in zip(
                    sizes,
                    bound["kernel"],
                    bound["strides"],
                    pads[:count],
                    pads[count:],
                    bound["dilations"],
                    strict=True,
                )
            )
        shape = (batch, channels, *made)
        results = [x.type.of_shape(shape), *([TensorType(indices, shape)] if indices else [])]
        bound |= {"round_up": int(round_up), "counted": int(draw.chance(0.5)), "p": draw.pick((1, 2, 2, 3))}
        return Application({"x": x}, tuple(results), bound)

    def possible(dtype: str, rank: int) -> frozenset[tuple[str, int]]:
        return frozenset({(dtype, rank), *(((indices, rank),) if indices else ())})

    return Rule((spatial + 2,), apply, possible, shape=image_shape(2, 9))


def _rounded_up(count: int, end: int, stride: int) -> int:
    """The number of windows without one that begins at or after the end of the input."""
    return count - 1 if (count - 1) * stride >= end else count


def pooled_to_one() -> Rule:
    """`x (b, c, ...) -> (b, c, 1, ...)`: all positions of a channel together."""

    def apply(scope: Scope, x: Operand) -> Application | None:
        if x.type.is_empty:
            return None
        return Application({"x": x}, (x.type.of_shape((*x.type.shape[:2], *(1,) * (x.type.rank - 2))),))

    return Rule((3, 4, 5), apply, same_type(), shape=image_shape(2, 6))


def unpooled() -> Rule:
    """`x (b, c, h, w) -> (b, c, 2 h, 2 w)` with each element at a place of its own in a window; binds `places`."""

    def apply(scope: Scope, x: Operand) -> Application | None:
        draw, shape = scope.draw, x.type.shape
        if any_dynamic(shape) or x.type.is_empty or int(x.type.size) > 128:
            return None
        batch, channels, height, width = (int(one) for one in shape)
        wide = 2 * width

        def place(image: int, row: int, column: int) -> int:
            inside = (2 * row + draw.between(0, 1)) * wide + 2 * column + draw.between(0, 1)
            return image * 2 * height * wide + inside

        places = tuple(
            tuple(
                tuple(tuple(place(b * channels + c, i, j) for j in range(width)) for i in range(height))
                for c in range(channels)
            )
            for b in range(batch)
        )
        made = (batch, channels, 2 * height, wide)
        return Application({"x": x}, (x.type.of_shape(made),), {"places": places})

    return Rule((4,), apply, same_type(), shape=image_shape(1, 3, (1, 2)))


def columns_to_image() -> Rule:
    """`x (b, c k, l) -> (b, c, h, w)`: blocks summed where they overlap; binds `image`, `block` and `strides`."""

    def apply(scope: Scope, x: Operand) -> Application | None:
        draw, (batch, rows, length) = scope.draw, x.type.shape
        if is_dynamic(rows) or is_dynamic(length) or rows < 1 or length < 1:
            return None
        block = draw.pick([one for one in ((1, 1), (1, 2), (2, 1), (2, 2), (1, 3)) if rows % (one[0] * one[1]) == 0])
        down = draw.pick([one for one in range(1, int(length) + 1) if length % one == 0])
        strides = (draw.between(1, 2), draw.between(1, 2))
        counts = (down, int(length) // down)
        image = tuple((n - 1) * step + k for n, step, k in zip(counts, strides, block, strict=True))
        made = (batch, rows // (block[0] * block[1]), *image)
        return Application({"x": x}, (x.type.of_shape(made),), {"image": image, "block": block, "strides": strides})

    def shape(draw: Draw, rank: int, dimension: Any) -> Shape:
        return draw.between(1, 3), draw.pick((2, 4, 6)), draw.pick((2, 4, 6))

    return Rule((3,), apply, lambda dtype, rank: frozenset({(dtype, 4)}), shape=shape)


def sampled_at_grid(dtype_of_grid: str | None = None) -> Rule:
    """`x (b, c, h, w), grid (b, i, j, 2) -> (b, c, i, j)`; binds `corners`."""

    def apply(scope: Scope, x: Operand) -> Application | None:
        draw, shape = scope.draw, x.type.shape
        if any(one < 1 for one in shape) or is_dynamic(shape[0]):
            return None
        own = (shape[0], draw.between(1, 4), draw.between(1, 4), 2)
        grid = scope.operand("grid", TensorType(dtype_of_grid or x.type.dtype, own))
        made = (*shape[:2], *own[1:3])
        return Application({"x": x, "grid": grid}, (x.type.of_shape(made),), {"corners": int(draw.chance(0.4))})

    return Rule((4,), apply, same_type(), shape=image_shape(3, 6), joins=True)


def sampling_grid() -> Rule:
    """`x (b, 2, 3) -> (b, h, w, 2)`: where an affine map takes the points of an image; binds `sizes`, `corners`."""

    def apply(scope: Scope, x: Operand) -> Application | None:
        batch, draw = x.type.shape[0], scope.draw
        if is_dynamic(batch) or batch < 1 or tuple(x.type.shape[1:]) != (2, 3):
            return None
        sizes = (int(batch), draw.between(1, 3), draw.between(2, 5), draw.between(2, 5))
        made = x.type.of_shape((batch, *sizes[2:], 2))
        return Application({"x": x}, (made,), {"sizes": sizes, "corners": int(draw.chance(0.5))})

    def shape(draw: Draw, rank: int, dimension: Any) -> Shape:
        return draw.between(1, 3), 2, 3

    return Rule((3,), apply, lambda dtype, rank: frozenset({(dtype, 4)}), shape=shape)


def deformed_windows() -> Rule:
    """`x (b, c, h, w), weight (o, c, k, k), offset (b, 2 k k, h', w'), bias (o,), mask (b, k k, h', w')`.

    The result is `(b, o, h', w')`; binds `kernel`.
    """

    def apply(scope: Scope, x: Operand) -> Application | None:
        draw, dtype, (batch, channels, *sizes) = scope.draw, x.type.dtype, x.type.shape
        if any_dynamic(x.type.shape) or any(one < 2 for one in sizes) or batch < 1 or channels < 1:
            return None
        kernel, outputs = (draw.between(1, 2), draw.between(1, 2)), draw.between(1, 3)
        made = tuple(size - k + 1 for size, k in zip(sizes, kernel, strict=True))
        taps = kernel[0] * kernel[1]
        operands: dict[str, Operand | tuple[Operand, ...]] = {
            "x": x,
            "weight": scope.fresh(
                "weight",
                TensorType(dtype, (outputs, channels, *kernel)),
                domain=unit_scale(int(channels) * taps),
                fixed=True,
            ),
            "offset": scope.operand("offset", TensorType(dtype, (batch, 2 * taps, *made)), domain=Domain(0.1, 0.9)),
            "bias": scope.fresh("bias", TensorType(dtype, (outputs,)), fixed=True),
            "mask": scope.operand("mask", TensorType(dtype, (batch, taps, *made))),
        }
        return Application(operands, (x.type.of_shape((batch, outputs, *made)),), {"kernel": kernel})

    return Rule((4,), apply, same_type(), shape=image_shape(3, 6), joins=True)
