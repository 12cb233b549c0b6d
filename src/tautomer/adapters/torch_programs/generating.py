"""The task of `tautomer generate` for PyTorch."""

from __future__ import annotations

from typing import Any

from tautomer.adapters.generating import generate_models, operator_names
from tautomer.adapters.worker_api import Channel
from tautomer.synthesis import Program, Specification


def generate(channel: Channel, **arguments: Any) -> dict[str, Any]:
    """Grow PyTorch models; see `tautomer.adapters.generating.generate_models`."""
    import torch

    from tautomer.adapters.torch_programs.generated_module import module_text
    from tautomer.adapters.torch_programs.kernels import TorchKernels
    from tautomer.adapters.torch_programs.operators import OPERATORS

    torch.set_num_threads(1)
    return {
        **generate_models(channel, TorchKernels(), OPERATORS, module_text, **arguments),
        "versions": {"torch": torch.__version__},
    }


def operators() -> list[dict[str, Any]]:
    """The operators of the table; needs no framework."""
    return operator_names(specifications())


def specifications() -> tuple[Specification, ...]:
    """The table itself; needs no framework."""
    from tautomer.adapters.torch_programs.operators import OPERATORS

    return OPERATORS


def text_of(program: Program) -> str:
    """A generated model as the source of a model module; needs no framework."""
    from tautomer.adapters.torch_programs.generated_module import module_text

    return module_text(program)


def mutate(channel: Channel, *, spec: dict[str, Any], seeds: list[int], changes: list[int]) -> dict[str, Any]:
    """Change a program a little for each seed, and leave what comes out as an ExportedProgram in the attempt's folder.

    See `tautomer.adapters.mutating.make_mutants` for what is emitted and returned.

    Args:
        channel: of the task.
        spec: of the program; see `load_program`.
        seeds: of the mutants.
        changes: the least and the largest number of changes.

    Raises:
        MisuseError: the program cannot be loaded, or torch.export does not capture it.
    """
    import torch

    from tautomer.adapters.mutating import make_mutants
    from tautomer.adapters.torch_programs.mutants import TorchSubject

    torch.set_num_threads(1)
    return {
        **make_mutants(channel, TorchSubject(spec), seeds=seeds, changes=changes),
        "versions": {"torch": torch.__version__},
    }
