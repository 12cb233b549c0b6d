"""Find what in a graph's outputs hangs on cases that the ONNX specification leaves open."""

from __future__ import annotations

from dataclasses import asdict
from typing import Any

import numpy as np

from tautomer.adapters.onnx_files.evaluation import graph_inputs, kernel_table, load_as
from tautomer.adapters.worker_api import Channel
from tautomer.model import Tensor


def find_open_cases(
    channel: Channel,
    *,
    model: str,
    inputs: list[str],
    feeds: dict[str, str],
    opset_override: int | None = None,
) -> dict[str, Any]:
    """Evaluate a model in its declared types, and again with every open case decided otherwise.

    Emits an `open_cases` event for each input set that meets any: its `input`, the `cases` (node, op_type, name, said,
    elements), and a `file` that says for each graph output which elements hang on them. An output that another decision
    gives another shape hangs on them as a whole.

    Args:
        model, inputs, feeds, opset_override: as for `evaluate`.
    """
    from tautomer.adapters.tensor_file import write_values
    from tautomer.numerics.onnx_evaluator import Evaluator, EvaluatorError
    from tautomer.numerics.open_cases import WAYS, OpenCase, watched_kernels

    loaded = load_as(model, opset_override)
    kernels = kernel_table()
    for index, file in enumerate(inputs):
        given = graph_inputs(file, feeds)
        cases: list[OpenCase] = []
        try:
            usual = Evaluator(loaded, lift=False, kernels=watched_kernels(kernels, cases)).run(given)
            if not cases:
                continue
            others = [
                Evaluator(loaded, lift=False, kernels=watched_kernels(kernels, [], way)).run(given)
                for way in range(WAYS)
            ]
        except EvaluatorError:
            continue  # that it cannot be evaluated is reported where it is judged
        hanging = {
            name: Tensor.of(_changed(value, [one[name] for one in others]))
            for name, value in usual.items()
            if isinstance(value, np.ndarray)
        }
        path = channel.folder / f"open-cases-{index}.safetensors"
        write_values(path, hanging)
        channel.emit("open_cases", input=index, cases=[asdict(case) for case in cases], file=str(path))
    return {}


def _changed(usual: np.ndarray[Any, Any], others: list[Any]) -> np.ndarray[Any, Any]:
    changed = np.zeros(usual.shape, dtype=bool)
    for other in others:
        if np.shape(other) != usual.shape:
            return np.ones(usual.shape, dtype=bool)
        differs = usual != other
        changed |= differs & ~(np.isnan(usual) & np.isnan(other)) if usual.dtype.kind in "fc" else differs
    return changed
