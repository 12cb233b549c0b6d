"""A module of ONNX stands for the .onnx file that it builds: written out once, in a worker, before anything else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tautomer.adapters.runtimes.onnx_host import ONNX_HOST
from tautomer.checking.attempts import Bench, describe, failed_to_answer
from tautomer.checking.sources import SourceFile
from tautomer.errors import InternalError, ModelFileError
from tautomer.model import Attempt

_TASK = "tautomer.adapters.onnx_files.model_module:write_out"


class ModuleEndedError(ModelFileError):
    """A module of ONNX ended its process, or never came to an end; a check reports that, others can do nothing.

    Args:
        name: of the module's file.
        attempt: to write its model out.
    """

    def __init__(self, name: str, attempt: Attempt) -> None:
        said = f"{name} built no model: {describe(attempt)}."
        super().__init__("TA118", said, f"`tautomer check {name}` reports it, with its log.")
        self.attempt = attempt


def written_out(bench: Bench, source_file: SourceFile, *, seed: int) -> tuple[SourceFile, Path | None]:
    """The .onnx file that a source stands for, and the folder with its own input sets.

    Returns:
        For anything but a module of ONNX, what was given, and None; None as well where a module has no `inputs()`.

    Raises:
        MisuseError: the module raised, or its model() returned something else.
        ModuleEndedError: TA118 its process ended without an answer.
        InternalError: TA900 a defect of ours.
    """
    if not source_file.builds_onnx:
        return source_file, None
    arguments = {"path": str(source_file.path), "seed": seed}
    attempt = bench.run(ONNX_HOST, _TASK, arguments, label="model module")
    result = getattr(attempt, "result", None)
    if result is None:
        if failed_to_answer(attempt):
            raise ModuleEndedError(source_file.path.name, attempt)
        raise InternalError(
            "TA900", f"the module's task failed: {describe(attempt)}. Log:\n{attempt.log.read_text('utf-8', 'replace')}"
        )
    folder = attempt.log.parent
    model = folder / result["model"]
    built = replace(source_file, path=model, builds_onnx=False, built_by=source_file.path)
    return built, folder / "inputs" if result["sets"] else None
