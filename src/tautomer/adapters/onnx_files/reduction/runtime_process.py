"""A runtime in a process of its own: it answers one model after another, and its death is an answer, too.

A fresh process for every candidate would spend its time on importing the runtime; inside the worker a crash would end
the search. So a forked child serves until it dies, and the next request forks another.
"""

from __future__ import annotations

import contextlib
import faulthandler
import json
import os
import select
import signal
import sys
import time
import traceback
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from tautomer.adapters.onnx_files.evaluation import as_value, to_array
from tautomer.adapters.tensor_file import read_values, write_values
from tautomer.adapters.worker_api import resolve_function
from tautomer.model import Tensor

_EXTERNAL_FOLDER = "session.model_external_initializers_file_folder_path"

_START_LIMIT_S = 120.0
"""Time a child is given to import its runtime, which the limit on an answer is not about."""


@dataclass(frozen=True, slots=True)
class Question:
    """What the runtime is asked.

    Attributes:
        proto: the model.
        inputs: arrays by graph input name.
        folder: where the model's external tensors lie; None where it has none.
        level: optimization level: `disabled`, `basic`, `extended`, `all`.
        through: `package.module:function` of a change made to the model before the runtime sees it; for faults
            planted in a runtime.
    """

    proto: onnx.ModelProto
    inputs: Mapping[str, Any]
    folder: Path | None
    level: str
    through: str | None = None


@dataclass(frozen=True, slots=True)
class Answered:
    """The runtime's outputs by name."""

    outputs: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, slots=True)
class RefusedModel:
    """The runtime raised an exception.

    Attributes:
        phase: `load` or `run`.
        error_type: class of the exception.
        message: its text.
    """

    phase: str
    error_type: str
    message: str


@dataclass(frozen=True, slots=True)
class DiedInside:
    """The process died in the runtime.

    Attributes:
        phase: `load` or `run`.
        ending: name of the signal, or `exit status N`.
    """

    phase: str
    ending: str


@dataclass(frozen=True, slots=True)
class HungInside:
    """There was no answer within the time limit; `phase` is `load` or `run`."""

    phase: str


Answer = Answered | RefusedModel | DiedInside | HungInside


class RuntimeProcess:
    """Asks a runtime; to be used as a context.

    Args:
        runtime: `onnxruntime`, `openvino`, or `onnx.checker`, which only loads.
        folder: for the files that go back and forth.
        time_limit_s: for each answer, wall-clock.
        options: the runtime's settings, as `--to-set` gives them.

    Attributes:
        started: processes it took.
    """

    def __init__(
        self, runtime: str, folder: Path, *, time_limit_s: float, options: Mapping[str, Any] | None = None
    ) -> None:
        if runtime not in _CALLS:
            raise ValueError(f"models cannot be reduced for {runtime!r}; it can be one of {', '.join(sorted(_CALLS))}")
        self.runtime = runtime
        self._folder = folder
        self._options = dict(options or {})
        self.time_limit_s = time_limit_s
        self._child: _Child | None = None
        self.started = 0

    def __enter__(self) -> RuntimeProcess:
        self._live()
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    def _live(self) -> _Child:
        if self._child is None:
            self._child = _start(self.runtime)
            self.started += 1
        return self._child

    def close(self) -> None:
        """End the child."""
        if self._child is not None:
            self._child.kill()
            self._child = None

    def ask(self, question: Question) -> Answer:
        """What the runtime answers; a child is started where none lives."""
        child = self._live()
        model, inputs, answers = (self._folder / f".asked.{name}" for name in ("onnx", "inputs", "answers"))
        model.write_bytes(question.proto.SerializeToString())
        write_values(inputs, {name: as_value(array) for name, array in question.inputs.items()})
        request = {
            "model": str(model),
            "inputs": str(inputs),
            "answers": str(answers),
            "folder": None if question.folder is None else str(question.folder),
            "level": question.level,
            "through": question.through,
            "options": self._options,
        }
        try:
            reply, phase = child.exchange(request, self.time_limit_s)
        except BaseException:
            self.close()
            raise
        if reply == "late":
            self.close()
            return HungInside(phase)
        if reply == "dead":
            ending = child.ending()
            self._child = None
            return DiedInside(phase, ending)
        if "error_type" in reply:
            return RefusedModel(phase, reply["error_type"], reply["message"])
        values = read_values(answers, mmap=False)
        if not isinstance(values, Mapping):
            raise TypeError(f"{answers} does not hold values by name")
        return Answered({name: _array(value) for name, value in values.items()})


def _array(value: Any) -> Any:
    return to_array(value) if isinstance(value, Tensor) else value


class _Child:
    """The parent's end of a serving process."""

    def __init__(self, pid: int, requests: int, replies: int) -> None:
        self._pid = pid
        self._requests = requests
        self._replies = replies
        self._rest = b""

    def exchange(self, request: Mapping[str, Any], time_limit_s: float) -> tuple[Any, str]:
        """The reply, or `late` or `dead`; and the last phase it was in."""
        phase = "load"
        until = time.monotonic() + _START_LIMIT_S
        try:
            os.write(self._requests, json.dumps(request).encode() + b"\n")
        except BrokenPipeError:
            return "dead", phase
        while True:
            line = self._line(until)
            if not isinstance(line, bytes):
                return line, phase
            message = json.loads(line)
            if "phase" not in message:
                return message, phase
            phase = message["phase"]
            if message.get("begins"):
                until = time.monotonic() + time_limit_s

    def _line(self, until: float) -> bytes | str:
        while b"\n" not in self._rest:
            ready, _, _ = select.select([self._replies], [], [], max(until - time.monotonic(), 0.0))
            if not ready:
                return "late"
            received = os.read(self._replies, 1 << 16)
            if not received:
                return "dead"
            self._rest += received
        line, _, self._rest = self._rest.partition(b"\n")
        return line

    def ending(self) -> str:
        """How the process ended; it has."""
        _, status = os.waitpid(self._pid, 0)
        self._close_pipes()
        code = os.waitstatus_to_exitcode(status)
        return signal.Signals(-code).name if code < 0 else f"exit status {code}"

    def kill(self) -> None:
        """End the process at once."""
        with contextlib.suppress(ProcessLookupError):
            os.kill(self._pid, signal.SIGKILL)
        with contextlib.suppress(ChildProcessError):
            os.waitpid(self._pid, 0)
        self._close_pipes()

    def _close_pipes(self) -> None:
        os.close(self._requests)
        os.close(self._replies)


def _start(runtime: str) -> _Child:
    from_parent, requests = os.pipe()
    replies, to_parent = os.pipe()
    sys.stdout.flush()
    sys.stderr.flush()
    pid = os.fork()
    if pid:
        os.close(from_parent)
        os.close(to_parent)
        return _Child(pid, requests, replies)
    status = 1
    try:
        faulthandler.disable()  # that it dies is an answer, not news
        os.close(requests)
        os.close(replies)
        _serve(runtime, from_parent, to_parent)
        status = 0
    except BaseException:
        traceback.print_exc()
    finally:
        # The child must not run what its parent would do at its end.
        os._exit(status)


def _serve(runtime: str, requests: int, replies: int) -> None:
    def say(**fields: Any) -> None:
        os.write(replies, json.dumps(fields).encode() + b"\n")

    call = _CALLS[runtime]()
    with os.fdopen(requests, "rb") as lines:
        for line in lines:
            request = json.loads(line)
            say(phase="load", begins=True)
            try:
                outputs = call(request, say)
            except Exception as error:
                say(error_type=type(error).__name__, message=str(error))
                continue
            write_values(Path(request["answers"]), {name: as_value(value) for name, value in outputs.items()})
            say(done=True)


def _seen_by_runtime(request: Mapping[str, Any]) -> bytes:
    stored = Path(request["model"]).read_bytes()
    if request["through"] is None:
        return stored
    changed = resolve_function(request["through"])(onnx.ModelProto.FromString(stored))
    return bytes(changed.SerializeToString())


def _inputs(request: Mapping[str, Any]) -> dict[str, Any]:
    values = read_values(Path(request["inputs"]), mmap=False)
    return {name: _array(value) for name, value in values.items()} if isinstance(values, Mapping) else {}


def _onnxruntime() -> Callable[..., dict[str, Any]]:
    import onnxruntime  # noqa: F401  so that its import is not a part of the first answer

    from tautomer.adapters.runtimes.onnxruntime_options import SessionSettings
    from tautomer.adapters.runtimes.ort_values import session_call

    def ask(request: Mapping[str, Any], say: Any) -> dict[str, Any]:
        settings = SessionSettings.of(request["options"])
        options = settings.session_options(request["level"])
        options.log_severity_level = 4
        if not settings.threads:
            # A pool of threads costs more than a small graph does.
            options.intra_op_num_threads = options.inter_op_num_threads = 1
        if request["folder"] is not None:
            options.add_session_config_entry(_EXTERNAL_FOLDER, request["folder"])
        model: Any = _seen_by_runtime(request)
        session = settings.session(model, options)
        say(phase="run")
        names = [output.name for output in session.get_outputs()]
        return dict(zip(names, session_call(session)(_inputs(request)), strict=True))

    return ask


def _openvino() -> Callable[..., dict[str, Any]]:
    from tautomer.adapters.runtimes.openvino_runtime import SETTINGS, import_openvino, plainly_worded

    core = import_openvino().Core()

    def ask(request: Mapping[str, Any], say: Any) -> dict[str, Any]:
        model = _with_external_tensors(_seen_by_runtime(request), request["folder"])
        with plainly_worded():
            compiled = core.compile_model(core.read_model(model), "CPU", {**SETTINGS, **request["options"]})
        say(phase="run")
        names = [output.name for output in onnx.ModelProto.FromString(model).graph.output]
        ports = {name: port for port in compiled.outputs for name in port.get_names()}
        with plainly_worded():
            found = compiled(_inputs(request))
        return {name: np.array(found[ports[name]]) for name in names if name in ports}

    return ask


def _checker() -> Callable[..., dict[str, Any]]:
    def ask(request: Mapping[str, Any], _say: Any) -> dict[str, Any]:
        model = onnx.ModelProto.FromString(_with_external_tensors(_seen_by_runtime(request), request["folder"]))
        onnx.checker.check_model(model, full_check=request["level"] != "disabled")
        return {}

    return ask


def _with_external_tensors(stored: bytes, folder: str | None) -> bytes:
    if folder is None:
        return stored
    model = onnx.ModelProto.FromString(stored)
    onnx.external_data_helper.load_external_data_for_model(model, folder)
    return bytes(model.SerializeToString())


_CALLS = {"onnxruntime": _onnxruntime, "openvino": _openvino, "onnx.checker": _checker}
"""What imports a runtime and gives the function that asks it."""


def runtimes() -> Sequence[str]:
    """The runtimes a model can be reduced for."""
    return sorted(_CALLS)
