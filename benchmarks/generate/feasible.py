"""The feasible universe against models: `python benchmarks/generate/feasible.py FRAMEWORK [FOLDER...] [--prove N]`.

For the models of each folder, read in this order: the share of what is feasible that the first 200, 1,000 and 2,000 of
them cover, and every item that they have and that the universe lacks. With `--prove`: for so many feasible sequences of
two, each as likely, a model of two operators is grown until one has the sequence; those that no model has are named.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import tempfile
import time
from collections import Counter, defaultdict
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from tautomer.coverage import coverage_of
from tautomer.coverage.feasible_reading import FeasibleTable, feasible_table
from tautomer.coverage.feasible_universe import FEASIBLE_KINDS, feasible_universe
from tautomer.coverage.reading import read_models
from tautomer.execution import Pool
from tautomer.model import Limits
from tautomer.synthesis import Growth, Program, Request, Specification
from tautomer.synthesis.choosing import Weighted
from tautomer.synthesis.tensor_types import ALL

STEPS = (200, 1000, 2000)
TRIES = 40
"""So many models are begun for each pair of entries of the table that a sequence may be made of."""

SEEDS = 8
"""So many of them before what came of it is read."""

KERNELS = {
    "torch": ("tautomer.adapters.torch_programs", "kernels", "TorchKernels"),
    "tensorflow": ("tautomer.adapters.tf_programs", "kernels", "TensorFlowKernels"),
    "onnx": ("tautomer.adapters.onnx_files", "operator_kernels", "OnnxRuntimeKernels"),
}


class Pair(Weighted):
    """One operator, then another: the second is tried once the first stands."""

    def __init__(self, first: Specification, second: Specification) -> None:
        super().__init__((first,))
        self._both = (first, second)
        self._kept = 0

    def begun(self) -> None:
        """The first one is next."""
        self._kept = 0

    def choose(self, draw: Any) -> Specification:
        """The first, then the second."""
        return self._both[min(self._kept, 1)]

    def kept(self, operator: str, tails: Any) -> None:
        """It stands."""
        self._kept += 1


def main() -> int:
    parser = argparse.ArgumentParser()
    parser.add_argument("framework")
    parser.add_argument("folders", nargs="*")
    parser.add_argument("--prove", type=int, default=0)
    parser.add_argument("--seed", type=int, default=0)
    asked = parser.parse_args()
    with Pool() as pool:
        began = time.monotonic()
        table = feasible_table(asked.framework, runner=pool, limits=Limits(600.0))
        seconds = time.monotonic() - began
        sizes = {kind: feasible_universe(table).rules[kind].size for kind in FEASIBLE_KINDS}
        print(
            f"{asked.framework}: {seconds:.0f} s, {table.samples:,} samples, "
            f"{len(table.several)} operators of several nodes"
        )
        print(f"no graph: {dict(table.unread)}")
        print(f"feasible: {sizes}", flush=True)
        if asked.folders:
            shares(table, asked.folders, pool)
        if asked.prove:
            prove(table, asked.prove, asked.seed, pool)
    return 0


def shares(table: FeasibleTable, folders: list[str], pool: Pool) -> None:
    universe = feasible_universe(table)
    covered: dict[str, Counter[str]] = {kind: Counter() for kind in FEASIBLE_KINDS}
    models = 0
    print(f"| models | {' | '.join(FEASIBLE_KINDS)} |")
    for folder in folders:
        for model in read_models([folder], runner=pool, limits=Limits(600.0)).models:
            items = coverage_of(model.architecture).items
            models += 1
            for kind in FEASIBLE_KINDS:
                covered[kind].update(items[kind])
            if models in STEPS:
                found = [universe.share(kind, covered[kind]) for kind in FEASIBLE_KINDS]
                print(
                    f"| {models:,} | {' | '.join(f'{one.inside:,} ({one.share:.2g})' for one in found)} |", flush=True
                )
    for kind in FEASIBLE_KINDS:
        outside = [item for item in covered[kind] if item not in universe.rules[kind]]
        print(
            f"{kind}: {len(outside)} of {len(covered[kind]):,} that {models:,} models have are outside: {outside[:20]}"
        )


def prove(table: FeasibleTable, count: int, seed: int, pool: Pool) -> None:
    package, module, kernels_class = KERNELS[table.framework]
    kernels = getattr(importlib.import_module(f"{package}.{module}"), kernels_class)()
    generating: Any = importlib.import_module(f"{package}.generating")
    entries: dict[str, list[Specification]] = defaultdict(list)
    for one in generating.specifications():
        for operator in table.operators_of[one.name]:
            entries[operator].append(one)
    wanted = table.sequences.drawn(2, count, seed)
    left = dict.fromkeys(wanted, "no model of two operators could be grown")
    for begin in range(0, TRIES, SEEDS):
        with tempfile.TemporaryDirectory() as folder:
            for number, sequence in enumerate(left):
                words = sequence.split()
                for place, program in enumerate(grown(kernels, entries[words[0]], entries[words[2]], begin)):
                    path = Path(folder) / f"{number:03}-{place:03}.py"
                    path.write_text(generating.text_of(program), "utf-8")
            read = read_models([folder], runner=pool, limits=Limits(600.0)).models
        found = {item for one in read for item in coverage_of(one.architecture).items["sequences_2"]}
        left = {one: reason for one, reason in left.items() if one not in found}
        print(f"{count - len(left)} of {count} grown after {begin + SEEDS} seeds", flush=True)
        if not left:
            break
    for sequence in left:
        print(f"not grown: {sequence}")


def grown(kernels: Any, firsts: list[Specification], seconds: list[Specification], begin: int) -> Iterator[Program]:
    """Models of two operators, one that reads the other; few of them, for each is read."""
    for first in firsts[:6]:
        for second in seconds[:6]:
            for seed in range(begin, begin + SEEDS):
                request = Request(nodes=2, dtypes=dict.fromkeys(ALL, 1.0), inputs=4)
                program = Growth(kernels, Pair(first, second), request, seed).grow()
                if program is not None and set(program.nodes[1].operands()) & set(program.nodes[0].results):
                    yield program
                    break


if __name__ == "__main__":
    sys.exit(main())
