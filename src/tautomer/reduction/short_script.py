"""The failure in a few lines, for an issue, where values differ so much that no judge is needed to see it."""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

from tautomer.model import Outcome
from tautomer.reduction.reproduction import (
    GraphSource,
    Reproduction,
    defined_names,
    is_set_true,
    render,
    run_script,
    runtime_modules,
    split_module,
)
from tautomer.reduction.session_text import session_text

RTOL, ATOL = 1e-3, 1e-5
"""What a maintainer takes for different at a glance; what differs by less is shown by repro.py alone."""


@dataclass(frozen=True, slots=True)
class ShortScript:
    """A script of a few lines that has shown the failure.

    Attributes:
        text: the script.
        output: what it printed, its AssertionError last.
    """

    text: str
    output: str


def short_script_of_module(one: Reproduction, module: str) -> str | None:
    """The lines that show a wrong result of a model of tensors; None where it takes more than that.

    Args:
        one: what has to be done.
        module: the text of the model module, which takes and gives tensors, none of them nested.
    """
    if not is_simple(one) or one.converter is None:
        return None
    future, body = split_module(module)
    defined = defined_names(module)
    own = [line for line in body.splitlines() if line.startswith("import ")]
    body = "\n".join(line for line in body.splitlines() if line not in own)
    imports = {line.removeprefix("import ").strip() for line in own} | {"torch"} | runtime_modules(one.runtime)
    options = {"dynamo": one.converter != "torch.onnx-legacy", "verbose": False, **one.options}
    if one.opset is not None:
        options["opset_version"] = one.opset
    given = "".join(f", {name}={value!r}" for name, value in options.items())
    if "DYNAMIC_SHAPES" in defined and one.converter != "torch.onnx-legacy":
        given += ", dynamic_shapes=DYNAMIC_SHAPES"
    make = "model()" if "model" in defined else "Model()"
    return render(
        "short_torch.py.jinja",
        future=future,
        imports=sorted(imports),
        module=body.strip("\n"),
        seed=one.seed,
        make=f"{make}.train()" if is_set_true(module, "TRAIN") else f"{make}.eval()",
        options=given,
        runtime=one.runtime,
        rtol=RTOL,
        atol=ATOL,
    )


def short_script_of_graph(one: Reproduction, graph: GraphSource) -> str | None:
    """The lines that show a wrong result of an ONNX graph; None where it takes more than that."""
    if not is_simple(one) or graph.text is None or graph.tensors_file or len(graph.input_sets) != 1:
        return None
    return render(
        "short_onnx.py.jinja",
        graph_text=graph.text,
        feeds={repr(name): text for name, text in graph.input_sets[0].items()},
        runtime=one.runtime,
        rtol=RTOL,
        atol=ATOL,
    )


def shown_by(script: str, folder: Path, timeout_s: float) -> str | None:
    """What a short script prints where it ends with an AssertionError; None where it does not show the failure.

    Args:
        script: its text.
        folder: where it is run; nothing stays there.
        timeout_s: how long it may take.
    """
    path = folder / "short.py"
    path.write_text(script, "utf-8")
    try:
        ran = run_script(path, timeout_s)
    finally:
        path.unlink()
    said = re.search(r"^AssertionError: .*", ran.error, re.MULTILINE | re.DOTALL)
    return f"{ran.output}\n{said.group(0)}" if ran.shows_the_failure and said else None


def is_simple(one: Reproduction) -> bool:
    """Whether values differ, and the runtime is used as everybody does."""
    session = session_text(one.runtime, one.level, one.runtime_options)
    own = bool(session["statements"] or session["arguments"] or one.runtime_options)
    return one.outcome is Outcome.DIVERGENT and not one.abrupt and not own
