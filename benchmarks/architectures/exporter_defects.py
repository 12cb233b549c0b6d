"""Show by hand, without Tautomer, that torch.onnx fails on the architectures that the catalogue lists as defects."""

from __future__ import annotations

import logging
import tempfile
import warnings
from pathlib import Path

import onnxruntime
import torch
from catalog import DEFECTS, Architecture


def show(one: Architecture, folder: str) -> str:
    """Export with the plain public function and run on a second size; say what goes wrong."""
    torch.manual_seed(0)
    inputs, other = one.inputs(2, 12), one.inputs(3, 9)
    args, kwargs = ((), inputs) if isinstance(inputs, dict) else (inputs, None)
    path = str(Path(folder) / "model.onnx")
    try:
        torch.onnx.export(
            one.build(), args, path, kwargs=kwargs, dynamic_shapes=one.dynamic_shapes, dynamo=True, verbose=False
        )
    except torch.onnx.errors.OnnxExporterError as error:
        return f"export: {type(error.__cause__).__name__}: {str(error.__cause__).splitlines()[0]}"
    options = onnxruntime.SessionOptions()
    options.log_severity_level = 4
    session = onnxruntime.InferenceSession(path, options)
    values = list(other.values()) if isinstance(other, dict) else list(other)
    feeds = {given.name: value.numpy() for given, value in zip(session.get_inputs(), values, strict=True)}
    try:
        session.run(None, feeds)
    except Exception as error:
        return f"run: {str(error).splitlines()[0]}"
    return "exported and ran; the defect is gone"


def main() -> None:
    """Show every one."""
    logging.disable(logging.CRITICAL)
    warnings.simplefilter("ignore")
    with tempfile.TemporaryDirectory() as folder:
        for name, one in DEFECTS.items():
            print(f"{name}: {show(one, folder)}", flush=True)


if __name__ == "__main__":
    main()
