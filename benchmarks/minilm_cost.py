"""What a check costs: MiniLM through `tautomer check` against a script that only exports once and runs once.

Both run in turn, several times, in one session; time is wall-clock, memory the sampled peak of the proportional set
size (PSS) of the whole process tree. Prints each pair and the median ratios; the goal is at most 3 times the time and
2 times the memory.

    python benchmarks/minilm_cost.py [PAIRS]
"""

from __future__ import annotations

import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

EXAMPLE = Path(__file__).parents[1] / "examples" / "minilm.py"

SCRIPT = """
import sys, torch, onnxruntime
sys.path.insert(0, {folder!r})
import minilm
model, inputs = minilm.model().eval(), minilm.inputs()
shapes = minilm.DYNAMIC_SHAPES
torch.onnx.export(model, (), {target!r}, kwargs=inputs, dynamic_shapes=shapes, dynamo=True, verbose=False)
session = onnxruntime.InferenceSession({target!r})
session.run(None, {{one.name: inputs[one.name].numpy() for one in session.get_inputs()}})
"""


def tree(root: int) -> list[int]:
    """The process and all its descendants."""
    found, pending = [], [root]
    while pending:
        process = pending.pop()
        found.append(process)
        for task in Path(f"/proc/{process}/task").glob("*/children"):
            try:
                pending.extend(map(int, task.read_text().split()))
            except OSError:
                continue
    return found


def pss_bytes(root: int) -> int:
    total = 0
    for process in tree(root):
        try:
            lines = Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()
        except OSError:
            continue
        total += sum(int(line.split()[1]) * 1024 for line in lines if line.startswith("Pss:"))
    return total


def measured(command: list[str], folder: str) -> tuple[float, int]:
    began, peak = time.perf_counter(), 0
    environment = {**os.environ, "TAUTOMER_HOME": folder, "HF_HUB_OFFLINE": "1"}
    process = subprocess.Popen(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment)
    while process.poll() is None:
        peak = max(peak, pss_bytes(process.pid))
        time.sleep(0.05)
    if process.returncode:
        raise SystemExit(f"{command[:3]} ended with {process.returncode}")
    return time.perf_counter() - began, peak


def main(pairs: int) -> None:
    times, memories = [], []
    with tempfile.TemporaryDirectory() as folder:
        script = SCRIPT.format(folder=str(EXAMPLE.parent), target=str(Path(folder) / "m.onnx"))
        tautomer = [str(Path(sys.executable).parent / "tautomer"), "check", str(EXAMPLE), "--via", "torch.onnx"]
        measured([sys.executable, "-c", script], folder)  # fills the file cache
        for _ in range(pairs):
            base_s, base_bytes = measured([sys.executable, "-c", script], folder)
            check_s, check_bytes = measured(tautomer, folder)
            times.append(check_s / base_s)
            memories.append(check_bytes / base_bytes)
            print(
                f"script {base_s:5.1f} s {base_bytes / 2**20:5.0f} MiB"
                f"   check {check_s:5.1f} s {check_bytes / 2**20:5.0f} MiB"
                f"   ratios {times[-1]:.2f} {memories[-1]:.2f}",
                flush=True,
            )
    print(f"median: {statistics.median(times):.2f} times the time, {statistics.median(memories):.2f} times the memory")


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 3)
