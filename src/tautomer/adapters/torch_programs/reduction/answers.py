"""What a PyTorch source answers on its inputs, in its own precision and in float64, for a probe to compare with."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import torch

from tautomer.adapters.probing.comparison import Comparison, OwnConstants, Truth
from tautomer.adapters.runtimes.onnx_torch_kernels import torch_kernels
from tautomer.adapters.torch_programs.capture import capture, constants_of, factory_scalars_of, scalars_of
from tautomer.adapters.torch_programs.lift import GraphRun, NotLiftable
from tautomer.adapters.torch_programs.preparation import PreparedProgram
from tautomer.adapters.torch_programs.sampling import Envelope
from tautomer.adapters.torch_programs.trees import to_tensor
from tautomer.model import Scalar, Tensor
from tautomer.numerics.branches import Branches
from tautomer.numerics.judge import ENVELOPE_SAMPLES, Reference


def comparison_with(prepared: PreparedProgram) -> Comparison:
    """Run a source on all its input sets, to compare models with.

    Raises:
        UserCodeError: the source raised.
    """
    leaves = prepared.leaves(0)
    paths = [path for path, one in zip(leaves.paths, leaves.values, strict=True) if isinstance(one, torch.Tensor)]
    truth = tuple(_truth(prepared, index) for index in range(len(prepared.program.input_sets)))
    return Comparison(tuple(paths), lambda: truth, torch_kernels())


def _truth(prepared: PreparedProgram, index: int) -> Truth:
    declared = prepared.run(index).tensors()
    tensors = prepared.tensors(index)
    inputs = tuple(to_tensor(one).numpy() for one in tensors)
    prepared.reset()
    try:
        captured = capture(prepared.program.callable, prepared.program.input_sets[index].call)
        branches = Branches()
        GraphRun(captured.graph, lift=False, branches=branches).outputs(*tensors)
        exact = GraphRun(captured.graph, lift=True, branches=branches.again()).outputs(*tensors)
        envelope = Envelope(captured, tensors, exact, seed=index, samples=ENVELOPE_SAMPLES, branches=branches)
    except (NotLiftable, RuntimeError, TypeError, NotImplementedError):
        return Truth(inputs, tuple(Reference(path, value) for path, value in declared.items()), None)
    finally:
        prepared.reset()
    answers = dict(zip(captured.output_paths, exact, strict=True))
    references = tuple(_reference(path, value, answers, envelope) for path, value in declared.items())
    own = OwnConstants(
        frozenset(constants_of(captured.graph)),
        frozenset(scalars_of(captured.graph)),
        tuple(sorted(factory_scalars_of(captured.graph))),
    )
    return Truth(inputs, references, own)


def _reference(path: str, declared: Tensor | Scalar, answers: Mapping[str, torch.Tensor], envelope: Any) -> Reference:
    exact = to_tensor(answers[path]).array if path in answers else None
    variance, flips = envelope.variance.get(path), envelope.flips.get(path)
    if exact is None or variance is None:
        return Reference(path, declared, flips=None if flips is None else flips.array)
    return Reference(path, declared, exact, variance.array)
