"""Changes of a model that exists: what can be put in, taken out, exchanged, set or computed otherwise, and where.

The rules that grow models say which operator fits at a value, so a change is valid by construction where it keeps the
value's type. Whether all that follows still runs is found by running; each framework has its own way to apply a change.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from tautomer.synthesis.dims import Dim, any_dynamic, is_dynamic
from tautomer.synthesis.draws import Draw
from tautomer.synthesis.growth import all_operands
from tautomer.synthesis.health import Array
from tautomer.synthesis.program import DrawnTensor, Reference
from tautomer.synthesis.specification import Application, Fresh, Operand, Specification, Value
from tautomer.synthesis.tensor_types import ANYTHING, FLOATS, MAXIMUM_RANK, Domain, TensorType

KINDS = ("insert", "swap", "remove", "attribute", "dtype", "shape")

LARGEST_FRESH = 1 << 16
"""Elements of a tensor that a change may bring along."""

LARGEST_LIST = 8
"""Elements of a list of integers that is taken for an attribute."""

SMALLEST_FOLLOWED = 4
"""From this size on, a number in a constant list is taken for the size that changes; smaller ones mean many things."""

DRAWS = 200
"""So often a change is drawn until enough of them fit."""


class NoEffect(Exception):
    """A change at a node that no output is computed from."""


@dataclass(frozen=True, slots=True)
class Place:
    """A node of the model, where a change may be made.

    Attributes:
        name: of the node; unique.
        title: the node as people call it.
        value: what it computes; None where its first result is no tensor that rules know.
        operands: the tensors that it reads.
        before: the values that are there before it.
        attributes: what it is set to, by whatever the framework finds them by.
        computes: whether it may be computed in another dtype.
    """

    name: str
    title: str
    value: Value | None
    operands: Sequence[Value]
    before: Sequence[Value]
    attributes: Sequence[tuple[Any, Any]]
    computes: bool = True


@dataclass(frozen=True, slots=True)
class Source:
    """An input or a weight: where a model's sizes come from.

    Attributes:
        name: of the tensor.
        type: of the tensor.
        is_input: whether the user gives it.
        labels: for each dimension, what it shares with all dimensions that must have its size: a symbol, or the size.
    """

    name: str
    type: TensorType
    is_input: bool
    labels: tuple[str | int, ...]


@dataclass(frozen=True, slots=True)
class Placed:
    """An operator with all that it takes.

    Attributes:
        specification: the operator.
        bindings: what its expression's names stand for: values of the model and new tensors by `Reference`.
        tensors: what it brings along, in the model's weights.
    """

    specification: Specification
    bindings: Mapping[str, Any]
    tensors: Sequence[DrawnTensor]


@dataclass(frozen=True, slots=True)
class Change:
    """One change; which of the last five is set follows from its kind.

    Attributes:
        kind: one of `KINDS`.
        place: name of the node, or of the input or weight whose size changes.
        description: what a person reads.
        placed: the operator that is put in, or that stands in the node's place.
        stays: name of the operand that stands for the node that is taken out.
        setting: which attribute is set, and to what.
        dtype: what the node is computed in.
        shapes: of inputs and weights, by name.
        size: the size that was, and that which stands for it in `shapes` and where the model says sizes.
    """

    kind: str
    place: str
    description: str
    placed: Placed | None = None
    stays: str | None = None
    setting: tuple[Any, Any] | None = None
    dtype: str | None = None
    shapes: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    size: tuple[int, int] | None = None


class Mutator:
    """Draws changes of one model.

    Args:
        places: its nodes, in their order.
        sources: its inputs and weights.
        table: the operators that may be put in.
    """

    def __init__(self, places: Sequence[Place], sources: Sequence[Source], table: Sequence[Specification]) -> None:
        self._places = places
        self._sources = sources
        self._table = table

    def changes(self, draw: Draw, count: int) -> list[Change]:
        """So many changes at different places; fewer where no more fit."""
        found: dict[str, Change] = {}
        for _ in range(DRAWS):
            change = self.change(draw)
            if change is not None:
                found.setdefault(change.place, change)
            if len(found) == count:
                break
        return list(found.values())

    def change(self, draw: Draw, kinds: Sequence[str] = KINDS) -> Change | None:
        """One change somewhere; None where what was drawn does not fit."""
        kind = draw.pick(kinds)
        if kind == "shape":
            return self._shape(draw)
        if not self._places:
            return None
        made: Change | None = getattr(self, f"_{kind}")(draw, draw.pick(self._places))
        return made

    def _insert(self, draw: Draw, place: Place) -> Change | None:
        if place.value is None:
            return None
        placed = self._placed(draw, place, place.value, place.before, place.value.type)
        if placed is None:
            return None
        text = f"{placed.specification.name} was put in after {place.title}"
        return Change("insert", place.name, text, placed=placed)

    def _swap(self, draw: Draw, place: Place) -> Change | None:
        if not place.operands or place.value is None:
            return None
        placed = self._placed(draw, place, place.operands[0], place.operands[1:], place.value.type)
        if placed is None:
            return None
        return Change("swap", place.name, f"{place.title} became {placed.specification.name}", placed=placed)

    def _remove(self, draw: Draw, place: Place) -> Change | None:
        same = [one.name for one in place.operands if place.value is not None and one.type == place.value.type]
        if not same:
            return None
        stays = draw.pick(same)
        return Change("remove", place.name, f"{place.title} was taken out, {stays} stands for it", stays=stays)

    def _attribute(self, draw: Draw, place: Place) -> Change | None:
        changeable = [(key, value) for key, value in place.attributes if is_changeable(value)]
        if not changeable:
            return None
        key, value = draw.pick(changeable)
        instead = another(draw, value)
        where = f"argument {key}" if isinstance(key, int) else str(key)
        text = f"{where} of {place.title} was {value}, became {instead}"
        return Change("attribute", place.name, text, setting=(key, instead))

    def _dtype(self, draw: Draw, place: Place) -> Change | None:
        own = None if place.value is None else place.value.type.dtype
        if own not in FLOATS or not place.computes:
            return None
        dtype = draw.pick([one for one in FLOATS if one != own])
        return Change("dtype", place.name, f"{place.title} was computed in {dtype}", dtype=dtype)

    def _shape(self, draw: Draw) -> Change | None:
        """Another size of a dimension of inputs, free and first ones more often; or of a size that weights share."""
        axes = [(one, axis) for one in self._sources for axis in range(one.type.rank) if _resizable(one, axis)]
        of_inputs = [(one, axis) for one, axis in axes if one.is_input]
        chosen = of_inputs if draw.chance(0.5) else [(one, axis) for one, axis in axes if not one.is_input]
        if not chosen:
            return None
        weights = [4.0 if is_dynamic(one.type.shape[axis]) else 1.0 if axis else 2.0 for one, axis in chosen]
        source, place = draw.weighted(chosen, weights)
        size, label = int(source.type.shape[place]), source.labels[place]
        sizes = [size + 1, 2 * size, *([size - 1] if size > 1 else []), *([size // 2] if size > 3 else [])]
        instead = draw.pick(sizes)

        def belongs(one: Source, axis: int) -> bool:
            same = one.is_input == source.is_input and one.labels[axis] == label
            return same and (axis == place or isinstance(label, str) or not source.is_input)

        shapes = {
            one.name: tuple(instead if belongs(one, axis) else own for axis, own in enumerate(one.type.shape))
            for one in self._sources
            if any(belongs(one, axis) for axis in range(one.type.rank))
        }
        if source.is_input:
            text = f"dimension {place} of {', '.join(shapes)} was {size}, became {instead}"
        else:
            text = f"the size {size} of {', '.join(list(shapes)[:3])}{_more(len(shapes) - 3)} became {instead}"
        return Change("shape", source.name, text, shapes=shapes, size=(size, instead))

    def _placed(
        self, draw: Draw, place: Place, first: Value, others: Sequence[Value], result: TensorType
    ) -> Placed | None:
        """An operator of the table on a value that gives this type."""
        fitting = [
            one
            for one in self._table
            if first.type.dtype in one.dtypes
            and first.type.rank in one.rule.ranks
            and holds(one.domain(one.rule.anchor), first)
        ]
        if not fitting or first.type.rank > MAXIMUM_RANK:
            return None
        specification = draw.pick(fitting)
        application = specification.rule.apply(_AtNode(draw, specification, others), first)
        if application is None or application.results != (result,) or _depends_on_size(application):
            return None
        if any(isinstance(one, Fresh) and int(one.type.size) > LARGEST_FRESH for one in all_operands(application)):
            return None
        tensors: list[DrawnTensor] = []

        def bound(operand: Operand) -> Reference:
            if isinstance(operand, Value):
                return Reference(operand.name)
            low, high = operand.domain.drawn_from(operand.type.dtype)
            tensors.append(DrawnTensor(f"{place.name}_w{len(tensors)}", operand.type, low, high, draw.seed()))
            return Reference(tensors[-1].name)

        bindings: dict[str, Any] = {
            name: tuple(bound(one) for one in operand) if isinstance(operand, tuple) else bound(operand)
            for name, operand in application.operands.items()
        }
        return Placed(specification, {**bindings, **application.attributes}, tensors)


def is_changeable(value: Any) -> bool:
    """Whether a value of an attribute has another one of its kind."""
    if isinstance(value, bool | int | float):
        return True
    is_list = isinstance(value, list | tuple) and 0 < len(value) <= LARGEST_LIST
    return is_list and all(type(one) is int for one in value)


def another(draw: Draw, value: Any) -> Any:
    """Another value of a changeable attribute's kind."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + draw.pick((-1, 1))
    if isinstance(value, float):
        return value * draw.pick((0.5, 2.0)) if value else 0.5
    place = draw.between(0, len(value) - 1)
    return [one + draw.pick((-1, 1)) if index == place else one for index, one in enumerate(value)]


def holds(domain: Domain, value: Value) -> bool:
    """Whether all elements of a value, as it was seen, lie in a domain."""
    if domain is ANYTHING:
        return True
    away = domain.away_from_zero
    outside = away <= 0.0 or value.least >= away or value.largest <= -away
    return outside and domain.low <= value.least and value.largest <= domain.high


def resized(array: Array, shape: Sequence[int]) -> Array:
    """An array of another shape of the same rank: its own elements, cycled where there are to be more."""
    for axis, size in enumerate(shape):
        if size != array.shape[axis]:
            array = np.take(array, np.arange(size) % max(array.shape[axis], 1), axis)
    return array


def followed(changes: Sequence[Change], sizes: Sequence[int]) -> list[int]:
    """A list of sizes that a model says, such as what it reshapes to, with those that changes give another value."""
    new = dict(one.size for one in changes if one.size is not None and one.size[0] >= SMALLEST_FOLLOWED)
    return [new.get(size, size) for size in sizes]


@dataclass(slots=True)
class _AtNode:
    """What a rule sees at one node: the values before it, or only the node's own other operands."""

    draw: Draw
    specification: Specification
    values: Sequence[Value]

    def find(self, name: str, wanted: Callable[[TensorType], bool]) -> Value | None:
        """A value before the node whose type is wanted."""
        domain = self.specification.domain(name)
        fitting = [one for one in self.values if wanted(one.type) and holds(domain, one)]
        return self.draw.pick(fitting) if fitting else None

    def fresh(self, name: str, wanted: TensorType, *, domain: Domain | None = None, fixed: bool = False) -> Fresh:
        """A tensor that the change brings along."""
        return Fresh(wanted, domain or self.specification.domain(name), fixed=True)

    def operand(self, name: str, wanted: TensorType, *, domain: Domain | None = None) -> Operand:
        """A value before the node of this type, or a tensor that the change brings along."""
        within = domain or self.specification.domain(name)
        fitting = [one for one in self.values if one.type == wanted and holds(within, one)]
        return self.draw.pick(fitting) if fitting else Fresh(wanted, within, fixed=True)


def _resizable(source: Source, axis: int) -> bool:
    """Whether a dimension may have another size: one of a weight that is one is broadcast, integers may be a shape."""
    size = int(source.type.shape[axis])
    if source.is_input:
        return size > 0
    return size > 1 and (source.type.dtype in FLOATS or source.type.rank > 1)


def _depends_on_size(application: Application) -> bool:
    """Whether new tensors or attributes would have a size that differs from run to run."""

    def differs(value: Any) -> bool:
        return any(map(differs, value)) if isinstance(value, list | tuple) else isinstance(value, Dim)

    fresh = [one for one in all_operands(application) if isinstance(one, Fresh)]
    return any(any_dynamic(one.type.shape) for one in fresh) or any(map(differs, application.attributes.values()))


def _more(count: int) -> str:
    return f" and {count} more weights" if count > 0 else ""
