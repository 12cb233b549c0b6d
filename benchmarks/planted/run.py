"""Faults planted in the conversion of real architectures: which nodes a check names, and what a reduction leaves.

Run it from the root of the repository: `python benchmarks/planted/run.py [--quick] [--seed N] [NAME ...]`. Results are
kept, one JSON file a fault, and a run that was stopped goes on where it was.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "architectures"))
sys.path.insert(0, str(Path(__file__).resolve().parent.parent / "judge"))

from choosing import chosen
from measuring import clean_conversion, faulty_software, measured, module_of
from plant_tables import summary, table
from plants import Plant, Where
from results_store import ResultsStore

from tautomer.execution import Pool

CHOSEN = ("bert", "resnet", "swin", "t5")
"""Faults and locating were looked at on these."""

HELD_OUT = ("segformer", "whisper")
"""These were only measured."""

SINGLES = (
    ("single", Where.TRANSLATION),
    ("single", Where.OPTIMIZER),
    ("single", Where.KERNEL),
    ("single", Where.TRANSLATION),
)
PAIRS = (
    (("pair", Where.OPTIMIZER), ("pair", Where.KERNEL)),
    (("pair", Where.TRANSLATION), ("exchange", Where.OPTIMIZER)),
    (("pair", Where.KERNEL), ("exchange", Where.TRANSLATION)),
)
"""Faults of two nodes, in turns over the architectures."""

SEED = 0
PLANT = "plant.json"


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("names", nargs="*", help="architectures; all where none is named")
    parser.add_argument("--quick", action="store_true", help="one architecture, two faults")
    parser.add_argument("--seed", type=int, default=SEED)
    parser.add_argument("--results", type=Path, default=Path(".tautomer") / "benchmarks" / "planted")
    parser.add_argument("--no-reduction", action="store_true")
    parser.add_argument("--seconds", type=float, default=float("inf"), help="begin no fault after so many seconds")
    parser.add_argument("--show", action="store_true", help="only print what is there")
    given = parser.parse_args()
    store = ResultsStore(given.results / (f"quick-{given.seed}" if given.quick else f"seed-{given.seed}"))
    given.until = time.monotonic() + given.seconds
    if not given.show:
        with Pool() as pool, tempfile.TemporaryDirectory() as scratch, faulty_software(Path(scratch) / PLANT):
            names = given.names or ([CHOSEN[0]] if given.quick else [*CHOSEN, *HELD_OUT])
            for name in names:
                _measure(name, given, store, (pool, Path(scratch)))
    rows = [row for _, row in store.all("faults")]
    print(table(rows))
    print(summary(rows))
    return 0


def wanted(name: str) -> list[tuple[str, Where]]:
    """The faults of an architecture."""
    names = [*CHOSEN, *HELD_OUT]
    turn = names.index(name) if name in names else 0
    return [*SINGLES, *PAIRS[turn % len(PAIRS)]]


def _measure(name: str, given: argparse.Namespace, store: ResultsStore, workplace: tuple[Pool, Path]) -> None:
    """Measure what is not yet in the store."""
    pool, folder = workplace
    path = module_of(name, folder)
    found = store.get(f"plants/{name}") or _chosen(name, path, given, workplace)
    store.put(f"plants/{name}", found)
    for index, one in enumerate(found["faults"]):
        key = f"faults/{name}/{index}"
        if time.monotonic() > given.until:
            return
        if store.get(key):
            continue
        plant = Plant.read(one["plant"])
        row = {"name": name, "set": "held out" if name in HELD_OUT else "chosen", "nodes": found["nodes"], **one}
        row |= measured(path, plant, folder / PLANT, pool, folder, reduces=not given.no_reduction)
        store.put(key, row)
        print(f"  {plant.description}: exact {row['exact']}, {row.get('nodes_after')} nodes", flush=True)


def _chosen(name: str, path: Path, given: argparse.Namespace, workplace: tuple[Pool, Path]) -> dict[str, Any]:
    """The faults of an architecture."""
    began = time.monotonic()
    clean = clean_conversion(path, *workplace, given.seed)
    plants = chosen(clean, wanted(name)[: 2 if given.quick else None])
    nodes = len(clean.saved.graph.node)
    print(f"{name}: {nodes} nodes, {len(plants)} faults in {time.monotonic() - began:.0f} s", flush=True)
    return {"nodes": nodes, "faults": [{"rule": rule, "plant": asdict(plant)} for rule, plant in plants]}


if __name__ == "__main__":
    sys.exit(main())
