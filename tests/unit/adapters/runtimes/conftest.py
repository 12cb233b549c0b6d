"""Runtimes on small ONNX graphs, in workers as a check runs them."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import onnx
import pytest

from tautomer.adapters import registry
from tautomer.adapters.protocols import AdapterKind
from tautomer.adapters.tensor_file import read_values, write_values
from tautomer.execution import HostSpec, Pool, Task
from tautomer.model import Completed, Limits, Tensor


@pytest.fixture(scope="module")
def pool():
    with Pool() as running:
        yield running


@pytest.fixture
def compute(pool, tmp_path):
    """Runs a model in a runtime; gives its `run` event's fields, the values by name, and the `precision` events."""
    count = iter(range(100))

    def run(runtime, model, level="all", **feeds):
        folder = tmp_path / f"run-{next(count)}"
        folder.mkdir()
        onnx.save(model, folder / "model.onnx")
        given = {name: Tensor.of(np.asarray(value)) for name, value in feeds.items()}
        write_values(folder / "inputs.safetensors", given)
        adapter = registry.get(AdapterKind.RUNTIME, runtime)
        host = adapter.host
        arguments = {
            "model": str(folder / "model.onnx"),
            "checkpoint": level,
            "inputs": [str(folder / "inputs.safetensors")],
            "feeds": {name: name for name in feeds},
            "level": level,
        }
        spec = HostSpec(host.name, host.preload, host.prime, host.fork_safe, environment=dict(host.environment))
        task = Task(spec, adapter.task, arguments, runtime)
        attempt = pool.submit(task, Limits(120.0, 4 << 30), folder=folder / "attempt")
        assert isinstance(attempt, Completed), attempt
        [fields] = [event.fields for event in attempt.events if event.name == "run"]
        values = read_values(Path(fields["values"])) if fields["values"] else {}
        return fields, values, [event for event in attempt.events if event.name == "precision"]

    return run
