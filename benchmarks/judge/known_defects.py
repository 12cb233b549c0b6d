"""Real defects that part (a) meets: conversions or runs that are not clean, each with what shows that it is so.

They count neither as clean models nor as false alarms. A line needs evidence outside of Tautomer.
"""

from __future__ import annotations

KNOWN: dict[tuple[str, str], str] = {
    ("efficientnet", "openvino"): (
        "OpenVINO 2026.4 refuses AveragePool where the kernel is larger than its padded input, which ceil_mode allows: "
        "PyTorch and ONNX Runtime average what there is (onnx.reference itself answers NaN)"
    ),
    ("fnet", "openvino"): (
        "OpenVINO 2026.4 ignores the axis input of DFT-20: asked for axis 0, 1 or 2 of (2, 12, 32, 2) it gives NumPy's "
        "transform along axis 1, to 2e-5, each time"
    ),
    **dict.fromkeys(
        (("fnet", "ort unoptimized"), ("fnet", "ort optimized")),
        "ONNX Runtime 1.32's DFT of length 12 errs by up to 162 u of the RMS of its values (RMS error 29 u) where "
        "PyTorch's errs by 5 u (RMS 1 u), both against NumPy in float64",
    ),
    ("swift_f0", "openvino"): (
        "OpenVINO 2026.4 computes the file's five float64 nodes (Softmax to ReduceSum, an expected pitch) in float32; "
        "ONNX Runtime with these five made float32 moves the pitch of a 220 Hz tone by 1.5e-4, as much as OpenVINO's "
        "is off by"
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
