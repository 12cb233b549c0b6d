"""Mutate real models, and check some of the mutants: what share of changes is valid, and what a check finds.

    python benchmarks/generate/mutants.py FOLDER [NAME ...] [--count N] [--check N]

Models, mutants and reports stay in FOLDER, so that a run that was stopped goes on where it was. A change is valid where
the mutant runs and its outputs are as sound as the model's own were.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

from checked import checked, tables

from tautomer.execution import Pool
from tautomer.generation import GenerationSettings, mutate
from tautomer.model import CheckSettings, Keep, Limits
from tautomer.synthesis.mutation import KINDS

MODELS = {
    "bert": "bert.onnx",
    "resnet": "resnet.onnx",
    "rapidocr_orientation": "rapidocr_orientation.onnx",
    "mobilenetv2": "mobilenetv2.py",
    "mobilenetv3small": "mobilenetv3small.py",
}


def main(arguments: argparse.Namespace) -> int:
    """Make the models, their mutants and the reports that are not there yet; print the tables."""
    sources = arguments.folder / "models"
    if not all((sources / file).exists() for file in MODELS.values()):
        command = [sys.executable, str(Path(__file__).parent / "mutated_models.py"), str(sources)]
        subprocess.run(command, check=True)
    rows, failed = [], 0
    with Pool() as pool:
        for name in arguments.names or MODELS:
            folder = arguments.folder / name
            if not (folder / "index.json").exists():
                inputs = sources / f"{name}-inputs"
                settings = GenerationSettings(count=arguments.count)
                samples = inputs if inputs.exists() else None
                mutate(
                    sources / MODELS[name], settings, folder, inputs=samples, limits=Limits(timeout_s=3600), runner=pool
                )
            index = json.loads((folder / "index.json").read_text("utf-8"))
            rows.append((name, index))
            reports = [_checked(one, folder, pool) for one in index["models"][: arguments.check]]
            print(f"\n## {name}: {len(reports)} checked")
            failed |= tables(reports)
    print_rows(rows)
    return failed


def print_rows(rows: list[tuple[str, dict[str, Any]]]) -> None:
    """Print what was tried and refused, for each model and for each kind of change by itself."""
    print("\n| model | mutants | sets of changes tried | valid | " + " | ".join(KINDS) + " |")
    print("|---|---|---|---|" + "---|" * len(KINDS))
    for name, index in rows:
        tried = sum(index["tried_changes"].values())
        kinds = Counter(kind for one in index["models"] for kind in one["kinds"])
        share = f"{len(index['models']) / max(tried, 1):.0%}"
        print(
            f"| {name} | {index['count']} | {tried} | {share} | "
            + " | ".join(str(kinds[kind]) for kind in KINDS)
            + " |"
        )
    print(
        "\n| model | "
        + " | ".join(f"{kind} alone" for kind in KINDS)
        + " | refused |\n|---|"
        + "---|" * (len(KINDS) + 1)
    )
    for name, index in rows:
        refused = Counter()
        alone = Counter()
        for text, count in index["refused_nodes"].items():
            kinds, _, reason = text.partition(": ")
            refused[reason] += count
            alone[kinds] += count
        shares = [_share(index["tried_changes"].get(kind, 0), alone[kind]) for kind in KINDS]
        told = ", ".join(f"{reason} {count}" for reason, count in refused.most_common())
        print(f"| {name} | " + " | ".join(shares) + f" | {told} |")


def _share(tried: int, refused: int) -> str:
    return f"{tried - refused}/{tried}"


def _checked(one: dict[str, Any], folder: Path, pool: Pool) -> dict[str, Any]:
    """What a check says of a mutant; stored as it is made."""
    path = folder / "checked" / f"{one['file']}.json"
    if not path.exists():
        path.parent.mkdir(exist_ok=True)
        with tempfile.TemporaryDirectory() as runs:
            settings = CheckSettings(run_dir=Path(runs), keep=Keep.NONE, inputs=folder / one["inputs"])
            row = checked(folder / one["file"], settings, pool)
        path.write_text(json.dumps({**row, "changes": one["changes"]}), "utf-8")
        print(f"{one['file']} {row['outcome']}", flush=True)
    row = json.loads(path.read_text("utf-8"))
    return dict(row)


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("names", nargs="*", choices=[[], *MODELS], metavar="NAME")
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--check", type=int, default=30)
    sys.exit(main(parser.parse_args()))
