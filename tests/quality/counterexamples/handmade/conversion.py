"""What a conversion written by hand is, and how a check of it runs through the product's own pipeline."""

from __future__ import annotations

import contextlib
import os
import textwrap
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import onnx

from tautomer.adapters import registry
from tautomer.adapters.protocols import Adapter, AdapterCheckpoint, AdapterKind, WarmHost
from tautomer.checking import run_check
from tautomer.execution import Pool
from tautomer.model import ArtifactKind, CheckSettings, Report, Stage

_FOLDER = str(Path(__file__).parent.parent)
_MODULE = """\
import math
import torch
import torch.nn.functional as F
{before}

class Model(torch.nn.Module):
    def forward(self, {names}):
{body}

def inputs():
    return ({values},)
{more}
"""


@dataclass(frozen=True, slots=True, kw_only=True)
class Conversion:
    """A source and what became of it.

    Attributes:
        source: body of the module's `forward`; where it is a single expression, what `forward` returns.
        inputs: a Python expression by name of argument.
        target: the graph in ONNX's text format, from its inputs on; its name is left out. None where the real exporter
            converts the source.
        opset: of the target.
        before: lines that the source's module begins with.
        run_inputs: a Python expression for a list of further input sets; empty for none.
        to: the runtime.
        denormals_flushed: let the runtime flush denormal numbers to zero, as an option of ONNX Runtime does.
    """

    source: str
    inputs: Mapping[str, str]
    target: str | None = None
    opset: int = 18
    before: str = ""
    run_inputs: str = ""
    to: str = "onnxruntime"
    denormals_flushed: bool = False

    def write(self, folder: Path) -> tuple[Path, Path | None]:
        """The source as a model module, and the target as a file."""
        body = self.source if "return " in self.source else f"return {self.source}"
        module = folder / "source.py"
        module.write_text(
            _MODULE.format(
                before=self.before,
                names=", ".join(self.inputs),
                body=textwrap.indent(textwrap.dedent(body).strip(), " " * 8),
                values=", ".join(self.inputs.values()),
                more=f"\ndef run_inputs():\n    return {self.run_inputs}" if self.run_inputs else "",
            )
        )
        if self.target is None:
            return module, None
        graph = folder / "target.onnx"
        text = f'<ir_version: 9, opset_import: ["" : {self.opset}]>\nconverted {textwrap.dedent(self.target)}'
        onnx.save(onnx.parser.parse_model(text), graph)
        return module, graph


@dataclass(frozen=True, slots=True)
class Judge:
    """Checks conversions with the warm processes of one pool."""

    pool: Pool
    folder: Path

    def __call__(self, conversion: Conversion) -> Report:
        """The report of a check of the conversion: the source is real PyTorch, the runtime real ONNX Runtime."""
        module, graph = conversion.write(self.folder)
        settings = CheckSettings(
            via=("torch.onnx",) if graph is None else ("handmade",),
            to=("flushing",) if conversion.denormals_flushed else (conversion.to,),
            options={} if graph is None else {"graph": str(graph)},
            run_dir=self.folder / "runs",
        )
        report = run_check(module, settings, runner=self.pool).report.reports[0]
        print(told(report))  # pytest shows it where a test fails
        return report


def told(report: Report) -> str:
    """What the report says, in a few lines."""
    lines = [f"{report.outcome}: {report.reason or ''}"]
    lines += [f"  {one.stage}, {one.cause.kind}, {one.cause.category}: {one.message}" for one in report.findings]
    lines += [
        f"  {one.name}: {one.outcome}, semantic residual {one.semantic_residual_u} u, rounding ratio"
        f" {one.rounding_ratio}, rho {one.stability_rho}. {one.detail}"
        for one in report.checkpoints
    ]
    return "\n".join([*lines, f"  undecided: {report.undecided}", f"  warnings: {report.warnings}"])


@contextlib.contextmanager
def offered() -> Iterator[None]:
    """While the context lasts, the registry offers the converter `handmade` and the runtime `flushing`, too."""
    real = registry.adapters
    found = {key: replace(adapter, host=_host(adapter.host)) for key, adapter in real().items()}
    torch_host = found[AdapterKind.SOURCE, "torch"].host
    handmade = Adapter(
        name="handmade",
        kind=AdapterKind.CONVERTER,
        task="handmade.tasks:convert",
        host=torch_host,
        requires=("onnx",),
        extra="torch",
        accepts=(ArtifactKind.MODEL_MODULE,),
        produces=ArtifactKind.ONNX,
        checkpoints=(
            AdapterCheckpoint("translated", Stage.NODE_CONVERSION),
            AdapterCheckpoint("saved", Stage.EXPORT),
        ),
        float64=True,
    )
    flushing = replace(found[AdapterKind.RUNTIME, "onnxruntime"], name="flushing", task="handmade.tasks:run_flushing")
    for adapter in (handmade, flushing):
        found[adapter.kind, adapter.name] = adapter

    def adapters() -> Mapping[tuple[AdapterKind, str], Adapter]:
        return found

    registry.adapters = adapters  # type: ignore[assignment]
    try:
        yield
    finally:
        registry.adapters = real


def _host(host: WarmHost) -> WarmHost:
    """The same warm process, able to import the tasks of this package."""
    search = os.pathsep.join([_FOLDER, *filter(None, [os.environ.get("PYTHONPATH")])])
    return replace(host, environment={**host.environment, "PYTHONPATH": search})
