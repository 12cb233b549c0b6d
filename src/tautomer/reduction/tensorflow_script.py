"""The scripts that a maintainer runs for a TensorFlow model: they need public packages only."""

from __future__ import annotations

import ast

from tautomer.model import Stage
from tautomer.reduction.reproduction import (
    Reproduction,
    defined_names,
    packages_of,
    render,
    rendered,
    runtime_modules,
    sorted_imports,
    split_module,
)
from tautomer.reduction.short_script import ATOL, RTOL, is_simple

CONVERTERS = frozenset({"tf2onnx"})
"""Those that a script can ask."""

_DERIVED = "[tf.TensorSpec(np.shape(one), np.asarray(one).dtype) for one in inputs()]"
"""The signature of a module that states none."""


def is_tensorflow(module: str) -> bool:
    """Whether a model module is one of TensorFlow."""
    return any(
        isinstance(node, ast.Import) and any(one.name == "tensorflow" for one in node.names)
        for node in ast.parse(module).body
    )


def script_of_tensorflow(one: Reproduction, module: str) -> str | None:
    """The script that converts and runs a module whose `model` takes and gives tensors; None where it cannot.

    Args:
        module: its text.

    Returns:
        Python that exits with 1 where the failure shows, 0 where it does not, 2 where something else goes wrong.
    """
    if one.converter not in CONVERTERS or one.abrupt:
        return None
    standard, public, body = _parts(one, module)
    defined = defined_names(module)
    several = "run_inputs" in defined and one.runs
    return rendered(
        "repro_tensorflow.py.jinja",
        one,
        packages=packages_of(one, ["tensorflow", "tf2onnx", "onnx", "numpy"]),
        imports=sorted_imports(standard | {"logging", "pathlib", "sys", "tempfile", "traceback"}, public),
        module=body,
        signature=_without_statement(one, defined),
        options=_options(one),
        sets="input_sets()" if several else "[inputs()]",
        run_inputs=several,
    )


def short_script_of_tensorflow(one: Reproduction, module: str) -> str | None:
    """The lines that show a wrong result; None where it takes more than that."""
    if not is_simple(one) or one.converter not in CONVERTERS:
        return None
    standard, public, body = _parts(one, module)
    return render(
        "short_tensorflow.py.jinja",
        imports=[name for name in sorted(standard | public) if not name.startswith("from ")],
        module=body,
        signature="SIGNATURE" if "SIGNATURE" in defined_names(module) else _DERIVED,
        options=_options(one),
        runtime=one.runtime,
        rtol=RTOL,
        atol=ATOL,
    )


def _parts(one: Reproduction, module: str) -> tuple[set[str], set[str], str]:
    """Modules of the standard library and others that a script imports, and the text without these imports."""
    _, body = split_module(module)
    own = [line for line in body.splitlines() if line.startswith("import ")]
    public = {line.removeprefix("import ").strip() for line in own} | {"tf2onnx", "numpy as np"}
    if one.symptom_stage is Stage.VALIDATION:
        public.add("onnx")
    elif not one.converts_only:
        public |= runtime_modules(one.runtime)
    rest = "\n".join(line for line in body.splitlines() if line not in own)
    return set(), public, rest.strip("\n")


def _without_statement(one: Reproduction, defined: set[str]) -> str:
    return "" if "SIGNATURE" in defined else f"SIGNATURE = {_DERIVED}"


def _options(one: Reproduction) -> str:
    given = {**one.options, **({"opset": one.opset} if one.opset is not None else {})}
    return "".join(f", {name}={value!r}" for name, value in given.items())
