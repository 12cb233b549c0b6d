"""Check a folder of generated models, and say what came of it by outcome, stage, cause and operator.

    python benchmarks/generate/checked.py FOLDER [--results DIR] [--count N] [--via CONVERTER] [--to RUNTIME]

Every model's report is stored as it is made, so a run that was stopped goes on where it was. Findings are counted by
stage and cause, and grouped by the source's operator and what became of it; each group names its first models.
"""

from __future__ import annotations

import argparse
import json
import re
import sys
import tempfile
import time
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tautomer.checking import run_check
from tautomer.errors import TautomerError
from tautomer.execution import Pool
from tautomer.model import CheckSettings, Keep


def main(arguments: argparse.Namespace) -> int:
    """Check what is not checked yet, then print the tables."""
    models = sorted(arguments.folder.glob("model-*.py"))[: arguments.count]
    arguments.results.mkdir(parents=True, exist_ok=True)
    via, to = ((one,) if one else () for one in (arguments.via, arguments.to))
    with Pool() as pool, tempfile.TemporaryDirectory() as runs:
        settings = CheckSettings(run_dir=Path(runs), keep=Keep.NONE, via=via, to=to)
        for model in models:
            path = arguments.results / f"{model.stem}.json"
            if path.exists():
                continue
            began = time.perf_counter()
            row = checked(model, settings, pool)
            row["seconds"] = round(time.perf_counter() - began, 1)
            path.write_text(json.dumps(row), "utf-8")
            print(f"{model.stem} {row['seconds']:5.1f} s  {row['outcome']}", flush=True)
    stored = [arguments.results / f"{one.stem}.json" for one in models]
    return tables([json.loads(one.read_text("utf-8")) for one in stored])


def checked(model: Path, settings: CheckSettings, pool: Pool) -> dict[str, Any]:
    """What a check says of a model."""
    try:
        report = run_check(model, settings, runner=pool).report.reports[0]
    except TautomerError as error:
        return {"model": model.stem, "outcome": f"{error.code}", "reason": error.message, "findings": []}
    findings = [
        {
            "stage": str(one.stage),
            "category": str(one.cause.category),
            "kind": str(one.cause.kind),
            "operator": one.location.source_node or "-",
            "evidence": one.cause.evidence,
        }
        for one in report.findings
    ]
    return {"model": model.stem, "outcome": str(report.outcome), "reason": report.reason, "findings": findings}


def tables(rows: list[dict[str, Any]]) -> int:
    """Print what came of it; 1 where a check itself went wrong."""
    outcomes: dict[str, int] = defaultdict(int)
    causes: dict[tuple[str, ...], list[str]] = defaultdict(list)
    groups: dict[tuple[str, ...], list[str]] = defaultdict(list)
    for row in rows:
        outcomes[row["outcome"]] += 1
        for one in row["findings"]:
            causes[one["stage"], one["kind"], one["category"]].append(row["model"])
            operator = one["operator"].rpartition(" + ")[2]
            groups[one["stage"], one["kind"], operator, what_became(one["evidence"])].append(row["model"])
        if row["reason"] and not row["findings"]:
            groups[row["outcome"], "", "", _NUMBER.sub("_", str(row["reason"]))[:150]].append(row["model"])
    print(f"\n{len(rows)} models: " + ", ".join(f"{count} {name}" for name, count in sorted(outcomes.items())))
    _table(("models", "findings", "stage", "kind", "category"), causes, lambda found: (len({*found}), len(found)))
    _table(
        ("models", "stage", "kind", "operator", "what became of it", "first"),
        groups,
        lambda found: (len({*found}),),
        lambda found: (", ".join(one.removeprefix("model-") for one in dict.fromkeys(found[:9])),),
    )
    return 1 if any(name.startswith("TA") for name in outcomes) else 0


_NUMBER = re.compile(r"(?<!\w)-?\d+(\.\d+)?(e[+-]?\d+)?")
_ARGUMENTS = re.compile(r"\([^()]*\)")


def what_became(evidence: str) -> str:
    """The first clause of a finding's evidence, without numbers and arguments that differ from model to model."""
    if "could not be converted" in evidence:
        return evidence.partition(": ")[0]
    reduction = next(iter(re.findall(r"reduce='\w+'", evidence)), "")
    while _ARGUMENTS.search(evidence):
        evidence = _ARGUMENTS.sub("", evidence)
    clause = re.split(r": |; |, whose|, which|, and ", evidence)[0]
    return f"{_NUMBER.sub('_', clause)} {reduction}".strip()[:100]


def _table(
    heads: Sequence[str],
    groups: Mapping[tuple[str, ...], list[str]],
    before: Callable[[list[str]], tuple[int, ...]],
    after: Callable[[list[str]], tuple[str, ...]] = lambda _: (),
) -> None:
    print(f"\n| {' | '.join(heads)} |\n|{'---|' * len(heads)}")
    for group, found in sorted(groups.items(), key=lambda one: (-len({*one[1]}), one[0])):
        print(f"| {' | '.join(str(cell) for cell in (*before(found), *group, *after(found)))} |")


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--results", type=Path, default=Path("checked"))
    parser.add_argument("--count", type=int, default=None)
    parser.add_argument("--via")
    parser.add_argument("--to")
    sys.exit(main(parser.parse_args()))
