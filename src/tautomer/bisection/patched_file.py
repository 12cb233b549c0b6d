"""Writes a patched model where it was asked for, with its external data beside it."""

from __future__ import annotations

from pathlib import Path

from tautomer.errors import OutputPathError


def write_patched(model: Path, path: Path) -> None:
    """Write a model under another name; its weights go into one file beside it, named after it.

    Raises:
        OutputPathError: TA143 it cannot be written.
    """
    import onnx

    proto = onnx.load(model)
    plain = onnx.load(model, load_external_data=False)
    external = any(one.data_location == onnx.TensorProto.EXTERNAL for one in plain.graph.initializer)
    data = f"{path.name}.data"
    try:
        (path.parent / data).unlink(missing_ok=True)  # onnx appends to a file that is there
        if external:
            onnx.save(proto, path, save_as_external_data=True, all_tensors_to_one_file=True, location=data)
        else:
            onnx.save(proto, path)
    except OSError as error:
        raise OutputPathError(
            "TA143", f"cannot write the model to '{path}': {error.strerror or error}.", "Give another path."
        ) from error
