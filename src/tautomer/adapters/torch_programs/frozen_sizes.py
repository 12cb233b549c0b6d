"""Ask torch.export itself about a dimension that was declared dynamic and captured static: what it says, and which line
of the user's code fixes the size.
"""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from typing import Any

import torch

from tautomer.adapters.torch_programs.preparation import PreparedProgram


def refusal_of_direct_export(prepared: PreparedProgram) -> dict[str, Any] | None:
    """What torch.export raises with the dimensions as they were declared, and where; None where it raises nothing.

    Returns:
        `type` and `message` of the exception, and `line`: `file.py:12` of the user's code at which a symbolic size was
        first compared, or None.
    """
    module = prepared.module
    if module is None:
        return None
    prepared.reset()
    program = prepared.program
    call = program.input_sets[0].call.copied()
    lines: list[str] = []
    try:
        with _lines_that_decide(str(program.path.name), lines):
            torch.export.export(
                module,
                call.args,
                call.kwargs or None,
                dynamic_shapes=program.dynamic_shapes,
                strict=False,
            )
    except Exception as error:
        text = next((line for line in str(error).strip().splitlines() if line.strip()), type(error).__name__)
        reasons = [line.strip(" -") for line in str(error).splitlines() if "specialized" in line or "guard" in line]
        return {
            "type": type(error).__name__,
            "message": reasons[0] if reasons else text,
            "line": lines[0] if lines else None,
        }
    finally:
        prepared.reset()
    return None


@contextlib.contextmanager
def _lines_that_decide(file: str, lines: list[str]) -> Iterator[None]:
    """Note the user's line whenever a symbolic size is turned into a Python value.

    Source: torch 2.13, `torch/fx/experimental/symbolic_shapes.py`: `ShapeEnv.evaluate_expr` does that.
    """
    from torch.fx.experimental.symbolic_shapes import ShapeEnv

    kind: Any = ShapeEnv
    original = kind._log_guard

    def noting(self: Any, *arguments: Any, **keywords: Any) -> Any:
        frame = sys._getframe(1)
        while frame is not None:
            if frame.f_code.co_filename.rpartition("/")[2] == file:
                lines.append(f"{file}:{frame.f_lineno}")
                break
            frame = frame.f_back  # type: ignore[assignment]
        return original(self, *arguments, **keywords)

    kind._log_guard = noting
    try:
        yield
    finally:
        kind._log_guard = original
