"""Runs worker tasks on small graphs in this process."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from tautomer.adapters.tensor_file import write_values
from tautomer.adapters.worker_api import Channel
from tautomer.model import Tensor


@pytest.fixture
def run_task(tmp_path):
    """Runs a task on a model and input sets (arrays by name), and gives its result."""

    def run(task, model, *sets, **more):
        path = tmp_path / "model.onnx"
        onnx.save(model, path)
        files = []
        for index, given in enumerate(sets):
            file = tmp_path / f"inputs-{index}.safetensors"
            write_values(file, {name: Tensor.of(np.asarray(array)) for name, array in given.items()})
            files.append(str(file))
        feeds = {name: name for name in sets[0]}
        return task(Channel(tmp_path), model=str(path), inputs=files, feeds=feeds, **more)

    return run
