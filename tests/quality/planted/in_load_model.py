"""Faults in the first stage: what captures or traces the model gets another program, or none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from planted.endings import die, hang
from planted.faults import SHORT_LIMIT_S, Where, divergent, failed
from tautomer.model import Stage

_STAGE = Stage.LOAD_MODEL
_PLACE = Where.SOURCE_AND_CONVERTER


def _capture_through(change: Callable[..., Any]) -> None:
    """Let every capture go through `change(real export, module, *arguments, **keywords)`."""
    import torch

    real = torch.export.export

    def export(*arguments: Any, **keywords: Any) -> Any:
        return change(real, *arguments, **keywords)

    torch.export.export = export


def capture_in_train_mode() -> None:
    """The module is captured as it behaves in training, where stochastic depth scales nothing."""

    def change(real: Callable[..., Any], module: Any, *arguments: Any, **keywords: Any) -> Any:
        was_training = module.training
        module.train()
        try:
            return real(module, *arguments, **keywords)
        finally:
            module.train(was_training)

    _capture_through(change)


def capture_rounds_python_numbers() -> None:
    """Python numbers are recorded as float16."""

    def change(real: Callable[..., Any], *arguments: Any, **keywords: Any) -> Any:
        import numpy as np

        program = real(*arguments, **keywords)
        for node in program.graph.nodes:
            if node.op == "call_function":
                node.args = tuple(float(np.float16(one)) if isinstance(one, float) else one for one in node.args)
        program.graph_module.recompile()
        return program

    _capture_through(change)


def capture_drops_the_update_of_a_buffer() -> None:
    """An operator that changes a buffer in place is taken for one without effect and is left out."""

    def change(real: Callable[..., Any], *arguments: Any, **keywords: Any) -> Any:
        program = real(*arguments, **keywords)
        buffers = {one for one in program.graph.nodes if one.name in program.graph_signature.inputs_to_buffers}
        updates = [
            one for one in program.graph.nodes if "add" in str(one.target) and any(arg in buffers for arg in one.args)
        ]
        for update in updates:
            before = next(one for one in update.args if one in buffers)
            update.replace_all_uses_with(before)
            program.graph.erase_node(update)
        program.graph_module.recompile()
        return program

    _capture_through(change)


def capture_freezes_dynamic_dimensions() -> None:
    """The declaration of dynamic dimensions is lost."""

    def change(real: Callable[..., Any], *arguments: Any, **keywords: Any) -> Any:
        return real(*arguments, **{**keywords, "dynamic_shapes": None})

    _capture_through(change)


def capture_raises() -> None:
    """No strategy of capture gets through."""
    import torch

    def refuse(*_: Any, **__: Any) -> Any:
        raise RuntimeError("could not trace: a proxy was used outside of its tracer")

    torch.export.export = torch.export.draft_export = refuse


def capture_dies() -> None:
    """The tracer dereferences a null pointer."""
    _capture_through(die)


def capture_hangs() -> None:
    """The tracer does not come to an end."""
    _capture_through(hang)


FAULTS = (
    divergent(_STAGE, capture_in_train_mode, "stochastic_depth.py", _PLACE),
    divergent(_STAGE, capture_rounds_python_numbers, "encoder.py", _PLACE),
    divergent(_STAGE, capture_drops_the_update_of_a_buffer, "counter.py", _PLACE),
    divergent(_STAGE, None, "gate.py", Where.NOWHERE, name="trace_keeps_one_branch", converter="torch.onnx-legacy"),
    failed(_STAGE, capture_freezes_dynamic_dimensions, "rows.py", _PLACE, symptom_stage=Stage.RUNTIME_EXECUTION),
    failed(_STAGE, capture_raises, "encoder.py", _PLACE),
    failed(_STAGE, capture_dies, "encoder.py", _PLACE),
    failed(_STAGE, capture_hangs, "encoder.py", _PLACE, timeout_s=SHORT_LIMIT_S),
)
