"""What watching any exporter takes: its steps and checkpoints reported, its functions wrapped, its programs run."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

from tautomer.adapters.onnx_files.digest import function_digest
from tautomer.adapters.worker_api import Channel, peak_memory_bytes, reset_peak_memory
from tautomer.errors import ModelFileError
from tautomer.model import ArtifactKind, Stage


class Recorder:
    """Reports each step of a conversion as it begins and each checkpoint as it appears.

    A process that dies is attributed to the step it had begun.
    """

    def __init__(self, channel: Channel) -> None:
        self._channel = channel
        self._since = time.perf_counter()
        self.stage = Stage.LOAD_MODEL

    def begin(self, stage: Stage, doing: str) -> None:
        """The conversion enters `stage`."""
        self.stage = stage
        self._since = time.perf_counter()
        reset_peak_memory()
        self._channel.emit("stage", stage=str(stage), doing=doing)

    def checkpoint(
        self,
        name: str,
        stage: Stage,
        *,
        kind: ArtifactKind,
        path: Path | None = None,
        parent: str | None = None,
        opset_override: int | None = None,
        **facts: Any,
    ) -> None:
        """A checkpoint exists now; its time is what passed since the last `begin` or checkpoint."""
        seconds, peak = time.perf_counter() - self._since, peak_memory_bytes()
        digest = None
        if path is not None and kind is ArtifactKind.ONNX:
            try:
                digest = function_digest(path, opset_override)
            except ModelFileError as error:  # what the exporter wrote is a result, not the user's misuse
                facts["unreadable"] = error.message
        self._channel.emit(
            "checkpoint",
            checkpoint=name,
            stage=str(stage),
            kind=str(kind),
            path=str(path) if path is not None else None,
            digest=digest,
            parent=parent,
            opset_override=opset_override,
            facts=facts,
            seconds=seconds,
            peak_memory_bytes=peak,
        )
        self._since = time.perf_counter()
        reset_peak_memory()


@contextlib.contextmanager
def patched(owner: Any, name: str, value: Any) -> Iterator[None]:
    """Put `value` in the place of an attribute of a module or a class; the original is back at the end."""
    original = getattr(owner, name)
    setattr(owner, name, value)
    try:
        yield
    finally:
        setattr(owner, name, original)


def report_run(
    channel: Channel, checkpoint: str, *, precision: str, index: int, compute: Callable[[], Mapping[str, Any]]
) -> None:
    """Run one checkpoint that is a framework's own program on one input set; report its values, or what it raised.

    Args:
        compute: gives the outputs by the source's paths.
    """
    from tautomer.adapters.tensor_file import write_values

    channel.emit("run.begin", checkpoint=checkpoint, precision=precision, input=index)
    reset_peak_memory()
    began = time.perf_counter()
    fields: dict[str, Any] = {"values": None, "error": None}
    try:
        outputs = compute()
        file = channel.folder / f"{checkpoint}-{precision}-{index}.safetensors"
        write_values(file, outputs)
        fields["values"] = str(file)
    except Exception as error:
        text = str(error).strip().splitlines()
        fields["error"] = {"type": type(error).__name__, "message": text[0] if text else type(error).__name__}
    channel.emit(
        "run",
        checkpoint=checkpoint,
        precision=precision,
        input=index,
        seconds=time.perf_counter() - began,
        peak_memory_bytes=peak_memory_bytes(),
        **fields,
    )
