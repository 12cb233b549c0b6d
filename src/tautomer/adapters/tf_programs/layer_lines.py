"""The user's line at which each layer of a functional Keras model was called, which a trace of the model lacks."""

from __future__ import annotations

import contextlib
import re
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import keras

_NUMBER = re.compile(r"_\d+$")


@contextlib.contextmanager
def recorded_layer_lines(path: Path) -> Iterator[dict[str, str]]:
    """Record, by the name of a layer, the line of the user's file at which it is first called."""
    found: dict[str, str] = {}
    original = keras.Layer.__call__

    def call(self: Any, *args: Any, **kwargs: Any) -> Any:
        line = _line_in(path)
        if line is not None:
            found.setdefault(self.name, line)
        return original(self, *args, **kwargs)

    keras.Layer.__call__ = call
    try:
        yield found
    finally:
        keras.Layer.__call__ = original


def _line_in(path: Path) -> str | None:
    """`file.py:12` of the innermost frame of the user's file; None where a layer is called from nowhere in it."""
    frame = sys._getframe(2)
    while frame is not None:
        if frame.f_code.co_filename == str(path):
            return f"{path.name}:{frame.f_lineno}"
        frame = frame.f_back  # type: ignore[assignment]
    return None


def line_of_layer(node: str, lines: Mapping[str, str]) -> str | None:
    """The line of the innermost layer in whose name scope a node stands: scopes are numbered where they repeat."""
    for part in reversed(node.split("/")[:-1]):
        found = lines.get(part) or lines.get(_NUMBER.sub("", part))
        if found is not None:
            return found
    return None
