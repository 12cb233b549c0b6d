"""What judging costs: MiniLM and ResNet-50, in multiples of one float32 forward pass, with and without --power.

    python benchmarks/judge/cost.py [NAME ...]

The forward pass is the source's own in PyTorch on the first input set, the fastest of several. The judgement is every
task of a check but the conversion and the runtime's sessions, which a user pays anyway; time is that of the tasks'
processes from their start to their end.
"""

from __future__ import annotations

import dataclasses
import os
import sys
import tempfile
import time
import warnings
from pathlib import Path
from typing import Any

os.environ["HF_HUB_OFFLINE"] = "1"
sys.path.insert(0, str(Path(__file__).parents[1] / "architectures"))
sys.path.insert(0, str(Path(__file__).parent))

import torch
from catalog import catalog, written

from tautomer.checking import run_check
from tautomer.execution import Pool
from tautomer.model import Attempt, CheckSettings, Keep, Limits

NAMES = ("minilm", "resnet50")
PASSES = 15


class _TimedPool:
    """A pool that keeps, for every task, its label and how long it took."""

    def __init__(self, pool: Pool) -> None:
        self._pool = pool
        self.seconds: list[tuple[str, float]] = []

    def submit(self, task: Any, limits: Limits, *, folder: Path) -> Attempt:
        """As the pool does."""
        attempt = self._pool.submit(task, limits, folder=folder)
        self.seconds.append((task.function.rpartition(".")[2], attempt.resources.seconds))
        return attempt


def forward_seconds(name: str) -> float:
    """Time of one float32 forward pass of the source on its first input set, undisturbed: the least of several."""
    one = catalog()[name]
    torch.manual_seed(0)
    network, given = one.model(), one.inputs(2, 12)
    times = []
    with torch.inference_mode():
        for _ in range(PASSES):
            began = time.perf_counter()
            network(**given) if isinstance(given, dict) else network(*given)
            times.append(time.perf_counter() - began)
    return min(times)


def main(names: list[str]) -> None:
    """Measure and print."""
    has_power = any(field.name == "power" for field in dataclasses.fields(CheckSettings))
    with Pool() as pool, tempfile.TemporaryDirectory() as folder:
        for name in names or NAMES:
            path, samples = written(name, Path(folder))
            one_pass = forward_seconds(name)
            print(f"{name}: one forward pass {1e3 * one_pass:.1f} ms on {torch.get_num_threads()} threads", flush=True)
            for power in (False, True):
                if power and not has_power:
                    print("  with --power: this version has none")
                    continue
                extra: dict[str, Any] = {"power": True} if power else {}
                settings = CheckSettings(run_dir=Path(folder) / "runs", keep=Keep.NONE, inputs=samples, **extra)
                _report(path, settings, _TimedPool(pool), one_pass, "with --power" if power else "without --power")


def _report(path: Path, settings: CheckSettings, pool: _TimedPool, one_pass: float, label: str) -> None:
    began = time.perf_counter()
    report = run_check(path, settings, runner=pool).report.reports[0]
    whole = time.perf_counter() - began
    by_task: dict[str, float] = {}
    for function, seconds in pool.seconds:
        by_task[function] = by_task.get(function, 0.0) + seconds
    users = [function for function in by_task if function.startswith(("torch_onnx", "onnxruntime_runtime"))]
    judging = sum(seconds for function, seconds in by_task.items() if function not in users)
    print(
        f"  {label}: {report.outcome}; check {whole:.1f} s, of it judging {judging:.1f} s = {judging / one_pass:.0f} "
        f"forward passes"
    )
    for function, seconds in sorted(by_task.items(), key=lambda item: -item[1]):
        print(f"    {function:40s} {seconds:6.2f} s  {seconds / one_pass:7.1f} passes")


if __name__ == "__main__":
    warnings.simplefilter("ignore")
    main(sys.argv[1:])
