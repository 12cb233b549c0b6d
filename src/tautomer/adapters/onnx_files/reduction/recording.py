"""Every value between the nodes of a failing run, recorded once: what is fed where a candidate is cut out."""

from __future__ import annotations

import json
import os
import select
import signal
import time
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from tautomer.adapters.onnx_files.evaluation import as_value, to_array
from tautomer.adapters.onnx_files.reduction.case import Array
from tautomer.adapters.onnx_files.reduction.runtime_process import Answered, Question, RuntimeProcess
from tautomer.adapters.runtimes.onnxruntime_probes import tensor_values
from tautomer.adapters.tensor_file import read_values, write_values
from tautomer.model import Tensor
from tautomer.numerics.onnx_evaluator import Evaluator, EvaluatorError, LoadedModel


def recorded_by_runtime(
    process: RuntimeProcess, proto: onnx.ModelProto, folder: Path | None, given: Mapping[str, Array]
) -> dict[str, Array] | None:
    """All values of an unoptimized session of ONNX Runtime; None where it gives none.

    The session shows every value, which no optimized one could.
    """
    probed = onnx.ModelProto()
    probed.CopyFrom(proto)
    shown = {output.name for output in probed.graph.output}
    try:
        values = [name for name in tensor_values(proto) if name not in shown]
    except onnx.shape_inference.InferenceError:
        return None
    probed.graph.output.extend(onnx.ValueInfoProto(name=name) for name in values)
    answer = process.ask(Question(probed, given, folder, "disabled"))
    if not isinstance(answer, Answered):
        return None
    return {**given, **{name: one for name, one in answer.outputs.items() if isinstance(one, np.ndarray)}}


def recorded_by_evaluator(
    proto: onnx.ModelProto, folder: Path | None, given: Mapping[str, Array], into: Path, *, time_limit_s: float
) -> tuple[dict[str, Array], bool]:
    """The values the specification's evaluator computes in the declared types, and whether it came to the end.

    It runs in a forked child: a graph whose loop never ends hangs the evaluator as well. What was computed until then
    is recorded all the same.
    """
    into.mkdir(parents=True, exist_ok=True)
    reader, writer = os.pipe()
    pid = os.fork()
    if pid == 0:
        status = 1
        try:
            os.close(reader)
            status = _evaluate(LoadedModel(proto, folder), given, into, writer)
        finally:
            os._exit(status)
    os.close(writer)
    names: list[str] = []
    rest = b""
    until = time.monotonic() + time_limit_s
    try:
        while select.select([reader], [], [], max(until - time.monotonic(), 0.0))[0]:
            received = os.read(reader, 1 << 16)
            if not received:
                break
            *lines, rest = (rest + received).split(b"\n")
            names.extend(json.loads(line) for line in lines)
        else:
            os.kill(pid, signal.SIGKILL)
    finally:
        os.close(reader)
    _, status = os.waitpid(pid, 0)
    values: dict[str, Array] = dict(given)
    for index, name in enumerate(names):
        value = read_values(into / f"{index}.safetensors")
        if isinstance(value, Tensor):
            values[name] = to_array(value)
    return values, status == 0


def _evaluate(model: LoadedModel, given: Mapping[str, Array], into: Path, writer: int) -> int:
    count = 0

    def observe(name: str, value: Any) -> None:
        nonlocal count
        if isinstance(value, np.ndarray):
            write_values(into / f"{count}.safetensors", as_value(value))
            os.write(writer, json.dumps(name).encode() + b"\n")
            count += 1

    try:
        Evaluator(model, lift=False).run(given, observe)
    except EvaluatorError:
        return 1
    return 0
