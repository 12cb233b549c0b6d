"""Reduce every defect module of a folder: `python benchmarks/reduced_defects.py FOLDER [NAME]... [--to RUNTIME]`.

The folder holds model modules; a manifest.csv in it, with a column `name`, says which and in what order. Each module's
first finding is reduced with the settings of `tautomer reduce`. The table says what failed, the nodes of the ONNX graph
before and after, which nodes are left, whether a check has proven the result, whether repro.py shows the failure where
`tautomer` cannot be imported, and what it cost.
"""

from __future__ import annotations

import argparse
import csv
import os
import subprocess
import sys
import tempfile
import time
from dataclasses import replace
from pathlib import Path

import onnx

from tautomer.errors import MisuseError
from tautomer.execution import Pool
from tautomer.model import CheckSettings, Keep
from tautomer.model.report_json import decode
from tautomer.reduction import Reduction, Request, reduce

HEADER = ("module", "failure", "nodes", "left", "size", "proven", "repro.py alone", "attempts", "s")
SMALL = 3
"""Nodes that a reduced defect should have at most."""


class Silent:
    """Hears a reduction and says nothing."""

    def stage(self, name: str, detail: str = "") -> None:
        """A step begins."""

    def done(self, name: str, seconds: float, outcome: str | None = None) -> None:
        """A step has ended."""


def main(folder: Path, names: list[str], runtime: str, timeout_s: float) -> int:
    small = single = proven = alone = 0
    modules = [folder / f"{name}.py" for name in names or listed(folder)]
    print(f"| {' | '.join(HEADER)} |\n|{'---|' * len(HEADER)}")
    with Pool() as pool, tempfile.TemporaryDirectory() as scratch:
        limits = replace(CheckSettings().limits, timeout_s=timeout_s)
        settings = CheckSettings(to=(runtime,), limits=limits, run_dir=Path(scratch) / "runs", keep=Keep.NONE)
        for module in modules:
            began_s = time.monotonic()
            request = Request(subject=str(module), settings=settings, out=Path(scratch) / module.stem)
            try:
                reduction = reduce(request, hearer=Silent(), runner=pool)
            except MisuseError as error:
                print(f"| {module.stem} | {error} |{' |' * (len(HEADER) - 2)}", flush=True)
                continue
            cells, shown = described(reduction, Path(scratch))
            seconds = time.monotonic() - began_s
            print(f"| {module.stem} | {' | '.join(cells)} | {reduction.attempts} | {seconds:.0f} |", flush=True)
            few = reduction.nodes_after is not None and reduction.nodes_after <= SMALL
            small += few
            single += not few and reduction.size.startswith("1 operator,")
            proven += reduction.proven
            alone += shown
    count = len(modules)
    print(
        f"{count} defects: {small} with at most {SMALL} nodes, {single} more of a single operator that the converter"
        f" writes with more, {proven} proven, {alone} shown by repro.py alone"
    )
    return 0 if small + single == proven == alone == count else 1


def listed(folder: Path) -> list[str]:
    """The modules that the manifest names, or all of them where there is none."""
    if not (folder / "manifest.csv").exists():
        return sorted(path.stem for path in folder.glob("*.py"))
    with (folder / "manifest.csv").open(newline="") as file:
        return [row["name"] for row in csv.DictReader(file)]


def described(reduction: Reduction, scratch: Path) -> tuple[list[str], bool]:
    """The cells between the module's name and the cost; whether the script shows the failure by itself."""
    if reduction.folder is None:
        return ["; ".join(reduction.said), "", "", "", "no", "no"], False
    report = decode((reduction.folder / "recheck.json").read_bytes())
    finding = next((one for pair in report.reports for one in pair.findings), None)
    failure = f"{finding.outcome} at {finding.stage} ({finding.cause.kind})" if finding else "none"
    graph = reduction.folder / "model.onnx"
    left = [node.op_type for node in onnx.load(str(graph)).graph.node] if graph.exists() else []
    shown = shows_alone(reduction.folder, scratch)
    nodes = f"{reduction.nodes_before} -> {reduction.nodes_after}"
    said = ["yes" if one else "no" for one in (reduction.proven, shown)]
    return [failure, nodes, ", ".join(left), reduction.size or "as it is", *said], shown


def shows_alone(folder: Path, scratch: Path) -> bool:
    """Whether repro.py ends with status 1 in an interpreter that has no `tautomer`."""
    hidden = scratch / "hidden"
    hidden.mkdir(exist_ok=True)
    (hidden / "tautomer.py").write_text("raise ImportError('tautomer is not here')\n")
    environment = {**os.environ, "PYTHONPATH": str(hidden)}
    ended = [
        subprocess.run([sys.executable, *command], cwd=folder, env=environment, capture_output=True, check=False)
        for command in (["-c", "import tautomer"], ["repro.py"])
    ]
    return [one.returncode for one in ended] == [1, 1]


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path)
    parser.add_argument("names", nargs="*", help="modules without .py; all by default")
    parser.add_argument("--to", default="onnxruntime", metavar="RUNTIME")
    parser.add_argument("--timeout", type=float, default=600.0, metavar="S", help="for each attempt; default: 600")
    given = parser.parse_args()
    sys.exit(main(given.folder, given.names, given.to, given.timeout))
