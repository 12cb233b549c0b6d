"""How a fault of tf2onnx is described: as one of torch, converted by tf2onnx."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import planted.faults
from planted.faults import Fault, Where
from tautomer.model import Stage


def _made(make: Callable[..., Fault], stage: Stage, plant: Callable[[], None], model: str, **more: Any) -> Fault:
    where = more.pop("where", Where.CONVERTER)
    name = f"tf2onnx_{plant.__name__}"
    return make(stage, plant, f"tf_{model}.py", where, name=name, converter="tf2onnx", **more)


divergent = partial(_made, planted.faults.divergent)
failed = partial(_made, planted.faults.failed)
