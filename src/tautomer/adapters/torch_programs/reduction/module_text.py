"""A program as a model module: a Python file that a person can read, run and hand to the maintainers of a converter."""

from __future__ import annotations

import textwrap
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch

from tautomer.adapters.torch_programs.reduction.literals import literal
from tautomer.adapters.torch_programs.reduction.program import Call, Program, Recorded, run
from tautomer.adapters.torch_programs.reduction.spelling import Speller

LONGEST_LINE = 110


@dataclass(frozen=True, slots=True)
class ModuleText:
    """A printed program.

    Attributes:
        text: of the Python file.
        tensors: what the file reads from a `.safetensors` file beside it, by name.
    """

    text: str
    tensors: Mapping[str, torch.Tensor]

    def write(self, path: Path) -> list[Path]:
        """Write the file, and its tensors beside it under the same stem; returns what was written."""
        written = [path]
        if self.tensors:
            beside = path.with_suffix(".safetensors")
            _write_tensors(beside, self.tensors)
            written.append(beside)
        path.write_text(self.text, "utf-8")
        return written


def module_text(
    program: Program, *, title: str, stem: str = "model", speller: Speller | None = None, values: Any = None
) -> ModuleText:
    """Print a program.

    Args:
        program: that runs.
        title: the file's docstring.
        stem: of the file, which its tensors share.
        speller: to remember spellings from one program to the next.
        values: of the program on its first input set, where they are known.

    Raises:
        Exception: whatever an operator raises where the program does not run.
    """
    speller = speller or Speller()
    found = run(program, 0) if values is None else values
    large: dict[str, torch.Tensor] = {}
    constants = {one.name: f"self.{one.name}" for one in program.constants}
    body = _forward(program, found, constants, speller)
    initial = [f"        self.{one.name} = {_attribute(one, large)}" for one in program.constants if one.trainable]
    initial += [
        "        self.register_buffer" + _arguments([f'"{one.name}"', _made(one.value, one.name, large)], 8, 24)
        for one in program.constants
        if not one.trainable
    ]
    made = [
        [_made(one.values[index], _stored_name(one.name, index), large) for one in program.inputs]
        for index in range(program.sets)
    ]
    lines = [f'"""{title}"""', "", "class Model(torch.nn.Module):"]
    if initial:
        lines += ["    def __init__(self):", "        super().__init__()", *initial, ""]
    arguments = ", ".join(["self", *(one.name for one in program.inputs)])
    lines += [f"    def forward({arguments}):", *(f"        {line}" for line in body)]
    lines += ["", "", "def inputs():", f"    return {_tuple(made[0], 4)}"]
    if len(made) == 2:
        lines += ["", "", "def run_inputs():", f"    return {_tuple(made[1], 4)}"]
    elif len(made) > 2:
        several = [f"        {_tuple(one, 8)}," for one in made[1:]]
        lines += ["", "", "def run_inputs():", "    return [", *several, "    ]"]
    if any(one.dynamic for one in program.inputs):
        lines += ["", "", f"DYNAMIC_SHAPES = {_dynamic_shapes(program)}"]
    text = "\n".join([*lines, ""])
    return ModuleText(_with_imports(text, stem, large), large)


def _with_imports(text: str, stem: str, large: Mapping[str, torch.Tensor]) -> str:
    docstring, _, rest = text.partition("\n\n")
    imports = ["import math"] if " math." in rest or "(math." in rest else []
    imports = ["from pathlib import Path", *imports] if large else imports
    imports = [*imports, "", "import torch"] if imports else ["import torch"]
    if " F." in rest or "(F." in rest or "[F." in rest:
        imports.append("import torch.nn.functional as F")
    if large:
        imports += ["from safetensors.torch import load_file", ""]
        imports.append(f'TENSORS = load_file(Path(__file__).with_name("{stem}.safetensors"))')
    return "\n".join([docstring, "", *imports, "", "", rest])


def _forward(program: Program, values: Mapping[str, Any], names: Mapping[str, str], speller: Speller) -> list[str]:
    """The statements of `forward`."""
    uses = Counter(ref for call in program.calls for ref in call.refs())
    uses.update(program.outputs)
    choices = _unpacked(program, values, uses)
    picked = {call.name for chosen in choices.values() for call in chosen.values()}
    returned = ", ".join(names.get(one, one) for one in program.outputs)
    if len(program.outputs) == 1 and isinstance(values.get(program.outputs[0]), list | tuple):
        returned = f"tuple({returned})"
    lines = []
    for call in program.calls:
        if call.name in picked:
            continue
        text = speller.spell(call, values, names)
        if call.name in choices:
            chosen = choices[call.name]
            wanted = [chosen[index].name if index in chosen else "_" for index in range(len(values[call.name]))]
            lines.append(f"{', '.join(wanted)} = {text}")
        else:
            lines.append(f"{call.name} = {text}")
    if program.calls and lines and lines[-1].startswith(f"{returned} = "):
        lines[-1] = f"return {lines[-1].removeprefix(f'{returned} = ')}"
    else:
        lines.append(f"return {returned}")
    return lines


def _unpacked(program: Program, values: Mapping[str, Any], uses: Counter[str]) -> dict[str, dict[int, Call]]:
    """Calls with several results that are only picked from: by name, what is picked at which place."""
    picks: dict[str, dict[int, Call]] = {}
    count: Counter[str] = Counter()
    chosen = {call.name for call in program.calls if call.operator == "operator:getitem"}
    for call in program.calls:
        source = next(iter(call.refs()), "")
        if call.operator == "operator:getitem" and isinstance(call.args[1], int) and source not in chosen:
            count[source] += 1
            if isinstance(values.get(source), list | tuple):
                picks.setdefault(source, {}).setdefault(call.args[1], call)
    return {
        name: found
        for name, found in picks.items()
        if count[name] == uses[name] == len(found) and 1 < len(values[name]) <= 8 and min(found) >= 0
    }


def _attribute(constant: Any, large: dict[str, torch.Tensor]) -> str:
    made = _made(constant.value, constant.name, large)
    floating = constant.value.tensor.is_floating_point() or constant.value.tensor.is_complex()
    given = [made] if floating else [made, "requires_grad=False"]
    return f"torch.nn.Parameter{_arguments(given, 8, len(constant.name) + 26)}"


def _made(recorded: Recorded, name: str, large: dict[str, torch.Tensor]) -> str:
    """An expression for a tensor; what is too large to be written out goes into the file beside the module."""
    if recorded.made_by is not None:
        return recorded.made_by
    text = literal(recorded.tensor)
    if text is not None:
        return text
    large[name] = recorded.tensor.detach().cpu().contiguous()
    return f'TENSORS["{name}"]' + _restored(recorded.tensor)


def _restored(tensor: torch.Tensor) -> str:
    """What makes the tensor again of what the file can hold."""
    if tensor.dtype in (torch.complex64, torch.complex128):
        return (
            ".clone().view(torch.complex64)" if tensor.dtype == torch.complex64 else ".clone().view(torch.complex128)"
        )
    if tensor.dtype in (torch.float8_e4m3fnuz, torch.float8_e5m2fnuz):
        return f".view({tensor.dtype})"
    return ".clone()"


def _stored_name(name: str, index: int) -> str:
    return name if index == 0 else f"{name}.{index}"


def _tuple(items: list[str], indent: int) -> str:
    """A tuple on one line where it fits, else one item a line and long lists row by row."""
    joined = f"({', '.join(items)}{',' if len(items) == 1 else ''})"
    return joined if len(joined) + indent <= LONGEST_LINE else _arguments(items, indent, LONGEST_LINE)


def _arguments(items: list[str], indent: int, before: int) -> str:
    """Arguments in brackets, on one line where that fits after `before` characters."""
    joined = f"({', '.join(items)})"
    if len(joined) + indent + before <= LONGEST_LINE:
        return joined
    inner = " " * (indent + 4)
    return "(\n" + "".join(f"{inner}{_wrapped(one, indent + 4)},\n" for one in items) + " " * indent + ")"


def _wrapped(text: str, indent: int) -> str:
    """A tensor's text on as many lines as it takes."""
    if len(text) + indent <= LONGEST_LINE:
        return text
    lines = textwrap.wrap(
        text, LONGEST_LINE - indent - 4, subsequent_indent=" " * 4, break_long_words=False, break_on_hyphens=False
    )
    return f"\n{' ' * indent}".join(lines)


def _dynamic_shapes(program: Program) -> str:
    shown = []
    for one in program.inputs:
        axes = ", ".join(f"{axis}: torch.export.Dim.DYNAMIC" for axis in one.dynamic)
        shown.append(f"{{{axes}}}" if axes else "None")
    return _tuple(shown, 0)


def _write_tensors(path: Path, tensors: Mapping[str, torch.Tensor]) -> None:
    """An ordinary safetensors file with one tensor a name, as `safetensors.torch.load_file` reads it."""
    from safetensors.torch import save_file

    stored = {}
    for name, tensor in tensors.items():
        plain = tensor.detach().resolve_conj().resolve_neg().contiguous().clone()
        if plain.is_complex():
            plain = torch.view_as_real(plain).reshape(*plain.shape[:-1], -1) if plain.dim() else plain
        if plain.dtype in (torch.float8_e4m3fnuz, torch.float8_e5m2fnuz):
            plain = plain.view(torch.uint8)
        stored[name] = plain.contiguous()
    save_file(stored, str(path))
