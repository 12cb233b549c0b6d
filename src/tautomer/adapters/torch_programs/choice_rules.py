"""Rules for operators that choose, mask, order, look up or step: what must differ for a wrong choice to show."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import torch

from tautomer.adapters.torch_programs.arithmetic_rules import EXP_OVERFLOWS
from tautomer.adapters.torch_programs.obligations import Arguments, Rule, Seen, both, extremes, numbers


def chooses(given: Arguments, _: Any) -> Iterator[Seen]:
    """Elements taken from either side."""
    yield from both(given["condition"], "its condition")


def fills(given: Arguments, _: Any) -> Iterator[Seen]:
    """Elements that are masked and elements that are not."""
    yield from both(given["mask"], "its mask")


def outcome(given: Arguments, result: Any) -> Iterator[Seen]:
    """Both outcomes of an operator that gives booleans."""
    if isinstance(result, torch.Tensor) and result.dtype is torch.bool:
        yield from both(result, "it")


def compares(given: Arguments, result: Any) -> Iterator[Seen]:
    """Both outcomes of a comparison, and equal operands."""
    yield from outcome(given, result)
    x, other = given["self"], given.get("other")
    if isinstance(x, torch.Tensor) and isinstance(other, torch.Tensor | int | float) and x.numel():
        yield Seen("no two compared values are equal", bool((x == other).any()), edge=True)


def picks_values(given: Arguments, _: Any) -> Iterator[Seen]:
    """Elements won by either argument."""
    x, other = given["self"], given["other"]
    if isinstance(x, torch.Tensor) and isinstance(other, torch.Tensor) and x.numel() and other.numel():
        yield Seen("its first argument never wins", bool((x > other).any()))
        yield Seen("its second argument never wins", bool((x < other).any()))


def ranks(given: Arguments, result: Any) -> Iterator[Seen]:
    """The choice of argmax and argmin: the winner, its ties, and a NaN among the candidates."""
    x = numbers(given["self"])
    if x is None:
        return
    dim = given.get("dim")
    along = x.reshape(-1) if dim is None else x
    axis = 0 if dim is None else int(dim)
    if along.dim() == 0 or along.shape[axis] < 2:
        yield Seen("it chooses among one element", False)
        return
    chosen = result if isinstance(result, torch.Tensor) else result[1]
    if chosen.numel() > 1:
        yield Seen("it always chooses the same position", bool((chosen != chosen.reshape(-1)[0]).any()))
    best = along.amin(axis, keepdim=True) if "min" in given["operator"] else along.amax(axis, keepdim=True)
    equal = (along == best).sum(axis) > 1
    yield Seen("no two candidates tie for the first place", bool(equal.any()), edge=True)
    if x.is_floating_point() and bool(x.isnan().any()):
        rows = along.isnan().movedim(axis, -1)
        yield Seen("a NaN is never behind other candidates", bool(rows[..., 1:].any()), edge=True)


def reduces_by_choice(given: Arguments, result: Any) -> Iterator[Seen]:
    """Of max and min along a dimension: two results; over everything: one."""
    if given.get("dim") is None:
        return
    if isinstance(given["dim"], int):
        yield from ranks(given, result)


def orders(given: Arguments, result: Any) -> Iterator[Seen]:
    """An order that changes, and ties."""
    x = numbers(given["self"])
    if x is None or x.dim() == 0:
        return
    dim = int(given.get("dim", -1))
    if x.shape[dim] < 2:
        yield Seen("it orders one element", False)
        return
    positions = result if isinstance(result, torch.Tensor) else result[1]
    shape = [1] * positions.dim()
    shape[dim] = -1
    identity = torch.arange(positions.shape[dim]).reshape(shape)
    if positions.shape[dim] > 0:
        yield Seen("the order never changes", bool((positions != identity).any()))
    ordered = x.take_along_dim(positions, dim)
    count = ordered.shape[dim]
    tied = ordered.narrow(dim, min(1, count), max(count - 1, 0)) == ordered.narrow(dim, 0, max(count - 1, 0))
    yield Seen("no two values tie", bool(tied.any()), edge=True)


def accumulates(given: Arguments, _: Any) -> Iterator[Seen]:
    """More than one element to run over."""
    x = numbers(given["self"])
    if x is not None and x.dim() and x.shape[int(given["dim"])] < 2:
        yield Seen("it runs over one element", False)


def softmax(given: Arguments, result: Any) -> Iterator[Seen]:
    """Rows that are neither one-hot nor uniform, and values whose exp overflows."""
    y, x = numbers(result), numbers(given["self"])
    if y is None or x is None or y.dim() == 0:
        return
    dim = int(given["dim"])
    if y.shape[dim] < 2:
        yield Seen("it runs over one element", False)
        return
    low, high = y.aminmax(dim=dim)
    one = 0.0 if "log" in str(given["operator"]) else 1.0
    yield Seen("every row puts all its weight on one element", bool((high != one).any()))
    yield Seen("every row is uniform", bool((low != high).any()))
    yield Seen(f"no value lies above {EXP_OVERFLOWS:g}, where exp overflows", extremes(x)[1] > EXP_OVERFLOWS, edge=True)


def reads(name: str) -> Rule:
    """More than one place that is read; `name` is the argument that says where."""

    def rule(given: Arguments, _: Any) -> Iterator[Seen]:
        index = given[name]
        if isinstance(index, torch.Tensor) and index.numel() > 1:
            low, high = extremes(index)
            yield Seen("it reads one place only", low < high)

    return rule


def reads_by_tensors(given: Arguments, _: Any) -> Iterator[Seen]:
    """More than one place that is read, or both values of a mask."""
    for index in given["indices"]:
        if not isinstance(index, torch.Tensor):
            continue
        if index.dtype is torch.bool:
            yield from both(index, "its mask")
        elif index.numel() > 1:
            low, high = extremes(index)
            yield Seen("it reads one place only", low < high)


def collides(given: Arguments, _: Any) -> Iterator[Seen]:
    """Scatters that reduce: two values must meet at one place."""
    index, dim = given.get("index"), given.get("dim")
    if isinstance(index, torch.Tensor) and index.dim() and isinstance(dim, int):
        axis = dim if index.dim() > 1 else 0
        ordered = index.sort(axis).values
        count = ordered.shape[axis]
        twice = count > 1 and bool((ordered.narrow(axis, 1, count - 1) == ordered.narrow(axis, 0, count - 1)).any())
        yield Seen("no two values meet at one index, so nothing is reduced", twice)


def collides_in_put(given: Arguments, _: Any) -> Iterator[Seen]:
    """Values that meet at one index, where they accumulate."""
    whole = [index for index in given["indices"] if isinstance(index, torch.Tensor)]
    if given.get("accumulate") and len(whole) == 1 and whole[0].dtype is not torch.bool:
        values = whole[0].reshape(-1)
        twice = values.unique().numel() < values.numel()
        yield Seen("no two values meet at one index, so nothing is accumulated", twice)


def attends(given: Arguments, result: Any) -> Iterator[Seen]:
    """A mask that hides something, and a row that it hides entirely."""
    mask = given.get("attn_mask")
    if isinstance(mask, torch.Tensor) and mask.numel():
        if mask.dtype is torch.bool:
            hidden = ~mask
        else:
            hidden = mask <= torch.finfo(mask.dtype).min / 2
            yield Seen("its mask adds nothing", bool((mask != 0).any()))
        yield Seen("its mask hides nothing", bool(hidden.any()))
        if mask.dim() and mask.shape[-1]:
            yield Seen("no row is hidden entirely", bool(hidden.all(-1).any()), edge=True)
    query = given.get("query")
    if given.get("is_causal") and isinstance(query, torch.Tensor) and query.shape[-2] < 2:
        yield Seen("it attends to one position", False)


def pools_maximum(given: Arguments, result: Any) -> Iterator[Seen]:
    """A padded window that holds negative values only."""
    y = numbers(result[0] if isinstance(result, tuple) else result)
    padding = given.get("padding", 0)
    padded = any(padding) if isinstance(padding, list | tuple) else bool(padding)
    if y is not None and padded:
        yield Seen(
            "no window holds negative values only, so a border of zeros would go unseen", extremes(y)[0] < 0, edge=True
        )


def recurs(given: Arguments, _: Any) -> Iterator[Seen]:
    """More than one step."""
    x = given.get("input")
    if isinstance(x, torch.Tensor) and "batch_first" in given and x.dim() == 3:
        steps = x.shape[1 if given["batch_first"] else 0]
        yield Seen("it runs over one step", steps > 1)


def buckets(given: Arguments, _: Any) -> Iterator[Seen]:
    """Values on a boundary."""
    bounds = given.get("boundaries", given.get("sorted_sequence"))
    x = given.get("input", given.get("self"))
    if isinstance(bounds, torch.Tensor) and isinstance(x, torch.Tensor) and x.numel() and bounds.dim() == 1:
        on_boundary = torch.bucketize(x, bounds) != torch.bucketize(x, bounds, right=True)
        yield Seen("no value lies on a boundary", bool(on_boundary.any()), edge=True)
