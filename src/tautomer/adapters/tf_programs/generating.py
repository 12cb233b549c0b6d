"""The task of `tautomer generate` for TensorFlow."""

from __future__ import annotations

from typing import Any

from tautomer.adapters.generating import generate_models, operator_names
from tautomer.adapters.worker_api import Channel
from tautomer.synthesis import Program, Specification


def generate(channel: Channel, **arguments: Any) -> dict[str, Any]:
    """Grow TensorFlow models; see `tautomer.adapters.generating.generate_models`."""
    import tensorflow as tf

    from tautomer.adapters.tf_programs.generated_module import module_text
    from tautomer.adapters.tf_programs.kernels import TensorFlowKernels
    from tautomer.adapters.tf_programs.operator_table import OPERATORS

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    return {
        **generate_models(channel, TensorFlowKernels(), OPERATORS, module_text, **arguments),
        "versions": {"tensorflow": tf.__version__},
    }


def operators() -> list[dict[str, Any]]:
    """The operators of the table; needs no framework."""
    return operator_names(specifications())


def specifications() -> tuple[Specification, ...]:
    """The table itself; needs no framework."""
    from tautomer.adapters.tf_programs.operator_table import OPERATORS

    return OPERATORS


def text_of(program: Program) -> str:
    """A generated model as the source of a model module; needs no framework."""
    from tautomer.adapters.tf_programs.generated_module import module_text

    return module_text(program)
