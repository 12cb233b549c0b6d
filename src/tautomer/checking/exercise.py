"""What none of the input sets exercised, as sentences for the report: a check proves nothing about it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

_Key = tuple[str, str | None, int, str]


def not_exercised(
    sets: Sequence[Mapping[str, Any] | None], sizes: Sequence[Mapping[str, Any]] = (), *, edges: bool = False
) -> list[str]:
    """What no input set exercises, one sentence an operator and line.

    Args:
        sets: of each input set, what its watched run showed (`Exercise.fields()` of the source's adapter): its
            `observations` and a digest of each of its `outputs`; None where it could not be watched.
        sizes: observations about the sizes of dynamic dimensions, over all sets.
        edges: whether to list what ordinary values do not exercise either: ties, signed zeros, fully masked rows.

    Returns:
        Sentences in the order the operators run; sizes and constant outputs first.
    """
    watched = [one for one in sets if one is not None]
    return [
        *_grouped(_never_met([*sizes]), edges=edges),
        *_constant_outputs(watched),
        *_grouped(_never_met([one for each in watched for one in each["observations"]]), edges=edges),
    ]


def _never_met(observations: Sequence[Mapping[str, Any]]) -> tuple[dict[_Key, Mapping[str, Any]], dict[_Key, bool]]:
    """One observation of each obligation, and whether any run meets it."""
    first: dict[_Key, Mapping[str, Any]] = {}
    met: dict[_Key, bool] = {}
    for one in observations:
        key = (one["operator"], one["line"], one["ordinal"], one["lacking"])
        first.setdefault(key, one)
        met[key] = met.get(key, False) or bool(one["acted"])
    return first, met


def _grouped(found: tuple[dict[_Key, Mapping[str, Any]], dict[_Key, bool]], *, edges: bool) -> Iterator[str]:
    """One sentence where a line runs an operator several times, as a stack of layers does."""
    first, met = found
    groups: dict[tuple[str, str | None, str], list[_Key]] = {}
    for key in first:
        groups.setdefault((key[0], key[1], key[3]), []).append(key)
    for (operator, line, lacking), keys in groups.items():
        missing = [key for key in keys if not met[key]]
        if not missing or (first[missing[0]]["edge"] and not edges):
            continue
        name = operator.removesuffix(" values")
        where = f" ({line})" if line else "" if operator.startswith("input ") else f" ('{first[missing[0]]['node']}')"
        share = f", at {len(missing)} of the {len(keys)} places where the line runs it" if len(keys) > 1 else ""
        yield f"{name}{where}: {lacking}{share}"


def _constant_outputs(watched: Sequence[Mapping[str, Any]]) -> Iterator[str]:
    if len(watched) < 2:
        return
    for path in watched[0]["outputs"]:
        if len({one["outputs"].get(path) for one in watched}) == 1:
            yield f"output '{path}' is the same on all {len(watched)} input sets"
