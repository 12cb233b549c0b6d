"""The text of an issue for a project's tracker, for a person to read, complete and file; it is never sent."""

from __future__ import annotations

import platform
import re
import tempfile
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tautomer.model import CauseCategory, CheckReport, Finding, Kind, Outcome, Report, Stage
from tautomer.reduction.reproduction import render
from tautomer.reduction.short_script import ShortScript
from tautomer.reduction.trackers import RUNTIME_STAGES, Tracker

_LONGEST_TITLE = 100
_FEW = 3
_LONGEST_OUTPUT = 6000

_KINDS = {
    Kind.SEMANTIC: "computes another function",
    Kind.STABILITY: "loses accuracy that the original has",
    Kind.RANGE: "overflows or gives NaN where the original does not",
    Kind.KERNEL: "gives a wrong result",
    Kind.INTERFACE: "has another interface",
    Kind.REFUSED: "is refused",
    Kind.CRASH: "crashes the process",
    Kind.HANG: "never ends",
    Kind.OUT_OF_MEMORY: "exhausts the memory",
}

_STAGES = {
    Stage.LOAD_MODEL: "capturing the model",
    Stage.NODE_CONVERSION: "converting its operators",
    Stage.OPTIMIZATION: "optimizing the ONNX graph",
    Stage.EXPORT: "writing the file",
    Stage.VALIDATION: "checking the file",
    Stage.RUNTIME_LOAD: "loading the file into the runtime",
    Stage.RUNTIME_OPTIMIZATION: "the runtime's graph optimization",
    Stage.RUNTIME_EXECUTION: "running the model",
}

_MACHINES = {"x86_64": "X64", "AMD64": "X64", "aarch64": "ARM64", "arm64": "ARM64", "i686": "X86", "armv7l": "ARM32"}
_PLATFORMS = {"Linux": "Linux", "Darwin": "Mac", "Windows": "Windows"}


def title_of(pair: Report, finding: Finding, *, left: Sequence[str] = ()) -> str:
    """The failure in a line.

    Args:
        left: operator types of the reduced graph, which are at fault where nothing else was located.
    """
    located = finding.location
    converts = pair.converter is not None and finding.stage not in RUNTIME_STAGES
    target = " -> ".join(located.op_types[:3] or (left if len(left) <= _FEW else ()))
    by = pair.converter if converts and pair.converter else pair.runtime
    what = (located.source_node or target if converts else target or located.source_node) or by
    if finding.cause.kind is Kind.REFUSED and finding.symptom_stage is Stage.VALIDATION:
        said = "onnx.checker refuses the model"
    elif finding.outcome is Outcome.FAILED and finding.cause.kind is Kind.REFUSED:
        said = f"fails while {_STAGES[finding.symptom_stage]}"
    else:
        said = _KINDS[finding.cause.kind]
    exported = "the exported model " if converts and finding.outcome is Outcome.DIVERGENT else ""
    prefix = "[ONNX] " if converts else ""
    return f"{prefix}{what}: {exported}{said}"[:_LONGEST_TITLE]


def issue_text(
    tracker: Tracker,
    *,
    report: CheckReport,
    pair: Report,
    finding: Finding,
    script: str,
    output: str,
    proven: bool,
    version: str,
    title: str,
    short: ShortScript | None = None,
) -> str:
    """The issue, with the fields that the tracker's own template asks for.

    Args:
        report, pair, finding: of the reduced model.
        script: the text of repro.py, which judges.
        output: what it printed.
        proven: whether a whole check has found the reduced model to fail the same way.
        version: of Tautomer.
        title: of the issue.
        short: the failure in a few lines, if they show it.
    """
    packages: Mapping[str, str] = report.environment.get("packages", {})
    shown = output if len(output) <= _LONGEST_OUTPUT else f"{output[:_LONGEST_OUTPUT]}\n[cut]"
    return render(
        f"issues/{tracker.name}.md.jinja",
        tracker=tracker,
        title=title,
        description=_description(pair, finding),
        reproducer=_reproducer(script, short),
        output=shown,
        evidence=_evidence(finding, shown),
        expected=_expected(pair, finding),
        context=_context(pair, finding, proven=proven, version=version),
        versions=_versions(report, pair),
        packages=packages,
        python=report.environment.get("python", platform.python_version()),
        system=_system(pair),
    )


def _reproducer(script: str, short: ShortScript | None) -> str:
    whole = f"```python\n{script.strip()}\n```"
    if short is None:
        return whole
    return (
        f"```python\n{short.text.strip()}\n```\n\nIt prints:\n\n```\n{short.output[:_LONGEST_OUTPUT].strip()}\n```\n\n"
        "<details><summary>A script that judges every output by its float64 result</summary>\n\n"
        f"{whole}\n\n</details>"
    )


def _description(pair: Report, finding: Finding) -> str:
    located = finding.location
    if pair.converter:
        route = f"The model below is converted with `{pair.converter}` and run with `{pair.runtime}`."
    else:
        route = f"The ONNX model below is run with `{pair.runtime}`."
    operator = f" The operator is `{located.source_node}`." if located.source_node else ""
    nodes = f" The ONNX nodes are {', '.join(f'`{one}`' for one in located.op_types)}." if located.op_types else ""
    said = f"{without_paths(finding.message.partition('; ')[0])}."
    return f"{route}{operator}{nodes}\n\n{said}\n\n{_expected(pair, finding)}"


def _expected(pair: Report, finding: Finding) -> str:
    source = source_of(pair)
    if finding.outcome is Outcome.DIVERGENT:
        return f"Expected: the outputs that {source} gives, up to rounding."
    if finding.symptom_stage in (Stage.LOAD_MODEL, Stage.NODE_CONVERSION, Stage.OPTIMIZATION, Stage.EXPORT):
        return "Expected: the conversion succeeds, or says that the model is not supported and why."
    if finding.symptom_stage is Stage.VALIDATION:
        return "Expected: the file is valid."
    return f"Expected: the model loads and runs{f', as in {source}' if pair.converter else ''}."


def _evidence(finding: Finding, output: str) -> str:
    lines = []
    if finding.outcome is Outcome.DIVERGENT:
        if finding.cause.category is CauseCategory.UNDEFINED_BY_SPECIFICATION:
            said = "The ONNX specification leaves this case open, so that neither result is wrong by its text."
        elif finding.cause.kind is Kind.STABILITY:
            said = (
                "The original agrees with its own float64 result; the converted formula is the same function but loses"
                " accuracy in float32, so the actual result is the wrong one."
            )
        else:
            said = "The original agrees with its own float64 result, so the actual result is the wrong one."
        lines += [said, ""]
    lines += ["Output of repro.py:", "", "```", output, "```"]
    return "\n".join(lines)


def _context(pair: Report, finding: Finding, *, proven: bool, version: str) -> str:
    located = finding.location
    rows = [
        ("caused while", _STAGES[finding.stage]),
        ("seen while", _STAGES[finding.symptom_stage] if finding.symptom_stage is not finding.stage else None),
        ("operator", located.source_node),
        ("ONNX operators", ", ".join(located.op_types)),
        ("cause", f"{str(finding.cause.category).replace('_', ' ')}: {without_paths(finding.cause.evidence)}"),
        ("workaround, verified", finding.workaround.description if finding.workaround else None),
    ]
    said = [f"- {name}: {text}" for name, text in rows if text]
    checked = "; the reduced model was checked again and fails the same way" if proven else ""
    return "\n".join([*said, "", f"Found and reduced with Tautomer {version}{checked}."])


def source_of(pair: Report) -> str:
    """Whose answers are the right ones."""
    if not pair.converter:
        return "the ONNX specification"
    return "PyTorch" if pair.converter.startswith("torch") else "TensorFlow"


_PACKAGES = {
    "PyTorch": {"torch", "onnxscript", "onnx-ir"},
    "TensorFlow": {"tensorflow", "tensorflow-cpu", "keras", "tf2onnx", "ai-edge-litert"},
}
"""Packages that only a failure of a source of this framework has to do with."""


def _unused(pair: Report) -> set[str]:
    """Packages that the failure has nothing to do with."""
    unused = {"transformers", "onnxslim"} | ({"openvino"} - {pair.runtime})
    used = source_of(pair)
    return unused.union(*(packages for name, packages in _PACKAGES.items() if name != used))


def _versions(report: CheckReport, pair: Report) -> str:
    packages = {
        name: value for name, value in report.environment.get("packages", {}).items() if name not in _unused(pair)
    }
    rows = {
        "OS": report.environment.get("platform", platform.platform()),
        "Python": report.environment.get("python", platform.python_version()),
        **packages,
    }
    return "\n".join(["| | version |", "|---|---|", *(f"| {name} | {value} |" for name, value in rows.items())])


def _system(pair: Report) -> dict[str, Any]:
    system = platform.system()
    try:
        release = platform.freedesktop_os_release().get("PRETTY_NAME") if system == "Linux" else None
    except OSError:
        release = None
    return {
        "platform": _PLATFORMS.get(system, "Other / Unknown"),
        "os_version": release or f"{system} {platform.release()}",
        "architecture": _MACHINES.get(platform.machine(), "Other / Unknown"),
        "onnxruntime_installation": "Released Package",
        "framework": source_of(pair) if pair.converter else "ONNX",
        "conversion": f"Yes: the model comes from {pair.converter}." if pair.converter else "No.",
    }


_INSTALLED = re.compile(r"(?:/[^\s\"':]+)?/((?:site|dist)-packages|lib/python3\.\d+)/")


def without_folders(text: str, folder: Path) -> str:
    """The output of a script without the folders of the machine it ran on."""
    scratch = re.compile(rf"{re.escape(tempfile.gettempdir())}/(?:[^/\s]+/)+")
    return _INSTALLED.sub(r"\1/", scratch.sub("", text.replace(f"{folder}/", "")))


_PATH = re.compile(r"(?<![\w.:/])/(?:[\w.+@-]+/)+([\w.+@-]+)")


def without_paths(text: str) -> str:
    """A message with only the last part of each absolute path."""
    return _PATH.sub(r"\1", text).rstrip(". \n")
