"""A model grown node by node: a rule proposes a node, the framework runs it, and a healthy one stays.

Nothing is solved for: a rule draws an operator's attributes and the types of its other operands from the type of the
first, so that what it proposes is valid; the operator then runs on the values that are there, at every size and in
every run that matters, and a node whose value is of no use is dropped before anything is built upon it.
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Callable, Sequence
from typing import Any

from tautomer.synthesis.dims import Dim, any_dynamic, is_dynamic
from tautomer.synthesis.draws import Draw
from tautomer.synthesis.health import Extent, extent
from tautomer.synthesis.program import DrawnTensor, Node, Program, Reference, references
from tautomer.synthesis.request import Chooser, Request, Tail, sequences_ended
from tautomer.synthesis.runs import Answer, Kernels, Proposal, Refusal, Runs
from tautomer.synthesis.specification import Application, Fresh, Operand, Origin, Rule, Specification, Value
from tautomer.synthesis.tensor_types import MAXIMUM_RANK, Domain, TensorType
from tautomer.synthesis.values import Values

ATTEMPTS_PER_NODE = 60
BLANK_SIZES = (2, 3, 4, 5, 6, 8)
UNMET = 0.03
"""The chance that an operand is made anew although there is a value that would do."""

FINALISTS = 5
"""So many of the operators that promise most are applied, and compared by what they really bring."""

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
        self._inputs: list[DrawnTensor] = []
        self._weights: list[DrawnTensor] = []
        self._nodes: list[Node] = []
        self.sequences: set[Tail] = set()
        self._results = 0
        self._specification: Specification | None = None
        self._anchor: str | None = None
        self._dynamic = self.draw.chance(request.dynamic)
        self._runs = Runs(kernels, dynamic=self._dynamic, ties=request.ties, noise=self.draw.seed())
        self._values = Values(self._runs.nearest_to_zero)
        self._sizes = [self.draw.pick(BLANK_SIZES) for _ in range(SIZES)]
        self._empty = self.draw.chance(request.empty)
        self._most_inputs = request.inputs or 2 + request.nodes // 8

    # What rules see.

    def find(self, name: str, wanted: Callable[[TensorType], bool]) -> Value | None:
        """An existing value whose type is wanted and whose elements may stand there; None where there is none."""
        if self.draw.chance(UNMET):
            return None
        values, domain = self._values, self._domain(name)

        def fits(value: Value) -> bool:
            return wanted(value.type) and values.holds(domain, value)

        return values.drawn(self.draw, fits, anchor=self._anchor)

    def fresh(self, name: str, wanted: TensorType, *, domain: Domain | None = None, fixed: bool = False) -> Fresh:
        """A value of this type that does not exist yet, drawn from the operand's domain, or from another one."""
        return Fresh(wanted, domain or self._domain(name), fixed)

    def operand(self, name: str, wanted: TensorType, *, domain: Domain | None = None) -> Operand:
        """A value of exactly this type: an existing one where there is one and chance wants it, else a fresh one."""
        within = domain or self._domain(name)
        if self.draw.chance(UNMET):
            return Fresh(wanted, within)
        values = self._values

        def fits(value: Value) -> bool:
            return value.type == wanted and values.holds(within, value)

        return values.drawn(self.draw, fits, anchor=self._anchor) or Fresh(wanted, within)

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
        outputs = self._values.unread()
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
        """The proposal that the chooser finds best, of those that promise most by their first operand."""
        promising = [(one, self._first_operand(one)) for one in specifications]
        if len(promising) > 1:
            promises = [self._promise(*one) for one in promising]
            order = sorted(range(len(promises)), key=promises.__getitem__, reverse=True)
            promising = [promising[index] for index in order]
        best, most, finalists = None, -math.inf, 0
        for specification, first in promising:
            application = self._proposed(specification, first)
            if application is None or not self._fits(application):
                continue
            if len(promising) == 1:
                return specification, application
            tails = self._values.tails(one.name for one in all_operands(application) if isinstance(one, Value))
            worth = self._chooser.worth(self.draw, specification.graph_operator, tails)
            if worth > most:
                best, most = (specification, application), worth
            finalists += 1
            if finalists == FINALISTS:
                break
        return best

    def _promise(self, specification: Specification, first: Value | None) -> float:
        """What an operator would be worth; one that joins values is looked at with any other value beside the first."""
        names = [] if first is None else [first.name]
        if first is not None and specification.rule.joins:
            other = self._values.any_other(self.draw, first)
            names += [] if other is None else [other.name]
        return self._chooser.worth(self.draw, specification.graph_operator, self._values.tails(names))

    def _fits(self, application: Application) -> bool:
        most, empty = self._request.elements, self._empty
        for one in (*application.results, *(operand.type for operand in all_operands(application))):
            size = int(one.size)
            if len(one.shape) > MAXIMUM_RANK or size > most or (size == 0 and not empty):
                return False
        return True

    def _first_operand(self, specification: Specification) -> Value | None:
        """An existing value to begin with; None where there is none, or chance wants a new one."""
        if self.draw.chance(UNMET):
            return None
        rule = specification.rule
        return self._values.first(self.draw, specification.dtypes, rule.ranks, specification.domain(rule.anchor))

    def _proposed(self, specification: Specification, first: Value | None) -> Application | None:
        """An application to a first operand; of several, the one that reads most of what is there already."""
        self._specification = specification
        rule = specification.rule
        best: Application | None = None
        fewest = math.inf
        for _ in range(PROPOSALS if rule.joins and first is not None else 1):
            self._anchor = None if first is None else first.name
            anchor = first or self._new_anchor(specification, specification.domain(rule.anchor))
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
            known = self._values.shapes(ranks)
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
                self._values.add(_spanning(drawn.name, drawn.type, Origin.INPUT, extents))
        read = [one.name for one in references(proposal.bindings)]
        for name in read:
            self._values.read(name)
        specification = proposal.specification
        operator = specification.graph_operator
        before = self._values.tails(read)
        self._chooser.kept(operator, before)
        self.sequences |= sequences_ended(operator, before)
        tails = {(operator,), *((*tail, operator) for tail in before if len(tail) == 1)}
        names = tuple(f"v{self._results + index}" for index in range(len(proposal.results)))
        self._results += len(names)
        for index, (name, type_) in enumerate(zip(names, proposal.results, strict=True)):
            self._runs.keep(name, [run[index] for run in answer.tensors])
            extents = [run[index] for run in answer.extents]
            self._values.add(_spanning(name, type_, Origin.NODE, extents), tails)
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


def _spanning(name: str, type_: TensorType, origin: Origin, seen: Sequence[Extent]) -> Value:
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
