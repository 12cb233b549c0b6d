"""Every kind of fault that can be seeded, and which of them apply to an operator."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tautomer.adapters.onnx_files.mutants import (
    activations,
    arithmetic_forms,
    axes,
    constants,
    decisions,
    exponentials,
    normalization,
    recurrent,
    windows,
    wiring,
)
from tautomer.adapters.onnx_files.mutants.site import Kind

_MODULES = (
    normalization,
    windows,
    axes,
    constants,
    wiring,
    activations,
    decisions,
    recurrent,
    exponentials,
    arithmetic_forms,
)

KINDS: Mapping[str, Kind] = {kind.name: kind for module in _MODULES for kind in module.KINDS}
"""By name."""


def _by_operator() -> Mapping[str, Sequence[Kind]]:
    found: dict[str, list[Kind]] = {}
    for kind in KINDS.values():
        for op_type in kind.op_types:
            found.setdefault(op_type, []).append(kind)
    return found


BY_OPERATOR: Mapping[str, Sequence[Kind]] = _by_operator()
"""The kinds that look at nodes of an operator."""
