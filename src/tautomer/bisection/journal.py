"""What a bisection has tried, written down after each trial, so that one that was ended can go on."""

from __future__ import annotations

import contextlib
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tautomer.bisection.changes import Change
from tautomer.bisection.trials import Effect, Trial


class Journal:
    """Trials of one bisection on disk, one a line."""

    def __init__(self, folder: Path, key: Mapping[str, Any], model: Path) -> None:
        """Nothing is read or written yet.

        Args:
            folder: where it is kept.
            key: JSON values that the trials depend on, besides the model.
            model: the file; it and the others in its folder that it may import are taken for the same by content of
                this file alone.
        """
        digest = hashlib.blake2b(json.dumps(key, sort_keys=True, default=str).encode(), digest_size=12)
        digest.update(model.read_bytes())
        self._path = folder / f".bisect-{digest.hexdigest()}.jsonl"

    def read(self) -> dict[tuple[str, ...], Trial]:
        """Trials that were made, by key; none where there is no journal. A line that was cut off ends it."""
        found = {}
        try:
            lines = self._path.read_text("utf-8").splitlines()
        except FileNotFoundError:
            return {}
        for line in lines:
            try:
                entry = json.loads(line)
                found[tuple(entry["key"])] = (entry["effect"], entry["message"], entry["seconds"])
            except (ValueError, KeyError, TypeError):
                break
        return {
            key: Trial(changes=(), effect=Effect(effect), message=message, seconds=seconds)
            for key, (effect, message, seconds) in found.items()
        }

    def clear(self) -> None:
        """Forget everything."""
        self._path.unlink(missing_ok=True)

    def write(self, trial: Trial) -> None:
        """Add a trial."""
        entry = {
            "key": key_of(trial.changes),
            "effect": trial.effect,
            "message": trial.message,
            "seconds": trial.seconds,
        }
        self._path.parent.mkdir(parents=True, exist_ok=True)
        with self._path.open("a", encoding="utf-8") as file, contextlib.suppress(UnicodeEncodeError):
            file.write(json.dumps(entry) + "\n")


def key_of(changes: tuple[Change, ...]) -> tuple[str, ...]:
    """What names a trial in a journal."""
    return tuple(f"{one.where} {one.name} {json.dumps(one.value)}" for one in changes)
