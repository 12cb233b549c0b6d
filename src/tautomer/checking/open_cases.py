"""Where a divergence hangs on a case that the ONNX specification leaves open, the cause says so."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from tautomer.adapters.protocols import WarmHost
from tautomer.checking.attempts import Bench
from tautomer.checking.results import Conversion, SourceResult
from tautomer.checking.verdicts import SourceTruth, Verdict, values_of
from tautomer.model import Cause, CauseCategory, Finding, Kind, Location, Outcome, Symptom, Tensor
from tautomer.numerics.judge import judge_declared

_TASK = "tautomer.adapters.onnx_files.open_cases:find_open_cases"


def with_open_cases(
    findings: Sequence[Finding],
    *,
    bench: Bench,
    host: WarmHost,
    conversion: Conversion,
    source: SourceResult,
    runtime: Sequence[Verdict],
) -> list[Finding]:
    """The findings, with the cause `undefined_by_specification` where nothing else is left of a divergence.

    A divergence hangs on open cases where the runtime's values, with the source's own in every element that hangs on
    them, are judged sound on every input set and at every level on which they were not. Costs one evaluation of the
    saved file where something diverges with no known cause, and two more where the file meets an open case.

    Args:
        host: a process that can evaluate ONNX files.
    """
    divergent = [verdict for verdict in runtime if verdict.faults]
    unexplained = [
        one
        for one in findings
        if one.outcome is Outcome.DIVERGENT
        and one.symptom is Symptom.WRONG_MODEL
        and one.cause.category is CauseCategory.UNKNOWN
        # A graph that is another function wherever it is computed is so by what it says, not by what is left unsaid.
        and one.cause.kind is not Kind.SEMANTIC
    ]
    on_onnx = conversion.graph is not None and any(one.record.path is not None for one in conversion.verdicts)
    if not divergent or not unexplained or source.truth is None or not on_onnx:
        return list(findings)
    attempt = bench.run(
        host,
        _TASK,
        {
            "model": str(conversion.graph),
            "inputs": [str(path) for path in source.inputs],
            "feeds": conversion.feeds,
        },
        label="open cases",
    )
    found = {
        int(event.fields["input"]): event.fields
        for event in attempt.events
        if event.name == "open_cases" and event.fields.get("file")
    }
    if not all(_nothing_left(verdict, source.truth, conversion.output_names, found) for verdict in divergent):
        return list(findings)
    cases = [case for fields in found.values() for case in fields["cases"]]
    return [_explained(one, cases) if one in unexplained else one for one in findings]


def _explained(finding: Finding, cases: Sequence[Mapping[str, Any]]) -> Finding:
    first = cases[0]
    evidence = (
        f"{first['op_type']} '{first['node']}' meets {first['name']}: {first['said']};"
        " every element that differs hangs on it"
    )
    nodes = list(dict.fromkeys(str(case["node"]) for case in cases))
    types = list(dict.fromkeys(str(case["op_type"]) for case in cases))
    return replace(
        finding,
        cause=Cause(category=CauseCategory.UNDEFINED_BY_SPECIFICATION, kind=finding.cause.kind, evidence=evidence),
        location=Location(
            nodes=nodes,
            op_types=types,
            source_node=finding.location.source_node,
            source_line=finding.location.source_line,
        ),
        message=f"{finding.message}; {evidence}",
    )


def _nothing_left(
    divergent: Verdict, truth: SourceTruth, names: Mapping[str, str], found: Mapping[int, Mapping[str, Any]]
) -> bool:
    """Whether every fault of a verdict is gone with the source's elements where they hang on an open case."""
    for index, judgement in divergent.faults:
        run = divergent.record.runs.get(("declared", index))
        if index not in found or run is None or run.values is None:
            return False
        name = next((name for name, path in names.items() if path == judgement.path), judgement.path)
        value = values_of(run.values).get(name)
        hanging = values_of(Path(found[index]["file"])).get(name)
        reference = truth.sets[index][judgement.path]
        source = reference.declared
        if not (isinstance(value, Tensor) and isinstance(hanging, Tensor) and isinstance(source, Tensor)):
            return False
        if not value.shape == source.shape == hanging.shape or value.dtype != source.dtype or not hanging.array.any():
            return False
        mended = Tensor(value.dtype, np.where(hanging.array, source.array, value.array))
        if judge_declared(reference, mended).faulty:
            return False
    return True
