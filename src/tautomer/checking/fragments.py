"""Judge a checkpoint operator by operator, and say what that settles about its outputs."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

from tautomer.adapters.protocols import WarmHost
from tautomer.checking.attempts import Bench, describe
from tautomer.checking.fragment_records import FragmentRun, fragment_runs
from tautomer.checking.records import CheckpointRecord
from tautomer.checking.results import SourceResult
from tautomer.model import Completed

_TASK = "tautomer.adapters.onnx_files.fragments:judge_fragments"


def judge_fragments(
    bench: Bench,
    host: WarmHost,
    record: CheckpointRecord,
    source: SourceResult,
    *,
    parents: Sequence[CheckpointRecord] = (),
    hints: Path | None = None,
    seed: int = 0,
) -> dict[int, FragmentRun]:
    """By input set, what judging a checkpoint operator by operator gives; empty where the source has no trace.

    Args:
        record: the checkpoint, its interface matched.
        parents: the checkpoint before it, which may still compute what this one holds as a constant.
        hints: alignment of another checkpoint whose values have the same names.
    """
    folder = source.attempt.log.parent
    keys = (("trace", "trace"), ("s32", "s32"), ("s64", "float64"))
    references = [
        {key: str(folder / one[name]) for key, name in keys} if one.get("trace") else None
        for one in source.facts["sets"]
    ]
    if record.path is None or not any(references):
        return {}
    attempt = bench.run(
        host,
        _TASK,
        {
            "model": str(record.path),
            "checkpoint": record.name,
            "inputs": [str(path) for path in source.inputs],
            "feeds": record.feeds,
            "output_names": record.output_names or {},
            "references": references,
            "own_constants": source.facts.get("constants", []),
            "own_scalars": source.facts.get("scalars", []),
            "own_doubles": source.facts.get("doubles", []),
            "opset_override": record.opset_override,
            "parents": [{"path": str(one.path), "opset_override": one.opset_override} for one in parents],
            "hints": str(hints) if hints is not None else None,
            "seed": seed,
        },
        label=f"fragments {record.name}",
    )
    runs = fragment_runs(attempt.events)
    if not isinstance(attempt, Completed):
        said = f"judging operator by operator ended: {describe(attempt)}"
        runs |= {index: FragmentRun(said) for index, one in enumerate(references) if one and index not in runs}
    record.add_cost(attempt.resources.seconds, attempt.resources.peak_memory_bytes)
    return runs
