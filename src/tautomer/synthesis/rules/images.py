"""Operators on images whose channels are last: crops, frames, colours, and blocks of pixels moved to the batch."""

from __future__ import annotations

from collections.abc import Callable

from tautomer.synthesis.dims import any_dynamic
from tautomer.synthesis.draws import Draw
from tautomer.synthesis.rules.elementwise import Attributes, no_attributes
from tautomer.synthesis.rules.shapes import Results, same_type
from tautomer.synthesis.rules.windows import image_shape
from tautomer.synthesis.specification import Application, Operand, Rule, Scope
from tautomer.synthesis.tensor_types import Domain, TensorType

Shape = tuple[int, ...]
FOUR: Shape = (4,)
COLOURS = 3


def cropped() -> Rule:
    """`x (b, h, w, c) -> (b, height, width, c)`; binds `top`, `left`, `height` and `width`."""

    def apply(scope: Scope, x: Operand) -> Application | None:
        draw, (batch, high, wide, channels) = scope.draw, x.type.shape
        if any_dynamic((high, wide)) or min(high, wide) < 1:
            return None
        height, width = draw.between(1, int(high)), draw.between(1, int(wide))
        bound = {"height": height, "width": width}
        bound |= {"top": draw.between(0, int(high) - height), "left": draw.between(0, int(wide) - width)}
        return Application({"x": x}, (x.type.of_shape((batch, height, width, channels)),), bound)

    return Rule(FOUR, apply, same_type(), shape=image_shape(2, 7, last=True))


def framed() -> Rule:
    """`x (b, h, w, c) -> (b, height, width, c)` with zeros around it; binds `top`, `left`, `height` and `width`."""

    def apply(scope: Scope, x: Operand) -> Application | None:
        draw, (batch, high, wide, channels) = scope.draw, x.type.shape
        if any_dynamic((high, wide)) or min(high, wide) < 1:
            return None
        top, left = draw.between(0, 2), draw.between(0, 2)
        height, width = int(high) + top + draw.between(0, 2), int(wide) + left + draw.between(0, 2)
        bound = {"top": top, "left": left, "height": height, "width": width}
        return Application({"x": x}, (x.type.of_shape((batch, height, width, channels)),), bound)

    return Rule(FOUR, apply, same_type(), shape=image_shape(2, 7, last=True))


def refitted() -> Rule:
    """`x (b, h, w, c) -> (b, height, width, c)`, cut or framed as need be; binds `height` and `width`."""

    def apply(scope: Scope, x: Operand) -> Application | None:
        draw, (batch, high, wide, channels) = scope.draw, x.type.shape
        if any_dynamic((high, wide)) or min(high, wide) < 1:
            return None
        height, width = draw.between(1, int(high) + 3), draw.between(1, int(wide) + 3)
        made = (batch, height, width, channels)
        return Application({"x": x}, (x.type.of_shape(made),), {"height": height, "width": width})

    return Rule(FOUR, apply, same_type(), shape=image_shape(2, 7, last=True))


def coloured(
    channels: int = COLOURS,
    *,
    made: int | None = None,
    attributes: Attributes = no_attributes,
    ranks: Shape = (3, 4),
) -> Rule:
    """`x (..., h, w, channels) -> (..., h, w, made)`: what works on the colours of each pixel."""

    def apply(scope: Scope, x: Operand) -> Application | None:
        if x.type.shape[-1] != channels or any(one < 1 for one in x.type.shape):
            return None
        drawn = attributes(scope.draw, x.type)
        if drawn is None:
            return None
        return Application({"x": x}, (x.type.of_shape((*x.type.shape[:-1], made or channels)),), drawn)

    def shape(draw: Draw, rank: int, dimension: Callable[[], int]) -> Shape:
        return (*(draw.between(2, 6) for _ in range(rank - 1)), channels)

    return Rule(ranks, apply, same_type(), shape=shape)


def image_wise(result: Callable[[Shape], Shape], results: Results, attributes: Attributes = no_attributes) -> Rule:
    """`x (b, h, w, c) -> result(x)`: what needs a whole image, of a size that is known."""

    def apply(scope: Scope, x: Operand) -> Application | None:
        if any_dynamic(x.type.shape[1:]) or any(one < 1 for one in x.type.shape) or min(x.type.shape[1:3]) < 2:
            return None
        drawn = attributes(scope.draw, x.type)
        return None if drawn is None else Application({"x": x}, (x.type.of_shape(result(x.type.shape)),), drawn)

    return Rule(FOUR, apply, results, shape=image_shape(2, 6, last=True))


def boxes_cut_out() -> Rule:
    """`x (b, h, w, c), boxes (n, 4) in [0, 1] -> (n, height, width, c)`; binds `batches` (n,) and `sizes`."""

    def apply(scope: Scope, x: Operand) -> Application | None:
        draw, (batch, high, wide, channels) = scope.draw, x.type.shape
        if any_dynamic(x.type.shape) or min(batch, high, wide, channels) < 1:
            return None
        count = draw.between(1, 3)
        boxes = scope.fresh("boxes", TensorType("float32", (count, 4)), domain=Domain(0.0, 1.0))
        sizes = (draw.between(1, 4), draw.between(1, 4))
        bound = {"batches": tuple(draw.between(0, int(batch) - 1) for _ in range(count)), "sizes": sizes}
        made = TensorType("float32", (count, *sizes, channels))
        return Application({"x": x, "boxes": boxes}, (made,), bound)

    return Rule(FOUR, apply, same_type("float32"), shape=image_shape(2, 7, last=True))


def blocks_to_batch() -> Rule:
    """`x (b, h, w, c) -> (b r s, h' / r, w' / s, c)`; binds `block` (r, s) and `paddings`, before and after."""

    def apply(scope: Scope, x: Operand) -> Application | None:
        draw, (batch, high, wide, channels) = scope.draw, x.type.shape
        if any_dynamic((high, wide)) or min(high, wide) < 1:
            return None
        block = (draw.between(1, 3), draw.between(1, 3))
        paddings, sizes = [], []
        for size, own in zip((int(high), int(wide)), block, strict=True):
            before = draw.between(0, 2)
            after = -(size + before) % own
            paddings.append((before, after))
            sizes.append((size + before + after) // own)
        made = (batch * (block[0] * block[1]), *sizes, channels)
        return Application({"x": x}, (x.type.of_shape(made),), {"block": block, "paddings": tuple(paddings)})

    return Rule(FOUR, apply, same_type(), shape=image_shape(2, 7, last=True))


def batch_to_blocks() -> Rule:
    """`x (b r s, h, w, c) -> (b, h r - cut, w s - cut, c)`; binds `block` (r, s) and `crops`, before and after."""

    def apply(scope: Scope, x: Operand) -> Application | None:
        draw, (batch, high, wide, channels) = scope.draw, x.type.shape
        if any_dynamic(x.type.shape) or min(batch, high, wide) < 1:
            return None
        blocks = [(r, s) for r in (1, 2, 3) for s in (1, 2, 3) if batch % (r * s) == 0]
        block = draw.pick(blocks[1:] or blocks)
        crops, sizes = [], []
        for size, own in zip((int(high), int(wide)), block, strict=True):
            cut = (draw.between(0, 1), draw.between(0, 1)) if size * own > 2 else (0, 0)
            crops.append(cut)
            sizes.append(size * own - sum(cut))
        made = (int(batch) // (block[0] * block[1]), *sizes, channels)
        return Application({"x": x}, (x.type.of_shape(made),), {"block": block, "crops": tuple(crops)})

    def shape(draw: Draw, rank: int, dimension: Callable[[], int]) -> Shape:
        return (draw.pick((2, 4, 6)), draw.between(1, 4), draw.between(1, 4), draw.between(1, 3))

    return Rule(FOUR, apply, same_type(), shape=shape)
