"""What judging a checkpoint operator by operator gave, as its worker reported it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tautomer.model import Event


@dataclass(frozen=True, slots=True)
class FragmentFault:
    """A fragment of a target that is another function than the source's operator, or a worse formula of it.

    Attributes:
        value: the target's name of what it makes.
        nodes, op_types: the target's nodes, and their operators.
        operator, line: the source's.
        semantic: whether the function differs.
        range_fault: where the formula leaves the finite range and the source does not.
        size_u: residual in u where the function differs, else how many times the error exceeds its limit.
        source: the source's name of the value.
    """

    value: str
    nodes: tuple[str, ...]
    op_types: tuple[str, ...]
    operator: str
    line: str | None
    semantic: bool
    range_fault: str | None
    size_u: float
    source: str = ""

    def text(self) -> str:
        """One sentence."""
        made = " -> ".join(self.op_types)
        where = f" ({self.line})" if self.line else ""
        target = f"{made} for '{self.value}'"
        if self.semantic:
            return f"{self.operator}{where} became {target}: another function, off by {self.size_u:.3g} u"
        if self.range_fault:
            return f"{self.operator}{where} became {target}: another range, {self.range_fault}"
        said = f"the same function by a formula that errs {self.size_u:.3g} times as much as it may"
        return f"{self.operator}{where} became {target}: {said}"


@dataclass(slots=True)
class FragmentRun:
    """What judging operator by operator gave on one input set.

    Attributes:
        error: why it could not be done; None where it was.
        judged: number of fragments.
        source_values, aligned: how many values the source computes, and how many of them the target has.
        sound: every fragment is the source's function.
        stable: no formula loses accuracy or range that the source's has.
        semantic_residual_u, rounding_ratio, stability_rho: the largest over fragments.
        alignment: file of the alignment.
        faults: what is neither sound nor stable.
    """

    error: str | None = None
    judged: int = 0
    source_values: int = 0
    aligned: int = 0
    sound: bool = False
    stable: bool = False
    semantic_residual_u: float | None = None
    rounding_ratio: float | None = None
    stability_rho: float | None = None
    alignment: Path | None = None
    faults: list[FragmentFault] = field(default_factory=list)


def fragment_runs(events: Iterable[Event]) -> dict[int, FragmentRun]:
    """By input set, what the events say."""
    runs: dict[int, FragmentRun] = {}
    faults: dict[int, list[FragmentFault]] = {}
    for event in events:
        fields = event.fields
        if event.name == "fragment":
            faults.setdefault(int(fields["input"]), []).append(_fault(fields))
        elif event.name == "fragments":
            index = int(fields["input"])
            if fields.get("error"):
                runs[index] = FragmentRun(str(fields["error"]))
                continue
            runs[index] = FragmentRun(
                judged=fields["judged"],
                source_values=fields["source_values"],
                aligned=fields["aligned"],
                sound=fields["sound"],
                stable=fields["stable"],
                semantic_residual_u=fields["semantic_residual_u"],
                rounding_ratio=fields["rounding_ratio"],
                stability_rho=fields["stability_rho"],
                alignment=Path(fields["alignment"]),
                faults=faults.get(index, []),
            )
    return runs


def _fault(fields: Mapping[str, Any]) -> FragmentFault:
    semantic = fields["semantic_residual_u"] is not None and not (
        fields["semantic_residual_u"] <= fields["semantic_limit_u"] or fields["own_rounding"]
    )
    return FragmentFault(
        value=fields["value"],
        nodes=tuple(fields["nodes"]),
        op_types=tuple(fields["op_types"]),
        operator=fields["operator"] or "the source",
        line=fields["line"],
        semantic=semantic,
        range_fault=fields["range_fault"],
        size_u=float(fields["semantic_residual_u"] if semantic else fields["rounding_ratio"] or 0.0),
        source=fields["source"],
    )
