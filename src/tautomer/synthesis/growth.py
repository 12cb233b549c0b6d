"""A model grown node by node: a rule proposes a node, the framework runs it, and a healthy one stays.

Nothing is solved for: a rule draws an operator's attributes and the types of its other operands from the type of the
first, so that what it proposes is valid; the operator then runs on the values that are there, at every size and in
every run that matters, and a node whose value is of no use is dropped before anything is built upon it.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence, Set
from typing import Any

from tautomer.synthesis.dims import Dim, any_dynamic, is_dynamic
from tautomer.synthesis.draws import Draw
from tautomer.synthesis.health import Extent, extent
from tautomer.synthesis.program import DrawnTensor, Node, Program, Reference, references
from tautomer.synthesis.request import Chooser, Request, Tail, sequences_ended
from tautomer.synthesis.runs import Answer, Kernels, Proposal, Refusal, Runs
from tautomer.synthesis.specification import Application, Fresh, Operand, Origin, Rule, Specification, Value
from tautomer.synthesis.tensor_types import ANYTHING, MAXIMUM_RANK, Domain, TensorType

ATTEMPTS_PER_NODE = 60
BLANK_SIZES = (2, 3, 4, 5, 6, 8)
UNMET = 0.03
"""The chance that an operand is made anew although there is a value that would do."""

NODE_WEIGHT = 8.0
"""How much likelier an operand is the result of a node than an input."""

UNREAD_WEIGHT = 3.0
"""How much likelier an operand is a value that nothing reads yet."""

ANCHOR_WEIGHT = 0.05
"""How much likelier a second operand is the first one again."""

PROPOSALS = 3
"""So many first operands are looked at for an operator that brings values together."""

SIZES = 3
"""A model's own dimensions are of so few sizes that shapes meet and values can be brought together."""

SYMBOL = Dim(3, 5)
"""The dynamic dimension: its two sizes differ from most others, so that one taken for another shows."""


class Growth:
    """One model while it grows; what rules see of it is `Scope`.

    Args:
        kernels: the framework.
        chooser: which operators are tried.
        request: what the model should be like.
        seed: of all choices.
        attempt: counts the models that were begun with this seed and could not be grown.
    """

    def __init__(self, kernels: Kernels, chooser: Chooser, request: Request, seed: int, *, attempt: int = 0) -> None:
        self.draw = Draw(seed, attempt)
        self.refused: Counter[tuple[str, str]] = Counter()
        self._chooser = chooser
        chooser.begun()
        self._request = request
        self._seed = seed
        self._values: list[Value] = []
        self._read: Counter[str] = Counter()
        self._inputs: list[DrawnTensor] = []
        self._weights: list[DrawnTensor] = []
        self._nodes: list[Node] = []
        self._tails: dict[str, Set[Tail]] = {}
        self.sequences: set[Tail] = set()
        self._results = 0
        self._specification: Specification | None = None
        self._anchor: str | None = None
        self._dynamic = self.draw.chance(request.dynamic)
        self._runs = Runs(kernels, dynamic=self._dynamic, ties=request.ties, noise=self.draw.seed())
        self._sizes = [self.draw.pick(BLANK_SIZES) for _ in range(SIZES)]
        self._empty = self.draw.chance(request.empty)
        self._most_inputs = request.inputs or 2 + request.nodes // 8

    # What rules see.

    def find(self, name: str, wanted: Callable[[TensorType], bool]) -> Value | None:
        """An existing value whose type is wanted and whose elements may stand there; None where there is none."""
        domain = self._domain(name)
        fitting = [value for value in self._values if wanted(value.type) and self._holds(domain, value)]
        if not fitting or self.draw.chance(UNMET):
            return None
        return self._preferred(fitting)

    def fresh(self, name: str, wanted: TensorType, *, domain: Domain | None = None, fixed: bool = False) -> Fresh:
        """A value of this type that does not exist yet, drawn from the operand's domain, or from another one."""
        return Fresh(wanted, domain or self._domain(name), fixed)

    def operand(self, name: str, wanted: TensorType, *, domain: Domain | None = None) -> Operand:
        """A value of exactly this type: an existing one where there is one and chance wants it, else a fresh one."""
        within = domain or self._domain(name)
        fitting = [value for value in self._values if value.type == wanted and self._holds(within, value)]
        if fitting and not self.draw.chance(UNMET):
            return self._preferred(fitting)
        return Fresh(wanted, within)

    def _holds(self, domain: Domain, value: Value) -> bool:
        if domain is ANYTHING:
            return True
        if domain.low > value.least or domain.high < value.largest:
            return False
        if domain.away_from_zero <= 0.0 or value.least >= domain.away_from_zero:
            return True
        return (
            value.largest <= -domain.away_from_zero or self._runs.nearest_to_zero(value.name) >= domain.away_from_zero
        )

    # Growing.

    def grow(self) -> Program | None:
        """A model; None where too many proposals in a row were refused."""
        tries = 0
        while len(self._nodes) < self._request.nodes:
            tries += 1
            if tries > ATTEMPTS_PER_NODE * self._request.nodes:
                return None
            proposed = self._best_of([self._chooser.choose(self.draw) for _ in range(self._chooser.width)])
            if proposed is not None:
                self._tried(*proposed)
        outputs = [value for value in self._values if value.origin is Origin.NODE and not self._read[value.name]]
        if all(value.type.is_empty for value in outputs):
            return None
        used = {name for node in self._nodes for name in node.operands()}
        return Program(
            self._seed,
            tuple(one for one in self._inputs if one.name in used),
            tuple(self._weights),
            tuple(self._nodes),
            tuple(value.name for value in outputs),
        )

    def value(self, name: str, run: int) -> Any:
        """The tensor that a value is in one run."""
        return self._runs.tensors(name)[run]

    def add(self, specification: Specification) -> bool:
        """Propose a node of an operator; whether it stayed."""
        proposed = self._best_of([specification])
        return proposed is not None and self._tried(*proposed)

    def _best_of(self, specifications: Sequence[Specification]) -> tuple[Specification, Application] | None:
        """The proposal that the chooser finds best."""
        best, most = None, -math.inf
        for specification in specifications:
            self._specification = specification
            application = self._proposed(specification)
            if application is None or not self._fits(application):
                continue
            worth = 0.0
            if len(specifications) > 1:
                worth = self._chooser.worth(self.draw, specification.graph_operator, self._tails_of(application))
            if worth > most:
                best, most = (specification, application), worth
        return best

    def _fits(self, application: Application) -> bool:
        return all(
            one.rank <= MAXIMUM_RANK and int(one.size) <= self._request.elements and (self._empty or not one.is_empty)
            for one in (*application.results, *(operand.type for operand in all_operands(application)))
        )

    def _tails_of(self, application: Application) -> Set[Tail]:
        return {
            tail
            for operand in all_operands(application)
            if isinstance(operand, Value)
            for tail in self._tails.get(operand.name, ())
        }

    def _proposed(self, specification: Specification) -> Application | None:
        """An application, of several the one that reads most of what is there already."""
        rule, domain = specification.rule, specification.domain(specification.rule.anchor)
        fitting = [
            value
            for value in self._values
            if value.type.dtype in specification.dtypes
            and len(value.type.shape) in rule.ranks
            and self._holds(domain, value)
        ]
        weights = self._weights_of(fitting)
        best: Application | None = None
        fewest = math.inf
        for _ in range(PROPOSALS if rule.joins and len(fitting) > 1 else 1):
            self._anchor = None
            anchor: Operand | None
            if fitting and not self.draw.chance(UNMET):
                anchor = self.draw.weighted(fitting, weights)
                self._anchor = anchor.name
            else:
                anchor = self._new_anchor(specification, domain)
            application = None if anchor is None else rule.apply(self, anchor)
            if application is None:
                continue
            outside = sum(_is_outside(one) for one in all_operands(application))
            if outside < fewest:
                best, fewest = application, outside
            if not outside:
                break
        return best

    def _new_anchor(self, specification: Specification, domain: Domain) -> Fresh | None:
        if len(self._inputs) >= self._most_inputs or (self._values and self.draw.chance(0.6)):
            return None
        dtypes = [dtype for dtype in self._request.dtypes if dtype in specification.dtypes]
        if not dtypes:
            return None
        dtype = self.draw.weighted(dtypes, [self._request.dtypes[one] for one in dtypes])
        return Fresh(TensorType(dtype, self._fresh_shape(specification.rule)), domain)

    def _fresh_shape(self, rule: Rule) -> tuple[int, ...]:
        ranks = [rank for rank in rule.ranks if rank <= 5]
        rank = self.draw.weighted(ranks, [(0.3, 1.0, 2.0, 2.0, 2.0, 0.7)[one] for one in ranks])
        if rule.shape is not None:
            shape = rule.shape(self.draw, rank, self._dimension)
        else:
            known = [value.type.shape for value in self._values if value.type.rank in ranks]
            if known and self.draw.chance(0.5):
                return self.draw.pick(known)
            shape = tuple(self._dimension() for _ in range(rank))
        if self._dynamic and shape and (self.draw.chance(0.8) or not self._values):
            shape = (SYMBOL, *shape[1:])
        elif self._empty and self._values and shape and self.draw.chance(0.5):
            index = self.draw.between(0, len(shape) - 1)
            shape = (*shape[:index], 0, *shape[index + 1 :])
        return shape

    def _dimension(self) -> int:
        return 1 if self.draw.chance(self._request.ones) else self.draw.pick(self._sizes)

    def _preferred(self, fitting: Sequence[Value]) -> Value:
        return fitting[0] if len(fitting) == 1 else self.draw.weighted(fitting, self._weights_of(fitting))

    def _weights_of(self, fitting: Sequence[Value]) -> list[float]:
        return [
            (NODE_WEIGHT if value.origin is Origin.NODE else 1.0)
            * (1.0 if self._read[value.name] else UNREAD_WEIGHT)
            * (ANCHOR_WEIGHT if value.name == self._anchor else 1.0)
            for value in fitting
        ]

    def _domain(self, name: str) -> Domain:
        assert self._specification is not None
        return self._specification.domain(name)

    # Trying a proposal.

    def _tried(self, specification: Specification, application: Application) -> bool:
        self._specification = specification
        made: list[tuple[DrawnTensor, bool]] = []
        tensors: dict[str, list[Any]] = {}
        bindings: dict[str, Any] = {}
        for name, operand in application.operands.items():
            bound = (
                tuple(self._bound(one, made, tensors) for one in operand)
                if isinstance(operand, tuple)
                else self._bound(operand, made, tensors, anchor=name == specification.rule.anchor)
            )
            if bound is None or (isinstance(bound, tuple) and None in bound):
                return False
            bindings[name] = bound
        weights = frozenset(drawn.name for drawn, is_input in made if not is_input)
        if all(one.name in weights for one in references(bindings)):
            return False  # a constant
        bindings.update(application.attributes)
        proposal = Proposal(specification, bindings, application.results, tensors, weights)
        try:
            answer = self._runs.answer(proposal)
        except Refusal as refusal:
            self.refused[specification.name, str(refusal)] += 1
            return False
        self._keep(proposal, answer, made)
        return True

    def _bound(
        self,
        operand: Operand,
        made: list[tuple[DrawnTensor, bool]],
        tensors: dict[str, list[Any]],
        *,
        anchor: bool = False,
    ) -> Reference | None:
        if isinstance(operand, Value):
            return Reference(operand.name)
        new_inputs = sum(1 for _, is_input in made if is_input)
        dynamic = any_dynamic(operand.type.shape)
        if any(is_dynamic(size) and size != SYMBOL for size in operand.type.shape):
            return None
        room = len(self._inputs) + new_inputs < self._most_inputs
        is_input = not operand.fixed and (anchor or dynamic or (room and self.draw.chance(0.4)))
        if (dynamic and not is_input) or (is_input and not room and not (anchor and not self._values)):
            return None
        low, high = operand.domain.drawn_from(operand.type.dtype)
        count = len(self._inputs) + new_inputs if is_input else len(self._weights) + len(made) - new_inputs
        drawn = DrawnTensor(f"{'x' if is_input else 'w'}{count}", operand.type, low, high, self.draw.seed())
        made.append((drawn, is_input))
        tensors[drawn.name] = self._runs.drawn(drawn, is_input=is_input)
        return Reference(drawn.name)

    def _keep(self, proposal: Proposal, answer: Answer, made: Sequence[tuple[DrawnTensor, bool]]) -> None:
        for drawn, is_input in made:
            (self._inputs if is_input else self._weights).append(drawn)
            self._runs.keep(drawn.name, proposal.fresh[drawn.name])
            if is_input:
                extents = [extent(one) for one in self._runs.arrays(proposal.fresh[drawn.name])]
                self._values.append(_value(drawn.name, drawn.type, Origin.INPUT, extents))
        for reference in references(proposal.bindings):
            self._read[reference.name] += 1
        specification = proposal.specification
        operator = specification.graph_operator
        before = {tail for one in references(proposal.bindings) for tail in self._tails.get(one.name, ())}
        self._chooser.kept(operator, before)
        self.sequences |= sequences_ended(operator, before)
        tails = {(operator,), *((*tail, operator) for tail in before if len(tail) == 1)}
        names = tuple(f"v{self._results + index}" for index in range(len(proposal.results)))
        self._results += len(names)
        for index, (name, type_) in enumerate(zip(names, proposal.results, strict=True)):
            self._runs.keep(name, [run[index] for run in answer.tensors])
            self._tails[name] = tails
            self._values.append(_value(name, type_, Origin.NODE, [run[index] for run in answer.extents]))
        self._nodes.append(
            Node(
                specification.name,
                specification.expression,
                proposal.bindings,
                names,
                proposal.results,
                specification.graph_operator,
            )
        )


def _value(name: str, type_: TensorType, origin: Origin, seen: Sequence[Extent]) -> Value:
    if type_.dtype == "bool":
        return Value(name, type_, origin, 0.0, 1.0)
    return Value(name, type_, origin, min(one.least for one in seen), max(one.largest for one in seen))


def all_operands(application: Application) -> list[Operand]:
    """The operands of an application, lists taken apart."""
    found: list[Operand] = []
    for operand in application.operands.values():
        found.extend(operand if isinstance(operand, tuple) else (operand,))
    return found


def _is_outside(operand: Operand) -> bool:
    """Whether an operand is not the result of a node, where it might be one."""
    return not operand.fixed if isinstance(operand, Fresh) else operand.origin is Origin.INPUT
