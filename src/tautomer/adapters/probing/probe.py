"""What a probe says of a model: how it fails, in a form that tells one failure from another."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import asdict, dataclass
from typing import Any

from tautomer.adapters.probing.comparison import REFUSES, Seen
from tautomer.adapters.worker_api import qualified_name
from tautomer.model import Stage
from tautomer.model.failure_text import normalised

HANG = "it did not end"
LONGEST_HANG_S = 15.0
"""After which a module smaller than one that hangs is taken to hang: exporting and running one takes about a second."""


@dataclass(frozen=True, slots=True)
class Probe:
    """How one module fails.

    Attributes:
        outcome: `equivalent`, `divergent`, `failed`, or `invalid` where the module itself cannot be used.
        stage: that failed (`load_model`, `node_conversion`, `optimization`, `export`, `validation`, `evaluation`,
            `runtime_load`, `runtime_execution`); `compared` where all ran.
        error: class and text of the error, without what may change while it stays the same.
        differs: what differs and where it was seen, sorted: `model: semantic`, `runtime: range`.
        other_sizes: whether it fails on later input sets only.
        op_types: operators of the exported graph, sorted, each once.
        made_for: operators of the source that nodes of the graph were made for, as far as they say so; likewise.
        nodes: of the exported graph.
    """

    outcome: str
    stage: str
    error: str = ""
    differs: tuple[str, ...] = ()
    other_sizes: bool = False
    op_types: tuple[str, ...] = ()
    made_for: tuple[str, ...] = ()
    nodes: int = 0

    def is_same_failure(self, other: Probe) -> bool:
        """Whether both fail, in the same way; how many nodes it takes does not matter."""
        ours = (self.outcome, self.stage, self.error, self.differs, self.other_sizes)
        theirs = (other.outcome, other.stage, other.error, other.differs, other.other_sizes)
        return self.outcome in ("divergent", "failed") and ours == theirs

    def has_one_of(self, operators: Collection[str]) -> bool:
        """Whether the graph has one of these operators, or a node that was made for one."""
        return not {*operators}.isdisjoint((*self.op_types, *self.made_for))

    def fields(self) -> dict[str, Any]:
        """JSON values of all attributes."""
        return {name: list(value) if isinstance(value, tuple) else value for name, value in asdict(self).items()}

    @classmethod
    def of_comparison(cls, seen: Seen) -> Probe:
        """Of a model that was made, by what a comparison with its source shows."""
        facts: dict[str, Any] = {"op_types": seen.op_types, "made_for": seen.made_for, "nodes": seen.nodes}
        if seen.refused is not None:
            return cls("failed", str(Stage.RUNTIME_LOAD), seen.refused, **facts)
        if any(one.startswith(REFUSES) for one in seen.differs):
            stage = str(Stage.RUNTIME_EXECUTION)
            return cls("failed", stage, seen.checker, seen.differs, seen.other_sizes, **facts)
        if seen.differs:
            return cls("divergent", "compared", seen.checker, seen.differs, seen.other_sizes, **facts)
        if seen.checker:
            return cls("failed", str(Stage.VALIDATION), seen.checker, **facts)
        return cls("equivalent", "compared", **facts)

    @classmethod
    def of(cls, fields: Mapping[str, Any]) -> Probe:
        """From what `fields` gave."""
        known: dict[str, Any] = {name: fields[name] for name in cls.__slots__ if name in fields}
        known |= {name: tuple(value) for name, value in known.items() if isinstance(value, list)}
        return cls(**known)


def error_text(error: BaseException) -> str:
    """Class and text of an exception and of what it came from."""
    texts = [f"{qualified_name(type(error))}: {normalised(str(error))}"]
    cause = error.__cause__ or error.__context__
    while cause is not None and cause.__cause__ is not None:
        cause = cause.__cause__
    if cause is not None:
        texts.append(f"{qualified_name(type(cause))}: {normalised(str(cause))}")
    return "; ".join(texts)
