"""The judge measured: clean conversions of real architectures, and faults seeded into them, against fixed tolerances.

    python benchmarks/judge/run.py [--part clean|faults|both] [--only NAME ...] [--faults N] [--results DIR] [--quick]

Results are stored one by one in the results folder, so a run that was stopped goes on where it was; `--fresh` begins
anew. `--quick` takes three architectures and a few faults, as a smoke test.
"""

from __future__ import annotations

import argparse
import os
import shutil
import sys
import tempfile
import traceback
import warnings
from pathlib import Path

os.environ["HF_HUB_OFFLINE"] = "1"
sys.path.insert(0, str(Path(__file__).parents[1] / "architectures"))
sys.path.insert(0, str(Path(__file__).parent))

from activity import output_changes
from catalog import CHOSEN, HELD_OUT
from clean_models import RUNTIMES, check_clean
from results_store import ResultsStore
from seeded_faults import FaultPlan, check_faults
from tables import activity_table, clean_rows, clean_table, faults_table, outcomes_table

from tautomer.execution import Pool

QUICK = ("gru", "unet", "distilbert")
QUICK_FAULTS = 12
FAULTS = 640
"""Seeded over all architectures; inert ones are discarded afterwards, and at least 400 must remain."""


def main(arguments: argparse.Namespace) -> int:
    names = arguments.only or (list(QUICK) if arguments.quick else [*CHOSEN, *HELD_OUT])
    store = ResultsStore(arguments.results)
    if arguments.fresh:
        shutil.rmtree(arguments.results, ignore_errors=True)
    with Pool() as pool, tempfile.TemporaryDirectory() as folder:
        if arguments.part in ("clean", "both"):
            for name in names:
                _clean(name, store, pool, Path(folder), arguments.to)
        if arguments.part in ("faults", "both"):
            plan = FaultPlan.over(names, QUICK_FAULTS if arguments.quick else arguments.faults, arguments.seed)
            for name in names:
                try:
                    check_faults(name, plan, store, pool, Path(folder))
                except Exception as error:  # one architecture must not end a run of hours
                    store.put(f"errors/{name}", {"name": name, "error": "".join(traceback.format_exception(error))})
                    print(f"faults   {name}: {type(error).__name__}: {error}", flush=True)
    for name in names:
        _activity(name, store)
    rows = clean_rows(one for _, one in store.all("clean") if one["name"] in names)
    faults = [one for _, one in store.all("faults") if one["name"] in names and "active" in one]
    changes = {one["name"]: one["changes"] for _, one in store.all("activity") if one["name"] in names}
    for table in (activity_table(changes), outcomes_table(rows), faults_table(faults), clean_table(rows, faults)):
        print(f"\n{table}")
    errors = [
        one for part in ("clean", "errors") for _, one in store.all(part) if one["name"] in names and "error" in one
    ]
    for one in errors:
        print(f"ERROR    {one['name']}: {one['error'].strip().splitlines()[-1]}")
    alarms = [row for row in rows if not row["known_defect"] and row["outcome"] != "equivalent"]
    return 1 if alarms or errors else 0


def _activity(name: str, store: ResultsStore) -> None:
    key = f"activity/{name}"
    if store.get(key) is None:
        store.put(key, {"name": name, "changes": output_changes(name)})


def _clean(name: str, store: ResultsStore, pool: Pool, folder: Path, runtimes: list[str]) -> None:
    key = f"clean/{name}"
    result = store.get(key)
    if result is None or "error" in result:
        result = check_clean(name, pool, folder, runtimes=runtimes)
        store.put(key, result)
    said = "; ".join(f"{level} {one['outcome']}" for level, one in result["levels"].items())
    print(f"clean    {name:30s} {result.get('seconds', 0):6.1f} s  {said or result.get('error')}", flush=True)


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--part", choices=("clean", "faults", "both"), default="both")
    parser.add_argument("--only", nargs="*", default=[])
    parser.add_argument("--to", nargs="*", default=list(RUNTIMES))
    parser.add_argument("--faults", type=int, default=FAULTS)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--results", type=Path, default=Path(".tautomer") / "benchmarks" / "judge")
    parser.add_argument("--fresh", action="store_true")
    parser.add_argument("--quick", action="store_true")
    sys.exit(main(parser.parse_args()))
