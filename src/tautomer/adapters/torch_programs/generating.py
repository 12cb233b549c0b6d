"""The task of `tautomer generate` for PyTorch."""

from __future__ import annotations

from typing import Any

from tautomer.adapters.generating import generate_models, operator_names
from tautomer.adapters.worker_api import Channel


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
    from tautomer.adapters.torch_programs.operators import OPERATORS

    return operator_names(OPERATORS)
