"""Puts a reduced model into its folder: the model, its inputs, the script, and the issue."""

from __future__ import annotations

import re
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from tautomer.adapters.tensor_file import read_values
from tautomer.model import BIT_STORED, CheckReport, Tensor
from tautomer.model.report_json import encode
from tautomer.reduction.oracle import Candidate
from tautomer.reduction.reproduction import GraphSource

MODULE = "model.py"
GRAPH = "model.onnx"
INPUTS = "inputs.safetensors"
SCRIPT = "repro.py"
ISSUE = "issue.md"
RECHECK = "recheck.json"
REDACTION = "redaction.md"

_FILE = re.compile(r'File "[^"]*?((?:site-packages/[^"]+)|[^"/]+)"')

_LARGEST_LITERAL = 256
"""Elements of an array that a script spells out; larger ones are read from a file."""


def place(candidate: Candidate, folder: Path) -> Candidate:
    """Copy a candidate's files into a folder under the names they keep there."""
    if candidate.model.suffix == ".onnx":
        save_graph(candidate.model, folder / GRAPH)
        inputs = None
        if candidate.inputs is not None and candidate.inputs.is_dir():
            inputs = folder / Path(INPUTS).stem
            shutil.copytree(candidate.inputs, inputs)
        elif candidate.inputs is not None:
            inputs = folder / f"{Path(INPUTS).stem}{candidate.inputs.suffix}"
            shutil.copyfile(candidate.inputs, inputs)
        return Candidate(folder / GRAPH, (), inputs, candidate.steps)
    if candidate.model.suffix != ".py":
        model = folder / f"model{candidate.model.suffix}"
        shutil.copyfile(candidate.model, model)
        return Candidate(model, (), candidate.inputs, candidate.steps)
    text = candidate.model.read_text("utf-8")
    beside = []
    for file in candidate.beside:
        name = f"model{file.suffix}" if file.stem == candidate.model.stem else file.name
        text = text.replace(file.name, name)
        shutil.copyfile(file, folder / name)
        beside.append(folder / name)
    (folder / MODULE).write_text(text, "utf-8")
    return Candidate(folder / MODULE, tuple(beside), candidate.inputs, candidate.steps)


def save_graph(source: Path, target: Path) -> None:
    """Copy an .onnx file with its external tensors inside, or beside it where it is too large for that.

    Stack traces in its metadata keep the names of files without their folders.
    """
    import onnx

    model = onnx.load(str(source))
    for node in [*model.graph.node, *(node for function in model.functions for node in function.node)]:
        for entry in node.metadata_props:
            entry.value = _FILE.sub(r'File "\1"', entry.value)
    try:
        onnx.save_model(model, str(target))
    except ValueError:
        onnx.save_model(model, str(target), save_as_external_data=True, location=f"{target.name}.data")


def node_count(path: Path | None) -> int | None:
    """Number of nodes of an .onnx file, those of its functions and subgraphs included."""
    if path is None or not path.exists():
        return None
    import onnx

    def count(nodes: Any) -> int:
        inner = [one.g for node in nodes for one in node.attribute if one.type == onnx.AttributeProto.GRAPH]
        return len(nodes) + sum(count(graph.node) for graph in inner)

    model = onnx.load(str(path), load_external_data=False)
    return count(model.graph.node) + sum(count(function.node) for function in model.functions)


def operator_types(path: Path) -> list[str]:
    """Operator types of the nodes of an .onnx file, in order; none where there is no file."""
    if not path.exists():
        return []
    import onnx

    return [node.op_type for node in onnx.load(str(path), load_external_data=False).graph.node]


def graph_source(model: Path, inputs: Sequence[Path]) -> GraphSource:
    """An .onnx source as a script spells it: text and literals where they are small and exact, else files."""
    values = [read_values(path) for path in inputs]
    sets = [value for value in values if isinstance(value, Mapping)]
    literal = [_literals(value) for value in sets]
    if all(one is not None for one in literal):
        return GraphSource(_exact_text(model), [one for one in literal if one is not None])
    read = [{name: f'TENSORS["tensor{index}"]' for index, name in enumerate(_stored(value))} for value in sets[:1]]
    return GraphSource(_exact_text(model), read, inputs[0].name)


def _stored(value: Mapping[str, Any]) -> list[str]:
    return [name for name, one in value.items() if isinstance(one, Tensor)]


def _literals(values: Mapping[str, Any]) -> dict[str, str] | None:
    """Each array as an expression that gives exactly its bits; None where one is too large or of another kind."""
    found = {}
    for name, value in values.items():
        if not isinstance(value, Tensor) or value.array.size > _LARGEST_LITERAL or value.dtype in BIT_STORED:
            return None
        if value.dtype == "string":
            items = repr(value.array.tolist())
            found[name] = f"np.array({items}, dtype=object)"
            continue
        array = np.ascontiguousarray(value.array)
        text = _numbers(array).replace("nan", "np.nan").replace("inf", "np.inf")
        shape = f".reshape({value.shape})" if 0 in value.shape else ""
        expression = f"np.array({text}, dtype=np.{_dtype(value.dtype)}){shape}"
        again = eval(expression, {"np": np, "__builtins__": {}})
        # A NaN with another payload is no literal; a tensor of them has to come from its file.
        if again.tobytes() != array.tobytes():
            return None
        found[name] = expression
    return found


def _numbers(array: Any) -> str:
    """Nested lists of an array's elements, each with as few digits as tell it from its neighbours."""
    return f"[{', '.join(_numbers(one) for one in array)}]" if np.ndim(array) else str(array)


def _dtype(name: str) -> str:
    return "bool_" if name == "bool" else name


def _exact_text(model: Path) -> str | None:
    """The model in ONNX's textual syntax, where reading that gives the same model again."""
    import onnx
    import onnx.parser
    import onnx.printer

    proto = onnx.load(str(model))
    if proto.ByteSize() > 1 << 15:
        return None
    plain = onnx.ModelProto.FromString(proto.SerializeToString())
    for node in plain.graph.node:
        del node.metadata_props[:]
        node.doc_string = ""
    try:
        text: str = onnx.printer.to_text(plain)
        again = onnx.parser.parse_model(text)
    except (onnx.parser.ParseError, RuntimeError, UnicodeDecodeError):
        return None
    return text.strip() if _same_graph(plain, again) else None


def _same_graph(one: Any, other: Any) -> bool:
    import onnx

    def described(model: Any) -> Any:
        graph = model.graph
        return (
            sorted((entry.domain, entry.version) for entry in model.opset_import),
            [
                (
                    node.op_type,
                    node.domain,
                    list(node.input),
                    list(node.output),
                    sorted(attribute.SerializeToString(deterministic=True) for attribute in node.attribute),
                )
                for node in graph.node
            ],
            sorted(
                (t.name, tuple(t.dims), t.data_type, onnx.numpy_helper.to_array(t).tobytes()) for t in graph.initializer
            ),
            [value.SerializeToString(deterministic=True) for value in [*graph.input, *graph.output]],
            len(model.functions),
        )

    return bool(described(one) == described(other))


def with_run_inputs(text: str, inputs: Path) -> str | None:
    """A module that takes tensors only, with one more input set; None where that is too large to be written out.

    Args:
        text: of a module without `run_inputs`.
        inputs: file of the values, in the order of the arguments.
    """
    values = read_values(inputs)
    if not isinstance(values, Mapping):
        return None
    spelled = []
    for value in values.values():
        plain = isinstance(value, Tensor) and value.dtype not in BIT_STORED and value.dtype != "string"
        if not isinstance(value, Tensor) or not plain or value.array.size > _LARGEST_LITERAL:
            return None
        numbers = _numbers(value.array).replace("nan", "torch.nan").replace("inf", "torch.inf")
        shape = f".reshape({value.shape})" if 0 in value.shape else ""
        spelled.append(f"torch.tensor({numbers}, dtype=torch.{value.dtype}){shape}")
    return f"{text.rstrip()}\n\n\ndef run_inputs():\n    return ({', '.join(spelled)},)\n"


def recheck_bytes(report: CheckReport, *folders: Path) -> bytes:
    """The report of the check that proves the result, without the folders it was made in."""
    # The logs go with the folder of the reduction.
    document = encode(replace(report, reports=[replace(pair, log=None) for pair in report.reports]))
    for folder in folders:
        document = document.replace(f"{folder}/".encode(), b"").replace(str(folder).encode(), b".")
    return document
