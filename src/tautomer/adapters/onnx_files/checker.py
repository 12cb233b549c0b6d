"""The validation a conversion passes through: `onnx.checker`, plain and with shape inference."""

from __future__ import annotations

from typing import Any

from tautomer.adapters.worker_api import Channel


def check_file(channel: Channel, *, model: str) -> dict[str, Any]:
    """Run the checker on a file, by path so that models over 2 GB pass.

    Returns:
        `plain` and `full`: None where it passed, else the checker's message. The full check infers every shape and
        compares it with the stated one; exporters do not run it.
    """
    import onnx

    channel.emit("stage", stage="validation", doing="onnx.checker")
    result: dict[str, Any] = {"plain": None, "full": None}
    for key, full in (("plain", False), ("full", True)):
        with channel.measure("step", step=f"checker-{key}", stage="validation"):
            try:
                onnx.checker.check_model(model, full_check=full)
            except (onnx.checker.ValidationError, onnx.shape_inference.InferenceError) as error:
                result[key] = str(error).strip()
    return result
