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


_ANY = ""
"""Key of a task that is the same for every converter and framework."""


@dataclass(frozen=True, slots=True)
class _Task:
    """One attribute for each fault: the real task, by converter or framework, in a process with this fault."""

    tasks: dict[str, str]
    places: tuple[Where, ...]

    def __getattr__(self, name: str) -> Callable[..., Any]:
        from planted.catalogue import fault_named

        fault = fault_named(name)

        def perform(channel: Channel, **arguments: Any) -> Any:
            if fault.plant is not None and fault.where in self.places:
                fault.plant()
            key = next(one for one in (fault.converter, fault.framework, _ANY) if one in self.tasks)
            result = resolve_function(self.tasks[key])(channel, **arguments)
            if fault.where is Where.CHECKER and "settings" in arguments:
                (Path(channel.folder) / "model" / NOTE).write_text(fault.name)
            return result

        return perform


reference = _Task(
    {
        "torch": "tautomer.adapters.sources.torch_source:reference",
        "tensorflow": "tautomer.adapters.sources.tf_source:reference",
    },
    (Where.SOURCE_AND_CONVERTER,),
)
convert = _Task(
    {
        "torch.onnx": "tautomer.adapters.converters.torch_onnx:convert",
        "torch.onnx-legacy": "tautomer.adapters.converters.torch_onnx_legacy:convert",
        "tf2onnx": "tautomer.adapters.converters.tf2onnx_converter:convert",
    },
    (Where.SOURCE_AND_CONVERTER, Where.CONVERTER),
)
run = _Task({_ANY: "tautomer.adapters.runtimes.onnxruntime_runtime:run"}, (Where.RUNTIME,))
