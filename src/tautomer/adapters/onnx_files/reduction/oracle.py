"""Says whether a candidate fails the way the original does, in the worker, without a new interpreter for each."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace

import onnx

from tautomer.adapters.onnx_files.reduction.case import Case, all_nodes
from tautomer.adapters.onnx_files.reduction.judgement import Truth, judged_graph, judged_runtime
from tautomer.adapters.onnx_files.reduction.observation import Manner, Observation, of_ending
from tautomer.adapters.onnx_files.reduction.reference import ReferenceGraph
from tautomer.adapters.onnx_files.reduction.runtime_process import Answered, Question, RuntimeProcess
from tautomer.numerics.onnx_evaluator import EvaluatorError


@dataclass(slots=True)
class Oracle:
    """Observes cases.

    Attributes:
        process: the runtime.
        levels: optimization levels to try, the lowest first; what fails first is what is seen.
        seed: of the envelope's samples.
        through: a fault planted in the runtime (`Question.through`).
        reference: a graph that is right; candidates are then compared with it and no runtime is asked.
        evaluable: whether the evaluator came to the end of the original, so that every candidate must be one that
            means something.
        wanted: the failure, once it is known.
        last: what was seen last.
    """

    process: RuntimeProcess
    levels: tuple[str, ...]
    seed: int
    through: str | None = None
    reference: ReferenceGraph | None = None
    evaluable: bool = True
    wanted: Observation | None = None
    last: Observation | None = None

    def fails(self, case: Case) -> bool:
        """Whether the case shows the failure that is wanted."""
        self.last = self.observe(case)
        return self.wanted is not None and self.last.is_same(self.wanted)

    def adopt(self, case: Case) -> bool:
        """Whether the case is refused, or ends its process or hangs it; that is wanted from then on."""
        self.last = self.observe(case)
        if not self.last.is_failure():
            return False
        self.wanted = self.last
        return True

    def settle(self) -> None:
        """Measure the strength of what is wanted by the case that was seen last, which shows it."""
        if self.wanted is not None and self.last is not None:
            self.wanted = replace(self.wanted, ratio=max(self.wanted.ratio, self.last.ratio))

    def observe(self, case: Case) -> Observation:
        """What a case does."""
        try:
            if self.reference is not None:
                return self._against_reference(case)
            return self._in_runtime(case)
        except EvaluatorError as error:
            return Observation(Manner.UNDECIDED, text=str(error))

    def _against_reference(self, case: Case) -> Observation:
        assert self.reference is not None
        right = self.reference.counterpart(case)
        if right is None:
            return Observation(Manner.UNDECIDED, text="the graph that is right has no counterpart of this part")
        kind = self.wanted.kind if self.wanted is not None else "semantic"
        return judged_graph(Truth.of(right, self.seed), case, kind)

    def _in_runtime(self, case: Case) -> Observation:
        truth: Truth | None = None
        for level in self.levels:
            answer = self.process.ask(Question(case.proto, case.inputs, case.folder, level, self.through))
            if isinstance(answer, Answered):
                if self._only_ends_matter():
                    continue
                truth = truth or Truth.of(case, self.seed)
                seen = judged_runtime(truth, answer.outputs, level)
                if seen.manner is not Manner.SOUND:
                    return seen
                continue
            if self.wanted is not None and self.wanted.manner is Manner.DIVERGENT:
                return Observation(Manner.UNDECIDED, level, text="the runtime does not answer")
            seen = of_ending(answer, level, _names(case.proto))
            if self.evaluable and self.wanted is not None and seen.is_same(self.wanted):
                # A model that is itself malformed is refused, too: what fails must mean something.
                truth = truth or Truth.of(case, self.seed)
            return seen
        return Observation(Manner.SOUND, self.levels[-1])

    def _only_ends_matter(self) -> bool:
        return self.wanted is None or self.wanted.manner is not Manner.DIVERGENT


def _names(proto: onnx.ModelProto) -> Iterator[str]:
    graph = proto.graph
    yield from (one.name for one in (*graph.input, *graph.output, *graph.initializer))
    for node in all_nodes(graph):
        yield node.name
        yield from node.output
