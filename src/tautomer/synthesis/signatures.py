"""Which types operators take and give, read off their rules by applying them, so that nothing is declared twice.

A rule draws attributes and operands for a first operand. Here it is applied to first operands of every dtype and rank
that it takes, many times over, in a scope in which whatever it looks for may be there; the types that come of it are
the operator's signatures. What a rule says of its results (`Rule.results`) tells when enough was drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field

from tautomer.synthesis.dims import is_dynamic
from tautomer.synthesis.draws import Draw
from tautomer.synthesis.growth import SYMBOL
from tautomer.synthesis.specification import Application, Fresh, Operand, Origin, Scope, Specification, Value
from tautomer.synthesis.tensor_types import MAXIMUM_RANK, Domain, TensorType

Kind = tuple[str, int]
"""A dtype and a rank."""

LEAST_DRAWS = 32
"""So many applications of a rule are drawn for each kind of first operand, and as many after each new signature."""

MOST_DRAWS = 600
"""No more are drawn for one kind of first operand, even where the rule says there are results that were not met."""

CANDIDATES = 60
"""So many types are offered to a rule that looks for an existing value."""

DYNAMIC_DRAWS = 6
"""So many applications are drawn for each kind of first operand with a dynamic dimension."""

LARGE = ((), (1024,), (32, 32), (8, 16, 8), (4, 8, 8, 4), (4, 4, 4, 4, 4))
"""Shapes by rank."""

WITNESSES = 3
"""So many applications with different attributes are kept of each signature."""

SIZES = (1, 2, 2, 3, 4, 4, 6)


@dataclass(frozen=True, slots=True, order=True)
class Slot:
    """What an operator takes under one name, or as one element of a list.

    Attributes:
        name: in the expression.
        dtype: of the tensor.
        rank: of the tensor.
        is_open: whether the result of another node may stand there; weights that rules make are always their own.
    """

    name: str
    dtype: str
    rank: int
    is_open: bool

    @property
    def kind(self) -> Kind:
        """Its dtype and rank."""
        return self.dtype, self.rank


@dataclass(frozen=True, slots=True)
class Signature:
    """Types that an operator can take together, and what it then gives.

    Attributes:
        slots: operands, lists taken apart; equal elements of a list once.
        results: kinds of the results, in their order.
    """

    slots: frozenset[Slot]
    results: tuple[Kind, ...]

    @property
    def ranks(self) -> tuple[object, ...]:
        """What is left of it without dtypes."""
        return tuple(sorted({(one.name, one.rank) for one in self.slots})), tuple(rank for _, rank in self.results)

    @property
    def dtypes(self) -> tuple[object, ...]:
        """What is left of it without ranks."""
        return tuple(sorted({(one.name, one.dtype) for one in self.slots})), tuple({dtype for dtype, _ in self.results})


@dataclass(slots=True)
class Signatures:
    """What was found of one specification.

    Attributes:
        specification: of the operator.
        found: each signature with a few applications that have it.
        dynamic: signatures with applications to tensors whose first dimension is dynamic.
        large: signatures with applications to tensors of many elements, of which frameworks keep no constants.
        idle: applications that leave the type of the first operand as it is, of an operator that may also change it: a
            framework may write these down in another way, or leave them out.
        declared_only: kinds of first operand and result that the rule says are possible and that were never drawn.
        undeclared: kinds of first operand and result that were drawn and that the rule does not say.
    """

    specification: Specification
    found: dict[Signature, list[Application]] = field(default_factory=dict)
    dynamic: dict[Signature, list[Application]] = field(default_factory=dict)
    large: dict[Signature, list[Application]] = field(default_factory=dict)
    idle: dict[Signature, list[Application]] = field(default_factory=dict)
    declared_only: set[tuple[Kind, Kind]] = field(default_factory=set)
    undeclared: set[tuple[Kind, Kind]] = field(default_factory=set)


def signatures(specification: Specification, *, most: int = MOST_DRAWS) -> Signatures:
    """The signatures of an operator: the same ones in every process."""
    made = Signatures(specification)
    for dtype in specification.dtypes:
        for rank in specification.rule.ranks:
            if rank <= MAXIMUM_RANK:
                _of_anchor(made, (dtype, rank), most)
                if rank:
                    _dynamic(made, (dtype, rank))
                    _large(made, (dtype, rank))
    for (dtype, rank), kind in made.declared_only if _is_unary(made) else ():
        slot = Slot(specification.rule.anchor, dtype, rank, is_open=True)
        made.found.setdefault(Signature(frozenset((slot,)), (kind,)), [])
    return made


def _is_unary(made: Signatures) -> bool:
    """Whether the operator takes one tensor and gives one, so that what its rule says of results is a signature."""
    return all(len(one.slots) == 1 and len(one.results) == 1 for one in made.found)


def _of_anchor(made: Signatures, anchor: Kind, most: int) -> None:
    specification = made.specification
    declared = {kind for kind in specification.rule.results(*anchor) if kind[1] <= MAXIMUM_RANK}
    seen: set[Kind] = set()
    draw = _Even(0)
    wait = LEAST_DRAWS
    idle: dict[Signature, list[Application]] = {}
    changes = False
    for number in range(most):
        if wait <= 0 and declared <= seen:
            break
        wait -= 1
        first = TensorType(anchor[0], _shape(specification, draw, anchor[1], number))
        application = _drawn(specification, draw, first)
        if application is None:
            continue
        signature = _signature(application)
        if application.results[0] != first:
            changes = True
        else:
            _remember(idle, signature, application)
        if signature not in made.found:
            wait = LEAST_DRAWS
        _remember(made.found, signature, application)
        seen.update(signature.results)
    if changes:
        made.idle |= idle
    made.declared_only |= {(anchor, kind) for kind in declared - seen} if seen else set()
    made.undeclared |= {(anchor, kind) for kind in seen - declared}


def _dynamic(made: Signatures, anchor: Kind) -> None:
    """Applications to tensors whose first dimension is dynamic; other operands may have that dimension, or none."""
    draw = _Even(1)
    for number in range(DYNAMIC_DRAWS):
        shape = (SYMBOL, *_shape(made.specification, draw, anchor[1], number)[1:])
        application = _drawn(made.specification, draw, TensorType(anchor[0], shape))
        if application is None:
            continue
        given = [size for _, one in _operands(application) for size in one.type.shape if is_dynamic(size)]
        if all(size == SYMBOL for size in given):
            signature = _signature(application)
            _remember(made.dynamic, signature, application)
            made.found.setdefault(signature, [])


def _large(made: Signatures, anchor: Kind) -> None:
    """Applications to tensors of 1024 elements."""
    application = _drawn(made.specification, _Even(2), TensorType(anchor[0], LARGE[anchor[1]]))
    if application is not None:
        signature = _signature(application)
        _remember(made.large, signature, application)
        made.found.setdefault(signature, [])


def _remember(found: dict[Signature, list[Application]], signature: Signature, application: Application) -> None:
    """Keep an application whose attributes differ from those that are kept already."""
    kept = found.setdefault(signature, [])
    if len(kept) < WITNESSES and all(one.attributes != application.attributes for one in kept):
        kept.append(application)


def _drawn(specification: Specification, draw: Draw, first: TensorType) -> Application | None:
    value = _value(specification.rule.anchor, first, specification.domain(specification.rule.anchor))
    application = specification.rule.apply(_Offering(draw, specification, first), value)
    return application if application is not None and _fits(application) else None


def _shape(specification: Specification, draw: Draw, rank: int, number: int) -> tuple[int, ...]:
    rule = specification.rule
    if rule.shape is not None and number % 2 == 0:
        return rule.shape(draw, rank, lambda: draw.pick(SIZES))
    if number % 4 == 1:  # equal sizes meet most easily
        return (draw.pick(SIZES),) * rank
    return tuple(draw.pick(SIZES) for _ in range(rank))


def _fits(application: Application) -> bool:
    types = (*application.results, *(one.type for _, one in _operands(application)))
    return all(one.rank <= MAXIMUM_RANK for one in types)


def _signature(application: Application) -> Signature:
    return Signature(
        frozenset(
            Slot(name, one.type.dtype, one.type.rank, isinstance(one, Value)) for name, one in _operands(application)
        ),
        tuple((one.dtype, one.rank) for one in application.results),
    )


def _operands(application: Application) -> Iterator[tuple[str, Operand]]:
    for name, operand in application.operands.items():
        for one in operand if isinstance(operand, tuple) else (operand,):
            yield name, one


def _value(name: str, type_: TensorType, domain: Domain) -> Value:
    return Value(name, type_, Origin.NODE, *domain.drawn_from(type_.dtype))


class _Even(Draw):
    """Draws in which what is unlikely comes as often as what is likely."""

    def chance(self, probability: float) -> bool:
        """True half of the time, unless it is certain."""
        return super().chance(0.5 if 0.0 < probability < 1.0 else probability)


class _Offering(Scope):
    """A scope in which values of all types are there, and any of them may be found."""

    def __init__(self, draw: Draw, specification: Specification, first: TensorType) -> None:
        self.draw = draw
        self._specification = specification
        self._first = first

    def find(self, name: str, wanted: Callable[[TensorType], bool]) -> Value | None:
        """One of the types that are offered, where one is wanted."""
        if self.draw.chance(0.1):
            return None
        for offered in self._offered():
            if wanted(offered):
                return _value(name, offered, self._specification.domain(name))
        return None

    def fresh(self, name: str, wanted: TensorType, *, domain: Domain | None = None, fixed: bool = False) -> Fresh:
        """A value that no node gives."""
        return Fresh(wanted, domain or self._specification.domain(name), fixed)

    def operand(self, name: str, wanted: TensorType, *, domain: Domain | None = None) -> Operand:
        """A value of this type is always there."""
        return _value(name, wanted, domain or self._specification.domain(name))

    def _offered(self) -> Iterator[TensorType]:
        """Types like that of the first operand and made of its sizes, of other dtypes now and then."""
        draw, own = self.draw, self._first
        sizes = (*own.shape, *own.shape, 1, draw.pick(SIZES))
        for _ in range(CANDIDATES):
            rank = draw.between(0, MAXIMUM_RANK)
            way = draw.between(0, 2)
            if way == 0:  # its last axes, or other ones before all of them
                front = tuple(draw.pick(sizes) for _ in range(rank - own.rank))
                shape = (*front, *own.shape[max(own.rank - rank, 0) :])
            elif way == 1 and rank:  # one axis another
                index = draw.between(0, rank - 1)
                shape = tuple(own.shape[place % own.rank] if own.rank else 1 for place in range(rank))
                shape = (*shape[:index], draw.pick(sizes), *shape[index + 1 :])
            else:
                shape = tuple(draw.pick(sizes) for _ in range(rank))
            yield TensorType(own.dtype if draw.chance(0.7) else draw.pick(_OTHERS), shape)


_OTHERS = ("bool", "int64", "int32", "float32", "float64", "float16", "bfloat16", "int16", "int8", "uint8")
