"""The warm process that every TensorFlow task is forked from: what it imports and how it is primed.

TensorFlow starts its threads with the first operator that is executed, not when it is imported, so nothing is executed
here: an executed operator would leave every child with a thread pool whose threads were not copied.
"""

from __future__ import annotations

import contextlib

from tautomer.adapters.protocols import WarmHost

TENSORFLOW_HOST = WarmHost(
    "tensorflow",
    ("numpy", "tensorflow", "keras", "tautomer.adapters.tf_host"),
    prime="tautomer.adapters.tf_host:prime",
    # oneDNN stays as TensorFlow has it, on: that is what users run.
    environment={
        "CUDA_VISIBLE_DEVICES": "-1",  # the source's answer is the CPU's; a GPU's driver would start threads
        "KERAS_BACKEND": "tensorflow",
        "OPENBLAS_NUM_THREADS": "1",
        "TF_CPP_MIN_LOG_LEVEL": "3",
    },
)


def prime() -> None:
    """Import what the tasks use."""
    import tautomer.adapters.sources.tf_source
    import tautomer.adapters.tf_programs.preparation  # noqa: F401

    with contextlib.suppress(ImportError):
        import tf2onnx  # noqa: F401
