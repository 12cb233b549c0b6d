"""In words, the precision that a runtime really computed in, where it is not the one the model declares."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tautomer.model import Event
from tautomer.numerics.formats import UNIT_ROUNDOFF

EVENT = "precision"
"""Name of the event: `runtime`, `checkpoint`, and either `nodes` (counts by `declared` and `computed` format, and by
`rounded`: whether results are rounded to the declared format; None where that is not known) or `beyond_int32` (inputs
whose values do not fit the 32-bit integers that the runtime computes in)."""


@dataclass(frozen=True, slots=True)
class _Count:
    """Nodes of one declared format: all, by the format they are computed in, and what becomes of results in another."""

    total: int
    by_computed: Mapping[str | None, int]
    rounded: int
    not_rounded: int


def precision_notes(events: Iterable[Event], *, narrower_only: bool = False) -> list[str]:
    """What `precision` events say that a user would not expect, a sentence each; nothing where all is as declared.

    Args:
        events: of one or several attempts. Checkpoints about which the same is to be said share a sentence.
        narrower_only: only of nodes that are computed with fewer digits than they declare.
    """
    reporting: dict[str, set[str]] = {}
    about: dict[tuple[str, str], list[str]] = {}
    for event in events:
        if event.name != EVENT:
            continue
        runtime, checkpoint = str(event.fields["runtime"]), str(event.fields["checkpoint"])
        reporting.setdefault(runtime, set()).add(checkpoint)
        for predicate in _predicates(event.fields, narrower_only=narrower_only):
            checkpoints = about.setdefault((runtime, predicate), [])
            if checkpoint not in checkpoints:
                checkpoints.append(checkpoint)
    return [
        f"{runtime} {predicate}"
        if set(checkpoints) == reporting[runtime]
        else f"{runtime} ({', '.join(checkpoints)}) {predicate}"
        for (runtime, predicate), checkpoints in about.items()
    ]


def _predicates(fields: Mapping[str, Any], *, narrower_only: bool) -> Iterable[str]:
    for declared, count in _counts(fields.get("nodes", ())).items():
        yield from _of_format(declared, count, narrower_only=narrower_only)
    if narrower_only:
        return
    inputs = [repr(str(name)) for name in fields.get("beyond_int32", ())]
    if inputs:
        yield (
            f"computes 64-bit integers in 32 bits, and {_listed(inputs)} {'holds' if len(inputs) == 1 else 'hold'} "
            "values beyond them, which it wraps"
        )


def _counts(nodes: Iterable[Mapping[str, Any]]) -> dict[str, _Count]:
    counts: dict[str, _Count] = {}
    for node in nodes:
        declared, computed, number = str(node["declared"]), node["computed"], int(node["count"])
        before = counts.get(declared, _Count(0, {}, 0, 0))
        differs = computed not in (None, declared)
        counts[declared] = _Count(
            before.total + number,
            {**before.by_computed, computed: before.by_computed.get(computed, 0) + number},
            before.rounded + (number if differs and node["rounded"] is True else 0),
            before.not_rounded + (number if differs and node["rounded"] is False else 0),
        )
    return counts


def _of_format(declared: str, count: _Count, *, narrower_only: bool) -> Iterable[str]:
    """Float32 nodes are reported only where they are computed in less, so that they have no total."""
    for computed, number in count.by_computed.items():
        narrower = computed in UNIT_ROUNDOFF and UNIT_ROUNDOFF[computed] > UNIT_ROUNDOFF.get(declared, 1.0)
        if computed == declared or (narrower_only and not narrower):
            continue
        of_all = f"{number} of {count.total} {declared} nodes" if declared != "float32" else f"{number} float32 nodes"
        if computed is None:
            yield f"fused {of_all}: in which format it computes them is not known"
            continue
        yield f"computes {of_all} in {computed}{_rounding(declared, count)}"


def _rounding(declared: str, count: _Count) -> str:
    if not count.rounded and not count.not_rounded:
        return ""
    if not count.not_rounded:
        return f" and rounds their results to {declared}"
    if not count.rounded:
        return f" and does not round their results to {declared}"
    return f"; it rounds {count.rounded} of the results to {declared} and hands on {count.not_rounded} unrounded"


def _listed(names: list[str]) -> str:
    return names[0] if len(names) == 1 else f"{', '.join(names[:-1])} and {names[-1]}"
