"""From a framework's table of operators to its feasible sequences: samples written, read as graphs, put together."""

from __future__ import annotations

import importlib
import itertools
import tempfile
from collections import Counter, defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any

from tautomer.adapters import registry
from tautomer.adapters.protocols import AdapterKind
from tautomer.coverage.feasible import FeasibleSequences
from tautomer.coverage.operator_pieces import Piece, pieces_of
from tautomer.coverage.reading import read_models
from tautomer.errors import MisuseError, ModelFileError
from tautomer.execution import Runner
from tautomer.model import Limits
from tautomer.synthesis.program import Program
from tautomer.synthesis.samples import Sample, sampled
from tautomer.synthesis.signatures import Signature, Signatures, signatures
from tautomer.synthesis.specification import Application, Specification

FEASIBLE = "feasible:"
"""What stands before the name of a framework where its feasible universe is meant."""

TOGETHER = 150
"""So many operators are read in one graph."""

MOST_SAMPLES = 20
"""So many samples are read of an operator that the framework's graph makes several nodes of, or that it writes in
several ways."""

DYNAMIC_SAMPLES = 5
"""So many of these have a dynamic dimension, where there are as many."""

LARGE_SAMPLES = 3
"""So many more have many elements."""

EVIDENCE = 3
"""So many samples without a certain way of writing an operator are taken to say that there is none."""

DYNAMIC_AT_FIRST = 2
"""So many samples with a dynamic dimension are read of every operator."""

Heard = Callable[[str], None]


class Manner(StrEnum):
    """How an operator is applied in a sample; graphs may write it in another way for each."""

    USUAL = "usual"
    IDLE = "idle"
    DYNAMIC = "dynamic"
    LARGE = "large"


@dataclass(frozen=True, slots=True)
class Chosen:
    """A sample that is to be read: an entry of the table, a manner, a signature, an application that has it."""

    entry: int
    manner: Manner
    signature: Signature
    application: Application


@dataclass(slots=True)
class Ways:
    """The ways in which graphs write one operator.

    Attributes:
        seen: each piece with the samples that it was seen in, by manner and ranks and by manner and dtypes.
        read: how many samples were read of each manner and ranks, and of each manner and dtypes.
        samples: how many were read.
    """

    seen: dict[Piece, set[tuple[Manner, object]]] = field(default_factory=lambda: defaultdict(set))
    read: Counter[tuple[Manner, object]] = field(default_factory=Counter)
    samples: int = 0

    def add(self, one: Chosen, piece: Piece | None) -> None:
        """Remember a sample; without a piece where the graph leaves the operator out."""
        self.samples += 1
        keys = {(one.manner, one.signature.ranks), (one.manner, one.signature.dtypes)}
        self.read.update(keys)
        if piece is not None:
            self.seen[piece] |= {(one.manner, None), *keys}

    @property
    def is_plain(self) -> bool:
        """Whether it is always the same single node."""
        return len(self.seen) == 1 and all(len(one.operators) == 1 for one in self.seen)

    def assigned(self, found: Sequence[Signature]) -> Iterator[tuple[Piece, list[Signature]]]:
        """Each piece with the signatures that it is taken to be possible for.

        That is all of them where there is one piece. Where there are several, it is those of whose ranks, and of whose
        dtypes, `EVIDENCE` samples were not read without any of them having the piece, for a manner that it was seen in.
        """
        for piece, seen in self.seen.items():
            if len(self.seen) == 1:
                yield piece, list(found)
                continue
            manners = [one for one in Manner if (one, None) in seen]
            yield (
                piece,
                [
                    one
                    for one in found
                    if any(
                        all(
                            (manner, key) in seen or self.read[manner, key] < EVIDENCE
                            for key in (one.ranks, one.dtypes)
                        )
                        for manner in manners
                    )
                ],
            )


@dataclass(frozen=True, slots=True)
class FeasibleTable:
    """What a framework's table makes possible.

    Attributes:
        framework: `torch`, `tensorflow` or `onnx`.
        sequences: the automaton.
        unread: operators that no sample could be read of, with the reason.
        samples: how many were read.
        several: names of those that become several nodes.
        operators_of: by an operator's name in the table, the operators of its nodes.
    """

    framework: str
    sequences: FeasibleSequences
    unread: Mapping[str, str]
    samples: int
    several: tuple[str, ...]
    operators_of: Mapping[str, frozenset[str]]


def framework_of(argument: str) -> str | None:
    """The framework whose feasible universe an argument names; None where it names something else.

    Raises:
        MisuseError: TA198 there is no table of its operators.
    """
    if not argument.startswith(FEASIBLE):
        return None
    framework = argument.removeprefix(FEASIBLE)
    known = sorted(_tables())
    if framework not in known:
        raise MisuseError(
            "TA198", f"there are no rules of types for {framework!r}.", f"Give one of: {', '.join(map(_named, known))}."
        )
    return framework


def feasible_table(
    framework: str, *, runner: Runner, limits: Limits, run_dir: Path | None = None, heard: Heard = lambda _: None
) -> FeasibleTable:
    """The sequences that the rules of a framework's operators make possible.

    Args:
        framework: one that models can be generated for.
        runner: of the workers that read graphs.
        limits: of each worker.
        run_dir: where the workers' files lie until the end.
        heard: told what is being done.

    Raises:
        NotInstalledError: the framework is not installed.
        ModelFileError: TA190 no sample can be read.
    """
    registry.require(registry.get(AdapterKind.SOURCE, framework))
    module: Any = importlib.import_module(_tables()[framework])
    table: Sequence[Specification] = module.specifications()
    heard(f"types of {len(table)} operators")
    found = [signatures(one) for one in table]
    ways = [Ways() for _ in table]
    reading = _Samples(table, ways, module.text_of, runner, limits, run_dir, heard)
    reading.read([one for entry, own in enumerate(found) for one in _first(entry, own)])
    reading.read([one for entry, own in enumerate(found) if not ways[entry].is_plain for one in _more(entry, own)])
    sequences = FeasibleSequences()
    for own, seen in zip(found, ways, strict=True):
        for piece, possible in seen.assigned(list(own.found)):
            sequences.add(piece, possible)
    if not sequences.operators:
        raise ModelFileError("TA190", f"no operator of {framework} could be read.", next(iter(reading.unread.values())))
    return FeasibleTable(
        framework,
        sequences,
        {table[entry].name: reason for entry, reason in reading.unread.items() if not ways[entry].seen},
        sum(one.samples for one in ways),
        tuple(
            one.name
            for one, seen in zip(table, ways, strict=True)
            if any(len(piece.operators) > 1 for piece in seen.seen)
        ),
        {
            one.name: frozenset(operator for piece in seen.seen for operator in piece.operators)
            for one, seen in zip(table, ways, strict=True)
        },
    )


def _tables() -> dict[str, str]:
    """By framework, the module that holds its table."""
    return {
        name: adapter.generated_by
        for (kind, name), adapter in registry.adapters().items()
        if kind is AdapterKind.SOURCE and adapter.generated_by is not None
    }


def _named(framework: str) -> str:
    return f"{FEASIBLE}{framework}"


def _first(entry: int, found: Signatures) -> Iterator[Chosen]:
    """One sample for each rank of the largest operand, dtypes in turn, and some that are idle, dynamic or large."""
    yield from _one_a_rank(entry, Manner.USUAL, found.found)
    yield from _one_a_rank(entry, Manner.IDLE, found.idle)
    yield from itertools.islice(_one_a_rank(entry, Manner.DYNAMIC, found.dynamic), DYNAMIC_AT_FIRST)
    yield from itertools.islice(_one_a_rank(entry, Manner.LARGE, found.large), 1)


def _one_a_rank(entry: int, manner: Manner, found: Mapping[Signature, Sequence[Application]]) -> Iterator[Chosen]:
    by_rank: dict[int, list[Signature]] = defaultdict(list)
    for signature, applications in found.items():
        if applications:
            by_rank[max(one.rank for one in signature.slots if one.is_open)].append(signature)
    for number, several in enumerate(by_rank.values()):
        signature = several[number * 7 % len(several)]
        yield Chosen(entry, manner, signature, found[signature][number % len(found[signature])])


def _more(entry: int, found: Signatures) -> Iterator[Chosen]:
    """Samples that between them have every combination of ranks, and of dtypes, as far as there is room."""
    yield from _covering(entry, Manner.USUAL, found.found, MOST_SAMPLES - DYNAMIC_SAMPLES)
    yield from _covering(entry, Manner.DYNAMIC, found.dynamic, DYNAMIC_SAMPLES)
    yield from _covering(entry, Manner.LARGE, found.large, LARGE_SAMPLES)


def _covering(
    entry: int, manner: Manner, found: Mapping[Signature, Sequence[Application]], most: int
) -> Iterator[Chosen]:
    met: Counter[object] = Counter()
    every = [(signature, one) for signature, applications in found.items() for one in applications]
    for _ in range(min(most, len(every))):
        # The least known ranks and dtypes first; attributes differ among the applications of one signature.
        chosen = min(range(len(every)), key=lambda one: met[every[one][0].ranks] + met[every[one][0].dtypes])
        signature, application = every.pop(chosen)
        met.update((signature.ranks, signature.dtypes))
        yield Chosen(entry, manner, signature, application)


@dataclass(slots=True)
class _Samples:
    """Samples written as models, read, and taken apart."""

    table: Sequence[Specification]
    ways: Sequence[Ways]
    text_of: Callable[[Program], str]
    runner: Runner
    limits: Limits
    run_dir: Path | None
    heard: Heard
    unread: dict[int, str] = field(default_factory=dict)

    def read(self, chosen: Sequence[Chosen]) -> None:
        """Read samples together; those of a model that cannot be read in smaller ones, in the end alone."""
        groups = [chosen[begin : begin + TOGETHER] for begin in range(0, len(chosen), TOGETHER)]
        while groups:
            refused = self._read(groups)
            groups = []
            for group, reason in refused:
                if len(group) == 1:
                    self.unread[group[0].entry] = reason
                    continue
                size = -(-len(group) // 8)
                groups += [group[begin : begin + size] for begin in range(0, len(group), size)]

    def _read(self, groups: Sequence[Sequence[Chosen]]) -> list[tuple[Sequence[Chosen], str]]:
        """Read a model for each group; those that cannot be read, with the reason."""
        written: list[tuple[Program, tuple[Sample, ...]]] = []
        with tempfile.TemporaryDirectory() as name:
            folder = Path(name)
            for number, group in enumerate(groups):
                made = sampled([(self.table[one.entry], one.application) for one in group])
                written.append(made)
                (folder / f"{number:05}.py").write_text(self.text_of(made[0]), "utf-8")
            self.heard(f"graphs of {sum(map(len, groups)):,} samples")
            try:
                read = read_models([name], runner=self.runner, limits=self.limits, run_dir=self.run_dir)
            except ModelFileError as error:  # none of them
                return [(group, str(error)) for group in groups]
        architectures = {one.architecture.name: one.architecture for one in read.models}
        refused = []
        for number, group in enumerate(groups):
            file = f"{number:05}.py"
            program, samples = written[number]
            architecture = architectures.get(file)
            if architecture is None or architecture.notes:
                reason = architecture.notes[0] if architecture is not None else read.unread.get(str(folder / file), "")
                refused.append((group, reason))
                continue
            found = dict(pieces_of(architecture, samples, program.nodes))
            for place, one in enumerate(group):
                self.ways[one.entry].add(one, found.get(place))
        return refused
