"""Faults of a runtime's kernels: wrong with and without graph optimization."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from planted.endings import die, hang
from planted.faults import SHORT_LIMIT_S, Where, divergent, failed
from planted.sessions import intercept_runs, nodes, rewrite_models
from tautomer.model import Stage

_STAGE = Stage.RUNTIME_EXECUTION
_PLACE = Where.RUNTIME


def kernel_skips_the_tail() -> None:
    """A vectorized loop leaves out the elements after the last whole vector."""

    def skip(run: Callable[[], Any]) -> Any:
        results = run()
        for index, result in enumerate(results):
            if isinstance(result, np.ndarray) and result.size:
                changed = result.copy()
                changed.reshape(-1)[-(result.size % 8 or 1) :] = 0
                results[index] = changed
        return results

    intercept_runs(skip, only_optimized=False)


def kernel_returns_nan() -> None:
    """A kernel reads one element that nobody has written."""

    def spoil(run: Callable[[], Any]) -> Any:
        results = [np.array(result) for result in run()]
        results[0].reshape(-1)[0] = np.nan
        return results

    intercept_runs(spoil, only_optimized=False)


def kernel_stores_in_half_precision() -> None:
    """The result of a kernel passes through float16."""

    def narrow(run: Callable[[], Any]) -> Any:
        return [np.asarray(result).astype(np.float16).astype(np.float32) for result in run()]

    intercept_runs(narrow, only_optimized=False)


def kernel_normalizes_another_axis() -> None:
    """A kernel of Softmax takes the last axis, stated or not, for the first."""

    def rewrite(model: Any) -> None:
        from onnx import helper

        for node in nodes(model, "Softmax"):
            del node.attribute[:]
            node.attribute.append(helper.make_attribute("axis", 0))

    rewrite_models(rewrite, only_optimized=False)


def kernel_raises() -> None:
    """A kernel refuses a shape that the specification allows."""

    def refuse(_: Callable[[], Any]) -> Any:
        from onnxruntime.capi.onnxruntime_pybind11_state import RuntimeException

        raise RuntimeException("[ONNXRuntimeError] : 6 : RUNTIME_EXCEPTION : Non-zero status code returned by Softmax")

    intercept_runs(refuse, only_optimized=False)


def kernel_dies() -> None:
    """A kernel writes beyond its buffer."""
    intercept_runs(die, only_optimized=False)


def kernel_hangs() -> None:
    """A kernel's threads wait for each other."""
    intercept_runs(hang, only_optimized=False)


FAULTS = (
    divergent(_STAGE, kernel_skips_the_tail, "encoder.py", _PLACE),
    divergent(_STAGE, kernel_returns_nan, "encoder.py", _PLACE),
    divergent(_STAGE, kernel_stores_in_half_precision, "encoder.py", _PLACE),
    divergent(_STAGE, kernel_normalizes_another_axis, "encoder.py", _PLACE),
    failed(_STAGE, kernel_raises, "encoder.py", _PLACE),
    failed(_STAGE, kernel_dies, "encoder.py", _PLACE),
    failed(_STAGE, kernel_hangs, "encoder.py", _PLACE, timeout_s=SHORT_LIMIT_S),
)
