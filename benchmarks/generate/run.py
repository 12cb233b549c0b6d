"""Generated models beside NNSmith's, in one run on one core: speed, validity, and what they cover.

    python benchmarks/generate/run.py [--nodes 5 10 20 50 100] [--count 200] [--nnsmith PYTHON]

NNSmith runs in an environment of its own; without `--nnsmith`, one is made from `requirements-nnsmith.txt` beside this
file, in the folder `--environment`. Both sides make PyTorch models with inputs and export nothing. The sides
run one after the other.
"""

from __future__ import annotations

import argparse
import json
import os
import subprocess
import sys
import venv
from pathlib import Path
from typing import Any

HERE = Path(__file__).parent
SIDES = ("NNSmith", "Tautomer", "Tautomer, aimed")


def main(arguments: argparse.Namespace) -> int:
    """Run the sides and print the table."""
    python = arguments.nnsmith or environment(arguments.environment)
    rows: list[tuple[str, ...]] = []
    for nodes in arguments.nodes:
        found = {
            "NNSmith": turn(python, "nnsmith_side.py", arguments.count, nodes),
            "Tautomer": turn(sys.executable, "our_side.py", arguments.count, nodes),
            "Tautomer, aimed": turn(sys.executable, "our_side.py", arguments.count, nodes, "aimed"),
        }
        base = speed(found["NNSmith"])
        for side in SIDES:
            rows.append(row(side, nodes, found[side], base))
            print("| " + " | ".join(rows[-1]) + " |", flush=True)
    print(f"\n{HEAD}\n{RULE}")
    for one in rows:
        print("| " + " | ".join(one) + " |")
    return 0


def environment(folder: Path) -> str:
    """NNSmith's interpreter; its environment is made where it is not there."""
    python = folder / "bin" / "python"
    if not python.exists():
        venv.create(folder, with_pip=True)
        requirements = str(HERE / "requirements-nnsmith.txt")
        subprocess.run([str(python), "-m", "pip", "install", "-q", "-r", requirements], check=True)
    return str(python)


def turn(python: str, script: str, count: int, nodes: int, *more: str) -> list[dict[str, Any]]:
    """The models of one side."""
    variables = {**os.environ, "OMP_NUM_THREADS": "1"}
    command = [python, str(HERE / script), str(count), str(nodes), "0", *more]
    ended = subprocess.run(command, env=variables, capture_output=True, text=True, check=False)
    lines = [json.loads(line) for line in ended.stdout.splitlines() if line.startswith("{")]
    if ended.returncode or len(lines) != count + 1:
        print(f"{script} ended with {ended.returncode} after {len(lines) - 1} models: {ended.stderr[-500:]}")
    return lines[1:]


def speed(models: list[dict[str, Any]]) -> float:
    """Models a second."""
    return len(models) / sum(one["seconds"] for one in models)


def row(side: str, nodes: int, models: list[dict[str, Any]], base: float) -> tuple[str, ...]:
    """One line of the table."""
    operators: set[str] = set()
    pairs: set[tuple[str, str]] = set()
    triples: set[tuple[str, str, str]] = set()
    size = 0
    for model in models:
        made = model.get("nodes", [])
        size += len(made)
        for node in made:
            operators.add(node["op"])
            for before, _ in node["inputs"]:
                pairs.add((made[before]["op"], node["op"]))
                for earlier, _ in made[before]["inputs"]:
                    triples.add((made[earlier]["op"], made[before]["op"], node["op"]))

    def share(name: str) -> str:
        return f"{100 * sum(bool(one.get(name)) for one in models) / len(models):.1f}%"

    own = speed(models)
    return (
        str(nodes),
        side,
        str(len(models)),
        f"{size / len(models):.1f}",
        f"{own:.1f} ({own / base:.1f}x)",
        share("valid"),
        share("finite"),
        share("varies"),
        share("all_vary"),
        str(len(operators)),
        str(len(pairs)),
        str(len(triples)),
    )


HEAD = (
    "| nodes | | models | nodes each | models/s | valid | finite | an output varies | all outputs vary | operators "
    "| sequences of 2 | of 3 |"
)
RULE = "|---|---|---|---|---|---|---|---|---|---|---|---|"


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--nodes", type=int, nargs="+", default=[5, 10, 20, 50, 100])
    parser.add_argument("--count", type=int, default=200)
    parser.add_argument("--nnsmith", help="the interpreter of an environment that holds NNSmith")
    parser.add_argument("--environment", type=Path, default=Path(".nnsmith"), help="where one is made otherwise")
    sys.exit(main(parser.parse_args()))
