"""The operators of a program, to choose from, with the values that stand at the cut."""

from __future__ import annotations

import tempfile
from collections.abc import Collection, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tautomer.adapters.probing.forked import in_child
from tautomer.adapters.tensor_file import read_values, write_values
from tautomer.adapters.tf_programs.nested import to_array, to_tensor
from tautomer.adapters.tf_programs.reduction.definitions import output_count
from tautomer.adapters.tf_programs.reduction.module_text import module_text
from tautomer.adapters.tf_programs.reduction.program import (
    CONST,
    Array,
    Input,
    Program,
    Ref,
    Step,
    constant,
    pruned,
    unique,
)
from tautomer.model import Tensor

Values = Mapping[Ref, Array]

_RUN_LIMIT_S = 120.0


class DoesNotRun(Exception):
    """A program that raises; its text says what."""


def values_of(program: Program) -> list[Values]:
    """Every value of a program that can be recorded, for each input set; computed in a process of its own.

    Raises:
        DoesNotRun: an operator raises.
    """
    text = module_text(program, title="Values.", every_value=True)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / "model.py"
        text.write(path)
        said = in_child(lambda _: _run(path, program.sets), timeout_s=_RUN_LIMIT_S)
        if "files" not in said:
            raise DoesNotRun(str(said.get("error", said.get("ended"))))
        found: list[Values] = []
        for file in said["files"]:
            stored: Any = read_values(Path(file), mmap=False)
            found.append({_ref(name): to_array(one) for name, one in stored.items() if isinstance(one, Tensor)})
    return found


def _ref(name: str) -> Ref:
    stem, _, number = name.rpartition(":")
    return Ref(stem, int(number))


def _run(path: Path, sets: int) -> dict[str, Any]:
    import tensorflow as tf

    from tautomer.adapters.user_modules import import_user_file

    module: Any = import_user_file(path)
    given = [module.inputs()]
    if sets > 1:
        more = module.run_inputs()
        given += more if isinstance(more, list) else [more]
    files = []
    for index, one in enumerate(given):
        try:
            values = module.model(*map(tf.constant, one))
        except Exception as error:  # whatever an operator raises
            return {"error": f"{type(error).__name__}: {str(error).splitlines()[:1]}"}
        plain = {
            name: value for name, value in values.items() if tf.is_tensor(value) and value.dtype not in _handles(tf)
        }
        file = path.with_name(f"values-{index}.safetensors")
        write_values(file, {name: to_tensor(value) for name, value in plain.items()})
        files.append(str(file))
    return {"files": files}


def _handles(tf: Any) -> tuple[Any, ...]:
    return (tf.variant, tf.resource)


class Parts:
    """The operators of a program, constants left out.

    Attributes:
        steps: in order.
        parents: for each, those it depends on.

    Raises:
        DoesNotRun: the program does not run.
    """

    def __init__(self, program: Program) -> None:
        self._program = program
        self._values = values_of(program)
        self.steps = [one for one in program.steps if one.op != CONST]
        number = {one.name: index for index, one in enumerate(self.steps)}
        self.parents = [{number[ref.name] for ref in one.inputs if ref.name in number} for one in self.steps]
        self._varying = self._depend_on_inputs()

    def _depend_on_inputs(self) -> set[str]:
        found = {one.name for one in self._program.inputs}
        for step in self._program.steps:
            if any(ref.name in found for ref in step.inputs):
                found.add(step.name)
        return found

    def only(self, kept: Collection[int]) -> Program | None:
        """The program with some of its operators; None where what they need cannot be recorded.

        The results of others are inputs, or constants where they do not depend on the program's inputs.
        """
        names = {self.steps[index].name for index in kept}
        taken = {one.name for one in self._program.inputs} | {one.name for one in self._program.steps}
        inputs = list(self._program.inputs)
        steps: list[Step] = []
        now: dict[Ref, Ref] = {}
        for step in self._program.steps:
            if step.op == CONST:
                steps.append(step)
                continue
            if step.name not in names:
                continue
            for ref in step.inputs:
                if ref in now or ref.name in names or not self._is_computed(ref):
                    continue
                if any(ref not in one for one in self._values):
                    return None  # a handle
                name = unique(ref.name if ref.output == 0 else f"{ref.name}_{ref.output}", taken)
                now[ref] = Ref(name)
                recorded = tuple(np.asarray(one[ref]) for one in self._values)
                if ref.name in self._varying:
                    inputs.append(Input(name, recorded, _varying_axes(recorded)))
                else:
                    steps.append(constant(name, recorded[0]))
            steps.append(step.with_inputs(lambda ref: now.get(ref, ref)))
        outputs = [ref for ref in self._program.outputs if ref.name in names] or self._ends(names)
        return pruned(Program(tuple(inputs), tuple(steps), tuple(outputs)))

    def _is_computed(self, ref: Ref) -> bool:
        return any(one.name == ref.name for one in self.steps)

    def _ends(self, names: Collection[str]) -> list[Ref]:
        """What the chosen operators give to others, or at the end."""
        used = {ref for one in self.steps if one.name not in names for ref in one.inputs if ref.name in names}
        known = [ref for ref in used if ref in self._values[0]]
        if known:
            return sorted(known, key=lambda ref: (ref.name, ref.output))
        last = [one for one in self.steps if one.name in names][-1]
        return [ref for index in range(output_count(last)) if (ref := Ref(last.name, index)) in self._values[0]][:1]


def _varying_axes(values: tuple[Array, ...]) -> tuple[int, ...]:
    return tuple(axis for axis in range(values[0].ndim) if len({one.shape[axis] for one in values}) > 1)
