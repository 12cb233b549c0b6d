"""The values a source computes on its way, as files: what a target's values are aligned with and judged against."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from tautomer.adapters.tensor_file import read_values, write_values
from tautomer.model import Tensor


@dataclass(frozen=True, slots=True)
class TracedValue:
    """One value on the source's way.

    Attributes:
        name: of the node that made it.
        operator: as the framework spells it (`aten.layer_norm.default`).
        line: `file.py:12` of the user's code; None where unknown.
        parents: the traced values it was computed from, looked for through operators that only move elements.
    """

    name: str
    operator: str
    line: str | None
    parents: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class SourceTrace:
    """A source's values on one input set, in files.

    Attributes:
        values: in the order they are computed.
        declared: in the source's own precision, by name.
        exact: in float64, by name.
        deviation: RMS deviation when the operator's own rounding is perturbed, its inputs being exact.
        producers: output path -> the value it is or was last computed from.
    """

    values: tuple[TracedValue, ...]
    declared: Mapping[str, Tensor]
    exact: Mapping[str, Tensor]
    deviation: Mapping[str, Tensor]
    producers: Mapping[str, str | None]

    @classmethod
    def write(
        cls,
        folder: Path,
        stem: str,
        values: Sequence[TracedValue],
        *,
        declared: Mapping[str, Tensor],
        exact: Mapping[str, Tensor],
        deviation: Mapping[str, Tensor],
        producers: Mapping[str, str | None],
    ) -> SourceTrace:
        """Write a trace's files (`<stem>.json` and three files of tensors) and give it back."""
        for kind, tensors in (("declared", declared), ("exact", exact), ("deviation", deviation)):
            write_values(folder / f"{stem}-{kind}.safetensors", dict(tensors))
        document = {"values": [asdict(one) for one in values], "producers": dict(producers)}
        (folder / f"{stem}.json").write_text(json.dumps(document), "utf-8")
        return cls(tuple(values), declared, exact, deviation, producers)

    @classmethod
    def read(cls, path: Path) -> SourceTrace:
        """The trace whose `<stem>.json` lies at `path`."""
        document = json.loads(path.read_text("utf-8"))

        def tensors(kind: str) -> Mapping[str, Any]:
            values = read_values(path.with_name(f"{path.stem}-{kind}.safetensors"))
            if not isinstance(values, Mapping):
                raise TypeError(f"{path} does not belong to a trace")
            return values

        values = tuple(TracedValue(**{**one, "parents": tuple(one["parents"])}) for one in document["values"])
        return cls(values, tensors("declared"), tensors("exact"), tensors("deviation"), document["producers"])
