"""Cut sequences of operators out of an ONNX file, each as a model of its own with the values recorded at the cut."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import onnx
import onnx.inliner

from tautomer.adapters.onnx_files.digest import read_structure
from tautomer.adapters.onnx_files.evaluation import as_value, kernel_table, load_as
from tautomer.adapters.onnx_files.reduction.recording import recorded_by_evaluator
from tautomer.adapters.onnx_files.reduction.selection import Cutter, Selection
from tautomer.adapters.sources.onnx_source import input_sets
from tautomer.adapters.tensor_file import write_values
from tautomer.adapters.worker_api import Channel
from tautomer.numerics.onnx_evaluator import Evaluator, InvalidModel

_RECORDING_LIMIT_S = 120.0


def cut(channel: Channel, *, spec: dict[str, Any], parts: Sequence[Sequence[str]]) -> list[dict[str, Any]]:
    """Cut parts out of a model.

    Args:
        spec: of the model: `path`, `seed`, and `inputs`, sample files of which the first is run.
        parts: of each the nodes, named by their first results.

    Returns:
        For each part `module`, the file it is in, and `inputs`, the file of values that it runs on; or `module` None
        and the `reason`.
    """
    path = Path(spec["path"])
    try:
        loaded = load_as(str(path), None)
        declared = Evaluator(loaded, lift=False).inputs
        sets, _ = input_sets(declared, spec, loaded, kernel_table())
    except InvalidModel as error:
        return [{"module": None, "reason": f"the model is not sound: {error.message}"} for _ in parts]
    proto = read_structure(path)
    if proto.functions:
        proto = onnx.inliner.inline_local_functions(proto)
    recorded, complete = recorded_by_evaluator(
        proto, path.parent, sets[0][1], channel.folder / "recorded", time_limit_s=_RECORDING_LIMIT_S
    )
    cutter = Cutter(proto, path.parent, recorded)
    made_by = {name: index for index, node in enumerate(proto.graph.node) for name in node.output if name}

    def one(number: int, names: Sequence[str]) -> dict[str, Any]:
        if any(name not in made_by for name in names):
            return {"module": None, "reason": "it lies in the body of a branch or a loop"}
        case = cutter.cut(Selection(frozenset(made_by[name] for name in names)))
        if case is None:
            rest = "" if complete else ", which could not be computed to the end"
            return {"module": None, "reason": f"values at the cut are not known{rest}"}
        case = case.self_contained()
        model = channel.folder / f"part_{number}.onnx"
        onnx.save(case.proto, str(model))
        inputs = channel.folder / f"part_{number}.safetensors"
        write_values(inputs, {name: as_value(value) for name, value in case.inputs.items()})
        return {"module": str(model), "inputs": str(inputs), "given": len(case.inputs)}

    return [one(number, names) for number, names in enumerate(parts)]
