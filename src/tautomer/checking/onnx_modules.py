"""A module of ONNX stands for the .onnx file that it builds: written out once, in a worker, before anything else."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

from tautomer.adapters.runtimes.onnx_host import ONNX_HOST
from tautomer.checking.attempts import Bench, describe
from tautomer.checking.sources import SourceFile
from tautomer.errors import ModelFileError

_TASK = "tautomer.adapters.onnx_files.model_module:write_out"


def written_out(bench: Bench, source_file: SourceFile, *, seed: int) -> tuple[SourceFile, Path | None]:
    """The .onnx file that a source stands for, and the folder with its own input sets.

    Returns:
        For anything but a module of ONNX, what was given, and None; None as well where a module has no `inputs()`.

    Raises:
        MisuseError: the module raised, or its model() returned something else.
        ModelFileError: TA118 its process ended without an answer.
    """
    if not source_file.builds_onnx:
        return source_file, None
    arguments = {"path": str(source_file.path), "seed": seed}
    attempt = bench.run(ONNX_HOST, _TASK, arguments, label="model module")
    result = getattr(attempt, "result", None)
    if result is None:
        raise ModelFileError("TA118", f"{source_file.path.name} built no model: {describe(attempt)}.")
    folder = attempt.log.parent
    model = folder / result["model"]
    built = replace(source_file, path=model, builds_onnx=False, built_by=source_file.path)
    return built, folder / "inputs" if result["sets"] else None
