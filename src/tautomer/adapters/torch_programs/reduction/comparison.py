"""What an exported model answers beside its source's answers: the ends only, in the declared types and in float64."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tautomer.adapters.onnx_files.derived_constants import (
    Derived,
    ExactConstants,
    Noise,
    declared_units,
    rounded_doubles,
)
from tautomer.adapters.onnx_files.evaluation import load_as
from tautomer.adapters.runtimes.onnx_torch_kernels import torch_kernels
from tautomer.adapters.torch_programs.capture import (
    Capture,
    capture,
    constants_of,
    factory_scalars_of,
    scalars_of,
)
from tautomer.adapters.torch_programs.lift import GraphRun, NotLiftable
from tautomer.adapters.torch_programs.preparation import PreparedProgram
from tautomer.adapters.torch_programs.reduction.asked_runtime import AskedRuntime, DoesNotLoad, Say
from tautomer.adapters.torch_programs.sampling import Envelope
from tautomer.adapters.torch_programs.trees import to_tensor
from tautomer.model import Scalar, Tensor
from tautomer.model.failure_text import normalised
from tautomer.numerics.branches import Branches
from tautomer.numerics.judge import ENVELOPE_SAMPLES, Judgement, Reference, judge_declared, judge_exact
from tautomer.numerics.onnx_evaluator import Evaluator, EvaluatorError, LoadedModel, load_model

REFUSES = "runtime refuses: "

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
class _Truth:
    """What the source answers on one input set."""

    inputs: tuple[Any, ...]
    references: tuple[Reference, ...]
    captured: Capture | None


_Case = tuple[_Truth, dict[str, Any], set[str]]
"""What the source answers on an input set, what the model is fed there, and what was found to differ."""


@dataclass(frozen=True, slots=True)
class Comparison:
    """A source's answers on all its input sets, to compare models with."""

    paths: tuple[str, ...]
    truth: tuple[_Truth, ...]

    @classmethod
    def of(cls, prepared: PreparedProgram) -> Comparison:
        """Run a source, in its own precision and in float64.

        Raises:
            UserCodeError: the source raised.
        """
        leaves = prepared.leaves(0)
        paths = [path for path, one in zip(leaves.paths, leaves.values, strict=True) if isinstance(one, torch.Tensor)]
        return cls(tuple(paths), tuple(_truth(prepared, index) for index in range(len(prepared.program.input_sets))))

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
        differs = [_evaluated(loaded, one, given, say) for one, given in zip(self.truth, feeds, strict=True)]
        if translated is not None and any("model: semantic" in one for one in differs):
            before = load_as(str(translated[0]), translated[1])
            for truth, given, found in zip(self.truth, feeds, differs, strict=True):
                if "model: semantic" in found and "model: semantic" in _evaluated(before, truth, given, say):
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

    def _feeds(self, names: Sequence[str], truth: _Truth) -> dict[str, Any]:
        if len(names) == len(truth.inputs):
            return dict(zip(names, truth.inputs, strict=True))
        by_path = dict(zip(self.paths, truth.inputs, strict=True))
        return {name: by_path[name] for name in names if name in by_path}


def _truth(prepared: PreparedProgram, index: int) -> _Truth:
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
        return _Truth(inputs, tuple(Reference(path, value) for path, value in declared.items()), None)
    finally:
        prepared.reset()
    answers = dict(zip(captured.output_paths, exact, strict=True))
    references = tuple(_reference(path, value, answers, envelope) for path, value in declared.items())
    return _Truth(inputs, references, captured)


def _reference(path: str, declared: Tensor | Scalar, answers: Mapping[str, torch.Tensor], envelope: Any) -> Reference:
    exact = to_tensor(answers[path]).array if path in answers else None
    variance, flips = envelope.variance.get(path), envelope.flips.get(path)
    if exact is None or variance is None:
        return Reference(path, declared, flips=None if flips is None else flips.array)
    return Reference(path, declared, exact, variance.array)


def _evaluated(loaded: LoadedModel, truth: _Truth, given: Mapping[str, Any], say: Say) -> set[str]:
    say(stage="evaluation")
    found: set[str] = set()
    try:
        declared = Evaluator(loaded, lift=False, kernels=torch_kernels()).run(given)
        found |= {f"model: {kind}" for kind in _declared_kinds(truth.references, list(declared.values()))}
        exact = Evaluator(loaded, lift=True, kernels=torch_kernels()).run(given)
        if "model: exact" in found:  # what is an integer or a truth value has no rounding
            found.discard("model: exact")
            found.add("model: semantic")
        elif _another_function(truth.references, list(exact.values()), {}):
            answers, variance = _with_exact_constants(loaded, truth, given)
            if _another_function(truth.references, answers, variance):
                found.add("model: semantic")
    except EvaluatorError as error:
        found.add(f"evaluation: {type(error).__name__} {error.op_type} {normalised(error.message)}")
    return found


def _made_for(graph: Any) -> set[str]:
    texts = [one.value for node in graph.node for one in node.metadata_props if one.key == _MADE_FOR]
    return {operator for text in texts for operator in _TARGET.findall(text)}


def _another_function(references: Sequence[Reference], answers: Sequence[Any], variance: Mapping[int, Any]) -> bool:
    return len(references) == len(answers) and any(
        judge_exact(reference, answer, variance.get(index)).semantic_fault
        for index, (reference, answer) in enumerate(zip(references, answers, strict=True))
    )


def _with_exact_constants(
    loaded: LoadedModel, truth: _Truth, given: Mapping[str, Any]
) -> tuple[list[Any], dict[int, Any]]:
    """Answers with exact constants where that is possible, and the variance that the rounding of the others has."""
    if truth.captured is None:
        return [], {}
    graph = truth.captured.graph
    derived = Derived(constants_of(graph), scalars_of(graph))
    doubles = rounded_doubles(sorted(factory_scalars_of(graph)))
    exactly = ExactConstants({}, declared_units(loaded.proto.graph), doubles)
    answers = list(Evaluator(loaded, lift=True, kernels=torch_kernels(), perturb=exactly).run(given).values())
    squares: dict[int, Any] = {}
    for sample in range(ENVELOPE_SAMPLES):
        noisy = Evaluator(loaded, lift=True, kernels=torch_kernels(), perturb=Noise(sample, derived, exactly)).run(
            given
        )
        for index, (one, other) in enumerate(zip(answers, noisy.values(), strict=True)):
            if isinstance(one, np.ndarray) and one.dtype.kind == "f" and np.shape(one) == np.shape(other):
                with np.errstate(all="ignore"):
                    deviation = np.abs(other - one)
                square = np.square(np.where(np.isfinite(deviation), deviation, 0.0))
                squares[index] = squares.get(index, 0.0) + square / ENVELOPE_SAMPLES
    return answers, squares


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
