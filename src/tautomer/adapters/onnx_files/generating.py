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


def mutate(channel: Channel, *, spec: dict[str, Any], seeds: list[int], changes: list[int]) -> dict[str, Any]:
    """Change a model a little for each seed, and leave what comes out as an .onnx file in the attempt's folder.

    See `tautomer.adapters.mutating.make_mutants` for what is emitted and returned.

    Args:
        channel: of the task.
        spec: of the model, as the source takes it.
        seeds: of the mutants.
        changes: the least and the largest number of changes.

    Raises:
        MisuseError: the model cannot be read or run.
    """
    import onnx
    import onnxruntime

    from tautomer.adapters.mutating import make_mutants
    from tautomer.adapters.onnx_files.mutation_runs import OnnxSubject

    return {
        **make_mutants(channel, OnnxSubject(spec), seeds=seeds, changes=changes),
        "versions": {"onnx": onnx.__version__, "onnxruntime": onnxruntime.__version__},
    }
