"""The models of the ONNX backend test suite, which every ONNX runtime is tested with, as architectures.

Source: the package onnx itself: `onnx.backend.test` makes the cases of single operators and holds the other models.
"""

from __future__ import annotations

import json
import warnings
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import onnx

from tautomer.adapters.onnx_files.architecture import architecture_of
from tautomer.adapters.onnx_files.digest import read_structure
from tautomer.adapters.worker_api import Channel
from tautomer.model.architecture import to_plain

FILE = "architectures.jsonl"


def backend_tests(channel: Channel) -> dict[str, Any]:
    """Write the architectures of all cases, one a line, into a file of the attempt's folder.

    Returns:
        `file`, the number of `models`, and `refused`: names of cases that are no sound models.
    """
    refused = []
    count = 0
    with (channel.folder / FILE).open("w", encoding="utf-8") as file:
        for name, model in _models():
            try:
                file.write(json.dumps(to_plain(architecture_of(model, name))) + "\n")
                count += 1
            except (ValueError, KeyError):
                refused.append(name)
    return {"file": FILE, "models": count, "refused": refused}


def _models() -> Iterator[tuple[str, onnx.ModelProto]]:
    from onnx.backend.test.case import model as whole_models
    from onnx.backend.test.case import node as single_operators

    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # cases overflow and divide by zero on purpose
        cases = [*single_operators.collect_testcases(None), *whole_models.collect_testcases()]
    for case in cases:
        if case.model is not None:
            yield case.name, case.model
    data = Path(str(onnx.__file__)).parent / "backend" / "test" / "data"
    for path in sorted(data.glob("pytorch-*/*/model.onnx")):
        yield path.parent.name, read_structure(path)
    for path in sorted(data.glob("light/*.onnx")):
        yield path.stem, read_structure(path)
