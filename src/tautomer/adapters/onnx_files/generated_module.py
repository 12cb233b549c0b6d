"""A generated ONNX model as a file that a person reads: a graph in ONNX's own text, its weights, its inputs."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import onnx
import onnx.parser

from tautomer.adapters.onnx_files.graph_attributes import GraphAttribute, graph_text
from tautomer.adapters.onnx_files.node_calls import TEXT_NAMES, Initializer, NodeCall, node_call, numpy_dtype
from tautomer.adapters.onnx_files.operators.entry import IR_VERSION, OPSET
from tautomer.synthesis import DrawnTensor, Node, Program, Reference, TensorType, values_of
from tautomer.synthesis.dims import is_dynamic
from tautomer.synthesis.growth import SYMBOL as DYNAMIC
from tautomer.synthesis.module_text import DRAWN, drawn_call, is_resizable, title

SYMBOL = "N"
_NARROW = {"float16": '"float16"', "bfloat16": "ml_dtypes.bfloat16"}
"""Formats that `drawn` leaves wider, as they are written."""


def module_text(program: Program) -> str:
    """The source of a model module, as `tautomer check` takes it."""
    drawn = (*program.inputs, *program.weights)
    imports = ["import numpy as np", "from onnx import numpy_helper, parser"]
    if any(one.type.dtype == "bfloat16" for one in drawn):
        imports.insert(0, "import ml_dtypes")
    lines = [title(program), "", *imports, "", DRAWN.rstrip(), "", ""]
    lines += ['GRAPH = """', *_graph_lines(program), '"""', "", ""]
    lines += ["def model():", "    made = parser.parse_model(GRAPH)"]
    held = list(_initializers(program))
    if held:
        lines += ["    weights = {", *(f'        "{name}": {_held(one)},' for name, one in held), "    }"]
        lines += [
            "    for name, value in weights.items():",
            "        made.graph.initializer.append(numpy_helper.from_array(value, name))",
        ]
    lines += ["    return made", "", ""]
    lines += ["def inputs():", "    return {", *_set_of_inputs(program, 0, "        "), "    }"]
    lines += ["", "", "def run_inputs():", "    return ["]
    for run in (1, 2) if is_resizable(program) else (1,):
        lines += ["        {", *_set_of_inputs(program, run, "            "), "        },"]
    return "\n".join([*lines, "    ]"]) + "\n"


def model_proto(program: Program) -> onnx.ModelProto:
    """The model that the file of a program builds."""
    made = onnx.parser.parse_model("\n".join(_graph_lines(program)))
    for name, one in _initializers(program):
        if isinstance(one, Initializer):
            value = np.array(one.value, numpy_dtype(one.dtype))
        else:
            value = values_of(one, one.seed, one.type.shape).astype(numpy_dtype(one.type.dtype))
        made.graph.initializer.append(onnx.numpy_helper.from_array(value, name))
    return made


def _graph_lines(program: Program) -> list[str]:
    taken = ", ".join(f"{_spelled_type(one.type)} {one.name}" for one in program.inputs)
    given = ", ".join(f"{_spelled_type(program.type_of(name))} {name}" for name in program.outputs)
    return [
        f'<ir_version: {IR_VERSION}, opset_import: ["" : {OPSET}]>',
        f"generated ({taken}) => ({given})",
        "{",
        *(f"    {_spelled_node(node, call)}" for node, call in _calls(program)),
        "}",
    ]


def _calls(program: Program) -> Iterator[tuple[Node, NodeCall]]:
    types = {one.name: one.type for one in (*program.inputs, *program.weights)}
    for node in program.nodes:
        types |= dict(zip(node.results, node.types, strict=True))

    def dtype_of(one: Reference) -> str:
        return types[one.name].dtype

    def rank_of(one: Reference) -> int:
        return types[one.name].rank

    for node in program.nodes:
        yield node, node_call(node.expression, node.bindings, dtype_of, rank_of)


def _initializers(program: Program) -> Iterator[tuple[str, DrawnTensor | Initializer]]:
    for weight in program.weights:
        yield weight.name, weight
    for node, call in _calls(program):
        for name, one in zip(_input_names(node, call), call.inputs, strict=True):
            if isinstance(one, Initializer):
                yield name, one


def _input_names(node: Node, call: NodeCall) -> list[str]:
    """Names of a node's inputs; an initializer is called by the result and by what the schema calls its place."""
    schema = onnx.defs.get_schema(call.op_type, OPSET)
    names = []
    for place, one in enumerate(call.inputs):
        formal = schema.inputs[min(place, len(schema.inputs) - 1)].name
        names.append(one.name if isinstance(one, Reference) else "" if one is None else f"{node.results[0]}_{formal}")
    return names


def _spelled_node(node: Node, call: NodeCall) -> str:
    attributes = ", ".join(
        f"{name} = {_spelled_graph(node, call, name, value)}"
        if isinstance(value, GraphAttribute)
        else f"{name} = {_spelled_attribute(value)}"
        for name, value in call.attributes.items()
    )
    inputs = ", ".join(name or '""' for name in _input_names(node, call))
    return f"{', '.join(node.results)} = {call.op_type}{f' <{attributes}>' if attributes else ''} ({inputs})"


def _spelled_graph(node: Node, call: NodeCall, attribute: str, graph: GraphAttribute) -> str:
    return graph_text(
        graph,
        f"{node.results[0]}_{attribute.partition('_')[0]}",
        captured={name: one.name for name, one in call.captured.items()},
        parameter_types=call.parameter_types,
        spell_attribute=_spelled_attribute,
    )


def _spelled_attribute(value: Any) -> str:
    if isinstance(value, list):
        return f"[{', '.join(map(_spelled_attribute, value))}]"
    return f'"{value}"' if isinstance(value, str) else repr(value)


def _spelled_type(type_: TensorType) -> str:
    name = TEXT_NAMES.get(type_.dtype, type_.dtype)
    if not type_.rank:
        return name
    sizes = ", ".join(_spelled_size(size) for size in type_.shape)
    return f"{name}[{sizes}]"


def _spelled_size(size: int) -> str:
    if not is_dynamic(size):
        return str(int(size))
    return SYMBOL if size == DYNAMIC else "?"


def _held(one: DrawnTensor | Initializer) -> str:
    if isinstance(one, Initializer):
        return f'np.array({one.value!r}, "{one.dtype}")'
    return _drawn(one, 0)


def _drawn(one: DrawnTensor, run: int) -> str:
    narrow = _NARROW.get(one.type.dtype)
    return drawn_call(one, run=run) + (f".astype({narrow})" if narrow else "")


def _set_of_inputs(program: Program, run: int, indent: str) -> list[str]:
    return [f'{indent}"{one.name}": {_drawn(one, run)},' for one in program.inputs]
