"""What the ONNX backend test suite and models that ship with packages cover: `python benchmarks/backend_coverage.py`.

The universe of operators is what the ONNX specification of the installed package declares; that of the other kinds is
the suite itself. Prints the table of docs/reference/coverage.md.
"""

from __future__ import annotations

import sys
import tempfile
from importlib.util import find_spec
from pathlib import Path

import onnx

from tautomer.coverage import KINDS, ModelCoverage, Universe, coverage_of, support
from tautomer.coverage.reading import BACKEND_TESTS, read_models
from tautomer.execution import Pool
from tautomer.model import Limits

SHIPPED = {"onnxruntime": "datasets", "onnx": "backend/test/data/light"}
"""Packages of which the installed wheels hold models, and where."""


def main(others: list[str]) -> int:
    with tempfile.TemporaryDirectory() as scratch, Pool() as pool:

        def read(*arguments: str) -> list[ModelCoverage]:
            found = read_models(arguments, runner=pool, limits=Limits(), run_dir=Path(scratch))
            return [coverage_of(one.architecture) for one in found.models]

        suite = read(BACKEND_TESTS)
        sets = {f"backend tests ({len(suite):,})": suite}
        single = [one for one in suite if not one.name.endswith("_expanded")]
        sets[f"backend tests without expanded functions ({len(single):,})"] = single
        for package, folder in SHIPPED.items():
            models = read(str(folder_of(package) / folder))
            sets[f"{package}'s {folder.rpartition('/')[2]} ({len(models)})"] = models
        for name in others:
            models = read(name)
            sets[f"{Path(name).name} ({len(models)})"] = models
    declared = {one.name if one.domain == "" else f"{one.domain}::{one.name}" for one in onnx.defs.get_all_schemas()}
    print(f"| models | {' | '.join(kind.replace('_', ' ') for kind in KINDS)} |\n|---|{'---|' * len(KINDS)}")
    universe = Universe.of_corpus("backend tests", suite)
    for name, models in sets.items():
        found = support(models)
        cells = [f"{len(found[kind]):,}" for kind in KINDS]
        if models is not suite:
            shares = [universe.share(kind, found[kind]).share or 0.0 for kind in KINDS]
            cells = [f"{cell} ({100 * share:.1f}%)" for cell, share in zip(cells, shares, strict=True)]
        print(f"| {name} | {' | '.join(cells)} |")
    own = {name for name in declared if "::" not in name}
    covered = set(support(suite)["operators"])
    print(f"\nOf {len(own)} operators that ai.onnx declares, the suite has {len(own & covered)}; it lacks:")
    print(", ".join(sorted(own - covered - {"Constant"})) or "none")
    return 0


def folder_of(package: str) -> Path:
    """Where a package is installed."""
    spec = find_spec(package)
    if spec is None or not spec.submodule_search_locations:
        raise SystemExit(f"{package} is not installed")
    return Path(next(iter(spec.submodule_search_locations)))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
