"""Real defects that part (a) meets: conversions or runs that are not clean, each with what shows that it is so.

They count neither as clean models nor as false alarms. A line needs evidence outside of Tautomer.
"""

from __future__ import annotations

KNOWN: dict[tuple[str, str], str] = {
    ("efficientnet", "openvino"): (
        "OpenVINO 2026.4 refuses AveragePool where the kernel is larger than its padded input, which ceil_mode allows: "
        "PyTorch and ONNX Runtime average what there is (onnx.reference itself answers NaN)"
    ),
    ("silero_vad", "openvino"): (
        "OpenVINO 2026.4 refuses to load the file: it cannot infer the rank behind an If ('The input data tensor's "
        "rank has to be known (static)'); ONNX Runtime and onnx.reference run it"
    ),
}
"""By architecture and runtime level: why its output is not to be called equivalent."""


def known_defect(name: str, level: str) -> str | None:
    """Why this is not a clean model; None where it is one."""
    return KNOWN.get((name, level))
