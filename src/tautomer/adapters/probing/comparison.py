"""What a converted model answers beside its source's answers: the ends only, in the declared types and in float64."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from tautomer.adapters.onnx_files.derived_constants import (
    Derived,
    ExactConstants,
    Noise,
    declared_units,
    rounded_doubles,
)
from tautomer.adapters.onnx_files.evaluation import load_as
from tautomer.adapters.probing.asked_runtime import AskedRuntime, DoesNotLoad, Say
from tautomer.model import Tensor
from tautomer.model.failure_text import normalised
from tautomer.numerics.judge import ENVELOPE_SAMPLES, VISIBLE_U, Judgement, Reference, judge_declared, judge_exact
from tautomer.numerics.onnx_evaluator import Evaluator, EvaluatorError, LoadedModel, load_model

REFUSES = "runtime refuses: "
VISIBLE = "model: visible"
"""Beside `model: semantic`: functions that differ by more than rounding may hide, which a smaller model must, too."""

_MADE_FOR = "pkg.torch.onnx.fx_node"
_TARGET = re.compile(r"\[target=(?:torch\.ops\.)?([\w.]+)\]")


@dataclass(frozen=True, slots=True)
class Seen:
    """What a comparison shows.

    Attributes:
        differs: what differs and where, or cannot be run: `model: semantic`, `runtime: range`; sorted. With
            `model: semantic`, `translated: semantic` where the graph was another function before it was optimized.
        other_sizes: whether only input sets after the first differ.
        refused: what the runtime says where it does not load the model.
        checker: what the checker says where it refuses it.
        op_types: of the graph, sorted, each once.
        made_for: operators of the source that its nodes say they were made for; likewise.
        nodes: of the graph.
    """

    differs: tuple[str, ...]
    other_sizes: bool
    refused: str | None
    checker: str
    op_types: tuple[str, ...]
    made_for: tuple[str, ...]
    nodes: int


@dataclass(frozen=True, slots=True)
class OwnConstants:
    """What a source has among its constants, so that a converter has not derived it.

    Attributes:
        fingerprints: of its tensors.
        scalars: its numbers, as float32 holds them.
        doubles: numbers that its operators take in double precision.
    """

    fingerprints: frozenset[str] = frozenset()
    scalars: frozenset[float] = frozenset()
    doubles: tuple[float, ...] = ()


@dataclass(frozen=True, slots=True)
class Truth:
    """What a source answers on one input set.

    Attributes:
        inputs: its tensors, in the order of the call.
        references: its outputs, in order.
        own: its constants; None where they are not known.
    """

    inputs: tuple[Any, ...]
    references: tuple[Reference, ...]
    own: OwnConstants | None


@dataclass(frozen=True)
class Comparison:
    """A source's answers on all its input sets, to compare models with. Not slotted: it remembers what it was asked.

    Attributes:
        paths: of its input tensors.
        answer: gives what the source answers, one an input set: it takes long, and a model that is never made does not
            need it.
        kernels: faster kernels for evaluating models, by domain and operator.
    """

    paths: tuple[str, ...]
    answer: Callable[[], tuple[Truth, ...]]
    kernels: Mapping[tuple[str, str], Any] = field(default_factory=dict)

    @cached_property
    def truth(self) -> tuple[Truth, ...]:
        """What the source answers."""
        return self.answer()

    def with_model(
        self, model: Path, runtime: AskedRuntime, say: Say, *, translated: tuple[Path, int | None] | None = None
    ) -> Seen:
        """Evaluate and run a model on the same inputs.

        Args:
            model: the .onnx file, in a folder of its own.
            say: is told the stage before it begins.
            translated: the graph before it was optimized, and the opset of its operators.
        """
        loaded = load_model(model)
        graph = loaded.proto.graph
        names = [one.name for one in graph.input]
        feeds = [self._feeds(names, one) for one in self.truth]
        differs = [self._evaluated(loaded, one, given, say) for one, given in zip(self.truth, feeds, strict=True)]
        if translated is not None and any("model: semantic" in one for one in differs):
            before = load_as(str(translated[0]), translated[1])
            for truth, given, found in zip(self.truth, feeds, differs, strict=True):
                if "model: semantic" in found and "model: semantic" in self._evaluated(before, truth, given, say):
                    found.add("translated: semantic")
        refused = None
        try:
            for level in runtime.levels:
                answers = runtime.answers(model, level, feeds, folder=model.parent, say=say)
                for truth, answer, found in zip(self.truth, answers, differs, strict=True):
                    if isinstance(answer, str):
                        found.add(f"{REFUSES}{answer}")
                    else:
                        found |= {f"runtime: {kind}" for kind in _declared_kinds(truth.references, answer)}
        except DoesNotLoad as error:
            refused = str(error)
        failing = [index for index, found in enumerate(differs) if found]
        return Seen(
            tuple(sorted(_without_echo(set().union(*differs)))),
            bool(failing) and failing[0] > 0,
            refused,
            _checker_says(model),
            tuple(sorted({node.op_type for node in graph.node})),
            tuple(sorted(_made_for(graph))),
            len(graph.node),
        )

    def _evaluated(self, loaded: LoadedModel, truth: Truth, given: Mapping[str, Any], say: Say) -> set[str]:
        say(stage="evaluation")
        found: set[str] = set()
        try:
            declared = Evaluator(loaded, lift=False, kernels=self.kernels).run(given)
            found |= {f"model: {kind}" for kind in _declared_kinds(truth.references, list(declared.values()))}
            exact = Evaluator(loaded, lift=True, kernels=self.kernels).run(given)
            if "model: exact" in found:  # what is an integer or a truth value has no rounding
                found.discard("model: exact")
                found |= {"model: semantic", VISIBLE}
            elif (residual_u := _residual_u(truth.references, list(exact.values()), {})) is not None:
                answers, variance = self._with_exact_constants(loaded, truth, given)
                if not answers or _residual_u(truth.references, answers, variance) is not None:
                    found |= {"model: semantic", VISIBLE} if residual_u > VISIBLE_U else {"model: semantic"}
        except EvaluatorError as error:
            found.add(f"evaluation: {type(error).__name__} {error.op_type} {normalised(error.message)}")
        return found

    def _with_exact_constants(
        self, loaded: LoadedModel, truth: Truth, given: Mapping[str, Any]
    ) -> tuple[list[Any], dict[int, Any]]:
        """Answers with exact constants where that is possible, and the variance that the rounding of the others has."""
        if truth.own is None:
            return [], {}
        derived = Derived(set(truth.own.fingerprints), set(truth.own.scalars))
        doubles = rounded_doubles(sorted(truth.own.doubles))
        exactly = ExactConstants({}, declared_units(loaded.proto.graph), doubles)
        answers = list(Evaluator(loaded, lift=True, kernels=self.kernels, perturb=exactly).run(given).values())
        squares: dict[int, Any] = {}
        for sample in range(ENVELOPE_SAMPLES):
            noisy = Evaluator(loaded, lift=True, kernels=self.kernels, perturb=Noise(sample, derived, exactly)).run(
                given
            )
            for index, (one, other) in enumerate(zip(answers, noisy.values(), strict=True)):
                if isinstance(one, np.ndarray) and one.dtype.kind == "f" and np.shape(one) == np.shape(other):
                    with np.errstate(all="ignore"):
                        deviation = np.abs(other - one)
                    square = np.square(np.where(np.isfinite(deviation), deviation, 0.0))
                    squares[index] = squares.get(index, 0.0) + square / ENVELOPE_SAMPLES
        return answers, squares

    def _feeds(self, names: Sequence[str], truth: Truth) -> dict[str, Any]:
        if len(names) == len(truth.inputs):
            return dict(zip(names, truth.inputs, strict=True))
        by_path = dict(zip(self.paths, truth.inputs, strict=True))
        return {name: by_path[name] for name in names if name in by_path}


def _made_for(graph: Any) -> set[str]:
    texts = [one.value for node in graph.node for one in node.metadata_props if one.key == _MADE_FOR]
    return {operator for text in texts for operator in _TARGET.findall(text)}


def _residual_u(references: Sequence[Reference], answers: Sequence[Any], variance: Mapping[int, Any]) -> float | None:
    """How far the functions differ where they do; None where they do not."""
    if len(references) != len(answers):
        return None
    judged = [
        judge_exact(reference, answer, variance.get(index))
        for index, (reference, answer) in enumerate(zip(references, answers, strict=True))
    ]
    return max((one.semantic_residual_u or 0.0 for one in judged if one.semantic_fault), default=None)


def _checker_says(model: Path) -> str:
    import onnx

    try:
        onnx.checker.check_model(str(model), full_check=True)
    except Exception as error:  # its classes of errors have no common base
        return f"{type(error).__name__}: {normalised(str(error))}"
    return ""


def _declared_kinds(references: Sequence[Reference], answers: Sequence[Any]) -> Iterator[str]:
    if len(references) != len(answers):
        yield "missing"
        return
    for reference, answer in zip(references, answers, strict=True):
        judgement: Judgement = judge_declared(reference, None if answer is None else Tensor.of(np.asarray(answer)))
        yield from (str(one.kind) for one in judgement.strict)
        if judgement.rounding_fault:
            yield "rounding"


def _without_echo(kinds: set[str]) -> set[str]:
    """What a runtime repeats of the model it was given, and rounding beside a difference of functions, say nothing."""
    of_model = {kind.removeprefix("model: ") for kind in kinds if kind.startswith("model: ")}
    if "semantic" in of_model:
        kinds = {kind for kind in kinds if not kind.endswith((": rounding", ": exact"))}
    return kinds - {f"runtime: {kind}" for kind in of_model}
