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


def mutate(channel: Channel, *, spec: dict[str, Any], seeds: list[int], changes: list[int]) -> dict[str, Any]:
    """Change a model a little for each seed, and leave what comes out as a SavedModel in the attempt's folder.

    See `tautomer.adapters.mutating.make_mutants` for what is emitted and returned.

    Args:
        channel: of the task.
        spec: of the model; see `load_program`.
        seeds: of the mutants.
        changes: the least and the largest number of changes.

    Raises:
        MisuseError: the model cannot be loaded, traced or frozen.
    """
    import tensorflow as tf

    from tautomer.adapters.mutating import make_mutants
    from tautomer.adapters.tf_programs.mutation_runs import TfSubject

    tf.config.threading.set_intra_op_parallelism_threads(1)
    tf.config.threading.set_inter_op_parallelism_threads(1)
    return {
        **make_mutants(channel, TfSubject(spec), seeds=seeds, changes=changes),
        "versions": {"tensorflow": tf.__version__},
    }
