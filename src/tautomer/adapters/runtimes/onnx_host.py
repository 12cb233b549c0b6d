"""The warm processes for ONNX files: one that runtimes are forked from, and one that evaluates and judges.

ONNX Runtime itself is imported in the child: importing it starts a thread, and a process with threads cannot be forked.
"""

from __future__ import annotations

import contextlib

from tautomer.adapters.protocols import WarmHost

ONNX_HOST = WarmHost(
    "onnx",
    (
        "numpy",
        "numpy.ma",  # numpy imports it in the first median, which would be in each child anew
        "onnx",
        "onnx.reference",
        "tautomer.adapters.runtimes.sessions",
        "tautomer.adapters.onnx_files.reduction.task",  # and with it the evaluator, which most tasks need
    ),
)

EVALUATION_HOST = WarmHost(
    "onnx-evaluation",
    ("numpy", "numpy.ma", "onnx", "tautomer.adapters.onnx_files.evaluation", "tautomer.adapters.onnx_files.fragments"),
    prime="tautomer.adapters.runtimes.onnx_host:prime",
)
"""For converters whose own framework is not the one that the evaluator's faster kernels come from."""


def prime() -> None:
    """Import the faster kernels, where PyTorch is installed."""
    with contextlib.suppress(ImportError):
        import tautomer.adapters.runtimes.onnx_torch_kernels  # noqa: F401
