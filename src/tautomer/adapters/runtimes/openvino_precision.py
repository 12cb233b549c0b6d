"""In which formats OpenVINO's CPU plugin computes, read from the model that it executes."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from tautomer.adapters.runtimes.declared_formats import DeclaredNode

_FORMATS = {"f32": "float32", "f16": "float16", "bf16": "bfloat16", "f64": "float64"}

_REDUCED = frozenset({"f16", "bf16"})

_WITHOUT_ARITHMETIC = frozenset(
    """
    Broadcast Concatenation Const Convert Gather GatherElements GatherND Input Output Pad Reorder Reshape Split
    StridedSlice Tile Transpose
    """.split()
)
"""Layer types of the plugin that hand values on."""

_WIDE_INTEGERS = frozenset({"i64", "u64", "u32"})


@dataclass(frozen=True, slots=True)
class Layer:
    """A node of the executed model: what it is made of, its kind and the format it works in."""

    origins: frozenset[str]
    layer_type: str
    precision: str
    output_precisions: str


@dataclass(frozen=True, slots=True)
class PrecisionOfPlan:
    """What a compiled model says of the formats it computes in.

    Attributes:
        layers: its nodes.
        declared: element type of each operation of the model that was compiled; others the plugin has put in.
        has_float16: whether the processor computes in float16; elsewhere the plugin only stores values in it.
    """

    layers: tuple[Layer, ...]
    declared: Mapping[str, str]
    has_float16: bool

    @classmethod
    def of(cls, executed: Any, program: Any, capabilities: Collection[str]) -> PrecisionOfPlan:
        """Read `CompiledModel.get_runtime_model()` beside the `Model` it was compiled from.

        Source: OpenVINO's openvino/runtime/exec_model_info.hpp (originalLayersNames, layerType, runtimePrecision,
        outputPrecisions), and `ov::device::capabilities`.
        """
        declared = {
            node.get_friendly_name(): node.get_output_element_type(0).get_type_name()
            for node in program.get_ops()
            if node.get_output_size()
        }
        return cls(tuple(_layers(executed)), declared, "FP16" in capabilities)

    @property
    def integers_in_int32(self) -> bool:
        """Whether values of wider integer types are converted to int32 on their way in."""
        return any(
            layer.layer_type == "Convert" and layer.precision in _WIDE_INTEGERS and layer.output_precisions == "i32"
            for layer in self.layers
        )

    def formats(self, nodes: Sequence[DeclaredNode]) -> list[dict[str, Any]]:
        """Counts by declared and computed format, as JSON values: of the nodes given, and of float32 nodes that
        are computed in less. `computed` is None where it cannot be told.
        """
        by_origin = {origin: layer for layer in self.layers for origin in layer.origins}
        everywhere = {self._format(layer) for layer in self.layers if self._computes(layer)} - {None}
        only = next(iter(everywhere)) if len(everywhere) == 1 else None
        counted: Counter[tuple[str, str | None]] = Counter()
        for node in nodes:
            layer = next((by_origin[name] for name in node.names if name in by_origin), None)
            found = self._format(layer) if layer is not None else None
            counted[(node.format, found or only)] += 1
        for layer in self.layers:
            origins = {self.declared[name] for name in layer.origins if name in self.declared}
            found = self._format(layer)
            if found not in ("float16", "bfloat16") or not self._computes(layer):
                continue
            if "f32" in origins and origins.isdisjoint(_REDUCED):
                counted[("float32", found)] += 1
        return [
            {"declared": declared, "computed": computed, "rounded": None, "count": count}
            for (declared, computed), count in counted.items()
        ]

    def _computes(self, layer: Layer) -> bool:
        return layer.layer_type not in _WITHOUT_ARITHMETIC and not layer.origins.isdisjoint(self.declared)

    def _format(self, layer: Layer) -> str | None:
        found = _FORMATS.get(layer.precision)
        return "float32" if found == "float16" and not self.has_float16 else found


def beyond_int32(array: np.ndarray[Any, Any]) -> bool:
    """Whether an integer array holds a value that int32 does not have."""
    if array.dtype.kind not in "iu" or array.size == 0:
        return False
    bounds = np.iinfo(np.int32)
    return int(array.max()) > bounds.max or int(array.min()) < bounds.min


def _layers(executed: Any) -> Iterator[Layer]:
    for node in executed.get_ops():
        info = node.get_rt_info()

        def text(key: str, info: Any = info) -> str:
            return str(info[key].astype(str)) if key in info else ""

        yield Layer(
            frozenset(text("originalLayersNames").split(",")),
            text("layerType"),
            text("runtimePrecision"),
            text("outputPrecisions"),
        )
