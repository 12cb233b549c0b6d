"""Reduction side by side in one run: Tautomer, Polygraphy's `debug reduce`, and PyTorch's FX minifier.

Two faults are planted in the runtime under an exported encoder: one node that is wrong by itself, and a pair of nodes
of which the second is wrong only where it depends on the first (`faults.py`). Reported are wall time, calls of the
oracle, and the number of nodes that are left; the known minimum is that of the fault. Run by `make bench-reduce`.

Polygraphy and the FX minifier start from nothing, interpreter and imports included, and leave out nodes only. A
reduction of Tautomer follows a check, whose workers are warm and which names nodes: the row `nodes located, warm
workers: nodes` is what compares with theirs. The other rows show what a cold start, no located nodes, and simpler
attributes, sizes and numbers cost besides.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from dataclasses import asdict, dataclass
from pathlib import Path

import numpy as np
import onnx
from models import encoder_inputs, export_encoder

from tautomer.adapters.runtimes.onnx_host import ONNX_HOST
from tautomer.adapters.tensor_file import write_values
from tautomer.execution import HostSpec, Pool, Task
from tautomer.minimization import Dag
from tautomer.model import Completed, Kind, Limits, Outcome, Signature, Stage, Symptom, Tensor

HERE = Path(__file__).resolve().parent
WARM_RUNS = 5
"""Runs with warm workers, of which the median is reported: one of them takes a fraction of a second."""
PAIR_NODES = 11
"""Nodes on the shortest way between the two nodes of the pair, both included: nothing smaller can connect them."""


@dataclass(frozen=True, slots=True)
class Row:
    """What one tool came to."""

    fault: str
    tool: str
    seconds: float
    calls: int
    nodes: int | None
    minimum: int


@dataclass(frozen=True, slots=True)
class Fault:
    """One planted fault: the function in `faults.py`, the nodes it is told, and how many nodes show it."""

    name: str
    planted: tuple[str, ...]
    minimum: int


def chosen_faults(model: onnx.ModelProto) -> list[Fault]:
    """A node in the middle of the graph, and two nodes whose shortest connection has `PAIR_NODES` nodes."""
    nodes = model.graph.node
    producer = {name: index for index, node in enumerate(nodes) for name in node.output}
    dag = Dag([[producer[name] for name in node.input if name in producer] for node in nodes])
    single = next(index for index in range(len(nodes) // 2, len(nodes)) if nodes[index].op_type == "Softmax")
    first = next(index for index in range(len(nodes) // 4, len(nodes)) if nodes[index].op_type == "MatMul")
    last = next(index for index in range(first, len(nodes)) if len(dag.shortest_path(first, index) or ()) == PAIR_NODES)
    return [
        Fault("single", (nodes[single].name,), 1),
        Fault("pair", (nodes[first].name, nodes[last].name), PAIR_NODES),
    ]


def by_tautomer(path: Path, scratch: Path, fault: Fault, *, located: bool) -> list[Row]:
    model = onnx.load(str(path))
    given = encoder_inputs(model)
    write_values(scratch / "inputs.safetensors", {name: Tensor.of(array) for name, array in given.items()})
    signature = Signature(
        outcome=Outcome.DIVERGENT,
        symptom=Symptom.WRONG_MODEL,
        stage=Stage.RUNTIME_EXECUTION,
        symptom_stage=Stage.RUNTIME_EXECUTION,
        kind=Kind.KERNEL,
    )
    arguments = {
        "model": str(path),
        "inputs": [str(scratch / "inputs.safetensors")],
        "feeds": {name: name for name in given},
        "failing": {name: getattr(signature, name) for name in signature.__slots__},
        "located_nodes": list(fault.planted) if located else [],
        "through": f"faults:{fault.name}",
        "level": "disabled",
    }
    search = os.pathsep.join([str(HERE), *filter(None, [os.environ.get("PYTHONPATH")])])
    environment = {**ONNX_HOST.environment, "PLANTED": ",".join(fault.planted), "PYTHONPATH": search}
    host = HostSpec("onnx", ONNX_HOST.preload, ONNX_HOST.prime, ONNX_HOST.fork_safe, environment=environment)
    task = Task(host, "tautomer.adapters.onnx_files.reduction.task:reduce_onnx", arguments, "reduce")
    rows = []
    with Pool() as pool:
        # A reduction follows a check, whose workers are warm; the other tools start from nothing.
        for workers, repetitions in (("cold", 1), ("warm", WARM_RUNS)):
            runs = [
                _one_run(pool, task, scratch / f"ours-{fault.name}-{located}-{workers}-{number}")
                for number in range(repetitions)
            ]
            tool = f"Tautomer, {'nodes located' if located else 'nothing located'}, {workers} workers"
            for part, each in (("nodes", [run[0] for run in runs]), ("everything", [run[1] for run in runs])):
                _, calls, count = each[0]
                median_s = statistics.median(seconds for seconds, _, _ in each)
                rows.append(Row(fault.name, f"{tool}: {part}", median_s, calls, count, fault.minimum))
    return rows


def _one_run(pool: Pool, task: Task, folder: Path) -> tuple[tuple[float, int, int], tuple[float, int, int]]:
    """Seconds, calls of the oracle and nodes left: when the nodes are the fewest, and in the end."""
    began = time.perf_counter()
    attempt = pool.submit(task, Limits(), folder=folder)
    seconds = time.perf_counter() - began
    if not isinstance(attempt, Completed):
        raise RuntimeError(f"the reduction did not complete: {attempt}")
    answer = attempt.result
    nodes = next(event for event in attempt.events if event.name == "step" and event.fields["name"] == "nodes")
    ended = next(event for event in attempt.events[::-1] if event.name == "step")
    before_s = seconds - (ended.at_s - nodes.at_s)
    return (before_s, nodes.fields["calls"], nodes.fields["nodes"]), (seconds, answer["calls"], answer["node_count"])


def by_polygraphy(polygraphy: Path, path: Path, scratch: Path, fault: Fault, mode: str) -> Row:
    recorded = scratch / "recorded.npz"
    if not recorded.exists():
        np.savez(recorded, **recorded_values(path))
    folder = scratch / f"polygraphy-{fault.name}-{mode}"
    folder.mkdir()
    check = [str(polygraphy.parent / "python"), str(HERE / "polygraphy_check.py"), "polygraphy_debug.onnx"]
    command = [str(polygraphy), "debug", "reduce", str(path), "-o", "reduced.onnx", "--mode", mode]
    command += ["--check", *check, str(recorded), fault.name]
    environment = {**os.environ, "PLANTED": ",".join(fault.planted), "NO_COLOR": "1"}
    began = time.perf_counter()
    ended = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - began
    (folder / "log.txt").write_text(ended.stdout + ended.stderr)
    reduced = folder / "reduced.onnx"
    calls = len(re.findall(r"RUNNING \| Iteration", ended.stdout + ended.stderr))
    nodes = len(onnx.load(str(reduced)).graph.node) if reduced.exists() else None
    return Row(fault.name, f"Polygraphy debug reduce --mode {mode}", seconds, calls, nodes, fault.minimum)


def recorded_values(path: Path) -> dict[str, np.ndarray]:
    """Every value of the model on its inputs, as Polygraphy's check is given them."""
    import onnxruntime

    model = onnx.load(str(path))
    given = encoder_inputs(model)
    shown = {output.name for output in model.graph.output}
    names = [name for node in model.graph.node for name in node.output if name not in shown]
    model.graph.output.extend(onnx.ValueInfoProto(name=name) for name in names)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    values = session.run(None, given)
    return {**given, **dict(zip([output.name for output in session.get_outputs()], values, strict=True))}


def by_fx_minifier(path: Path, fault: Fault) -> Row:
    command = [sys.executable, str(HERE / "fx_minifier.py"), str(path), ",".join(fault.planted)]
    began = time.perf_counter()
    ended = subprocess.run(command, capture_output=True, text=True, check=False)
    seconds = time.perf_counter() - began
    if ended.returncode:
        raise RuntimeError(f"the FX minifier failed: {ended.stderr[-2000:]}")
    found = json.loads(ended.stdout.splitlines()[-1])
    return Row(fault.name, "torch FX minifier (free oracle)", seconds, found["calls"], found["nodes"], fault.minimum)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--polygraphy", type=Path, help="its command in a virtual environment; left out where missing")
    parser.add_argument("--linear", action="store_true", help="also Polygraphy's linear mode, one node at a time")
    parser.add_argument("--json", type=Path, help="where to write the rows")
    given = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        scratch = Path(folder)
        path = scratch / "encoder.onnx"
        # In a process of its own, so that no tool starts in one that has imported PyTorch.
        pid = os.fork()
        if pid == 0:
            export_encoder(path)
            os._exit(0)
        if os.waitpid(pid, 0)[1]:
            raise RuntimeError("the encoder could not be exported")
        model = onnx.load(str(path))
        print(f"model: {len(model.graph.node)} nodes, {sum(one.ByteSize() for one in model.graph.initializer)} bytes")
        rows: list[Row] = []
        for fault in chosen_faults(model):
            print(f"fault {fault.name}: {' and '.join(fault.planted)}; minimum {fault.minimum} nodes", flush=True)
            rows += by_tautomer(path, scratch, fault, located=True)
            rows += by_tautomer(path, scratch, fault, located=False)
            if given.polygraphy is not None:
                modes = ("bisect", "linear") if given.linear else ("bisect",)
                rows += [by_polygraphy(given.polygraphy.absolute(), path, scratch, fault, mode) for mode in modes]
            rows.append(by_fx_minifier(path, fault))
        print("| fault | tool | seconds | oracle calls | nodes | minimum |\n|---|---|---:|---:|---:|---:|")
        for row in rows:
            shown = "none" if row.nodes is None else row.nodes
            print(f"| {row.fault} | {row.tool} | {row.seconds:.2f} | {row.calls} | {shown} | {row.minimum} |")
        if given.json is not None:
            given.json.write_text(json.dumps([asdict(row) for row in rows], indent=1))


if __name__ == "__main__":
    main()
