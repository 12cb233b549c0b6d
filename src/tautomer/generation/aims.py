"""What the choice of operators is after: the sequences that models do not cover yet, or those that they have."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tautomer.coverage.data_flow import operators_in, sequences_of
from tautomer.coverage.reading import read_models
from tautomer.errors import MisuseError, ModelFileError
from tautomer.execution import Runner
from tautomer.generation.generating import INDEX, SCHEMA, operator_table
from tautomer.model import Limits
from tautomer.model.architecture import Architecture, Origin

LONGEST = 3
"""Sequences up to this length are what an aim is at."""

Heard = Callable[[str], None]


def aim_at(
    models: Sequence[str], *, framework: str, runner: Runner, limits: Limits, heard: Heard = lambda _: None
) -> dict[str, Any]:
    """Aim at what models do not cover.

    Args:
        models: files, folders and what else `tautomer coverage` reads; a folder that `tautomer generate` wrote is read
            from its index.
        framework: that is generated for.
        runner: of the workers that read.
        limits: of each worker.
        heard: told what is being read.

    Raises:
        MisuseError: a model cannot be read.
    """
    covered: set[tuple[str, ...]] = set()
    rest: list[str] = []
    for one in models:
        known = _indexed(Path(one), framework)
        if known is None:
            rest.append(one)
        else:
            covered |= known
    if rest:
        for architecture in _read(rest, runner, limits, heard):
            for found in sequences_of(architecture, LONGEST, ports=False):
                covered |= {operators_in(sequence) for sequence in found}
    return {"kind": "aim", "covered": sorted(covered)}


def like(
    models: Sequence[str], *, framework: str, runner: Runner, limits: Limits, heard: Heard = lambda _: None
) -> dict[str, Any]:
    """Aim at the operators, and operators after operators, that models have, as often as they have them.

    Args:
        models: files, folders and what else `tautomer coverage` reads.
        framework: that is generated for.
        runner: of the workers that read.
        limits: of each worker.
        heard: told what is being read.

    Raises:
        MisuseError: a model cannot be read; TA167 none of their operators is one that can be generated.
    """
    operators: Counter[str] = Counter()
    pairs: Counter[tuple[str, str]] = Counter()
    for architecture in _read(models, runner, limits, heard):
        _count(architecture, operators, pairs)
    known = {str(one["graph_operator"]) for one in operator_table(framework)}
    if not known & set(operators):
        raise MisuseError(
            "TA167",
            f"none of the operators of {', '.join(models)} is one that is generated for {framework}.",
            "Give models of the framework that is generated for.",
        )
    return {
        "kind": "like",
        "operators": {name: count for name, count in operators.items() if name in known},
        "pairs": [[*pair, count] for pair, count in sorted(pairs.items()) if known.issuperset(pair)],
    }


def _count(architecture: Architecture, operators: Counter[str], pairs: Counter[tuple[str, str]]) -> None:
    for node in architecture.nodes:
        operators[node.operator] += 1
        for operand in node.operands:
            if operand.origin is Origin.NODE:
                pairs[architecture.nodes[operand.index].operator, node.operator] += 1


def _read(models: Sequence[str], runner: Runner, limits: Limits, heard: Heard) -> Iterable[Architecture]:
    read = read_models(models, runner=runner, limits=limits, heard=heard)
    for name, reason in read.unread.items():
        heard(f"{name} is left out: {reason}")
    return [one.architecture for one in read.models]


def _indexed(folder: Path, framework: str) -> set[tuple[str, ...]] | None:
    """The sequences of a folder that `tautomer generate` wrote; None for anything else."""
    path = folder / INDEX
    if not path.is_file():
        return None
    try:
        document: Mapping[str, Any] = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise ModelFileError("TA110", f"{path} is not JSON: {error}.", "Give the folder another index.") from error
    if document.get("schema") != SCHEMA or document.get("framework") != framework:
        return None
    return {tuple(one) for one in document["sequences"]}
