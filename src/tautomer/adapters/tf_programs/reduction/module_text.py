"""A program as a model module: a Python file that a person can read, run and hand to the maintainers of a converter."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np

from tautomer.adapters.tf_programs.reduction.array_text import LARGEST_LITERAL, array_text, nested_text
from tautomer.adapters.tf_programs.reduction.definitions import NotExpressible, definition_of, grouped, output_count
from tautomer.adapters.tf_programs.reduction.program import (
    CASES,
    CONDITIONS,
    CONST,
    CONTROL,
    LOOPS,
    Array,
    Body,
    ElementType,
    Program,
    Ref,
    Step,
    all_steps,
    same_bits,
    unique,
)

LONGEST_LINE = 110
_LONGEST_INLINE = 64
"""Characters up to which a constant stands where it is used."""

_ROOM = 24
"""Characters that stand before a call on its line."""

_INFIX = {"AddV2": "+", "Sub": "-", "Mul": "*"}
"""Operators that Python's own become, on two tensors."""

RESERVED = frozenset({"tf", "np", "Path", "TENSORS", "SIGNATURE", "model", "inputs", "run_inputs"})
"""Names that a module has for other things."""


@dataclass(frozen=True, slots=True)
class ModuleText:
    """A printed program.

    Attributes:
        text: of the Python file.
        arrays: what the file reads from a `.npz` file beside it, by name.
    """

    text: str
    arrays: Mapping[str, Array]

    def write(self, path: Path) -> list[Path]:
        """Write the file, and its arrays beside it under the same stem; returns what was written."""
        written = [path]
        if self.arrays:
            beside = path.with_suffix(".npz")
            np.savez(beside, allow_pickle=False, **{name: _stored(one) for name, one in self.arrays.items()})
            written.append(beside)
        path.write_text(self.text, "utf-8")
        return written


def module_text(program: Program, *, title: str, stem: str = "model", every_value: bool = False) -> ModuleText:
    """Print a program.

    Args:
        title: the file's docstring.
        stem: of the file, which its arrays share.
        every_value: return all values by name (`name` or `name:1`) in the place of the outputs.

    Raises:
        NotExpressible: an operator is not public.
    """
    arrays: dict[str, Array] = {}
    printer = _Printer(program, arrays)
    body = printer.function(every_value=every_value)
    made = [
        [_made(one.values[index], one.name if index == 0 else f"{one.name}_{index}", arrays) for one in program.inputs]
        for index in range(program.sets)
    ]
    arguments = ", ".join(one.name for one in program.inputs)
    lines = [f'"""{title}"""', "", f"def model({arguments}):", *_indented(body)]
    lines += ["", "", "def inputs():", f"    return {_tuple(made[0], 4)}"]
    if len(made) == 2:
        lines += ["", "", "def run_inputs():", f"    return {_tuple(made[1], 4)}"]
    elif len(made) > 2:
        several = [f"        {_tuple(one, 8)}," for one in made[1:]]
        lines += ["", "", "def run_inputs():", "    return [", *several, "    ]"]
    if any(one.dynamic for one in program.inputs):
        lines += ["", "", f"SIGNATURE = {_signature(program)}"]
    return ModuleText(_with_imports("\n".join([*lines, ""]), stem, arrays), arrays)


def _with_imports(text: str, stem: str, arrays: Mapping[str, Array]) -> str:
    docstring, _, rest = text.partition("\n\n")
    imports = ["from pathlib import Path", ""] if arrays else []
    imports += ["import numpy as np"] if "np." in rest or arrays else []
    imports += ["import tensorflow as tf"]
    if arrays:
        imports += ["", f'TENSORS = np.load(Path(__file__).with_name("{stem}.npz"))']
    return "\n".join([docstring, "", *imports, "", "", rest])


class _Printer:
    """Prints the statements of a program."""

    def __init__(self, program: Program, arrays: dict[str, Array]) -> None:
        self._program = program
        self._arrays = arrays
        self._taken = {one.name for one in program.inputs} | set(RESERVED)
        self._taken |= {one.name for one in all_steps(program.steps)}

    def function(self, *, every_value: bool) -> list[str]:
        """The body of `model`."""
        texts: dict[Ref, str] = {Ref(one.name): one.name for one in self._program.inputs}
        lines = self._steps(self._program.steps, texts, self._program.outputs, every=every_value)
        if every_value:
            named = ", ".join(f'"{ref.name}:{ref.output}": {text}' for ref, text in texts.items())
            return [*lines, f"return {{{named}}}"]
        return _returning(lines, [texts[one] for one in self._program.outputs], bare=True)

    def _steps(
        self, steps: Collection[Step], texts: dict[Ref, str], results: Collection[Ref], *, every: bool = False
    ) -> list[str]:
        """Statements; `texts` says what each value is written as, and is added to."""
        uses = Counter(ref for step in steps for ref in step.inputs)
        uses.update(results)
        lines: list[str] = []
        for step in steps:
            if step.op == CONST:
                self._constant(step, texts, lines, named=every or Ref(step.name) in results)
                continue
            count = output_count(step)
            names = [step.name] if count == 1 else [f"{step.name}_{index}" for index in range(count)]
            for index, name in enumerate(names):
                texts[Ref(step.name, index)] = name
            wanted = [name if every or uses[Ref(step.name, index)] else "_" for index, name in enumerate(names)]
            if step.op in CONTROL:
                lines += self._control(step, texts, wanted)
            else:
                lines.append(f"{_targets(step, wanted)} = {self._call(step, texts)}")
        return lines

    def _constant(self, step: Step, texts: dict[Ref, str], lines: list[str], *, named: bool) -> None:
        text = self._constant_text(step)
        if named or len(text) > _LONGEST_INLINE:
            lines.append(f"{step.name} = {text}")
            text = step.name
        texts[Ref(step.name)] = text

    def _constant_text(self, step: Step) -> str:
        array = step.array
        plain = _plain_text(array)
        if plain is not None:
            named = array.dtype.name in ("float32", "int32", "bool") or array.dtype.kind == "O"
            return f"tf.constant({plain}{'' if named else f', tf.{array.dtype.name}'})"
        return f"tf.constant({_made(array, step.name, self._arrays)})"

    def _call(self, step: Step, texts: Mapping[Ref, str]) -> str:
        definition = definition_of(step.op)
        if step.op in _INFIX and any(texts[one].isidentifier() for one in step.inputs):
            first, second = (texts[one] for one in step.inputs)
            return f"{first} {_INFIX[step.op]} {second}"
        given: dict[str, str] = {}
        for (name, counted_by), tensors in zip(
            definition.inputs, grouped(definition.inputs, step.inputs, step.attributes), strict=True
        ):
            if counted_by:
                given[name] = f"[{', '.join(texts[one] for one in tensors)}]"
            else:
                given[name] = _bare(texts[tensors], definition.fixed.get(name))
        for name, said in definition.attributes.items():
            value = step.attributes.get(name)
            if name in definition.defaults and _same(value, definition.defaults[name]):
                continue
            given[said] = attribute_text(value)
        ordered = [f"{name}={given[name]}" for name in definition.order if name in given]
        joined = f"tf.raw_ops.{step.op}({', '.join(ordered)})"
        if len(joined) <= LONGEST_LINE - _ROOM:
            return joined
        return "\n".join([f"tf.raw_ops.{step.op}(", *(f"    {one}," for one in ordered), ")"])

    def _control(self, step: Step, texts: Mapping[Ref, str], wanted: list[str]) -> list[str]:
        targets = wanted[0] if len(wanted) == 1 else ", ".join(wanted)
        if step.op in LOOPS:
            return self._loop(step, texts, wanted)
        decider, *arguments = (texts[one] for one in step.inputs)
        stems = ("then", "otherwise") if step.op in CONDITIONS else tuple(f"case_{n}" for n in range(len(step.bodies)))
        names = [unique(stem, self._taken) for stem in stems]
        lines: list[str] = []
        for name, body in zip(names, step.bodies, strict=True):
            inner = dict(zip(map(Ref, body.arguments), arguments, strict=True))
            lines += [f"def {name}():", *_indented(self._body(body, inner)), ""]
        if step.op in CASES:
            return [*lines, f"{targets} = tf.switch_case({decider}, [{', '.join(names)}])"]
        return [*lines, f"{targets} = tf.cond({decider}, {', '.join(names)})"]

    def _body(self, body: Body, texts: dict[Ref, str]) -> list[str]:
        lines = self._steps(body.steps, texts, body.results)
        return _returning(lines, [texts[one] for one in body.results], bare=True)

    def _loop(self, step: Step, texts: Mapping[Ref, str], wanted: list[str]) -> list[str]:
        condition, body = step.bodies
        names = [unique(stem, self._taken) for stem in ("condition", "body")]
        variables = [unique(one, self._taken) for one in body.arguments]
        lines: list[str] = []
        for name, one in zip(names, (condition, body), strict=True):
            inner = dict(zip(map(Ref, one.arguments), variables, strict=True))
            found = self._steps(one.steps, inner, one.results)
            results = [inner[ref] for ref in one.results]
            returned = results[0] if one is condition else f"[{', '.join(results)}]"
            lines += [f"def {name}({', '.join(variables)}):", *_indented([*found, f"return {returned}"]), ""]
        initial = ", ".join(texts[one] for one in step.inputs)
        targets = f"[{', '.join(wanted)}]"
        return [*lines, f"{targets} = tf.while_loop({', '.join(names)}, [{initial}]{_invariants(step)})"]


def _invariants(step: Step) -> str:
    """Shapes of loop variables where some are not known."""
    shapes = step.attributes.get("output_shapes") or []
    if all(shape is not None and all(size >= 0 for size in shape) for shape in shapes):
        return ""
    said = ", ".join(
        "tf.TensorShape(None)" if shape is None else f"tf.TensorShape({[None if n < 0 else n for n in shape]})"
        for shape in shapes
    )
    return f", shape_invariants=[{said}]"


def _targets(step: Step, wanted: list[str]) -> str:
    """The left side of an assignment, as the operator's results are grouped."""
    found = grouped(definition_of(step.op).outputs, wanted, step.attributes)
    texts = [f"[{', '.join(one)}]" if isinstance(one, list) else one for one in found]
    if len(texts) == 1:
        return texts[0]
    return ", ".join(texts)


def _returning(lines: list[str], results: list[str], *, bare: bool) -> list[str]:
    text = results[0] if bare and len(results) == 1 else ", ".join(results)
    if lines and lines[-1].startswith(f"{text} = "):
        return [*lines[:-1], f"return {lines[-1].removeprefix(f'{text} = ')}"]
    return [*lines, f"return {text}"]


def _indented(lines: list[str]) -> list[str]:
    return textwrap.indent("\n".join(lines), "    ").splitlines()


def _bare(text: str, fixed: str | None) -> str:
    """A constant without its `tf.constant` where the operator takes one element type only."""
    if fixed == "int32" and text.startswith("tf.constant(") and "tf." not in text[12:] and "np." not in text:
        return text[12:-1]
    return text


def _same(value: Any, default: Any) -> bool:
    """Whether an attribute has its default."""
    if isinstance(value, ElementType):
        return getattr(default, "name", None) == value.name
    if isinstance(value, bytes):
        value = value.decode("utf-8", "replace")
    if isinstance(value, float) and isinstance(default, int | float):
        return value == default or np.float32(value) == np.float32(default)
    return bool(value == default) and isinstance(value, bool) == isinstance(default, bool)


def attribute_text(value: Any) -> str:
    """An attribute as Python.

    Raises:
        NotExpressible: it is no plain value.
    """
    if isinstance(value, ElementType):
        return f"tf.{value.name}"
    if isinstance(value, bytes):
        return repr(value.decode("utf-8", "replace"))
    if isinstance(value, float):
        short = repr(float(str(np.float32(value))))
        return short if np.float32(float(short)) == np.float32(value) else repr(value)
    if value is None or isinstance(value, bool | int | str):
        return repr(value)
    if isinstance(value, list | tuple):
        return f"[{', '.join(attribute_text(one) for one in value)}]"
    raise NotExpressible(f"an attribute is a {type(value).__name__}")


def _plain_text(array: Array) -> str | None:
    """Nested lists that `tf.constant` makes the same array of, given its type; None where they are too long."""
    if not array.size or array.size > LARGEST_LITERAL or array.dtype.name in ("bfloat16", "float16"):
        return None
    text = nested_text(array)
    try:
        again = np.array(eval(text, {"np": np, "complex": complex}), array.dtype)  # our own text, made above
    except (ValueError, OverflowError):
        return None
    return text if same_bits(again.reshape(array.shape), array) else None


def _made(array: Array, name: str, arrays: dict[str, Array]) -> str:
    """An expression for an array; what is too large to be written out goes into the file beside the module."""
    text = array_text(array)
    if text is not None:
        return text
    if array.dtype.kind == "O":
        return f"np.array({nested_text(array)}, object)"  # files of arrays hold no objects
    arrays[name] = array
    return f'TENSORS["{name}"]' + (f".view(tf.{array.dtype.name}.as_numpy_dtype)" if _is_narrow(array) else "")


def _is_narrow(array: Array) -> bool:
    return array.dtype.name == "bfloat16" or (hasattr(ml_dtypes, array.dtype.name) and array.dtype.kind == "V")


def _stored(array: Array) -> Array:
    """What a file of arrays can hold: formats that numpy does not have as their bits."""
    return array.view(f"u{array.dtype.itemsize}") if _is_narrow(array) else np.ascontiguousarray(array)


def _tuple(items: list[str], indent: int) -> str:
    """A tuple on one line where it fits, else one item a line and long lists row by row."""
    joined = f"({', '.join(items)}{',' if len(items) == 1 else ''})"
    if len(joined) + indent <= LONGEST_LINE:
        return joined
    inner = " " * (indent + 4)
    return "(\n" + "".join(f"{inner}{_wrapped(one, indent + 4)},\n" for one in items) + " " * indent + ")"


def _wrapped(text: str, indent: int) -> str:
    if len(text) + indent <= LONGEST_LINE:
        return text
    lines = textwrap.wrap(
        text, LONGEST_LINE - indent - 4, subsequent_indent=" " * 4, break_long_words=False, break_on_hyphens=False
    )
    return f"\n{' ' * indent}".join(lines)


def _signature(program: Program) -> str:
    shown = []
    for one in program.inputs:
        array = one.values[0]
        shape = tuple(None if axis in one.dynamic else size for axis, size in enumerate(array.shape))
        dtype = "string" if array.dtype.kind == "O" else array.dtype.name
        shown.append(f"tf.TensorSpec({shape}, tf.{dtype})")
    joined = f"[{', '.join(shown)}]"
    return joined if len(joined) < LONGEST_LINE - 12 else "[\n" + "".join(f"    {one},\n" for one in shown) + "]"
