"""From a framework's table of operators to its feasible sequences: samples written, read as graphs, put together."""

from __future__ import annotations

import importlib
import tempfile
from collections import defaultdict
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
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

Heard = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Chosen:
    """A sample that is to be read: an operator of the table, one of its signatures, and an application that has it."""

    entry: int
    signature: Signature
    application: Application


@dataclass(slots=True)
class Ways:
    """The ways in which graphs write one operator.

    Attributes:
        seen: each piece with the signatures that it was seen for.
        samples: how many were read.
    """

    seen: dict[Piece, list[Signature]] = field(default_factory=lambda: defaultdict(list))
    samples: int = 0

    @property
    def is_plain(self) -> bool:
        """Whether it is always the same single node."""
        return len(self.seen) == 1 and all(len(one.operators) == 1 for one in self.seen)

    def assigned(self, found: Sequence[Signature]) -> Iterator[tuple[Piece, list[Signature]]]:
        """Each piece with the signatures that it is taken to be possible for.

        That is all of them where there is one piece. Where there are several, a piece goes with a signature whose
        ranks it was seen with, in whatever dtypes, and whose dtypes it was seen with, at whatever ranks; what was never
        read of a signature excludes no piece.
        """
        if len(self.seen) == 1:
            yield next(iter(self.seen)), list(found)
            return
        ranks = {piece: {one.ranks for one in seen} for piece, seen in self.seen.items()}
        dtypes = {piece: {one.dtypes for one in seen} for piece, seen in self.seen.items()}
        every_rank, every_dtype = set().union(*ranks.values()), set().union(*dtypes.values())
        for piece in self.seen:
            yield (
                piece,
                [
                    one
                    for one in found
                    if (one.ranks in ranks[piece] or one.ranks not in every_rank)
                    and (one.dtypes in dtypes[piece] or one.dtypes not in every_dtype)
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
        several: operators that become several nodes.
    """

    framework: str
    sequences: FeasibleSequences
    unread: Mapping[str, str]
    samples: int
    several: tuple[str, ...]


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
    """One sample for each rank of the largest operand, dtypes in turn, and one with a dynamic dimension."""
    by_rank: dict[int, list[Signature]] = defaultdict(list)
    for signature, applications in found.found.items():
        if applications:
            by_rank[max(one.rank for one in signature.slots if one.is_open)].append(signature)
    for number, several in enumerate(by_rank.values()):
        signature = several[number * 7 % len(several)]
        yield Chosen(entry, signature, found.found[signature][0])
    for signature, applications in list(found.dynamic.items())[:1]:
        yield Chosen(entry, signature, applications[0])


def _more(entry: int, found: Signatures) -> Iterator[Chosen]:
    """Samples that between them have every combination of ranks, and of dtypes, as far as there is room."""
    yield from _covering(entry, found.found, MOST_SAMPLES - DYNAMIC_SAMPLES)
    yield from _covering(entry, found.dynamic, DYNAMIC_SAMPLES)


def _covering(entry: int, found: Mapping[Signature, Sequence[Application]], most: int) -> Iterator[Chosen]:
    met: dict[object, int] = defaultdict(int)
    every = [(signature, one) for signature, applications in found.items() for one in applications]
    for _ in range(min(most, len(every))):
        # The least known ranks and dtypes first; attributes differ among the applications of one signature.
        chosen = min(range(len(every)), key=lambda one: met[every[one][0].ranks] + met[every[one][0].dtypes])
        signature, application = every.pop(chosen)
        met[signature.ranks] += 1
        met[signature.dtypes] += 1
        yield Chosen(entry, signature, application)


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
            for one in group:
                self.ways[one.entry].samples += 1
            for place, piece in pieces_of(architecture, samples, program.nodes):
                self.ways[group[place].entry].seen[piece].append(group[place].signature)
        return refused
