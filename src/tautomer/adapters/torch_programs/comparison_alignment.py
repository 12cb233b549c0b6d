"""Where a PyTorch program parts from another model: its values are aligned with the other's trace, which is forced."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tautomer.adapters.onnx_files.aligned_source import OUTPUT, Source, write_alignment
from tautomer.adapters.onnx_files.derived_constants import Derived, ExactConstants, Noise
from tautomer.adapters.source_trace import SourceTrace, TracedValue
from tautomer.adapters.torch_programs.capture import capture
from tautomer.adapters.torch_programs.lift import GraphRun
from tautomer.adapters.worker_api import Channel
from tautomer.model import Tensor
from tautomer.numerics.alignment import Match
from tautomer.numerics.branches import Branches
from tautomer.numerics.expected_values import StructuralAligner, structural_alignment
from tautomer.numerics.fragments import FragmentJudgement, semantic_judgement

Array = np.ndarray[Any, Any]

PERTURBED_SAMPLES = 8


def locate(
    channel: Channel,
    *,
    spec: dict[str, Any],
    checkpoint: str,
    references: list[dict[str, str] | None],
    own_traces: list[str | None],
    output_names: dict[str, str],
    own_constants: list[str],
    own_scalars: list[float],
    seed: int = 0,
) -> dict[str, Any]:
    """Judge a PyTorch program value by value against another model's trace, on all input sets that have one.

    Emits the events of `judge_fragments` for ONNX files.

    Args:
        channel: to report through.
        spec: of the program.
        checkpoint: its name, for the events.
        references: for each input set files `trace`, `s32` and `s64` of the other model; None where there is no trace.
        own_traces: for each input set the program's own trace, which says what it computes from what.
        output_names: the program's output path -> the other model's.
        own_constants, own_scalars: fingerprints and numbers that the other model holds.
        seed: of perturbations.
    """
    from tautomer.adapters.torch_programs.preparation import prepare

    prepared = prepare(spec)
    derived = Derived(set(own_constants), set(own_scalars))
    for index, (reference, own) in enumerate(zip(references, own_traces, strict=True)):
        if reference is None or own is None:
            continue
        prepared.reset()
        captured = capture(prepared.program.callable, prepared.program.input_sets[index].call)
        prepared.reset()
        judge = _Judge(
            captured.graph,
            prepared.tensors(index),
            SourceTrace.read(Path(own)),
            Source.read(reference),
            {path: output_names[path] for path in captured.output_paths if path in output_names},
            captured.output_paths,
            derived,
            seed,
        )
        judgements = judge.judgements()
        for one in judgements:
            if one.faulty:
                channel.emit("fragment", checkpoint=checkpoint, input=index, **asdict(one))
        alignment = channel.folder / f"{checkpoint}-alignment-{index}.json"
        write_alignment(alignment, judge.found)
        residuals = [one.semantic_residual_u for one in judgements if one.semantic_residual_u is not None]
        channel.emit(
            "fragments",
            checkpoint=checkpoint,
            input=index,
            error=None,
            judged=len(judgements),
            sound=not any(one.semantic_fault for one in judgements),
            source_values=len(judge.source.values),
            aligned=len({match.source for match in judge.found.values()}),
            semantic_residual_u=max(residuals, default=None),
            stable=False,  # formulas were not compared in the declared precision: nothing excuses what is off in that
            rounding_ratio=None,
            stability_rho=None,
            alignment=str(alignment),
        )
    return {}


@dataclass(slots=True)
class _Judge:
    """Aligns and judges one program on one input set.

    Attributes:
        graph, tensors: the captured program and its inputs.
        own: its own trace.
        source: the other model's values.
        output_names: the program's output path -> the other model's, where there is one.
        output_paths: the program's, in order.
        derived: which constants the other model does not hold.
        seed: of perturbations.
        found: the alignment.
    """

    graph: torch.fx.GraphModule
    tensors: Sequence[torch.Tensor]
    own: SourceTrace
    source: Source
    output_names: Mapping[str, str]
    output_paths: Sequence[str]
    derived: Derived
    seed: int
    found: dict[str, Match] = field(default_factory=dict)
    _values: dict[str, TracedValue] = field(init=False)
    _branches: Branches = field(default_factory=Branches)

    def __post_init__(self) -> None:
        """Take the program's branches once as its declared precision takes them."""
        self._values = {one.name: one for one in self.own.values}
        GraphRun(self.graph, lift=False, branches=self._branches).outputs(*self.tensors)

    def judgements(self) -> list[FragmentJudgement]:
        """Every fragment's judgement, in the program's order, its outputs' last."""
        inner = {name: value for name, value in self.source.values.items() if not name.startswith(OUTPUT)}
        self.found = structural_alignment(inner, self._aligned)
        exact = self._forced_values(None)
        judged = {name: self._judged(name, value) for name, value in exact.items()}
        if any(one.semantic_fault for one in judged.values()):
            variance = self._constants_variance(exact)
            for name, one in judged.items():
                if one.semantic_fault:
                    again = self._judged(name, exact[name], variance[name])
                    judged[name] = replace(again, constants=not again.semantic_fault)
        return list(judged.values())

    def _aligned(self, aligner: StructuralAligner) -> None:
        def force(name: str, value: Array) -> Array | None:
            one = self._values[name]
            match = aligner.match(name, one.operator, one.parents, value)
            return None if match is None else match.layout.arranged(aligner.values[match.source].exact, value.shape)

        self._run(force)

    def _run(self, force: Callable[[str, Array], Array | None], perturb: Any = None) -> list[torch.Tensor]:
        run = _ForcedRun(self.graph, self._values, force, perturb, self._branches.again())
        return run.outputs(*self.tensors)

    def _forced_values(self, perturb: Any) -> dict[str, Array]:
        """The program's values where another model's stand for what they are computed from; of outputs by prefix."""
        kept: dict[str, Array] = {}

        def force(name: str, value: Array) -> Array | None:
            match = self.found.get(name)
            if match is None or self.source.values[match.source].exact.size != value.size:
                return None
            kept[name] = value
            return match.layout.arranged(self.source.values[match.source].exact, value.shape)

        outputs = self._run(force, perturb)
        for path, output in zip(self.output_paths, outputs, strict=True):
            other = f"{OUTPUT}{self.output_names.get(path, '')}"
            reference = self.source.values.get(other)
            if reference is not None and isinstance(output, torch.Tensor) and output.is_floating_point():
                value = output.detach().numpy()
                if reference.exact.shape == value.shape:
                    kept[f"{OUTPUT}{path}"] = value
        return kept

    def _constants_variance(self, exact: Mapping[str, Array]) -> dict[str, Array]:
        squares = {name: np.zeros(np.shape(value)) for name, value in exact.items()}
        for sample in range(PERTURBED_SAMPLES):
            noise = Noise(self.seed * 1_000_003 + sample, self.derived, ExactConstants({}, {}))
            for name, value in self._forced_values(noise).items():
                if name in squares and squares[name].shape == np.shape(value):
                    with np.errstate(all="ignore"):
                        deviation = np.abs(value - exact[name])
                    squares[name] += np.square(np.where(np.isfinite(deviation), deviation, 0.0)) / PERTURBED_SAMPLES
        return squares

    def _judged(self, name: str, value: Array, constants_variance: Array | None = None) -> FragmentJudgement:
        output = name.removeprefix(OUTPUT) if name.startswith(OUTPUT) else None
        match = self.found.get(name)
        source_name = f"{OUTPUT}{self.output_names[output]}" if output is not None else ""
        if match is not None:
            source_name = match.source
        source = self.source.values[source_name]
        rounded, exact, variance = (
            self.source.rounded(source_name).array,
            source.exact,
            self.source.spanned_variance(source_name, self.found),
        )
        if match is not None:
            rounded, exact, variance = (match.layout.arranged(one, value.shape) for one in (rounded, exact, variance))
        dtype = self.source.declared[source_name].dtype
        judgement = semantic_judgement(Tensor(dtype, rounded), exact, variance, value, constants_variance)
        ends = self._values[name].parents if output is None else (self.own.producers.get(output) or "",)
        nodes = self._between(ends)
        if output is None:
            nodes = [*nodes, self._values[name]]
        elif not nodes and ends[0] in self._values:
            nodes = [self._values[ends[0]]]  # what makes the output is sound; what moves its elements is not
        line = next((one.line for one in reversed(nodes) if one.line), None)
        spoken = output if output is not None else name
        return FragmentJudgement(
            value=f"{spoken} ({line})" if line and line != source.line else spoken,
            source=source_name,
            nodes=tuple(one.name for one in nodes),
            op_types=tuple(dict.fromkeys(one.operator for one in nodes)),
            operator=" + ".join(dict.fromkeys(one for one in self._operators(source_name) if one)),
            line=source.line or line,
            semantic_residual_u=judgement.semantic_residual_u,
            semantic_limit_u=judgement.semantic_limit_u,
        )

    def _between(self, names: Iterable[str]) -> list[TracedValue]:
        """The program's values that have no counterpart, back from these to those that have one, in its order."""
        found: set[str] = set()
        pending = list(names)
        while pending:
            name = pending.pop()
            if name in self._values and name not in self.found and name not in found:
                found.add(name)
                pending.extend(self._values[name].parents)
        return [one for one in self._values.values() if one.name in found]

    def _operators(self, name: str) -> list[str]:
        return [self.source.values[one].operator for one in reversed(self.source.spanned(name, self.found))]


class _ForcedRun(GraphRun):
    """A run in float64 in which other values can be put in the place of those that are computed."""

    def __init__(
        self,
        graph: torch.fx.GraphModule,
        kept: Mapping[str, Any],
        force: Callable[[str, Array], Array | None],
        perturb: Any,
        branches: Branches,
    ) -> None:
        super().__init__(graph, lift=True, branches=branches)
        self._kept, self._force, self._perturb = kept, force, perturb

    def run_node(self, n: torch.fx.Node) -> Any:
        """The node's result, or what is forced in its place."""
        result = super().run_node(n)
        if n.name not in self._kept or not isinstance(result, torch.Tensor) or not result.is_floating_point():
            return result
        forced = self._force(n.name, result.detach().numpy())
        if forced is None:
            return result
        given = torch.from_numpy(np.array(forced, dtype=np.float64)).to(result.dtype)
        if isinstance(n.target, torch._ops.OpOverload) and n.target._schema.is_mutable:
            return result.copy_(given)  # others hold the same memory
        return given

    def get_attr(self, target: Any, args: Any, kwargs: Any) -> Any:
        """A constant, perturbed where that is asked for."""
        value = super().get_attr(target, args, kwargs)
        if self._perturb is None or not isinstance(value, torch.Tensor) or value.dtype != torch.float64:
            return value
        array = value.detach().contiguous().numpy()
        changed = self._perturb(str(target), array)
        return value if changed is array else torch.from_numpy(np.asarray(changed))
