"""Tables that PyTorch's exporter builds anew for each export, which takes most of the time of a small one.

Built once, they are inherited by the children that export. Facts: torch 2.13, `torch/onnx/_internal/exporter/` and
`torch/export/exported_program.py`.
"""

from __future__ import annotations

import contextlib
from collections.abc import Hashable, Iterator
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
        operators: those that PyTorch had when it was asked which of them it may leave whole.
        whole: these.
    """

    opset: int
    registry: Any
    registered: frozenset[Any]
    decompositions: dict[Any, Any]
    operators: Hashable
    whole: frozenset[Any]

    @classmethod
    def of(cls, opset: int | None) -> ExporterTables:
        """The tables of an export that is asked for this opset, or for none."""
        from torch._export.utils import _collect_all_valid_cia_ops
        from torch.onnx import _constants as defaults
        from torch.onnx._internal.exporter import _constants, _decomp, _registration

        wanted = max(opset or defaults.ONNX_DEFAULT_OPSET, _constants.TORCHLIB_OPSET)
        registry = _registration.ONNXRegistry.from_torchlib(opset_version=wanted)
        registered = set(_decomp.get_onnx_implemented_overloads(registry))
        table = _decomp.create_onnx_friendly_decomposition_table(registered)
        whole = frozenset(_collect_all_valid_cia_ops())
        return cls(wanted, registry, frozenset(registered), table, _operators(), whole)

    @contextlib.contextmanager
    def given(self) -> Iterator[None]:
        """While the context lasts, the exporter of this process is given these tables, which it may change."""
        from torch._export.utils import _collect_all_valid_cia_ops
        from torch.export import exported_program
        from torch.onnx._internal.exporter import _decomp, _registration

        build, decompose = _registration.ONNXRegistry.from_torchlib, _decomp.create_onnx_friendly_decomposition_table

        def from_torchlib(**asked: Any) -> Any:
            return self.registry if asked == {"opset_version": self.opset} else build(**asked)

        def friendly_table(registered: Any) -> Any:
            return self.decompositions if registered == self.registered else decompose(registered)

        def preservable() -> Any:
            return set(self.whole) if self.operators == _operators() else _collect_all_valid_cia_ops()

        def nothing(*arguments: Any) -> None:
            """Which operators could be decomposed is for a check to say."""

        with (
            patched(_registration.ONNXRegistry, "from_torchlib", staticmethod(from_torchlib)),
            patched(_decomp, "create_onnx_friendly_decomposition_table", friendly_table),
            patched(exported_program, "_collect_all_valid_cia_ops", preservable),
            patched(torch_onnx, "report_decomposable", nothing),
        ):
            yield


def _operators() -> Hashable:
    """What changes when a library registers operators."""
    import torch

    composite = torch._C._dispatch_get_registrations_for_dispatch_key("CompositeImplicitAutograd")
    return (*torch.ops._dir, *composite)
