"""A generated PyTorch model as a file that a person reads: a module, its inputs, its dynamic dimensions."""

from __future__ import annotations

from typing import Any

from tautomer.synthesis import DtypeName, Program, Reference, spelled
from tautomer.synthesis.module_text import DRAWN, drawn_call, dynamic_axes, is_resizable, title, unpacked
from tautomer.synthesis.tensor_types import FLOATS


def module_text(program: Program) -> str:
    """The source of a model module, as `tautomer check` takes it."""
    weights = {one.name for one in program.weights}

    def spell(value: Any) -> str | None:
        return f"torch.{value}" if isinstance(value, DtypeName) else None

    lines = [title(program), "", "import numpy as np", "import torch"]
    if any(node.expression.startswith("F.") for node in program.nodes):
        lines.append("import torch.nn.functional as F")
    lines += ["", DRAWN.rstrip(), "", "", "class Model(torch.nn.Module):"]
    if weights:
        lines += ["    def __init__(self):", "        super().__init__()"]
        for one in program.weights:
            made = _tensor(drawn_call(one), one.type.dtype)
            if one.type.dtype in FLOATS:
                lines.append(f"        self.{one.name} = torch.nn.Parameter({made})")
            else:
                lines.append(f'        self.register_buffer("{one.name}", {made})')
        lines += ["        self.requires_grad_(False)", ""]
    lines.append(f"    def forward(self, {', '.join(one.name for one in program.inputs)}):")
    for node in program.nodes:
        bound = {name: _owned(value, weights) for name, value in node.bindings.items()}
        lines.append(f"        {unpacked(node.results)} = {spelled(node.expression, bound, spell)}")
    lines += [f"        return {unpacked(program.outputs)}", ""]
    lines += ["", "def inputs():", *_set_of_inputs(program, 0)]
    lines += ["", "", "def run_inputs():", *_more_inputs(program)]
    if is_resizable(program):
        lines += ["", "", *_dynamic_shapes(program)]
    return "\n".join(lines) + "\n"


def _owned(value: Any, weights: set[str]) -> Any:
    if isinstance(value, Reference):
        return Reference(f"self.{value.name}") if value.name in weights else value
    if isinstance(value, tuple) and value and isinstance(value[0], Reference):
        return tuple(_owned(one, weights) for one in value)
    return value


def _tensor(call: str, dtype: str) -> str:
    narrow = dtype in ("float16", "bfloat16")
    return f"torch.tensor({call}, dtype=torch.{dtype})" if narrow else f"torch.tensor({call})"


def _set_of_inputs(program: Program, run: int) -> list[str]:
    return [
        "    return (",
        *(f"        {_tensor(drawn_call(one, run=run), one.type.dtype)}," for one in program.inputs),
        "    )",
    ]


def _more_inputs(program: Program) -> list[str]:
    lines = ["    return ["]
    for run in (1, 2) if is_resizable(program) else (1,):
        lines.append("        (")
        lines += [f"            {_tensor(drawn_call(one, run=run), one.type.dtype)}," for one in program.inputs]
        lines.append("        ),")
    return [*lines, "    ]"]


def _dynamic_shapes(program: Program) -> list[str]:
    lines = ['N = torch.export.Dim("n", min=2)', "DYNAMIC_SHAPES = {"]
    for one in program.inputs:
        axes = dynamic_axes(one)
        lines.append(f'    "{one.name}": {{{", ".join(f"{axis}: N" for axis in axes)}}},')
    return [*lines, "}"]
