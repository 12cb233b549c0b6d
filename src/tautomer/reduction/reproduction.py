"""The script a maintainer runs: it needs public packages only, and shows the failure beside the float64 evidence."""

from __future__ import annotations

import ast
import re
import subprocess
import sys
import textwrap
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

from tautomer.model import Kind, Outcome, Stage
from tautomer.reduction.session_text import session_text

ERROR_RATIO = 10
"""Above this the target's error against float64 is not explained by rounding: the limit of `rho` in the numerics."""

TIME_LIMIT_S = 120
"""How long a script waits for an attempt that may never end, unless a hang was seen at another limit."""

_CONVERTING = frozenset({Stage.LOAD_MODEL, Stage.NODE_CONVERSION, Stage.OPTIMIZATION, Stage.EXPORT})
_ABRUPT = frozenset({Kind.CRASH, Kind.HANG, Kind.OUT_OF_MEMORY})
_WIDTH = 112


@dataclass(frozen=True, slots=True, kw_only=True)
class Reproduction:
    """What a script has to do.

    Attributes:
        title: the failure in a sentence.
        outcome, symptom_stage, kind: of the finding.
        converter, runtime: of the pair; `converter` is None where the .onnx file is itself the source.
        level: `disabled` where the failure needs the runtime's graph optimizations off, else `all`.
        opset, options: as the converter gets them.
        runtime_options: as the runtime gets them.
        seed: of the random generators.
        time_limit_s: after which an attempt counts as hung.
    """

    title: str
    outcome: Outcome
    symptom_stage: Stage
    kind: Kind
    converter: str | None
    runtime: str
    level: str = "all"
    opset: int | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    runtime_options: Mapping[str, Any] = field(default_factory=dict)
    seed: int = 0
    time_limit_s: int = TIME_LIMIT_S

    @property
    def converts_only(self) -> bool:
        """Whether the failure is the converter's own, so that nothing is run."""
        return self.converter is not None and self.outcome is Outcome.FAILED and self.symptom_stage in _CONVERTING

    @property
    def loads_only(self) -> bool:
        """Whether the runtime already refuses to load the model."""
        stages = (Stage.RUNTIME_LOAD, Stage.RUNTIME_OPTIMIZATION)
        return self.outcome is Outcome.FAILED and self.symptom_stage in stages

    @property
    def runs(self) -> bool:
        """Whether the model has to be run for the failure to show."""
        return not (self.converts_only or self.loads_only or self.symptom_stage is Stage.VALIDATION)

    @property
    def abrupt(self) -> bool:
        """Whether the failing process dies or never ends, so that another has to watch it."""
        return self.kind in _ABRUPT


@dataclass(frozen=True, slots=True)
class GraphSource:
    """An .onnx source in a script.

    Attributes:
        text: the model in ONNX's textual syntax; None where the script reads model.onnx.
        input_sets: Python expressions of the arrays by graph input.
        tensors_file: name of the file that those expressions read; None where they are literals.
    """

    text: str | None
    input_sets: Sequence[Mapping[str, str]]
    tensors_file: str | None = None


def script_of_module(one: Reproduction, module: str, *, plain: bool) -> str:
    """The script that converts and runs a PyTorch model module.

    Args:
        module: its text.
        plain: whether the module is one that takes and gives tensors only, none of them nested.

    Returns:
        Python that exits with 1 where the failure shows, 0 where it does not, 2 where something else goes wrong.
    """
    future, body = split_module(module)
    defined = defined_names(module)
    standard = {"sys", "traceback"}
    public = {"torch"}
    if one.converts_only:
        standard.add("io")
    else:
        standard |= {"pathlib", "tempfile"}
        public |= {"onnx"} if one.symptom_stage is Stage.VALIDATION else runtime_modules(one.runtime)
    if one.outcome is Outcome.DIVERGENT:
        standard.add("copy")
        public.add("numpy as np")
    if one.abrupt:
        standard.add("subprocess")
    own = [line for line in body.splitlines() if line.startswith("import ")]
    public |= {line.removeprefix("import ").strip() for line in own}
    body = "\n".join(line for line in body.splitlines() if line not in own)
    options = {"dynamo": one.converter != "torch.onnx-legacy", "verbose": False, **one.options}
    if one.opset is not None:
        options["opset_version"] = one.opset
    given = "".join(f", {name}={value!r}" for name, value in options.items())
    if "DYNAMIC_SHAPES" in defined and one.converter != "torch.onnx-legacy":
        given += ", dynamic_shapes=DYNAMIC_SHAPES"
    factory = "model" in defined
    several = "run_inputs" in defined and one.runs
    return rendered(
        "repro_torch.py.jinja",
        one,
        packages=packages_of(one, ["torch", "onnx", "onnxscript"]),
        future=future,
        imports=sorted_imports(standard, public),
        module=body.strip("\n"),
        options=given,
        plain=plain,
        export=f"torch.onnx.export(model, inputs(), TARGET{given})"
        if plain
        else "convert(model, arguments(inputs()), TARGET)",
        called="model(*given)" if plain else "call(model, given)",
        sets="input_sets()" if several else "[inputs()]" if plain else "[arguments(inputs())]",
        run_inputs=several,
        make="model()" if factory else "Model()",
        makes_module=not factory or "torch.nn.Module" in module,
        mode="train" if is_set_true(module, "TRAIN") else "eval",
    )


def script_of_graph(one: Reproduction, graph: GraphSource) -> str:
    """The script that runs an .onnx file.

    Returns:
        Python with the exit statuses of `script_of_module`.
    """
    graph = graph if one.runs else replace(graph, tensors_file=None)
    standard = {"sys", "traceback"}
    public = {"onnx"}
    expressions = " ".join(text for feeds in graph.input_sets for text in feeds.values())
    if graph.text is None or graph.tensors_file:
        standard.add("pathlib")
    if graph.text is not None:
        public.add("onnx.parser")
    if graph.tensors_file:
        public.add("safetensors.numpy")
    if one.runs and ("np." in expressions or one.outcome is Outcome.DIVERGENT):
        public.add("numpy as np")
    if one.outcome is Outcome.DIVERGENT:
        public |= {"onnx.numpy_helper", "onnx.reference"}
    if one.symptom_stage is not Stage.VALIDATION:
        public |= runtime_modules(one.runtime)
    elif one.symptom_stage is Stage.VALIDATION:
        public.add("onnx.checker")
    if one.abrupt:
        standard.add("subprocess")
    packages = ["onnx", *(["numpy"] if one.runs else []), *(["safetensors"] if graph.tensors_file else [])]
    return rendered(
        "repro_onnx.py.jinja",
        one,
        packages=packages_of(one, packages),
        imports=sorted_imports(standard, public),
        graph_text=graph.text,
        tensors_file=graph.tensors_file,
        input_sets=[{repr(name): text for name, text in feeds.items()} for feeds in graph.input_sets],
        loaded="MODEL" if one.runtime == "onnx-reference" else "MODEL.SerializeToString()",
    )


@dataclass(frozen=True, slots=True)
class ScriptRun:
    """What a script came to in an interpreter of its own.

    Attributes:
        status: its exit status; None where it did not end in time.
        output: what it printed to stdout.
        error: what it printed to stderr.
    """

    status: int | None
    output: str
    error: str = ""

    @property
    def shows_the_failure(self) -> bool:
        """Whether it ended as it does where the failure shows."""
        return self.status == 1


def run_script(path: Path, timeout_s: float) -> ScriptRun:
    """Run a script as a maintainer would, in its own folder."""
    try:
        ended = subprocess.run(
            [sys.executable, path.name],
            cwd=path.parent,
            capture_output=True,
            timeout=timeout_s,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        return ScriptRun(None, _text(error.output))
    return ScriptRun(ended.returncode, _text(ended.stdout), _text(ended.stderr))


def _text(output: bytes | None) -> str:
    return (output or b"").decode("utf-8", "replace").strip()


def split_module(text: str) -> tuple[str, str]:
    """The lines `from __future__`, which must come first, and the rest of a module without its docstring."""
    lines = text.splitlines()
    future: list[str] = []
    dropped: set[int] = set()
    for position, node in enumerate(ast.parse(text).body):
        is_docstring = position == 0 and isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        is_future = isinstance(node, ast.ImportFrom) and node.module == "__future__"
        if is_docstring or is_future:
            numbers = range(node.lineno - 1, node.end_lineno or node.lineno)
            dropped.update(numbers)
            future.extend(lines[number] for number in numbers if is_future)
    return "\n".join(future), "\n".join(line for number, line in enumerate(lines) if number not in dropped)


def defined_names(text: str) -> set[str]:
    """Names that the statements of a module define."""
    found: set[str] = set()
    for node in ast.parse(text).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Assign):
            found |= {target.id for target in node.targets if isinstance(target, ast.Name)}
        elif isinstance(node, ast.AnnAssign) and isinstance(node.target, ast.Name):
            found.add(node.target.id)
    return found


def is_set_true(text: str, name: str) -> bool:
    """Whether a module sets a name to something true."""
    return any(
        isinstance(node, ast.Assign)
        and any(isinstance(target, ast.Name) and target.id == name for target in node.targets)
        and isinstance(node.value, ast.Constant)
        and bool(node.value.value)
        for node in ast.parse(text).body
    )


def runtime_modules(runtime: str) -> set[str]:
    """What a script imports to run a model."""
    return {"openvino": {"openvino"}, "onnx-reference": {"onnx.reference"}}.get(runtime, {"onnxruntime"})


def packages_of(one: Reproduction, first: list[str]) -> str:
    """What has to be installed for a script, the packages named `first` first."""
    runtime = {"openvino": "openvino", "onnx-reference": "onnx"}.get(one.runtime, "onnxruntime")
    more = (["numpy"] if one.outcome is Outcome.DIVERGENT else []) + ([runtime] if one.runs or one.loads_only else [])
    return ", ".join(dict.fromkeys([*first, *more]))


def sorted_imports(standard: set[str], public: set[str]) -> list[str]:
    """Import statements as they stand in a file: the standard library, a blank line, the rest."""
    known = {name for name in public if name.partition(" ")[0].partition(".")[0] in sys.stdlib_module_names}
    first, second = ([f"import {name}" for name in sorted(names)] for names in (standard | known, public - known))
    return [*first, "", *second]


def rendered(template: str, one: Reproduction, **more: Any) -> str:
    """A script from its template.

    Args:
        more: what the template takes besides what all take.
    """
    title = "\n".join(textwrap.wrap(one.title, _WIDTH)).replace("\\", "\\\\").replace('"""', "'''")
    return render(
        template,
        title=title or "A failure.",
        outcome=str(one.outcome),
        symptom_stage=str(one.symptom_stage),
        runtime=one.runtime,
        **session_text(one.runtime, one.level, one.runtime_options),
        converts_only=one.converts_only,
        loads_only=one.loads_only,
        runs=one.runs,
        abrupt=one.abrupt,
        seed=one.seed,
        time_limit_s=one.time_limit_s,
        ratio=ERROR_RATIO,
        **more,
    )


def render(template: str, **fields: Any) -> str:
    """A template of this package, filled in."""
    import jinja2

    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("tautomer.reduction"),
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
        autoescape=False,
    )
    # Parts that are left out leave their blank lines.
    return re.sub(r"\n{4,}", "\n\n\n", environment.get_template(template).render(**fields))
