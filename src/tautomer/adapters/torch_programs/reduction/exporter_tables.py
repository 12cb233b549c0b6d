"""Tables that PyTorch's exporter builds anew for each export, which takes most of the time of a small one.

Built once, they are inherited by the children that export. Facts: torch 2.13, `torch/onnx/_internal/exporter/`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from tautomer.adapters.converters import torch_onnx
from tautomer.adapters.converters.recording import patched


@dataclass(frozen=True, slots=True)
class ExporterTables:
    """What the exporter knows for one opset; others it builds itself.

    Attributes:
        opset: of the operators.
        registry: how each operator is translated at this opset.
        registered: the operators that are.
        decompositions: of all others.
    """

    opset: int
    registry: Any
    registered: frozenset[Any]
    decompositions: dict[Any, Any]

    @classmethod
    def of(cls, opset: int | None) -> ExporterTables:
        """The tables of an export that is asked for this opset, or for none."""
        from torch.onnx import _constants as defaults
        from torch.onnx._internal.exporter import _constants, _decomp, _registration

        wanted = max(opset or defaults.ONNX_DEFAULT_OPSET, _constants.TORCHLIB_OPSET)
        registry = _registration.ONNXRegistry.from_torchlib(opset_version=wanted)
        registered = set(_decomp.get_onnx_implemented_overloads(registry))
        table = _decomp.create_onnx_friendly_decomposition_table(registered)
        return cls(wanted, registry, frozenset(registered), table)

    @contextlib.contextmanager
    def given(self) -> Iterator[None]:
        """While the context lasts, the exporter of this process is given these tables, which it may change."""
        from torch.onnx._internal.exporter import _decomp, _registration

        build, decompose = _registration.ONNXRegistry.from_torchlib, _decomp.create_onnx_friendly_decomposition_table

        def from_torchlib(**asked: Any) -> Any:
            return self.registry if asked == {"opset_version": self.opset} else build(**asked)

        def friendly_table(registered: Any) -> Any:
            return self.decompositions if registered == self.registered else decompose(registered)

        def nothing(*arguments: Any) -> None:
            """Which operators could be decomposed is for a check to say."""

        with (
            patched(_registration.ONNXRegistry, "from_torchlib", staticmethod(from_torchlib)),
            patched(_decomp, "create_onnx_friendly_decomposition_table", friendly_table),
            patched(torch_onnx, "report_decomposable", nothing),
        ):
            yield
