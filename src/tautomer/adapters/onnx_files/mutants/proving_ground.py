"""A model evaluated and judged once, and its mutants against it: which are active, and which the judge catches."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from tautomer.adapters.onnx_files.aligned_source import Source, read_alignment
from tautomer.adapters.onnx_files.derived_constants import (
    SAME_CONSTANT_U,
    Constants,
    ExactConstants,
    computed_before,
    declared_units,
)
from tautomer.adapters.onnx_files.evaluation import kernel_table
from tautomer.adapters.onnx_files.fragments import FragmentJudge
from tautomer.adapters.onnx_files.mutants.activity import (
    InputSet,
    array,
    beyond_own_rounding,
    differing,
    equal,
    errs_more,
)
from tautomer.adapters.onnx_files.mutants.resumption import Passage, Resumption
from tautomer.adapters.onnx_files.mutants.site import Family, Site
from tautomer.adapters.onnx_files.mutants.subject import Mutant
from tautomer.model import Tensor
from tautomer.numerics.judge import Judgement, Reference, judge_declared, judge_exact
from tautomer.numerics.onnx_evaluator import Evaluator, EvaluatorError, LoadedModel

KEPT_BYTES = 4 << 30
"""The most that the original's values on the way may take, over all input sets and both precisions."""


@dataclass(frozen=True, slots=True)
class Trial:
    """What one mutant came to.

    Attributes:
        active: whether it computes another function, or errs more, on these inputs; None where it cannot be evaluated.
        caught: whether the judge finds that.
        why: what showed it, or why nothing did.
        input: index of the input set that decided; None where none did.
        semantic_residual_u: the largest over the outputs that were judged.
        rounding_ratio: the same.
        open: whether judging operator by operator, which was not done, could still take what was caught for rounding.
    """

    active: bool | None
    caught: bool
    why: str
    input: int | None = None
    semantic_residual_u: float | None = None
    rounding_ratio: float | None = None
    open: bool = False


@dataclass(frozen=True, slots=True)
class SourceAnswers:
    """What the source says on one input set.

    Attributes:
        inputs: of the graph.
        references: by the source's path.
        constants_variance: by graph output, deviation under perturbed constants, where that was sampled.
        trace: files `trace`, `s32` and `s64` of the values on its way; None where there are none.
        alignment: file that says what the original's values stand for; None where it was not judged by operators.
        settled: whether every operator of the original was found to be the source's.
    """

    inputs: Mapping[str, Any]
    references: Mapping[str, Reference]
    constants_variance: Mapping[str, Any]
    trace: Mapping[str, str] | None = None
    alignment: str | None = None
    settled: bool = False


@dataclass(frozen=True, slots=True, eq=False)
class ProvingGround:
    """The original, evaluated and judged once; mutants are compared with it.

    Attributes:
        loaded: the original.
        output_names: graph output -> the source's path.
        answers: of the source, by index of the input set.
        constants: what is known of the original's constants.
        sets: the input sets that can be judged.
        exact, declared: evaluate mutants in float64 and in the declared types.
        reason: why mutants cannot be judged here; None where they can.
    """

    loaded: LoadedModel
    output_names: Mapping[str, str]
    answers: Sequence[SourceAnswers]
    constants: Constants
    sets: Sequence[InputSet]
    exact: Resumption
    declared: Resumption
    reason: str | None = None

    @classmethod
    def of(
        cls,
        loaded: LoadedModel,
        answers: Sequence[SourceAnswers],
        output_names: Mapping[str, str],
        constants: Constants,
        *,
        kept_bytes: int = KEPT_BYTES,
    ) -> ProvingGround:
        """Evaluate and judge the original.

        Args:
            loaded: the original.
            answers: of the source, one for each input set.
            output_names: graph output -> the source's path.
            constants: what is known of the original's constants.
            kept_bytes: for the original's values on the way.

        Raises:
            EvaluatorError: the original cannot be evaluated.
        """
        kernels = kernel_table()
        usable = [at for at, one in enumerate(answers) if any(ref.exact is not None for ref in one.references.values())]
        share = kept_bytes // max(len(usable), 1)
        perturb: ExactConstants | None = None
        sets = [_evaluated(loaded, answers[at], at, output_names, budget_bytes=share) for at in usable]
        if any(judgement.semantic_fault for one in sets for judgement in judged_exact(one, one.exact.outputs)):
            # As in the check itself: constants that were folded are taken for what they stand for.
            if all(answers[at].settled for at in usable):
                sets = [_from_itself(one) for one in sets]
            else:
                perturb = _exact_constants(loaded, answers[usable[0]].inputs, constants)
                sets = [
                    _evaluated(loaded, answers[at], at, output_names, budget_bytes=share, perturb=perturb)
                    for at in usable
                ]
        return cls(
            loaded,
            output_names,
            answers,
            constants,
            sets,
            Resumption(loaded, kernels, perturb),
            Resumption(loaded, kernels),
            _why_not(sets),
        )

    def trial(self, site: Site, mutant: Mutant, *, by_operator: bool) -> Trial:
        """Whether a mutant is active on any input set, and whether the judge catches it.

        Args:
            site: of the fault.
            mutant: with it.
            by_operator: whether to judge operator by operator where that could take what was caught for rounding: that
                costs some twenty evaluations of the whole model, and the rest a fraction of two.
        """
        trials = []
        for one in self.sets:
            trials.append(self._trial_on(one, site, mutant, by_operator=by_operator))
            if trials[-1].caught or trials[-1].active is None:
                return trials[-1]
        return next((trial for trial in trials if trial.active), trials[0])

    def _trial_on(self, one: InputSet, site: Site, mutant: Mutant, *, by_operator: bool) -> Trial:
        touched: dict[str, bool] = {}
        own_outputs = _own_outputs(site, mutant)

        def observe(name: str, value: Any) -> None:
            if name in own_outputs and name in one.exact.values:
                touched[name] = not equal(one.exact.values[name], value)

        try:
            outputs = self.exact.outputs(mutant, one.exact, lift=True, observe=observe)
            change = differing(one, outputs)
            judgements = judged_exact(one, outputs)
            if site.family is Family.SEMANTIC and change is not None:
                found = self._found(one, mutant, judgements, change, by_operator=by_operator)
                if found.caught:
                    return found
            declared = self.declared.outputs(mutant, one.declared, lift=False)
        except EvaluatorError as error:
            return Trial(None, False, f"it cannot be evaluated: {error}", one.index)
        judgements += judged_declared(one, declared)
        if site.family is Family.SEMANTIC:
            if change is not None:
                return self._found(one, mutant, judgements, change, by_operator=by_operator)
            if touched and not any(touched.values()):
                return _inert(judgements, "it makes no difference to the values it gets on these inputs")
            return _inert(judgements, "the difference it makes reaches no output on these inputs")
        # A formula that loses digits loses some of float64's, too: that is no other function.
        if change is not None and beyond_own_rounding(one, outputs):
            return self._found(one, mutant, judgements, change, by_operator=by_operator)
        if errs_more(one, declared):
            return self._found(one, mutant, judgements, "it errs more than the original", by_operator=by_operator)
        return _inert(judgements, "it errs no more than the original on these inputs")

    def _found(
        self, one: InputSet, mutant: Mutant, judgements: Sequence[Judgement], change: str, *, by_operator: bool
    ) -> Trial:
        """What the judge says of an active mutant."""
        faults = [judgement for judgement in judgements if judgement.faulty]
        is_open = self._could_be_settled(one, faults)
        left = self._unsettled(one, mutant, faults) if is_open and by_operator else faults
        why = _said(left[0]) if left else change
        if faults and not left:
            why = f"{_said(faults[0])}, which judging operator by operator takes for rounding"
        return Trial(
            active=True,
            caught=bool(left),
            why=why,
            input=one.index,
            semantic_residual_u=_largest(judgement.semantic_residual_u for judgement in judgements),
            rounding_ratio=_largest(judgement.rounding_ratio for judgement in judgements),
            open=is_open and not by_operator,
        )

    def _could_be_settled(self, one: InputSet, faults: Sequence[Judgement]) -> bool:
        """Whether the rounding of constants, or of the model itself, might be thought to explain what was found."""
        answers = self.answers[one.index]
        if not faults or any(fault.strict for fault in faults) or answers.trace is None or answers.alignment is None:
            return False
        return all((fault.semantic_residual_u or 0.0) <= SAME_CONSTANT_U for fault in faults)

    def _unsettled(self, one: InputSet, mutant: Mutant, faults: Sequence[Judgement]) -> Sequence[Judgement]:
        """What is left of the outputs' faults when the mutant is judged operator by operator, as a check does."""
        answers = self.answers[one.index]
        assert answers.trace is not None
        assert answers.alignment is not None
        judge = FragmentJudge(
            LoadedModel(mutant.model, self.loaded.folder),
            answers.inputs,
            Source.read(answers.trace),
            self.output_names,
            self.constants,
            read_alignment(Path(answers.alignment)),
        )
        try:
            fragments = judge.judgements()
        except EvaluatorError:
            return faults
        if any(fragment.semantic_fault for fragment in fragments):
            return faults
        stable = not any(fragment.unstable for fragment in fragments)
        return [fault for fault in faults if fault.rounding_fault and not stable]


def _evaluated(
    loaded: LoadedModel,
    answers: SourceAnswers,
    index: int,
    output_names: Mapping[str, str],
    *,
    budget_bytes: int,
    perturb: ExactConstants | None = None,
) -> InputSet:
    kernels = kernel_table()
    references = {name: answers.references[path] for name, path in output_names.items() if path in answers.references}
    third = budget_bytes // 3
    declared = Passage.of(Evaluator(loaded, lift=False, kernels=kernels), answers.inputs, budget_bytes=third)
    exact = Passage.of(
        Evaluator(loaded, lift=True, kernels=kernels, perturb=perturb),
        answers.inputs,
        budget_bytes=budget_bytes - third,
        declared=declared,
    )
    return InputSet(index, references, exact, declared, answers.constants_variance if perturb is not None else {})


def _from_itself(one: InputSet) -> InputSet:
    """The set with the original's own float64 outputs for the source's, whose function they were found to be."""
    references = {}
    for name, reference in one.references.items():
        exact = array(one.exact.outputs.get(name))
        fits = reference.exact is not None and exact is not None and exact.shape == reference.exact.shape
        references[name] = replace(reference, exact=exact) if fits else reference
    return replace(one, references=references)


def _exact_constants(loaded: LoadedModel, given: Mapping[str, Any], constants: Constants) -> ExactConstants:
    stored = {tensor.name for tensor in loaded.proto.graph.initializer}
    stored |= {name for node in loaded.proto.graph.node if node.op_type == "Constant" for name in node.output}
    known = computed_before(constants.parents, stored, dict(given), kernel_table(), constants.doubles)
    return ExactConstants(known, declared_units(loaded.proto.graph), constants.doubles)


def _why_not(sets: Sequence[InputSet]) -> str | None:
    if not sets:
        return "the source has no float64 reference: which faults are active cannot be proved"
    for one in sets:
        for judgement in [*judged_exact(one, one.exact.outputs), *judged_declared(one, one.declared.outputs)]:
            if judgement.faulty:
                return f"the converted model itself deviates ({_said(judgement)}): every fault would seem caught"
    return None


def _own_outputs(site: Site, mutant: Mutant) -> frozenset[str]:
    """What the touched node of the main graph makes; empty in functions and subgraphs."""
    if site.scope:
        return frozenset()
    name = site.nodes[0]
    return frozenset(
        output for node in mutant.model.graph.node if name in (node.name, *node.output) for output in node.output
    )


def _inert(judgements: Sequence[Judgement], why: str) -> Trial:
    return Trial(
        False,
        False,
        why,
        None,
        _largest(judgement.semantic_residual_u for judgement in judgements),
        _largest(judgement.rounding_ratio for judgement in judgements),
    )


def _largest(values: Any) -> float | None:
    return max((value for value in values if value is not None), default=None)


def _said(judgement: Judgement) -> str:
    if judgement.strict:
        return f"{judgement.strict[0].kind.value} of '{judgement.path}'"
    if judgement.semantic_fault:
        return f"another function in '{judgement.path}': {judgement.semantic_residual_u:.3g} u"
    return f"error of '{judgement.path}': {judgement.rounding_ratio:.3g} times what rounding explains"


def judged_exact(one: InputSet, outputs: Mapping[str, Any]) -> list[Judgement]:
    """The judge on float64 outputs."""
    return [
        judge_exact(reference, array(outputs.get(name)), one.variance(name))
        for name, reference in one.references.items()
    ]


def judged_declared(one: InputSet, outputs: Mapping[str, Any]) -> list[Judgement]:
    """The judge on outputs in the declared types."""
    return [
        judge_declared(reference, Tensor.of(value) if isinstance(value := outputs.get(name), np.ndarray) else None)
        for name, reference in one.references.items()
    ]
