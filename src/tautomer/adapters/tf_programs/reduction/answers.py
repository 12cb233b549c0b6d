"""What a TensorFlow source answers on its inputs, in its own precision and in float64, for a probe to compare with."""

from __future__ import annotations

from typing import Any

import tensorflow as tf

from tautomer.adapters.probing.comparison import Comparison, OwnConstants, Truth
from tautomer.adapters.tf_programs.constants import own_constants
from tautomer.adapters.tf_programs.freezing import NotFreezable
from tautomer.adapters.tf_programs.graph_plan import UnknownOperator, planned
from tautomer.adapters.tf_programs.interpreter import GraphDefRun, NotLiftable
from tautomer.adapters.tf_programs.nested import to_tensor
from tautomer.adapters.tf_programs.preparation import PreparedFunction
from tautomer.adapters.tf_programs.sampling import Envelope
from tautomer.adapters.tf_programs.tracing import Call
from tautomer.model import Tensor
from tautomer.numerics.branches import Branches
from tautomer.numerics.judge import ENVELOPE_SAMPLES, Reference


def comparison_with(prepared: PreparedFunction) -> Comparison:
    """Run a source on all its input sets, to compare models with.

    Raises:
        UserCodeError: the source raised.
    """
    declared = [prepared.run(index) for index in range(len(prepared.input_sets))]
    return Comparison(
        tuple(prepared.values(0)), lambda: tuple(_truth(prepared, index, one) for index, one in enumerate(declared))
    )


def _truth(prepared: PreparedFunction, index: int, declared: dict[str, Tensor]) -> Truth:
    inputs = tuple(one.numpy() for one in prepared.inputs(index).values())
    prepared.reset()
    try:
        frozen = prepared.frozen()
        plan = planned(frozen.graph_def)
        feeds = {frozen.inputs[path]: array for path, array in prepared.values(index).items()} | dict(frozen.captured)
        call = Call(plan, feeds, frozen.outputs, {})
        branches = Branches()
        call.run(GraphDefRun(plan, lift=False, branches=branches))
        exact = call.run(GraphDefRun(plan, lift=True, branches=branches.again()))
        envelope = Envelope(call, exact, seed=index, samples=ENVELOPE_SAMPLES, branches=branches)
    except (NotFreezable, NotLiftable, UnknownOperator, tf.errors.OpError, TypeError, ValueError):
        return Truth(inputs, tuple(Reference(path, value) for path, value in declared.items()), None)
    finally:
        prepared.reset()
    scalars, fingerprints = own_constants(frozen.graph_def)
    references = tuple(_reference(path, value, exact, envelope) for path, value in declared.items())
    return Truth(inputs, references, OwnConstants(frozenset(fingerprints), frozenset(scalars)))


def _reference(path: str, declared: Tensor, answers: dict[str, Any], envelope: Envelope) -> Reference:
    exact = to_tensor(answers[path]).array if path in answers and declared.is_floating else None
    variance, flips = envelope.variance.get(path), envelope.flips.get(path)
    if exact is None or variance is None:
        return Reference(path, declared, flips=None if flips is None else flips.array)
    return Reference(path, declared, exact, variance.array)
