"""The runtime `litert`: LiteRT's interpreter on the CPU, with its reference kernels, its own, and XNNPACK's."""

from __future__ import annotations

import time
from collections.abc import Mapping
from typing import Any

from tautomer.adapters.protocols import Adapter, AdapterCheckpoint, AdapterKind, Lever
from tautomer.adapters.runtimes.litert_interface import Ports, run_interpreter
from tautomer.adapters.runtimes.onnx_host import ONNX_HOST
from tautomer.adapters.runtimes.sessions import run_all
from tautomer.adapters.worker_api import Channel, peak_memory_bytes, reset_peak_memory
from tautomer.errors import MisuseError
from tautomer.model import ArtifactKind, Stage

KERNELS = {
    "reference": "BUILTIN_REF",
    "builtin": "BUILTIN_WITHOUT_DEFAULT_DELEGATES",
    "xnnpack": "AUTO",
}
"""Our names of the kernels, simplest first, and members of LiteRT's `OpResolverType`. The last is what users get."""

_STAGES = (Stage.RUNTIME_LOAD, Stage.RUNTIME_OPTIMIZATION, Stage.RUNTIME_EXECUTION)

ADAPTER = Adapter(
    name="litert",
    kind=AdapterKind.RUNTIME,
    task="tautomer.adapters.runtimes.litert_runtime:run",
    host=ONNX_HOST,
    requires=("ai_edge_litert",),
    extra="litert",
    accepts=(ArtifactKind.TFLITE,),
    checkpoints=(
        AdapterCheckpoint("litert reference", Stage.RUNTIME_LOAD, "reference"),
        AdapterCheckpoint("litert builtin", Stage.RUNTIME_OPTIMIZATION, "builtin", in_between=True),
        AdapterCheckpoint("litert xnnpack", Stage.RUNTIME_OPTIMIZATION, "xnnpack"),
    ),
    levers=(
        Lever("kernels", "the kernels", ("builtin", "reference"), "xnnpack", in_order=True, acts_at=_STAGES),
        Lever("threads", "threads of the interpreter", (1, 2), 0, acts_at=(Stage.RUNTIME_EXECUTION,)),
    ),
)


def run(
    channel: Channel,
    *,
    model: str,
    checkpoint: str,
    inputs: list[str],
    feeds: dict[str, str],
    level: str,
    options: Mapping[str, Any] | None = None,
) -> dict[str, Any]:
    """Load a .tflite file and run it on all input sets, resized to their shapes.

    Args:
        options: `kernels`, the most that the checkpoint may use; `threads`.

    Emits `loaded`, then a `run` event for each input set with the file of its values or the error.

    Raises:
        MisuseError: TA101 an option that there is not.
        Exception: the model could not be loaded; the interpreter's own error.
    """
    import ai_edge_litert
    from ai_edge_litert.interpreter import Interpreter, OpResolverType

    given = _checked(options or {})
    order = list(KERNELS)
    kernels = min(level, given.get("kernels", order[-1]), key=order.index)
    stage = "runtime_load" if kernels == order[0] else "runtime_optimization"
    channel.emit("stage", stage=stage, doing=f"loading with {kernels} kernels")
    reset_peak_memory()
    began = time.perf_counter()
    interpreter = Interpreter(
        model_path=model,
        num_threads=given.get("threads") or None,
        experimental_op_resolver_type=OpResolverType[KERNELS[kernels]],
    )
    interpreter.allocate_tensors()
    ports = Ports.of(interpreter)
    channel.emit("loaded", seconds=time.perf_counter() - began, peak_memory_bytes=peak_memory_bytes())
    run_all(
        channel,
        checkpoint=checkpoint,
        inputs=inputs,
        feeds=feeds,
        output_names=[port.name for port in ports.outputs],
        call=lambda values: run_interpreter(interpreter, ports, values),
    )
    return {"version": str(getattr(ai_edge_litert, "__version__", ""))}


def _checked(options: Mapping[str, Any]) -> Mapping[str, Any]:
    known = f"Known: kernels ({', '.join(KERNELS)}), threads (a number, 0 for LiteRT's choice)."
    for name, value in options.items():
        fits = {
            "kernels": value in KERNELS if isinstance(value, str) else False,
            "threads": isinstance(value, int) and not isinstance(value, bool) and value >= 0,
        }
        if name not in fits:
            raise MisuseError("TA101", f"--to-set {name}: litert has no such setting here.", known)
        if not fits[name]:
            raise MisuseError("TA101", f"--to-set {name}: {value!r} is no value of it.", known)
    return options
