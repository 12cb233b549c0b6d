"""Makes the exporter and the runtime of this process faulty: warm workers import it before they serve.

The fault is read anew from the file that the environment variable `PLANTED_FAULT` names each time the software runs;
where there is no such file, nothing is wrong.
"""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from types import ModuleType
from typing import Any

FILE = "PLANTED_FAULT"
_FOLDER_OPTION = "session.model_external_initializers_file_folder_path"


def _plant(*places: str) -> Any:
    """The fault, where it is one of these places'."""
    path = Path(os.environ[FILE])
    if not path.is_file():
        return None
    fields = json.loads(path.read_text("utf-8"))
    if fields["where"] not in places:
        return None
    from plants import Plant

    return Plant.read(fields)


def planted(path: Path) -> Path:
    """The file that appears beside the fault's when it was made."""
    return path.with_suffix(".planted")


def _report() -> None:
    planted(Path(os.environ[FILE])).touch()


class _RuntimeFinder(importlib.abc.MetaPathFinder):
    """Lets ONNX Runtime be faulty from its first import on, which starts threads and so is left to the workers."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name != "onnxruntime":
            return None
        # It stays: some libraries only ask whether there is such a module, long before anything imports it.
        spec = importlib.machinery.PathFinder.find_spec(name, path)
        if spec is not None and spec.loader is not None:
            loader: Any = spec.loader
            real = loader.exec_module

            def exec_module(module: ModuleType) -> None:
                real(module)
                _make_runtime_faulty(module)

            loader.exec_module = exec_module
        return spec


def _make_runtime_faulty(runtime: Any) -> None:
    real = runtime.InferenceSession

    def session(model: Any, options: Any = None, **keywords: Any) -> Any:
        optimizes = options is None or (
            options.graph_optimization_level != runtime.GraphOptimizationLevel.ORT_DISABLE_ALL
        )
        plant = _plant("kernel", *(("fusion",) if optimizes else ()))
        changed = None if plant is None else _changed(plant, *_loaded(model, options))
        return real(model if changed is None else changed.SerializeToString(), options, **keywords)

    runtime.InferenceSession = session


def _loaded(model: Any, options: Any) -> tuple[Any, Path | None]:
    import onnx

    if not isinstance(model, bytes):
        return onnx.load(str(model)), None
    try:
        folder = options.get_session_config_entry(_FOLDER_OPTION)
    except RuntimeError:  # it was not set
        return onnx.load_model_from_string(model), None
    return onnx.load_model_from_string(model), Path(folder)


def _changed(plant: Any, model: Any, folder: Path | None) -> Any:
    from onnx.external_data_helper import load_external_data_for_model
    from plants import faulty

    if folder is not None:
        load_external_data_for_model(model, str(folder))
    changed = faulty(model, plant)
    if changed is not None:
        _report()
    return changed


def _make_exporter_faulty() -> None:
    from onnxscript.rewriter import onnx_fusions
    from torch.onnx._internal.exporter import _core

    translate, fuse = _core._exported_program_to_onnx_program, onnx_fusions.fuse

    def faulty_translate(*arguments: Any, **keywords: Any) -> Any:
        program = translate(*arguments, **keywords)
        _change_graph(program.model, _plant("translation"))
        return program

    def faulty_fuse(model: Any, *arguments: Any, **keywords: Any) -> Any:
        result = fuse(model, *arguments, **keywords)
        _change_graph(model, _plant("optimizer"))
        return result

    exporter: Any = _core
    exporter._exported_program_to_onnx_program = faulty_translate
    onnx_fusions.fuse = faulty_fuse  # the exporter's optimizer ends with it


def _change_graph(model: Any, plant: Any) -> None:
    """Make the fault in the exporter's own graph, in place."""
    if plant is None:
        return
    import onnx_ir as ir
    from plants import faulty

    before = ir.to_proto(model)
    after = faulty(before, plant)
    if after is None:
        return
    _report()
    graph = model.graph
    for tensor in after.graph.initializer:
        if tensor.name not in graph.initializers:
            constant = ir.from_proto(tensor)
            value = ir.Value(name=tensor.name, const_value=constant, type=ir.TensorType(constant.dtype))
            value.shape = ir.Shape(constant.shape)
            graph.register_initializer(value)
    stored = {one.name: one for one in before.graph.initializer}
    for tensor in after.graph.initializer:
        if tensor.name in stored and tensor != stored[tensor.name]:
            graph.initializers[tensor.name].const_value = ir.from_proto(tensor)
    values = {one.name: one for one in (*graph.inputs, *graph.initializers.values())}
    values |= {one.name: one for node in graph for one in node.outputs}
    for node, was, now in zip(list(graph), before.graph.node, after.graph.node, strict=True):
        if was == now:
            continue
        node.op_type = now.op_type
        node.attributes.clear()
        for attribute in now.attribute:
            node.attributes.add(ir.from_proto(attribute))
        node.resize_inputs(len(now.input))
        for index, name in enumerate(now.input):
            node.replace_input_with(index, values[name] if name else None)


if FILE in os.environ:
    sys.meta_path.insert(0, _RuntimeFinder())
    if "torch.onnx" in sys.modules:
        _make_exporter_faulty()
