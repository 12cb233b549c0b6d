"""The tasks of the planted adapters: break the software in this process, then do what the real adapter does.

A task is addressed with the fault it plants: `planted.workers:convert.<fault>`.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from planted.faults import Where
from tautomer.adapters.worker_api import Channel, resolve_function

NOTE = "planted-fault"
"""Name of the file that tells the checker's process, beside the model, which fault is planted in it."""


@dataclass(frozen=True, slots=True)
class _Task:
    """One attribute for each fault: the real adapter's task in a process that has this fault."""

    tasks: dict[str, str]
    places: tuple[Where, ...]

    def __getattr__(self, name: str) -> Callable[..., Any]:
        from planted.catalogue import fault_named

        fault = fault_named(name)

        def perform(channel: Channel, **arguments: Any) -> Any:
            if fault.plant is not None and fault.where in self.places:
                fault.plant()
            key = fault.converter if fault.converter in self.tasks else ""
            result = resolve_function(self.tasks[key])(channel, **arguments)
            if fault.where is Where.CHECKER and "settings" in arguments:
                (Path(channel.folder) / "model" / NOTE).write_text(fault.name)
            return result

        return perform


reference = _Task({"": "tautomer.adapters.sources.torch_source:reference"}, (Where.SOURCE_AND_CONVERTER,))
convert = _Task(
    {
        "torch.onnx": "tautomer.adapters.converters.torch_onnx:convert",
        "torch.onnx-legacy": "tautomer.adapters.converters.torch_onnx_legacy:convert",
    },
    (Where.SOURCE_AND_CONVERTER, Where.CONVERTER),
)
run = _Task({"": "tautomer.adapters.runtimes.onnxruntime_runtime:run"}, (Where.RUNTIME,))
