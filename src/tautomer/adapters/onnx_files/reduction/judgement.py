"""Judges a candidate against exact arithmetic: its own graph's, or that of the graph it should be equal to."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx

from tautomer.adapters.onnx_files.reduction.case import Array, Case, all_nodes
from tautomer.adapters.onnx_files.reduction.observation import PROPERTIES, Manner, Observation
from tautomer.model import Tensor
from tautomer.numerics.branches import Branches
from tautomer.numerics.judge import ENVELOPE_SAMPLES, Judgement, Reference, judge_declared, judge_exact
from tautomer.numerics.onnx_evaluator import Call, Evaluator, LoadedModel, RoundingNoise

_DECIDING = frozenset({"Ceil", "DynamicQuantizeLinear", "Floor", "QuantizeLinear", "Round"})
"""Operators after which what a perturbed run changes comes in whole steps."""

_LARGEST_RATIO = 1e30

_FEW_SAMPLES = 2
_CLEARLY_SOUND = 0.5
_CLEARLY_WRONG = 8.0
"""A few samples settle what exceeds its bound by far or stays far below it: the variance they give is shrunk toward the
whole tensor's, which bounds what chance can do to one element's."""


class _Lifted:
    """Runs one graph in float64 many times, with other noise each time.

    Most of what a small graph costs is finding out the types of its values, so that is done once.
    """

    def __init__(self, model: LoadedModel) -> None:
        self._model = model
        self._noise = _Exchangeable()
        self._branching = any(
            attribute.type == onnx.AttributeProto.GRAPH
            for node in model.proto.graph.node
            for attribute in node.attribute
        )
        self._evaluator: Evaluator | None = None

    def run(
        self, given: Mapping[str, Any], branches: Branches, noise: RoundingNoise | None = None
    ) -> Mapping[str, Any]:
        """The outputs under some noise, on the branches that were recorded.

        Raises:
            EvaluatorError: the graph cannot be evaluated.
        """
        if self._evaluator is None or self._branching:
            self._evaluator = Evaluator(self._model, lift=True, noise=self._noise, branches=branches.again())
        self._noise.current = noise
        return self._evaluator.run(given)


class _Exchangeable(RoundingNoise):
    """Whatever noise is set; none to begin with."""

    def __init__(self) -> None:
        super().__init__(0)
        self.current: RoundingNoise | None = None

    def on_inputs(self, call: Call) -> Call:
        return call if self.current is None else self.current.on_inputs(call)

    def on_outputs(self, call: Call, results: Sequence[Any]) -> list[Any]:
        return list(results) if self.current is None else self.current.on_outputs(call, results)


@dataclass(slots=True)
class Truth:
    """What a graph answers: in its declared types and exactly, and how far rounding alone can move it.

    Attributes:
        seed: of the perturbed runs.
        declared: outputs by name, in the declared types.
        exact: in float64, on the branches that the declared run took.
    """

    case: Case
    seed: int
    declared: Mapping[str, Any]
    exact: Mapping[str, Any]
    _branches: Branches
    _lifted: _Lifted
    _drawn: int = 0
    _squares: dict[str, Any] = field(default_factory=dict)
    _flips: dict[str, Any] = field(default_factory=dict)

    @classmethod
    def of(cls, case: Case, seed: int) -> Truth:
        """Evaluate a case twice.

        Raises:
            EvaluatorError: it cannot be evaluated.
        """
        model = LoadedModel(case.proto, case.folder)
        branches = Branches()
        declared = Evaluator(model, lift=False, branches=branches).run(case.inputs)
        lifted = _Lifted(model)
        exact = lifted.run(case.inputs, branches)
        return cls(case, seed, declared, exact, branches, lifted)

    def is_met_by(self, outputs: Mapping[str, Any]) -> bool:
        """Whether some outputs are so near that no envelope is needed to say that they are right.

        They are the declared run's bit for bit, or the correctly rounded exact values.
        """
        return set(outputs) == set(self.declared) and all(
            _same(outputs[name], declared) or _rounded(outputs[name], self.exact[name], declared)
            for name, declared in self.declared.items()
        )

    def references(self, samples: int = ENVELOPE_SAMPLES) -> dict[str, Reference]:
        """What the judge needs of every output that is a tensor, with at least so many samples drawn.

        Raises:
            EvaluatorError: a perturbed run cannot be evaluated.
        """
        while self._drawn < samples:
            self._draw()
        decides = any(node.op_type in _DECIDING for node in all_nodes(self.case.proto.graph))
        return {
            name: Reference(
                name,
                Tensor.of(declared),
                self.exact[name],
                self._squares[name] / self._drawn if name in self._squares else None,
                self._flips.get(name),
                decides=decides,
            )
            for name, declared in self.declared.items()
            if isinstance(declared, np.ndarray)
        }

    def _draw(self) -> None:
        noise = RoundingNoise(self.seed * 1_000_003 + self._drawn)
        perturbed = self._lifted.run(self.case.inputs, self._branches, noise)
        self._drawn += 1
        for name, base in self.exact.items():
            value = perturbed[name]
            if not isinstance(base, np.ndarray) or np.shape(value) != base.shape:
                continue
            if base.dtype.kind in "fc":
                with np.errstate(all="ignore"):
                    deviation = np.abs(value - base)
                square = np.square(np.where(np.isfinite(deviation), deviation, 0.0))
                self._squares[name] = self._squares.get(name, 0.0) + square
            elif base.dtype.kind in "iub":
                self._flips[name] = self._flips.get(name, False) | (value != base)


def judged_runtime(truth: Truth, outputs: Mapping[str, Any], level: str) -> Observation:
    """Whether a runtime's outputs are what the case means.

    Raises:
        EvaluatorError: a perturbed run cannot be evaluated.
    """
    if truth.is_met_by(outputs):
        return Observation(Manner.SOUND, level)
    for samples in (_FEW_SAMPLES, ENVELOPE_SAMPLES):
        references = truth.references(samples)
        seen = _observed(
            [judge_declared(reference, _tensor(outputs.get(name))) for name, reference in references.items()], level
        )
        if _is_clear(seen):
            break
    return seen


def _is_clear(seen: Observation) -> bool:
    """Whether more samples would not change what was seen.

    Integers that differ are never clear: the sample that excuses them may not have been drawn yet.
    """
    if seen.manner is Manner.SOUND:
        return seen.ratio <= _CLEARLY_SOUND
    return seen.manner is Manner.DIVERGENT and (bool(seen.said) or _CLEARLY_WRONG <= seen.ratio < _LARGEST_RATIO)


def judged_graph(truth: Truth, case: Case, kind: str) -> Observation:
    """Whether another graph with the same outputs is the same function, by the kind of difference that is looked for.

    Args:
        truth: of the graph that is right.
        case: the other one.
        kind: `semantic` compares the functions in float64; others the declared precision with the envelope.

    Raises:
        EvaluatorError: a run cannot be evaluated.
    """
    found = Truth.of(case, truth.seed)
    references = truth.references()
    if kind == "semantic":
        judgements = [judge_exact(one, found.exact.get(name)) for name, one in references.items()]
        strict = [judge_declared(one, _tensor(found.declared.get(name))) for name, one in references.items()]
        judgements += [one for one in strict if one.strict]
        return _observed(judgements, "", kind)
    judgements = [judge_declared(one, _tensor(found.declared.get(name))) for name, one in references.items()]
    return _observed(judgements, "", kind)


def _observed(judgements: Sequence[Judgement], level: str, kind: str = "") -> Observation:
    faulty = [one for one in judgements if one.faulty]
    if not faulty:
        reasons = [one.reason for one in judgements if one.reason]
        manner = Manner.UNDECIDED if reasons else Manner.SOUND
        return Observation(manner, level, ratio=max(map(_ratio, judgements), default=0.0), text="; ".join(reasons))
    worst = max(faulty, key=_ratio)
    said = next((PROPERTIES.get(one.kind, "") for one in worst.strict), "")
    text = worst.strict[0].message if worst.strict else f"output '{worst.path}' is {_ratio(worst):.3g} times its bound"
    return Observation(Manner.DIVERGENT, level, said=said, ratio=_ratio(worst), kind=kind, text=text)


def _ratio(judgement: Judgement) -> float:
    ratios = [judgement.rounding_ratio or 0.0]
    if judgement.semantic_residual_u is not None:
        ratios.append(judgement.semantic_residual_u / judgement.semantic_limit_u)
    if judgement.strict:
        ratios.append(_LARGEST_RATIO)
    return float(np.nan_to_num(max(ratios), nan=_LARGEST_RATIO, posinf=_LARGEST_RATIO))


def _tensor(value: Any) -> Tensor | None:
    return Tensor.of(value) if isinstance(value, np.ndarray) else None


def _same(found: Any, declared: Any) -> bool:
    if not isinstance(found, np.ndarray) or not isinstance(declared, np.ndarray):
        return found is None and declared is None
    if found.dtype != declared.dtype or found.shape != declared.shape:
        return False
    if found.dtype.kind == "O":
        return bool(np.array_equal(found, declared))
    return found.tobytes() == declared.tobytes()


def _rounded(found: Any, exact: Any, declared: Any) -> bool:
    """Whether a value is finite and the exact one rounded to its type."""
    if not isinstance(found, np.ndarray) or not isinstance(exact, np.ndarray) or not isinstance(declared, np.ndarray):
        return False
    if found.dtype != declared.dtype or found.shape != exact.shape or found.dtype.kind != "f":
        return False
    rounded: Array = exact.astype(found.dtype)
    return bool(np.isfinite(rounded).all() and np.array_equal(found, rounded))
