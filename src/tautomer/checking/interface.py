"""Compare interfaces before numbers: inputs and outputs that vanished, moved or changed type, and frozen dimensions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from tautomer.model import CauseCategory, Stage, Tensor, TensorSpec


@dataclass(frozen=True, slots=True)
class InterfaceFault:
    """One difference of interfaces.

    Attributes:
        message: what differs, with names and sizes.
        category: the study's.
        stage: where it was caused; None where the caller finds out.
        harmless: it changes no answer; a warning.
        dimension: for a frozen dimension: (path, axis).
        link: the converter that caused it; None where the caller finds out.
    """

    message: str
    category: CauseCategory
    stage: Stage | None = None
    harmless: bool = False
    dimension: tuple[str, int] | None = None
    link: str | None = None


@dataclass(frozen=True, slots=True)
class GraphInterface:
    """Inputs (without initializers) and outputs of an ONNX file."""

    inputs: tuple[TensorSpec, ...]
    outputs: tuple[TensorSpec, ...]
    opset: int | None


def stated_interface(facts: Mapping[str, Any]) -> GraphInterface:
    """The interface of a model that is no ONNX file, as its converter states it: `name`, `dtype`, `shape` of each."""

    def specs(key: str) -> tuple[TensorSpec, ...]:
        return tuple(TensorSpec(one["name"], one["dtype"], _sizes(one["shape"])) for one in facts[key])

    return GraphInterface(specs("inputs"), specs("outputs"), None)


def _sizes(shape: Sequence[int | str | None] | None) -> tuple[int | str | None, ...] | None:
    return None if shape is None else tuple(shape)


def read_interface(path: Path) -> GraphInterface:
    """The interface of an ONNX file; its external data is not read."""
    from tautomer.adapters.onnx_files.digest import read_structure

    model = read_structure(path)
    stored = {tensor.name for tensor in model.graph.initializer}
    opset = next((one.version for one in model.opset_import if one.domain in ("", "ai.onnx")), None)
    return GraphInterface(
        tuple(_spec(value) for value in model.graph.input if value.name not in stored),
        tuple(_spec(value) for value in model.graph.output),
        opset,
    )


_ELEMENT_NAMES = {"float": "float32", "double": "float64", "float8e4m3fn": "float8_e4m3fn", "float8e5m2": "float8_e5m2"}


def _spec(value: Any) -> TensorSpec:
    import onnx

    tensor = value.type.tensor_type
    name = onnx.TensorProto.DataType.Name(tensor.elem_type).lower() if tensor.elem_type else None
    shape: tuple[int | str | None, ...] | None = None
    if tensor.HasField("shape"):
        shape = tuple(
            one.dim_value if one.HasField("dim_value") else (one.dim_param or None) for one in tensor.shape.dim
        )
    return TensorSpec(value.name, _ELEMENT_NAMES.get(name, name) if name else None, shape)


@dataclass(frozen=True, slots=True)
class MatchedInputs:
    """How a graph's inputs are fed from the source's, and what does not fit."""

    feeds: dict[str, str]
    faults: tuple[InterfaceFault, ...]


def match_inputs(
    graph: Sequence[TensorSpec],
    source: Mapping[str, Any],
    known: Mapping[str, str],
    unused: Sequence[str],
) -> MatchedInputs:
    """Match graph inputs with the source's tensors: as the converter says, then by name, then by position.

    Args:
        graph: the graph's inputs in order.
        source: values by path in the order of the source's signature.
        known: graph name -> path, where the converter knows it.
        unused: paths that the source itself does not use.
    """
    tensors = {path: value for path, value in source.items() if isinstance(value, Tensor)}
    feeds: dict[str, str] = {}
    by_name = {path.replace(".", "_"): path for path in tensors} | {path: path for path in tensors}
    for spec in graph:
        path = known.get(spec.name) or by_name.get(spec.name)
        if path in tensors and path not in feeds.values():
            feeds[spec.name] = path
    left_graph = [spec for spec in graph if spec.name not in feeds]
    left_source = [path for path in tensors if path not in feeds.values()]
    faults: list[InterfaceFault] = []
    by_position = (
        [path for path in left_source if path not in unused] if len(left_source) != len(left_graph) else left_source
    )
    if left_graph and len(by_position) == len(left_graph):
        for spec, path in zip(left_graph, by_position, strict=True):
            feeds[spec.name] = path
            faults.append(
                InterfaceFault(
                    f"input '{path}' is called '{spec.name}' in the graph", CauseCategory.OTHERS, harmless=True
                )
            )
        left_graph, left_source = [], [path for path in left_source if path not in by_position]
    faults.extend(
        InterfaceFault(f"the graph asks for an input '{spec.name}' that the source does not have", CauseCategory.OTHERS)
        for spec in left_graph
    )
    faults.extend(
        InterfaceFault(
            f"input '{path}' vanished from the graph"
            + (" (the source does not use it either)" if path in unused else ""),
            CauseCategory.OTHERS,
            harmless=path in unused,
        )
        for path in left_source
    )
    order = [path for path in tensors if path in feeds.values()]
    if [feeds[spec.name] for spec in graph if spec.name in feeds] != order:
        faults.append(
            InterfaceFault(
                f"inputs are in another order: {', '.join(spec.name for spec in graph)}",
                CauseCategory.OTHERS,
                harmless=True,
            )
        )
    for spec in graph:
        path = feeds.get(spec.name)
        if path is not None and spec.dtype is not None and spec.dtype != tensors[path].dtype:
            faults.append(
                InterfaceFault(
                    f"input '{path}' is {spec.dtype} in the graph where the source takes {tensors[path].dtype}",
                    CauseCategory.TYPE_PROBLEM,
                )
            )
    return MatchedInputs(feeds, tuple(faults))


def frozen_dimensions(
    graph: Sequence[TensorSpec],
    feeds: Mapping[str, str],
    dynamic: Sequence[Mapping[str, Any]],
    sets: Sequence[tuple[str, Mapping[str, Any]]],
) -> list[InterfaceFault]:
    """Dimensions declared dynamic that the graph holds at one size, with the input set that shows it.

    Args:
        dynamic: `path`, `axis`, `size` of each dimension declared dynamic.
        sets: name and values of each input set.
    """
    specs = {feeds[spec.name]: spec for spec in graph if spec.name in feeds}
    faults = []
    for one in dynamic:
        path, axis = str(one["path"]), int(one["axis"])
        spec = specs.get(path)
        if spec is None or spec.shape is None or axis >= len(spec.shape) or not isinstance(spec.shape[axis], int):
            continue
        baked = spec.shape[axis]
        shown = next(
            (
                f"input set '{name}' has size {values[path].shape[axis]} there"
                for name, values in sets
                if isinstance(values.get(path), Tensor) and values[path].shape[axis] != baked
            ),
            "no input set has another size there",
        )
        faults.append(
            InterfaceFault(
                f"dimension {axis} of input '{path}' was declared dynamic and was frozen at {baked}; {shown}",
                CauseCategory.SHAPE_PROBLEM,
                dimension=(path, axis),
            )
        )
    return faults


def _counted(names: Sequence[str]) -> list[int]:
    """The numbers of names that are TensorFlow's of one node's results (`PartitionedCall:1`); empty where they are not.

    A SavedModel's signature calls one function, and its outputs are that call's results in the order of their keys.
    """
    parts = [name.rpartition(":") for name in names]
    same = len({stem for stem, _, _ in parts}) == 1 and all(stem for stem, _, _ in parts)
    return [int(number) for _, _, number in parts] if same and all(part[2].isdigit() for part in parts) else []


def match_outputs(
    graph: Sequence[TensorSpec], expected: Sequence[str], known: Mapping[str, str] | None = None
) -> tuple[dict[str, str], list[InterfaceFault]]:
    """Match graph outputs with the source's output paths: as is known, by name where all names agree, else in order.

    Args:
        graph: the graph's outputs in order.
        expected: the source's output paths.
        known: graph name -> path, where the converter, or the one before it, knows it.

    Returns:
        Path by graph name, and what is missing or surplus.
    """
    names = [spec.name for spec in graph]
    given = known or {}
    if names and set(names) <= set(given) and set(given.values()) <= set(expected):
        kept = {given[name] for name in names}
        gone = [path for path in expected if path not in kept]
        vanished = [
            InterfaceFault(f"output '{path}' vanished: no output of the graph stands for it", CauseCategory.OTHERS)
            for path in gone
        ]
        return {name: given[name] for name in names}, vanished
    if set(names) == set(expected) and len(names) == len(expected):
        return {name: name for name in names}, []
    counted = _counted(names)
    if len(names) > 1 and sorted(counted) == list(range(len(expected))):
        return {name: expected[number] for name, number in zip(names, counted, strict=True)}, []
    mapping = dict(zip(names, expected, strict=False))
    faults = [
        InterfaceFault(
            f"output '{path}' vanished: the graph has {len(names)} outputs where the source has {len(expected)}",
            CauseCategory.OTHERS,
        )
        for path in expected[len(names) :]
    ]
    faults.extend(
        InterfaceFault(f"the graph has an output '{name}' that the source does not have", CauseCategory.OTHERS)
        for name in names[len(expected) :]
    )
    return mapping, faults
