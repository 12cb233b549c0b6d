"""The runtime `openvino`: OpenVINO's CPU plugin, asked to compute in the precision that the model declares."""

from __future__ import annotations

import contextlib
import re
import sys
import time
import traceback
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tautomer.adapters.protocols import Adapter, AdapterCheckpoint, AdapterKind, Lever
from tautomer.adapters.runtimes.declared_formats import declared_nodes, read_graph
from tautomer.adapters.runtimes.onnx_host import ONNX_HOST
from tautomer.adapters.runtimes.openvino_precision import PrecisionOfPlan, beyond_int32
from tautomer.adapters.runtimes.sessions import run_all
from tautomer.adapters.worker_api import Channel, peak_memory_bytes, reset_peak_memory
from tautomer.errors import MisuseError
from tautomer.model import BIT_STORED, ArtifactKind, Stage

ADAPTER = Adapter(
    name="openvino",
    kind=AdapterKind.RUNTIME,
    task="tautomer.adapters.runtimes.openvino_runtime:run",
    host=ONNX_HOST,
    requires=("openvino",),
    extra="openvino",
    accepts=(ArtifactKind.ONNX,),
    checkpoints=(AdapterCheckpoint("openvino", Stage.RUNTIME_LOAD, "all"),),
    levers=(
        Lever("INFERENCE_NUM_THREADS", "threads of one inference", (1, 2), 0),
        Lever("CPU_DENORMALS_OPTIMIZATION", "whether subnormal numbers are taken for zero", (False, True)),
        Lever("EXECUTION_MODE_HINT", "what matters more, speed or accuracy", ("PERFORMANCE",), "ACCURACY"),
        Lever("ENABLE_MMAP", "whether weights are mapped into memory", (False,), True),
    ),
)

SETTINGS: Mapping[str, Any] = {
    "INFERENCE_PRECISION_HINT": "f32",
    "EXECUTION_MODE_HINT": "ACCURACY",
    "ENABLE_CPU_PINNING": False,
}
"""What is asked of the plugin. Its own choice is bfloat16 for float32 graphs wherever the processor has it.

ACCURACY also turns off dynamic quantization and 8-bit key-value caches. Threads are not tied to cores, since checks may
run beside each other; that changes no value.
"""

_STORED_AS = {"bf16": "bfloat16", "f8e4m3": "float8_e4m3fn", "f8e5m2": "float8_e5m2"}
"""OpenVINO's types whose numpy view shows bit patterns, and the element types that they hold."""

_PLUGIN_TYPES = {logical: name for name, logical in _STORED_AS.items()}

_LOCATION = re.compile(
    r"^(Exception from|FrontEnd API failed with) .*$| failed at src/\S+:\d+:$|^Check 'false'.*$|^Summary:$"
)
"""Places in OpenVINO's sources, and headings, in the text of its errors."""


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
    """Load and compile a model and run it on all input sets; `level` is ignored, since the plugin has but one.

    Args:
        options: properties of the plugin that are set besides, or in the place of, `SETTINGS`.

    Emits `loaded`, `precision` events with what the plugin computes in, then a `run` event for each input set with the
    file of its values or the error.

    Raises:
        Exception: the model could not be read or compiled; the runtime's own error.
    """
    openvino = import_openvino()
    channel.emit("stage", stage="runtime_load", doing="reading the model")
    reset_peak_memory()
    began = time.perf_counter()
    core = openvino.Core()
    properties = {**SETTINGS, **known_properties(core, options or {})}
    with plainly_worded():
        program = core.read_model(model)
    channel.emit("stage", stage="runtime_optimization", doing="compiling the model")
    with plainly_worded():
        compiled = core.compile_model(program, "CPU", properties)
    channel.emit("loaded", seconds=time.perf_counter() - began, peak_memory_bytes=peak_memory_bytes())
    graph = read_graph(Path(model))
    capabilities = core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
    plan = PrecisionOfPlan.of(compiled.get_runtime_model(), program, capabilities)
    formats = plan.formats(declared_nodes(graph))
    channel.emit("precision", runtime=ADAPTER.name, checkpoint=checkpoint, asked="float32", nodes=formats)
    request = compiled.create_infer_request()
    ports = {name: port for port in compiled.inputs for name in port.get_names()}
    answers = {name: port for port in compiled.outputs for name in port.get_names()}
    # A port carries every name that its value has had; those of the graph's outputs are the ones to report.
    names = [output.name for output in graph.graph.output if output.name in answers]

    said: set[str] = set()

    def call(given: dict[str, Any]) -> list[Any]:
        wrapped = [name for name, array in given.items() if plan.integers_in_int32 and beyond_int32(array)]
        if not said.issuperset(wrapped):
            said.update(wrapped)
            channel.emit("precision", runtime=ADAPTER.name, checkpoint=checkpoint, beyond_int32=wrapped)
        for name, array in given.items():
            if name not in ports:
                raise ValueError(f"the compiled model has no input {name!r}; it has {', '.join(sorted(ports))}")
            with plainly_worded():
                request.set_tensor(ports[name], _to_tensor(openvino, array))
        with plainly_worded():
            request.infer()
        return [_to_array(request.get_tensor(answers[name])) for name in names]

    run_all(channel, checkpoint=checkpoint, inputs=inputs, feeds=feeds, output_names=names, call=call)
    return {"version": openvino.__version__}


def known_properties(core: Any, options: Mapping[str, Any]) -> dict[str, Any]:
    """The properties that `--to-set` gave.

    Raises:
        MisuseError: TA101 the plugin has no such property, or it cannot be set.
    """
    supported = core.get_property("CPU", "SUPPORTED_PROPERTIES")
    writable = sorted(name for name, access in dict(supported).items() if access == "RW")
    for name in options:
        if name not in writable:
            raise MisuseError(
                "TA101", f"--to-set {name}: openvino has no such setting.", f"Known: {', '.join(writable)}."
            )
    return dict(options)


def import_openvino() -> Any:
    """OpenVINO without its telemetry, which reports every import to a server and writes to the home folder.

    Where the module that does so cannot be imported, OpenVINO takes a stub of its own in its place.
    """
    sys.modules.setdefault("openvino_telemetry", None)  # type: ignore[arg-type]
    import openvino

    return openvino


@contextlib.contextmanager
def plainly_worded() -> Iterator[None]:
    """Raise OpenVINO's errors again with what they say, without the places in its sources that they begin with.

    The whole error goes to the log.
    """
    try:
        yield
    except RuntimeError as error:
        traceback.print_exc()
        raise type(error)(_said(str(error))) from None


def _said(message: str) -> str:
    """One line of an error's text: all but source locations, headings and what is empty."""
    lines = (_LOCATION.sub("", line).strip() for line in message.splitlines())
    return " ".join(line for line in lines if line) or message


def _to_tensor(openvino: Any, array: np.ndarray[Any, Any]) -> Any:
    """An array as the plugin takes it. Given an array itself it would convert other types, and misread bfloat16."""
    array = np.asarray(array)
    if array.dtype.kind in "OUS":
        tensor = openvino.Tensor(openvino.Type.string, openvino.Shape(array.shape))
        tensor.str_data = array.astype(str)
        return tensor
    contiguous = np.ascontiguousarray(array).reshape(array.shape)
    logical = array.dtype.name
    if logical in _PLUGIN_TYPES:
        bits = contiguous.view(BIT_STORED[logical])
        return openvino.Tensor(bits, openvino.Shape(array.shape), getattr(openvino.Type, _PLUGIN_TYPES[logical]))
    return openvino.Tensor(contiguous)


def _to_array(tensor: Any) -> np.ndarray[Any, Any]:
    """A copy of a result, in the element type that the compiled model declares for it."""
    name = tensor.element_type.get_type_name()
    if name == "string":
        return np.asarray(tensor.str_data, dtype=object)
    array = np.array(tensor.data)
    if name not in _STORED_AS:
        return array
    import ml_dtypes

    return array.view(getattr(ml_dtypes, _STORED_AS[name]))
