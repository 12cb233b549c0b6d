"""Whether outputs depend on the inputs: a check of a network whose answer is constant would prove nothing."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

import numpy as np
import torch
from catalog import catalog
from entries import Inputs

SEED = 0


def output_changes(name: str) -> dict[str, float]:
    """By output, the RMS of its change between two draws of inputs of one size, relative to its own RMS.

    For integers and booleans, the share of elements that change.
    """
    torch.manual_seed(SEED)
    one = catalog()[name]
    answers = _answers(name)
    first, second = answers(one.inputs(2, 12)), answers(one.inputs(2, 12))
    return {path: _change(value, second[path]) for path, value in first.items() if path in second}


def _change(first: Any, second: Any) -> float:
    if first.shape != second.shape:
        return 1.0
    if first.dtype.kind != "f":
        return float(np.mean(first != second))
    one, other = first.astype(np.float64), second.astype(np.float64)
    finite = np.isfinite(one) & np.isfinite(other)
    if not finite.any():
        return 0.0
    size = float(np.sqrt(np.mean(np.square(one[finite]))))
    moved = float(np.sqrt(np.mean(np.square(one[finite] - other[finite]))))
    return moved / size if size else float(moved > 0)


def _answers(name: str) -> Any:
    """A function from inputs to arrays by output path."""
    one = catalog()[name]
    if one.file is None:
        network = one.model()

        def run(given: Inputs) -> dict[str, Any]:
            with torch.inference_mode():
                answer = network(**given) if isinstance(given, dict) else network(*given)
            return dict(_leaves(answer, "output"))

        return run
    import onnxruntime

    session = onnxruntime.InferenceSession(str(one.file()))
    names = [output.name for output in session.get_outputs()]

    def run_file(given: Inputs) -> dict[str, Any]:
        if not isinstance(given, dict):
            raise TypeError(f"the inputs of {name} go by the names of its graph inputs")
        values = session.run(None, {key: value.numpy() for key, value in given.items()})
        return {path: np.asarray(value) for path, value in zip(names, values, strict=True)}

    return run_file


def _leaves(value: Any, path: str) -> Iterator[tuple[str, Any]]:
    if isinstance(value, torch.Tensor):
        yield path, value.numpy()
    elif isinstance(value, Mapping):
        for key, item in value.items():
            yield from _leaves(item, f"{path}.{key}")
    elif isinstance(value, tuple | list):
        for index, item in enumerate(value):
            yield from _leaves(item, f"{path}.{index}")
