"""ONNX Runtime sessions without graph optimizations in which values between nodes are visible."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import onnx

Array = np.ndarray[Any, Any]

_SHAPE_PREFIX = "tautomer.shape."
_FOLDER_OPTION = "session.model_external_initializers_file_folder_path"


class ProbedModel:
    """A model whose sessions give whatever values are asked for.

    Args:
        proto: the model; its graph outputs are replaced for each session and put back.
        folder: where its external tensors lie.
    """

    def __init__(self, proto: onnx.ModelProto, folder: Path) -> None:
        self._proto = proto
        self._folder = folder
        self._outputs = [output.name for output in proto.graph.output]
        self._declared = {output.name: output for output in proto.graph.output}

    @property
    def output_names(self) -> list[str]:
        """The model's own outputs."""
        return list(self._outputs)

    def session(self, probes: Sequence[str] = ()) -> Any:
        """A session that gives the model's outputs and the values named.

        Raises:
            Exception: ONNX Runtime's own, where it cannot load the model.
        """
        graph = self._proto.graph
        wanted = [*self._outputs, *(name for name in probes if name not in self._declared)]
        del graph.output[:]
        # The runtime infers the type of an output that states none.
        graph.output.extend(self._declared.get(name, onnx.ValueInfoProto(name=name)) for name in wanted)
        try:
            return _load(self._proto, self._folder)
        finally:
            del graph.output[:]
            graph.output.extend(self._declared[name] for name in self._outputs)

    def sizes_bytes(self, names: Sequence[str], inputs: Mapping[str, Any], item_bytes: int = 8) -> dict[str, int]:
        """Sizes of values for these inputs, as float64, without ever holding more of them than the runtime does."""
        graph = self._proto.graph
        count = len(graph.node)
        shapes = [f"{_SHAPE_PREFIX}{name}" for name in names]
        graph.node.extend(
            onnx.helper.make_node("Shape", [name], [shape]) for name, shape in zip(names, shapes, strict=True)
        )
        try:
            session = self.session(shapes)
        finally:
            del graph.node[count:]
        found = session.run(shapes, dict(inputs))
        return {
            name: int(np.prod(shape, dtype=np.int64)) * item_bytes for name, shape in zip(names, found, strict=True)
        }


def _load(proto: onnx.ModelProto, folder: Path) -> Any:
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.log_severity_level = 3
    options.add_session_config_entry(_FOLDER_OPTION, str(folder))
    return onnxruntime.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])


def tensor_values(proto: onnx.ModelProto) -> list[str]:
    """Outputs of the main graph's nodes that are tensors as far as types are known; constants are left out."""
    other = {
        value.name
        for value in onnx.shape_inference.infer_shapes(proto).graph.value_info
        if value.type.WhichOneof("value") not in (None, "tensor_type")
    }
    return [
        name
        for node in proto.graph.node
        if not (node.op_type == "Constant" and node.domain in ("", "ai.onnx"))
        for name in node.output
        if name and name not in other
    ]


class RuntimeValues:
    """The runtime's values by name, from as few sessions as the budget allows.

    Values are asked for in the order of the graph, so that those of a part are dropped when the next part begins.
    """

    def __init__(self, probed: ProbedModel, names: Sequence[str], given: Mapping[str, Any], budget_bytes: int) -> None:
        self._probed = probed
        self._given = dict(given)
        plain = probed.session()
        self._plain = dict(zip(probed.output_names, plain.run(None, self._given), strict=True))
        sizes = probed.sizes_bytes(names, self._given)
        self._parts = list(_parts(names, sizes, budget_bytes))
        self._part_of = {name: index for index, part in enumerate(self._parts) for name in part}
        self._held: dict[str, Any] = {}
        self._current: int | None = None
        self.changed: set[str] = set()
        self.sessions = 0

    @property
    def answer(self) -> dict[str, Any]:
        """The model's outputs from a session without probes."""
        return dict(self._plain)

    def of(self, name: str) -> Array | None:
        """A value, or None where the runtime does not show it as a tensor."""
        part = self._part_of.get(name)
        if part is None:
            return None
        if part != self._current:
            self._run(part)
        value = self._held[name]
        return value if isinstance(value, np.ndarray) else None

    def all_of(self, names: set[str]) -> dict[str, Array]:
        """Several values, kept."""
        found = {name: self.of(name) for name in sorted(names, key=lambda name: self._part_of.get(name, -1))}
        return {name: value for name, value in found.items() if value is not None}

    def _run(self, part: int) -> None:
        self._held.clear()
        wanted = self._parts[part]
        session = self._probed.session(wanted)
        outputs = [output.name for output in session.get_outputs()]
        self._held.update(zip(outputs, session.run(None, self._given), strict=True))
        self._current = part
        self.sessions += 1
        for name, plain in self._plain.items():
            if not _same_bits(plain, self._held[name]):
                self.changed.add(name)


def _parts(names: Sequence[str], sizes: Mapping[str, int], budget_bytes: int) -> Iterator[list[str]]:
    part: list[str] = []
    total = 0
    for name in names:
        if part and total + sizes[name] > budget_bytes:
            yield part
            part, total = [], 0
        part.append(name)
        total += sizes[name]
    if part:
        yield part


def _same_bits(a: Any, b: Any) -> bool:
    if not isinstance(a, np.ndarray) or not isinstance(b, np.ndarray) or a.dtype.kind == "O":
        return type(a) is type(b)
    return a.dtype == b.dtype and a.shape == b.shape and a.tobytes() == b.tobytes()
