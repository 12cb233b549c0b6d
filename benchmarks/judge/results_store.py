"""Results as one JSON file each, so that a run that was stopped goes on where it was."""

from __future__ import annotations

import json
import math
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any


class ResultsStore:
    """JSON results under a folder, by name; a name may hold slashes."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder

    def get(self, name: str) -> dict[str, Any] | None:
        """A stored result, or None."""
        path = self._path(name)
        return json.loads(path.read_text("utf-8")) if path.is_file() else None

    def put(self, name: str, result: dict[str, Any]) -> None:
        """Store a result, whole or not at all."""
        path = self._path(name)
        path.parent.mkdir(parents=True, exist_ok=True)
        aside = path.with_suffix(".partial")
        aside.write_text(json.dumps(_plain(result), indent=1), "utf-8")
        aside.replace(path)

    def all(self, prefix: str) -> Iterator[tuple[str, dict[str, Any]]]:
        """The results whose name begins with `prefix/`, by name."""
        for path in sorted((self.folder / prefix).rglob("*.json")):
            name = path.relative_to(self.folder).with_suffix("").as_posix()
            yield name, json.loads(path.read_text("utf-8"))

    def _path(self, name: str) -> Path:
        return self.folder / (re.sub(r"[^A-Za-z0-9._/+-]", "_", name) + ".json")


def _plain(value: Any) -> Any:
    """JSON has no infinities and no NaN: None stands for them."""
    if isinstance(value, dict):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    if isinstance(value, float) and not math.isfinite(value):
        return None
    return value
