"""The task of `tautomer generate` for ONNX."""

from __future__ import annotations

from typing import Any

from tautomer.adapters.generating import generate_models, operator_names
from tautomer.adapters.worker_api import Channel
from tautomer.synthesis import Program, Specification


def generate(channel: Channel, **arguments: Any) -> dict[str, Any]:
    """Grow ONNX models, each operator run by ONNX Runtime; see `tautomer.adapters.generating.generate_models`."""
    import onnx
    import onnxruntime

    from tautomer.adapters.onnx_files.generated_module import module_text
    from tautomer.adapters.onnx_files.operator_kernels import OnnxRuntimeKernels
    from tautomer.adapters.onnx_files.operators import OPERATORS

    return {
        **generate_models(channel, OnnxRuntimeKernels(), OPERATORS, module_text, **arguments),
        "versions": {"onnx": onnx.__version__, "onnxruntime": onnxruntime.__version__},
    }


def operators() -> list[dict[str, Any]]:
    """The operators of the table; needs no runtime."""
    return operator_names(specifications())


def specifications() -> tuple[Specification, ...]:
    """The table itself; needs no runtime."""
    from tautomer.adapters.onnx_files.operators import OPERATORS

    return OPERATORS


def text_of(program: Program) -> str:
    """A generated model as the source of a model module; needs no runtime."""
    from tautomer.adapters.onnx_files.generated_module import module_text

    return module_text(program)
