"""The reference page names every operator of the ONNX domain, once, where it belongs."""

from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import onnx

from tautomer.numerics.onnx_evaluator.kernels import KERNELS

_PAGE = (Path(__file__).parents[4] / "docs" / "reference" / "onnx-evaluator.md").read_text(encoding="utf-8")


def _named(heading: str) -> list[str]:
    """Operators in the first column of the table below a heading."""
    section = _PAGE.split(f"## {heading}\n", 1)[1].split("\n## ", 1)[0]
    rows = [line for line in section.splitlines() if line.startswith("| `")]
    return [name for row in rows for name in re.findall(r"`(\w+)`", row.split("|")[1])]


def test_every_kernel_is_named_once_and_every_other_operator_beside_them() -> None:
    with_kernel, without = _named("Operators with a kernel"), _named("Operators without one")
    assert [name for name, count in Counter(with_kernel + without).items() if count > 1] == []
    assert set(with_kernel) == set(KERNELS)
    operators = {schema.name for schema in onnx.defs.get_all_schemas() if schema.domain == "" and not schema.deprecated}
    assert operators - set(with_kernel) - set(without) == set()
