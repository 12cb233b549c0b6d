"""Verify that a worker has loaded the very source that was first run: the same parameters and the same inputs."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

from tautomer.adapters.tensor_file import write_values
from tautomer.adapters.torch_programs.preparation import PreparedProgram
from tautomer.adapters.torch_programs.state import parameters_digest
from tautomer.errors import UserCodeError


def verify_same_source(prepared: PreparedProgram, expected: dict[str, Any]) -> None:
    """Compare digests with those of the first load.

    Raises:
        UserCodeError: the module built other parameters or other inputs from the same seed.
    """
    module = prepared.module
    if module is not None and expected.get("parameters_digest") not in (None, parameters_digest(module)):
        raise UserCodeError(
            "TA127",
            f"{prepared.program.path.name} builds other parameters each time it is loaded,"
            " although the random generators are seeded.",
            "Save the weights to a file and load them in model().",
        )
    for index, digest in enumerate(expected.get("inputs_digests", ())):
        with tempfile.TemporaryDirectory() as folder:
            found = write_values(Path(folder) / "inputs.safetensors", prepared.leaves(index).tensors())
        if found != digest:
            raise UserCodeError(
                "TA128",
                f"{prepared.program.path.name} makes other inputs each time it is loaded,"
                " although the random generators are seeded.",
                "Seed your own generators in inputs().",
            )
