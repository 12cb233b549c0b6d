"""What tf2onnx was given to convert: the operators of TensorFlow's graph with their arguments, and their values."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

from tautomer.adapters.tensor_file import write_values
from tautomer.adapters.worker_api import Channel

VALUES_BUDGET_BYTES = 1 << 30
"""The most that a program's values may take to be recorded; a larger program is located without them."""

_LARGEST_ARGUMENT = 16
_NOT_ARGUMENTS = frozenset({"parallel_iterations", "output_shapes", "shape", "container", "shared_name", "device"})
_BY_AXIS = frozenset({"strides", "ksize", "dilations", "rates"})
"""Attributes with one number for each axis of an image or a volume, batch and channels included."""


def replay_conversion(
    channel: Channel,
    *,
    spec: dict[str, Any],
    programs: dict[str, dict[str, Any]],
    meanings: str | None,
    origins: str | None,
) -> dict[str, Any]:
    """Describe the operators of the graphs that tf2onnx froze and translated, and record what they compute.

    Args:
        spec: the source, as for `load_program`.
        programs: by role (`captured`: as it was frozen; `decomposed`: as it was translated) `graph_def` (a file),
            and `inputs` (names of tensors).
        meanings: file that says for names of ONNX values which tensor's place they take.
        origins: file that says for names of ONNX nodes what they were made for; it has the user's lines.

    Returns:
        `programs`: file of the calls by program, `values`: for each input set the file of the translated graph's values
        under the names that they have in the ONNX graph, or None.
    """
    import tensorflow as tf

    from tautomer.adapters.tf_programs.preparation import prepare

    graphs = {}
    for role, one in programs.items():
        graphs[role] = tf.compat.v1.GraphDef()
        graphs[role].ParseFromString(Path(one["graph_def"]).read_bytes())
    known: dict[str, str] = json.loads(Path(meanings).read_text("utf-8")) if meanings else {}
    lines = _lines(json.loads(Path(origins).read_text("utf-8")) if origins else {})
    names = {tensor: value for value, tensor in known.items()}
    calls = {role: list(_calls(graph, names, lines)) for role, graph in graphs.items()}
    path = channel.folder / "programs.json"
    path.write_text(json.dumps(calls), "utf-8")
    answer: dict[str, Any] = {"programs": str(path), "values": []}
    if "decomposed" in graphs and known:
        prepared = prepare(spec)
        inputs = programs["decomposed"]["inputs"]
        for index in range(len(prepared.input_sets)):
            feeds = dict(zip(inputs, prepared.values(index).values(), strict=True))
            file = channel.folder / f"values-{index}.safetensors"
            recorded = _record(file, graphs["decomposed"], feeds, known)
            answer["values"].append(str(file) if recorded else None)
    return answer


def _lines(origins: Mapping[str, Mapping[str, str]]) -> dict[str, str]:
    return {one["node"]: one["line"] for one in origins.values() if one["line"]}


def _calls(graph_def: Any, names: Mapping[str, str], lines: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """Every node of a graph and of its functions: attributes and small constant inputs are its arguments."""
    graphs = [graph_def.node, *(function.node_def for function in graph_def.library.function)]
    for nodes in graphs:
        constants = {node.name: node for node in nodes if node.op == "Const"}
        for node in nodes:
            if node.op not in ("Const", "Placeholder", "NoOp"):
                yield {
                    "name": node.name,
                    "operator": node.op,
                    "line": lines.get(node.name),
                    "origin": node.name,
                    "results": _results(node),
                    "arguments": [*_given(node, constants, names), *_attributes(node)],
                }


def _results(node: Any) -> list[dict[str, Any]]:
    if "_output_shapes" not in node.attr:
        return []
    shapes = node.attr["_output_shapes"].list.shape
    return [
        {"dtype": "", "shape": [one.size if one.size >= 0 else "?" for one in shape.dim]}
        for shape in shapes
        if not shape.unknown_rank
    ]


def _given(node: Any, constants: Mapping[str, Any], names: Mapping[str, str]) -> Iterator[dict[str, Any]]:
    """The inputs by the operator's own names: a small constant as what it holds, all else as the value it is."""
    from tensorflow.python.framework import op_def_registry
    from tensorflow.python.framework.tensor_util import MakeNdarray

    definition = op_def_registry.get(node.op)
    declared = list(definition.input_arg) if definition is not None else []
    plain = [one for one in node.input if not one.startswith("^")]
    single = len(declared) == len(plain)
    for position, tensor in enumerate(plain):
        name = declared[position].name if single else f"input{position}"
        source = tensor.partition(":")[0]
        value: Any = None
        kind = "Tensor"
        if source in constants:
            array = MakeNdarray(constants[source].attr["value"].tensor)
            if array.size <= _LARGEST_ARGUMENT and array.dtype.kind in "iubf":
                value, kind = _plain(array.tolist()), "constant"
        if kind == "Tensor":
            full = tensor if ":" in tensor else f"{tensor}:0"
            value = {"node": names.get(full, full)}
        yield {"name": name, "type": kind, "value": value, "has_default": False, "default": None}


def _attributes(node: Any) -> Iterator[dict[str, Any]]:
    """The attributes that say what is computed; those that say of which type, or how, are left out."""
    from tensorflow.python.framework import op_def_registry

    definition = op_def_registry.get(node.op)
    image = node.attr["data_format"].s.decode() if "data_format" in node.attr else ""
    for declared in definition.attr if definition is not None else ():
        if declared.name not in node.attr or declared.name in _NOT_ARGUMENTS or declared.name.startswith("_"):
            continue
        if declared.type.startswith(("type", "list(type", "func", "list(func", "shape", "list(shape", "tensor")):
            continue
        value = _attribute(node.attr[declared.name])
        default = _attribute(declared.default_value) if declared.HasField("default_value") else None
        if declared.name in _BY_AXIS and isinstance(value, list) and len(value) == len(image) and image:
            value = [one for one, axis in zip(value, image, strict=True) if axis not in "NC"]
            default = [1] * len(value)
        yield {
            "name": declared.name,
            "type": declared.type,
            "value": value,
            "has_default": default is not None,
            "default": default,
        }


def _attribute(value: Any) -> Any:
    kind = value.WhichOneof("value")
    if kind == "s":
        return value.s.decode("utf-8", "replace")
    if kind in ("i", "f", "b"):
        return _plain(getattr(value, kind))
    if kind == "list":
        return [
            *(_plain(one) for one in value.list.i),
            *(_plain(one) for one in value.list.f),
            *value.list.b,
            *(one.decode("utf-8", "replace") for one in value.list.s),
        ]
    return None


def _plain(value: Any) -> Any:
    """A number, or a list of them, as JSON has them; floats as float32 shows them."""
    if isinstance(value, list):
        return [_plain(one) for one in value]
    if isinstance(value, float):
        return float(f"{value:.9g}") if math.isfinite(value) else str(value)
    return value


def _record(file: Path, graph_def: Any, given: Mapping[str, Any], meanings: Mapping[str, str]) -> bool:
    """Write what the tensors are whose places ONNX values take; False where TensorFlow cannot run the graph."""
    import tensorflow as tf

    from tautomer.adapters.tf_programs.nested import to_tensor

    with tf.Graph().as_default() as graph:
        tf.import_graph_def(graph_def, name="")
        tensors = {one.name: one for operation in graph.get_operations() for one in operation.outputs}
        wanted = {
            value: tensor
            for value, tensor in meanings.items()
            if tensor in tensors and tensors[tensor].dtype not in (tf.variant, tf.resource)
        }
        fetched = sorted(set(wanted.values()))
        feeds = {name: one for name, one in given.items() if name in tensors}
        config = tf.compat.v1.ConfigProto()
        config.graph_options.rewrite_options.disable_meta_optimizer = True
        try:
            with tf.compat.v1.Session(graph=graph, config=config) as session:
                found = dict(zip(fetched, session.run(fetched, feed_dict=feeds), strict=True))
        except tf.errors.OpError:
            return False  # the checkpoint's own run reports that
    if sum(getattr(one, "nbytes", 0) for one in found.values()) > VALUES_BUDGET_BYTES:
        return False
    write_values(file, {value: to_tensor(found[tensor]) for value, tensor in wanted.items()})
    return True
