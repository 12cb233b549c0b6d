"""Lets a fault act inside `onnx.checker`: the warm process imports it, and it looks beside each file.

The checker's task is the product's own and is named by no adapter, so it cannot be wrapped like the others.
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import onnx.checker

from planted.workers import NOTE

_check_model = onnx.checker.check_model


def _planted_check(model: Any, *arguments: Any, **keywords: Any) -> None:
    # The note lies with the saved file; a fault of the checker acts on every checkpoint of that conversion.
    note = next(Path(model).parent.parent.glob(f"*/{NOTE}"), None) if isinstance(model, str | Path) else None
    if note is None:
        _check_model(model, *arguments, **keywords)
        return
    from planted.catalogue import fault_named

    fault = fault_named(note.read_text())
    onnx.checker.check_model = _check_model
    if fault.plant is not None:
        fault.plant()
    try:
        onnx.checker.check_model(model, *arguments, **keywords)
    finally:
        onnx.checker.check_model = _planted_check


onnx.checker.check_model = _planted_check
