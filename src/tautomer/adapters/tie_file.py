"""What outputs of indices were chosen by, as a file that a source's worker leaves and the judge reads."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any

from tautomer.adapters.tensor_file import read_values, write_values
from tautomer.model import Tensor
from tautomer.numerics.ties import TieKeys


def write_ties(path: Path, ties: Mapping[str, TieKeys]) -> dict[str, Any] | None:
    """Write the keys; what `read_ties` needs to read them again, as JSON values, or None where there are none."""
    if not ties:
        return None
    write_values(path, {output: Tensor.of(one.keys) for output, one in ties.items()})
    return {
        "file": path.name,
        "outputs": {output: {"axis": one.axis, "distinct": one.distinct} for output, one in ties.items()},
    }


def read_ties(folder: Path, written: Mapping[str, Any] | None) -> dict[str, TieKeys]:
    """The ties by output path, from what `write_ties` gave; empty for None.

    Raises:
        TypeError: the file holds something else.
    """
    if written is None:
        return {}
    values = read_values(folder / written["file"])
    found = {}
    for output, fields in written["outputs"].items():
        keys = values.get(output) if isinstance(values, Mapping) else None
        if not isinstance(keys, Tensor):
            raise TypeError(f"{written['file']} does not hold the keys of '{output}'")
        found[output] = TieKeys(keys.array, int(fields["axis"]), bool(fields["distinct"]))
    return found
