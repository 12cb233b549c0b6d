"""The warm process that runtimes for ONNX files are forked from.

ONNX Runtime itself is imported in the child: importing it starts a thread, and a process with threads cannot be forked.
"""

from __future__ import annotations

from tautomer.adapters.protocols import WarmHost

ONNX_HOST = WarmHost(
    "onnx",
    (
        "numpy",
        "onnx",
        "onnx.reference",
        "tautomer.adapters.runtimes.sessions",
        "tautomer.adapters.onnx_files.reduction.task",  # and with it the evaluator, which most tasks need
    ),
)
