"""A generated TensorFlow model as a file that a person reads: the function or module, its signature, its inputs."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from tautomer.synthesis import DrawnTensor, DtypeName, Program, Reference, spelled
from tautomer.synthesis.dims import is_dynamic
from tautomer.synthesis.module_text import DRAWN, drawn_call, is_resizable, title, unpacked


def module_text(program: Program) -> str:
    """The source of a model module, as `tautomer check` takes it.

    A model without weights is the function itself; one with weights is a module that holds them as variables.
    """
    weights = {one.name for one in program.weights}
    parameters = ", ".join(one.name for one in program.inputs)
    lines = [title(program), "", "import numpy as np", "import tensorflow as tf", "", DRAWN.rstrip(), "", ""]
    if weights:
        lines += ["class Model(tf.Module):", "    def __init__(self):", "        super().__init__()"]
        lines += [f"        self.{one.name} = tf.Variable({_tensor(one)}, trainable=False)" for one in program.weights]
        lines += ["", f"    def __call__(self, {parameters}):", *_body(program, weights, indent=8)]
    else:
        lines += [f"def model({parameters}):", *_body(program, weights, indent=4)]
    lines += ["", "", "SIGNATURE = [", *(f"    {_spec(one)}," for one in program.inputs), "]"]
    lines += ["", "", "def inputs():", "    return (", *_set_of_inputs(program.inputs, 0, indent=8), "    )"]
    lines += ["", "", "def run_inputs():", "    return ["]
    for run in (1, 2) if is_resizable(program) else (1,):
        lines += ["        (", *_set_of_inputs(program.inputs, run, indent=12), "        ),"]
    return "\n".join([*lines, "    ]"]) + "\n"


def _body(program: Program, weights: set[str], *, indent: int) -> list[str]:
    lines = []
    for node in program.nodes:
        bound = {name: _owned(value, weights) for name, value in node.bindings.items()}
        lines.append(f"{unpacked(node.results)} = {spelled(node.expression, bound, _spell)}")
    lines.append(f"return {unpacked(program.outputs)}")
    return [" " * indent + line for line in lines]


def _spell(value: Any) -> str | None:
    return f"tf.{value}" if isinstance(value, DtypeName) else None


def _owned(value: Any, weights: set[str]) -> Any:
    if isinstance(value, Reference):
        return Reference(f"self.{value.name}") if value.name in weights else value
    if isinstance(value, tuple) and value and isinstance(value[0], Reference):
        return tuple(_owned(one, weights) for one in value)
    return value


def _tensor(one: DrawnTensor, run: int = 0) -> str:
    call = drawn_call(one, run=run)
    narrow = one.type.dtype in ("float16", "bfloat16")  # which are drawn in float32
    return f"tf.cast({call}, tf.{one.type.dtype})" if narrow else f"tf.constant({call})"


def _set_of_inputs(inputs: Sequence[DrawnTensor], run: int, *, indent: int) -> list[str]:
    return [f"{' ' * indent}{_tensor(one, run)}," for one in inputs]


def _spec(one: DrawnTensor) -> str:
    sizes = [None if is_dynamic(size) else int(size) for size in one.type.shape]
    return f"tf.TensorSpec({sizes}, tf.{one.type.dtype})"
