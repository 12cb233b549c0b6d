"""Other values for a model's own inputs: what each input may be changed to, and the recipes that change it.

A token id must stay a row of its embedding and a mask must stay a mask, so each input has a role, read from its values
and from where the captured graph uses them. Every recipe is a deterministic function of the inputs given and a seed.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from enum import StrEnum

import torch

from tautomer.adapters.torch_programs.exercise import base_name

_VIEWS = frozenset(
    "view reshape expand unsqueeze squeeze transpose permute t slice select to _to_copy clone contiguous alias detach"
    " flatten unflatten _unsafe_view lift_fresh_copy".split()
)
_INDEX_ARGUMENTS = frozenset({"index", "indices", "repeats", "offsets", "lengths", "batch_sizes"})
_READ_BY_PYTHON = frozenset({"item", "_local_scalar_dense"})
_INDEXING = frozenset({"one_hot", "bincount", "repeat_interleave", "_pack_padded_sequence"})


class Role(StrEnum):
    """What an input is to the program."""

    NUMBERS = "numbers"
    INTEGERS = "integers"
    INDEX = "index"
    MASK = "mask"
    """0 hides, 1 shows: booleans, or numbers that are all 0 or 1."""
    ADDITIVE_MASK = "additive mask"
    """0 shows, a very negative number hides."""
    STEERING = "steering"
    """Python reads a number from it, which may be a size or a trip count: only its own values are admitted."""


@dataclass(frozen=True, slots=True)
class InputRole:
    """One tensor among the inputs.

    Attributes:
        role: what it is to the program.
        low, high: of an index, the smallest and largest admitted value.
    """

    role: Role
    low: int = 0
    high: int = 0


def roles_of(graph: torch.fx.GraphModule, sets: Sequence[Sequence[torch.Tensor]]) -> tuple[InputRole, ...]:
    """The role of each tensor input.

    Args:
        graph: captured on the first set; its placeholders are the tensor inputs in order.
        sets: tensor inputs of every set the user gave.
    """
    placeholders = [node for node in graph.graph.nodes if node.op == "placeholder"]
    return tuple(_role(graph, node, [one[position] for one in sets]) for position, node in enumerate(placeholders))


def _role(graph: torch.fx.GraphModule, placeholder: torch.fx.Node, given: Sequence[torch.Tensor]) -> InputRole:
    first = given[0]
    if first.dtype is torch.bool:
        return InputRole(Role.MASK)
    filled = [one for one in given if one.numel()]
    if first.is_complex() or not filled:
        return InputRole(Role.STEERING)
    if first.is_floating_point():
        if _is_additive_mask(filled):
            return InputRole(Role.ADDITIVE_MASK)
        if _is_binary(filled) and first.dim() > 1:
            return InputRole(Role.MASK)
        return InputRole(Role.STEERING if _steers(placeholder, integers_only=False) else Role.NUMBERS)
    low, high = min(int(one.min()) for one in filled), max(int(one.max()) for one in filled)
    rows = _rows_of_embeddings(graph, placeholder)
    if rows is not None:
        return InputRole(Role.INDEX, 0, max(rows - 1, high))
    if _is_binary(filled):
        return InputRole(Role.MASK)
    if _steers(placeholder, integers_only=False):
        return InputRole(Role.STEERING)
    if _indexes(placeholder):
        return InputRole(Role.INDEX, low, high)
    return InputRole(Role.INTEGERS)


def _is_binary(tensors: Sequence[torch.Tensor]) -> bool:
    """All 0 or 1 with a 1 somewhere: zeros alone are rather a state that begins at zero."""
    return all(bool(((one == 0) | (one == 1)).all()) for one in tensors) and any(bool(one.any()) for one in tensors)


def _is_additive_mask(tensors: Sequence[torch.Tensor]) -> bool:
    hides = [one <= -1e4 for one in tensors]
    return any(bool(one.any()) for one in hides) and all(
        bool((hidden | (one == 0)).all()) for one, hidden in zip(tensors, hides, strict=True)
    )


def _dtype(node: torch.fx.Node) -> torch.dtype | None:
    value = node.meta.get("val")
    return value.dtype if isinstance(value, torch.Tensor) else None


def _reached(start: torch.fx.Node, *, integers_only: bool) -> list[torch.fx.Node]:
    """Nodes that values of `start` reach, through integer tensors only or through all; comparisons end the way."""
    found, pending = [], [start]
    seen = {start}
    while pending:
        for user in pending.pop().users:
            if user in seen:
                continue
            seen.add(user)
            found.append(user)
            dtype = _dtype(user)
            if dtype is torch.bool or (integers_only and (dtype is None or dtype.is_floating_point)):
                continue
            pending.append(user)
    return found


def _steers(placeholder: torch.fx.Node, *, integers_only: bool) -> bool:
    for node in _reached(placeholder, integers_only=integers_only):
        if isinstance(node.target, torch._ops.HigherOrderOperator) and "while" in str(node.target.name()):
            return True
        if base_name(node.target) in _READ_BY_PYTHON and any(
            _dtype(source) is not torch.bool for source in node.all_input_nodes
        ):
            return True
    return False


def _indexes(placeholder: torch.fx.Node) -> bool:
    reached = {placeholder, *_reached(placeholder, integers_only=True)}
    for node in reached:
        for user in node.users:
            if base_name(user.target) in _INDEXING:
                return True
            if not isinstance(user.target, torch._ops.OpOverload):
                continue
            for argument, value in zip(user.target._schema.arguments, user.args, strict=False):
                values = value if isinstance(value, list | tuple) else (value,)
                if argument.name in _INDEX_ARGUMENTS and any(one is node for one in values):
                    return True
    return False


def _rows_of_embeddings(graph: torch.fx.GraphModule, placeholder: torch.fx.Node) -> int | None:
    """The fewest rows among the tables that the values look up as they are; None where they look up none."""
    rows: list[int] = []
    pending, seen = [placeholder], {placeholder}
    while pending:
        node = pending.pop()
        for user in node.users:
            name = base_name(user.target)
            if name == "embedding" and user.args[1] is node:
                table = user.args[0]
                value = getattr(graph, str(table.target), None) if isinstance(table, torch.fx.Node) else None
                size = value if isinstance(value, torch.Tensor) else table.meta.get("val")  # type: ignore[union-attr]
                if isinstance(size, torch.Tensor):
                    rows.append(int(size.shape[0]))
            elif name in _VIEWS and user not in seen:
                seen.add(user)
                pending.append(user)
    return min(rows, default=None)


Change = Callable[[InputRole, torch.Tensor, torch.Generator], torch.Tensor | None]
"""Other values for one input, of the same type and shape; None where the recipe does not concern it."""


@dataclass(frozen=True, slots=True)
class Recipe:
    """A way to make another set of inputs.

    Attributes:
        name: for people.
        change: what it does to each input.
        random: whether another draw gives other values; small inputs are drawn several times.
    """

    name: str
    change: Change
    random: bool = False


def _of_numbers(change: Callable[[torch.Tensor, torch.Generator], torch.Tensor]) -> Change:
    def to_numbers(role: InputRole, x: torch.Tensor, generator: torch.Generator) -> torch.Tensor | None:
        if role.role is not Role.NUMBERS or not x.numel():
            return None
        largest = torch.finfo(x.dtype).max
        values = change(x.detach().to(torch.float64), generator)
        return torch.where(values.isfinite(), values.clamp(-largest, largest), values).to(x.dtype)

    return to_numbers


def _permuted(role: InputRole, x: torch.Tensor, generator: torch.Generator) -> torch.Tensor | None:
    if role.role is Role.INDEX:
        drawn = torch.randint(role.low, role.high + 1, tuple(x.shape), generator=generator, dtype=torch.int64)
        return drawn.to(x.dtype)
    if role.role in (Role.NUMBERS, Role.INTEGERS) and x.numel() > 1:
        return x.reshape(-1)[torch.randperm(x.numel(), generator=generator)].reshape(x.shape)
    return None


def _largest_index(role: InputRole, x: torch.Tensor, generator: torch.Generator) -> torch.Tensor | None:
    """Both ends of what is admitted, in turn."""
    if role.role is not Role.INDEX or role.low == role.high:
        return None
    even = torch.arange(x.numel()).reshape(x.shape) % 2 == 0
    return torch.where(even, role.high, role.low).to(x.dtype)


def _scaled_to(magnitude: float) -> Change:
    def scaled(x: torch.Tensor, _: torch.Generator) -> torch.Tensor:
        finite = x[x.isfinite()].abs()
        largest = float(finite.max()) if finite.numel() else 0.0
        return x * (magnitude / largest) if largest else torch.full_like(x, magnitude)

    return _of_numbers(scaled)


def _spread_over(decades: float, *, both_signs: bool = False) -> Change:
    """Values multiplied by up to 10**decades either way; with `both_signs`, half of them change their sign as well."""

    def spread(x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
        exponents = decades * (2.0 * torch.rand(x.shape, generator=generator, dtype=torch.float64) - 1.0)
        values = torch.where(x == 0, torch.ones_like(x), x) * 10.0**exponents
        flipped = torch.rand(x.shape, generator=generator) < 0.5
        return torch.where(flipped, -values, values) if both_signs else values

    return _of_numbers(spread)


def _far_from_zero(x: torch.Tensor, _: torch.Generator) -> torch.Tensor:
    finite = x[x.isfinite()]
    deviation = float(finite.std()) if finite.numel() > 1 else 0.0
    return x + 1000.0 * (deviation or 1.0)


_SPECIAL = (0.0, -0.0, 0.5, -0.5, 1.0, -1.0, 1.5, -1.5, 2.5, -2.5, 1e-5, -1e-5)


def _special(x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    drawn = torch.randint(0, len(_SPECIAL), tuple(x.shape), generator=generator)
    return torch.tensor(_SPECIAL, dtype=torch.float64)[drawn]


def _zeros_of_both_signs(x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Half of the elements become a zero of either sign, so that zeros meet every other value."""
    drawn = torch.randint(0, 4, tuple(x.shape), generator=generator)
    return torch.where(drawn == 0, 0.0, torch.where(drawn == 1, -0.0, x))


def _ties(x: torch.Tensor, _: torch.Generator) -> torch.Tensor:
    finite = x[x.isfinite()].abs()
    step = float(finite.max()) / 4 if finite.numel() else 0.0
    return (x / step).round() * step if step else x


def _tenths(x: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    """Small multiples of decimal fractions, none exact in binary: quotients that round to a whole number."""
    tenths = torch.tensor((0.1, 0.2, 0.3, 0.7), dtype=torch.float64)
    chosen = tenths[torch.randint(0, 4, tuple(x.shape), generator=generator)]
    return chosen * torch.randint(1, 40, tuple(x.shape), generator=generator)


def _large_integers(role: InputRole, x: torch.Tensor, generator: torch.Generator) -> torch.Tensor | None:
    """Half of the elements from 2**24 + 1 on, which float32 does not hold; in 64 bits from 2**31 on as well."""
    if role.role is not Role.INTEGERS or torch.iinfo(x.dtype).bits < 32 or not x.numel():
        return None
    starts = [2**24 + 1, 2**31] if x.dtype in (torch.int64,) else [2**24 + 1]
    shape = tuple(x.shape)
    base = torch.tensor(starts)[torch.randint(0, len(starts), shape, generator=generator)]
    large = base + 2 * torch.randint(0, 1000, shape, generator=generator)
    if bool((x < 0).any()):
        large = torch.where(torch.rand(shape, generator=generator) < 0.5, large, -large)
    return torch.where(torch.rand(shape, generator=generator) < 0.5, large, x.to(torch.int64)).to(x.dtype)


def _negated(role: InputRole, x: torch.Tensor, generator: torch.Generator) -> torch.Tensor | None:
    return -x if role.role is Role.NUMBERS or (role.role is Role.INTEGERS and x.dtype is not torch.uint8) else None


def _hiding(hide: Callable[[torch.Tensor, torch.Generator], torch.Tensor]) -> Change:
    """`hide` says, for a shape, which elements of a mask are to be hidden; what the mask hides already stays so."""

    def to_masks(role: InputRole, x: torch.Tensor, generator: torch.Generator) -> torch.Tensor | None:
        if role.role not in (Role.MASK, Role.ADDITIVE_MASK) or not x.numel() or not x.dim():
            return None
        hidden = hide(torch.zeros(x.shape, dtype=torch.bool), generator)
        value = float(x.min()) if role.role is Role.ADDITIVE_MASK else 0
        if role.role is Role.ADDITIVE_MASK and value == 0:
            return None
        return x.masked_fill(hidden, value)

    return to_masks


def _end_of_last_row(hidden: torch.Tensor, _: torch.Generator) -> torch.Tensor:
    last = hidden if hidden.dim() < 2 else hidden.select(0, -1)
    last[..., (last.shape[-1] + 1) // 2 :] = True
    return hidden


def _all_of_last_row(hidden: torch.Tensor, _: torch.Generator) -> torch.Tensor:
    batch = hidden[-1:] if hidden.dim() > 2 else hidden
    last = batch if batch.dim() < 2 else batch.select(-2, -1)
    last[...] = True
    return hidden


def _at_random(hidden: torch.Tensor, generator: torch.Generator) -> torch.Tensor:
    return torch.rand(hidden.shape, generator=generator) < 0.4


def _inverted(role: InputRole, x: torch.Tensor, _: torch.Generator) -> torch.Tensor | None:
    if role.role is not Role.MASK:
        return None
    return ~x if x.dtype is torch.bool else 1 - x


RECIPES: tuple[Recipe, ...] = (
    Recipe("values in another order", _permuted, random=True),
    Recipe("signs flipped", _negated),
    Recipe("the end of a row masked", _hiding(_end_of_last_row)),
    Recipe("a row masked entirely", _hiding(_all_of_last_row)),
    Recipe("a random mask", _hiding(_at_random), random=True),
    Recipe("masks inverted", _inverted),
    Recipe("the smallest and largest index", _largest_index),
    Recipe("integers beyond 2**24", _large_integers, random=True),
    Recipe("small halves and zeros", _of_numbers(_special), random=True),
    Recipe("zeros of both signs among the values", _of_numbers(_zeros_of_both_signs), random=True),
    Recipe("values that tie", _of_numbers(_ties)),
    Recipe("decimal fractions", _of_numbers(_tenths), random=True),
    Recipe("a large mean", _of_numbers(_far_from_zero)),
    Recipe("magnitudes from 1e-4 to 1e4", _spread_over(4.0), random=True),
    Recipe("magnitudes from 1e-8 to 1e8", _spread_over(8.0), random=True),
    Recipe("magnitudes from 1e-30 to 1e30", _spread_over(30.0), random=True),
    Recipe("magnitudes from 1e-4 to 1e4 of both signs", _spread_over(4.0, both_signs=True), random=True),
    Recipe("magnitudes from 1e-30 to 1e30 of both signs", _spread_over(30.0, both_signs=True), random=True),
    Recipe("values up to 100", _scaled_to(1e2)),
    Recipe("values up to 1e4", _scaled_to(1e4)),
    Recipe("values up to 1e9", _scaled_to(1e9)),
    Recipe("values up to 1e18", _scaled_to(1e18)),
    Recipe("values up to the largest finite number", _scaled_to(3.4e38)),
    Recipe("values down to 1e-5", _scaled_to(1e-5)),
    Recipe("values down to 1e-18", _scaled_to(1e-18)),
    Recipe("denormal values", _scaled_to(1e-39)),
    Recipe("all values 0", _of_numbers(lambda x, _: torch.zeros_like(x))),
)
"""Ways to make another set of inputs, the plainest first: of two that add as much, the earlier is taken."""
