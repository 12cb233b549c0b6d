"""Write a copy of an .onnx file in which located operators, or the opset, are exchanged for an equivalent."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from tautomer.adapters.worker_api import Channel

TASK = "tautomer.adapters.onnx_files.patches.patching:patch"

FUNCTION_BODY, OPSET = "function_body", "opset"
"""Methods: the operator's definition by simpler ones, and the whole graph in another opset."""


def patch(channel: Channel, *, model: str, method: str, operators: list[str], opset: int | None = None) -> Any:
    """Write the patched file into the task's folder.

    Args:
        model: the file.
        method: `function_body` or `opset`.
        operators: operator types to replace by their definitions.
        opset: to convert to.

    Returns:
        `model`, the path of the patched file, None where the patch changes nothing; `operators` that were replaced;
        `nodes`, their names; `source`.

    Raises:
        Exception: whatever onnx raises where it cannot make the patch.
    """
    import onnx

    proto = onnx.load(model)
    before = _functions(proto)
    patched, replaced, source = _METHODS[method](proto, operators, opset)
    if patched is None or _functions(patched) == before:
        return {"model": None, "operators": [], "nodes": [], "source": source}
    path = channel.folder / "patched" / Path(model).name
    path.parent.mkdir()
    _save(patched, path)
    return {
        "model": str(path),
        "operators": sorted({node.op_type for node in replaced}),
        "nodes": [node.name or node.output[0] for node in replaced],
        "source": source,
    }


def _by_definition(proto: Any, operators: Sequence[str], opset: int | None) -> tuple[Any, list[Any], str]:
    """Every node of these operators replaced by the function that the specification defines it with."""
    import onnx
    from onnx import inliner

    del opset
    source = "the ONNX operator specification's function body"
    version = next((one.version for one in proto.opset_import if one.domain in ("", "ai.onnx")), 0)
    named = []
    for name in operators:
        if not onnx.defs.has(name, max_inclusive_version=version):
            continue
        schema: Any = onnx.defs.get_schema(name, max_inclusive_version=version)
        if schema.has_function or schema.has_context_dependent_function:
            named.append(name)
    nodes = [one for one in proto.graph.node if one.op_type in named and one.domain in ("", "ai.onnx")]
    if not nodes:
        return None, [], source
    for node in nodes:
        _state_defaults(node, onnx.defs.get_schema(node.op_type, max_inclusive_version=version))
    # Functions that depend on the types of their inputs are only found where those are known.
    typed = onnx.shape_inference.infer_shapes(proto, data_prop=True)
    selected = [("", name) for name in named]
    return inliner.inline_selected_functions(typed, selected, inline_schema_functions=True), nodes, source


def _state_defaults(node: Any, schema: Any) -> None:
    """Write down the attributes that a node leaves at their defaults: the inliner of onnx does not know those."""
    stated = {one.name for one in node.attribute}
    node.attribute.extend(
        one.default_value for one in schema.attributes.values() if one.name not in stated and one.default_value.name
    )


def _in_opset(proto: Any, operators: Sequence[str], opset: int | None) -> tuple[Any, list[Any], str]:
    """The graph as onnx converts it to another opset."""
    from onnx import version_converter

    assert opset is not None
    nodes = [one for one in proto.graph.node if one.op_type in operators]
    source = f"onnx.version_converter, opset {opset}"
    before = next((one.version for one in proto.opset_import if one.domain in ("", "ai.onnx")), opset)
    if all(_version(name, before) == _version(name, opset) for name in operators):
        return None, [], source  # what is at fault would stay as it is
    return version_converter.convert_version(proto, opset), nodes, source


_METHODS: dict[str, Callable[[Any, Sequence[str], int | None], tuple[Any, list[Any], str]]] = {
    FUNCTION_BODY: _by_definition,
    OPSET: _in_opset,
}


def _version(op_type: str, opset: int, domain: str = "") -> int | None:
    """The version of an operator that an opset holds; None where it holds none."""
    import onnx

    if not onnx.defs.has(op_type, opset, domain):
        return None
    return int(onnx.defs.get_schema(op_type, opset, domain).since_version)


def _functions(proto: Any) -> tuple[Any, ...]:
    """What makes a graph another one here: its nodes, and the versions of their operators."""
    opsets = {one.domain: one.version for one in proto.opset_import}
    found = []
    for node in proto.graph.node:
        version = _version(node.op_type, opsets[node.domain], node.domain) if node.domain in opsets else None
        found.append((node.SerializeToString(), version))
    return tuple(found)


def _save(proto: Any, path: Path) -> None:
    """Save with the weights in a file of their own where the model is too large for one message."""
    import onnx

    if proto.ByteSize() < onnx.checker.MAXIMUM_PROTOBUF:
        onnx.save(proto, path)
    else:
        onnx.save(proto, path, save_as_external_data=True, location=f"{path.name}.data")
