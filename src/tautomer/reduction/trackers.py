"""Where a failure is reported: the trackers, and which one a finding belongs to."""

from __future__ import annotations

from dataclasses import dataclass

from tautomer.errors import MisuseError
from tautomer.model import Finding, Report, Stage


@dataclass(frozen=True, slots=True)
class Tracker:
    """The issue tracker of a project.

    Attributes:
        name: as `--for` takes it; its template is `templates/issues/<name>.md.jinja`.
        new_issue: address of the page where a person files an issue.

    Source: the fields of each template are those of the project's own bug template: pytorch/pytorch
    .github/ISSUE_TEMPLATE/bug-report.yml, microsoft/onnxruntime 08-general.yml, onnx/tensorflow-onnx
    bug-performance-issue.md, openvinotoolkit/openvino bug.yml, onnx/onnx bug.md; microsoft/onnxscript has none.
    """

    name: str
    new_issue: str


TRACKERS = {
    one.name: one
    for one in (
        Tracker("pytorch", "https://github.com/pytorch/pytorch/issues/new?template=bug-report.yml"),
        Tracker("onnxruntime", "https://github.com/microsoft/onnxruntime/issues/new?template=08-general.yml"),
        Tracker("onnxscript", "https://github.com/microsoft/onnxscript/issues/new"),
        Tracker("tf2onnx", "https://github.com/onnx/tensorflow-onnx/issues/new?template=bug-performance-issue.md"),
        Tracker("openvino", "https://github.com/openvinotoolkit/openvino/issues/new?template=bug.yml"),
        Tracker("onnx", "https://github.com/onnx/onnx/issues/new?template=bug.md"),
    )
}

_OF_CONVERTER = {"torch.onnx": "pytorch", "torch.onnx-legacy": "pytorch", "tf2onnx": "tf2onnx", "keras.onnx": "tf2onnx"}
_OF_RUNTIME = {"onnxruntime": "onnxruntime", "openvino": "openvino", "onnx-reference": "onnx"}
RUNTIME_STAGES = frozenset({Stage.RUNTIME_LOAD, Stage.RUNTIME_OPTIMIZATION, Stage.RUNTIME_EXECUTION})


def tracker_named(name: str) -> Tracker:
    """The tracker of that name.

    Raises:
        MisuseError: TA172 there is none.
    """
    if name not in TRACKERS:
        raise MisuseError("TA172", f"--for {name}: no such tracker is known.", f"Known: {', '.join(TRACKERS)}.")
    return TRACKERS[name]


def tracker_of(pair: Report, finding: Finding) -> Tracker:
    """The tracker of what caused a finding."""
    if finding.stage in RUNTIME_STAGES or pair.converter is None:
        if finding.symptom_stage is Stage.VALIDATION:
            return TRACKERS["onnx"]
        return TRACKERS[_OF_RUNTIME.get(pair.runtime, "onnxruntime")]
    if finding.stage is Stage.OPTIMIZATION and pair.converter == "torch.onnx":
        return TRACKERS["onnxscript"]  # torch.onnx calls the optimizer of onnxscript
    return TRACKERS[_OF_CONVERTER.get(pair.converter, "onnx")]
