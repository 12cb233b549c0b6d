"""Faults of a runtime's graph optimization: nothing of them shows in a session without it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from planted.endings import die, hang, take_all_memory
from planted.faults import SHORT_LIMIT_S, Where, divergent, failed
from planted.sessions import intercept_runs, nodes, replace_sessions, rewrite_models
from tautomer.model import Stage

_STAGE = Stage.RUNTIME_OPTIMIZATION
_PLACE = Where.RUNTIME


def _when_optimizing(instead: Callable[..., Any]) -> None:
    def make(real: Any, model: Any, optimized: bool, options: Any, **keywords: Any) -> Any:
        return instead() if optimized else real(model, options, **keywords)

    replace_sessions(make)


def fusion_drops_a_bias() -> None:
    """A product and a sum are fused without the second summand."""

    def rewrite(model: Any) -> None:
        for node in nodes(model, "Gemm"):
            if len(node.input) == 3:
                del node.input[2]

    rewrite_models(rewrite, only_optimized=True)


def fusion_changes_an_epsilon() -> None:
    """A fused normalization has an epsilon of its own."""

    def rewrite(model: Any) -> None:
        for node in nodes(model, "LayerNormalization"):
            for attribute in node.attribute:
                if attribute.name == "epsilon":
                    attribute.f = 1e-3

    rewrite_models(rewrite, only_optimized=True)


def fusion_exchanges_operands() -> None:
    """A fusion gets the operands of a difference in the wrong order."""

    def rewrite(model: Any) -> None:
        for node in nodes(model, "Sub"):
            node.input[0], node.input[1] = node.input[1], node.input[0]

    rewrite_models(rewrite, only_optimized=True)


def fusion_is_refused() -> None:
    """A fusion makes a node whose own type check fails."""

    def refuse() -> Any:
        from onnxruntime.capi.onnxruntime_pybind11_state import InvalidGraph

        raise InvalidGraph("[ONNXRuntimeError] : 10 : INVALID_GRAPH : Type Error: Type 'tensor(int64)' of FusedMatMul")

    _when_optimizing(refuse)


def optimizing_dies() -> None:
    """A transformer of graphs uses a node that it has removed."""
    _when_optimizing(die)


def optimizing_hangs() -> None:
    """A transformer of graphs goes on finding something to do."""
    _when_optimizing(hang)


def optimizing_takes_all_memory() -> None:
    """Constant folding writes out a tensor that was meant to be broadcast."""
    _when_optimizing(take_all_memory)


def fused_kernel_raises() -> None:
    """A fused node cannot be run; its parts could."""

    def raise_on_run(_: Callable[[], Any]) -> Any:
        from onnxruntime.capi.onnxruntime_pybind11_state import RuntimeException

        raise RuntimeException(
            "[ONNXRuntimeError] : 6 : RUNTIME_EXCEPTION : Non-zero status code returned by FusedMatMul"
        )

    intercept_runs(raise_on_run, only_optimized=True)


def fused_kernel_dies() -> None:
    """A fused node writes beyond its buffer; its parts do not."""
    intercept_runs(die, only_optimized=True)


FAULTS = (
    divergent(_STAGE, fusion_drops_a_bias, "classifier.py", _PLACE),
    divergent(_STAGE, fusion_changes_an_epsilon, "encoder.py", _PLACE),
    divergent(_STAGE, fusion_exchanges_operands, "encoder.py", _PLACE),
    failed(_STAGE, fusion_is_refused, "encoder.py", _PLACE),
    failed(_STAGE, optimizing_dies, "encoder.py", _PLACE),
    failed(_STAGE, optimizing_hangs, "encoder.py", _PLACE, timeout_s=SHORT_LIMIT_S),
    failed(_STAGE, optimizing_takes_all_memory, "encoder.py", _PLACE),
    failed(
        _STAGE,
        fused_kernel_raises,
        "encoder.py",
        _PLACE,
        symptom_stage=Stage.RUNTIME_EXECUTION,
    ),
    failed(
        _STAGE,
        fused_kernel_dies,
        "encoder.py",
        _PLACE,
        symptom_stage=Stage.RUNTIME_EXECUTION,
    ),
)
