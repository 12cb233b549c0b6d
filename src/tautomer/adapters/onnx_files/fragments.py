"""Judge an ONNX checkpoint operator by operator: the source's values are forced at every value that is aligned."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Any

import numpy as np

from tautomer.adapters.onnx_files.aligned_source import OUTPUT, Source, read_alignment, write_alignment
from tautomer.adapters.onnx_files.constant_parts import ConstantParts
from tautomer.adapters.onnx_files.derived_constants import (
    Constants,
    Derived,
    ExactConstants,
    Noise,
    computed_before,
    declared_units,
    rounded_doubles,
)
from tautomer.adapters.onnx_files.evaluation import graph_inputs, kernel_table, load_as
from tautomer.adapters.onnx_files.graph_paths import MOVES, GraphPaths, is_formula
from tautomer.adapters.worker_api import Channel
from tautomer.model import Tensor
from tautomer.numerics.alignment import Aligner, Match, undisputed
from tautomer.numerics.branches import Branches
from tautomer.numerics.fragments import FragmentJudgement, semantic_judgement, stability_judgement
from tautomer.numerics.layouts import NEAR_RELATIVE, Layout, distance

Array = np.ndarray[Any, Any]

PERTURBED_SAMPLES = 8


def judge_fragments(
    channel: Channel,
    *,
    model: str,
    checkpoint: str,
    inputs: list[str],
    feeds: dict[str, str],
    output_names: dict[str, str],
    references: list[dict[str, str] | None],
    own_constants: list[str],
    own_scalars: list[float],
    own_doubles: list[float],
    opset_override: int | None = None,
    parents: list[dict[str, Any]] | None = None,
    hints: str | None = None,
    seed: int = 0,
) -> dict[str, Any]:
    """Judge every fragment of one ONNX file on all input sets that have a trace.

    Emits for each input set a `fragment` event for each faulty fragment and a `fragments` event that sums up: how many
    were judged, the worst figures, how many of the source's values were found, where the alignment lies as a file, or
    why nothing could be judged.

    Args:
        model, checkpoint, inputs, feeds, opset_override: as for `evaluate`.
        output_names: graph output -> the source's path.
        references: for each input set files `trace`, `s32` and `s64`; None where there is no trace.
        own_constants, own_scalars, own_doubles, parents, seed: as for `explain` of derived constants.
        hints: an alignment file of another checkpoint whose values have the same names.
    """
    from tautomer.numerics.onnx_evaluator import EvaluatorError

    loaded = load_as(model, opset_override)
    constants = Constants((own_constants, own_scalars), rounded_doubles(own_doubles), parents or [], seed)
    known = read_alignment(Path(hints)) if hints else {}
    for index, (file, reference) in enumerate(zip(inputs, references, strict=True)):
        if reference is None:
            continue
        judge = FragmentJudge(loaded, graph_inputs(file, feeds), Source.read(reference), output_names, constants, known)
        try:
            judgements = judge.judgements()
        except EvaluatorError as error:
            channel.emit("fragments", checkpoint=checkpoint, input=index, error=str(error))
            continue
        for one in judgements:
            if one.faulty:
                channel.emit("fragment", checkpoint=checkpoint, input=index, **asdict(one))
        alignment = channel.folder / f"{checkpoint}-alignment-{index}.json"
        write_alignment(alignment, judge.found)
        known = {**known, **judge.found}
        channel.emit(
            "fragments",
            checkpoint=checkpoint,
            input=index,
            error=None,
            judged=len(judgements),
            sound=not any(one.semantic_fault for one in judgements),
            source_values=len(judge.source.values),
            aligned=len({match.source for match in judge.found.values()}),
            semantic_residual_u=_largest(
                one.semantic_residual_u for one in judgements if not (one.constants or one.own_rounding)
            ),
            stable=not any(one.unstable for one in judgements),
            rounding_ratio=_largest(one.rounding_ratio for one in judgements),
            stability_rho=_largest(one.stability_rho for one in judgements),
            alignment=str(alignment),
        )
    return {}


def _largest(values: Any) -> float | None:
    present = [value for value in values if value is not None]
    return max(present) if present else None


@dataclass(slots=True)
class FragmentJudge:
    """Aligns and judges one graph on one input set.

    Attributes:
        loaded: the model.
        given: its inputs.
        source: the source's values.
        output_names: graph output -> the source's path.
        constants: what is known of the graph's constants.
        hints: matches of another checkpoint or input set.
        found: the alignment.
    """

    loaded: Any
    given: Mapping[str, Any]
    source: Source
    output_names: Mapping[str, str]
    constants: Constants
    hints: Mapping[str, Match] = field(default_factory=dict)
    found: dict[str, Match] = field(default_factory=dict)
    _paths: GraphPaths = field(init=False)
    _kernels: Mapping[tuple[str, str], Any] = field(init=False)
    _exactly: Any = None
    _values: Mapping[str, Array] = field(default_factory=dict)
    _branches: Branches = field(default_factory=Branches)

    def __post_init__(self) -> None:
        """Read the graph, and take its branches once as the declared precision takes them."""
        self._paths = GraphPaths(self.loaded.proto.graph)
        self._kernels = kernel_table()
        if self._paths.branches:
            self._evaluator(lift=False, branches=self._branches).run(self.given)

    def _evaluator(self, *, lift: bool, **options: Any) -> Any:
        from tautomer.numerics.onnx_evaluator import Evaluator

        options.setdefault("branches", self._branches.again())
        return Evaluator(self.loaded, lift=lift, kernels=self._kernels, **options)

    def judgements(self) -> list[FragmentJudgement]:
        """Every fragment's judgement, in the graph's order."""
        semantic = self._semantic(None)
        if any(one.semantic_fault for one in semantic.values()):
            # Deviating values are looked for by hint and nearness; folded constants become what they stand for.
            found = {match.source for match in self.found.values()}
            seen = {one for one in found if not one.startswith(OUTPUT)} | self._returned()
            missing = frozenset(self.source.values) - found - self.source.twins(seen)
            first, first_found = semantic, dict(self.found)
            doubles = self.constants.doubles
            stored = _stored(self.loaded)
            known = computed_before(self.constants.parents, stored, dict(self.given), self._kernels, doubles)
            self._exactly = ExactConstants(known, declared_units(self.loaded.proto.graph), doubles)
            surveyed = self._surveyed(missing)
            self.hints = {**surveyed, **undisputed(self.hints, surveyed)}
            semantic = self._semantic(missing)
            if len(self.found) < len(first_found):
                semantic, self.found = first, first_found
        if any(one.semantic_fault for one in semantic.values()):
            semantic = self._with_constants_perturbed(semantic)
        if any(one.semantic_fault for one in semantic.values()):
            semantic = self._with_own_rounding(semantic)
        return self._without_guessed_layouts(list(self._with_stability(semantic).values()))

    def _without_guessed_layouts(self, judged: list[FragmentJudgement]) -> list[FragmentJudgement]:
        """Without moves that are wrong only because the layout of what they move was guessed.

        What they move deviates and is told of; a pass that moves a transposition past it keeps its name.
        """
        guessed = {one.value for one in judged if one.semantic_fault and not self.found[one.value].confirmed}

        def moves_a_guess(one: FragmentJudgement) -> bool:
            nodes = self._paths.between(one.value, self.found.__contains__)
            moved = {name for node in nodes for name in node.input if name in self.found}
            return bool(moved) and moved <= guessed and all(node.op_type in MOVES for node in nodes)

        return [one for one in judged if not (one.semantic_fault and moves_a_guess(one))]

    def _wanted(self, node: Any, name: str, value: Any) -> bool:
        if not isinstance(value, np.ndarray) or value.dtype.kind != "f" or not value.size:
            return False
        return name in self.output_names or (name in self._paths.variable and node.op_type not in MOVES)

    def _semantic(self, missing: frozenset[str] | None) -> dict[str, FragmentJudgement]:
        inner = {name: value for name, value in self.source.values.items() if not name.startswith(OUTPUT)}
        aligner = Aligner(inner, self.hints, missing)
        values: dict[str, Array] = {}

        def force(node: Any, name: str, value: Any) -> Any:
            if not self._wanted(node, name, value):
                return None
            match = self._output_match(name, value) if name in self.output_names else aligner.match(name, value)
            if match is None:
                return None
            aligner.found[name] = match
            values[name] = value
            return match.layout.arranged(self.source.values[match.source].exact, value.shape)

        self._evaluator(lift=True, perturb=self._exactly).run(self.given, force=force)
        self.found, self._values = dict(aligner.found), values
        return {name: self._judged(name, value) for name, value in values.items()}

    def _returned(self) -> frozenset[str]:
        """Source values that a graph output comes near to: it stands for them, whatever else is called as they are.

        A decomposition calls its own values `sub` and `mul`, as the source calls others.
        """
        near: set[str] = set()
        for name, path in self.output_names.items():
            match, value = self.found.get(name), self._values.get(name)
            if match is None or value is None:
                continue
            expected = match.layout.arranged(self.source.values[match.source].exact, value.shape)
            if distance(value, expected) < NEAR_RELATIVE:
                near |= self.source.returned(path)
        return frozenset(near)

    def _surveyed(self, missing: frozenset[str]) -> dict[str, Match]:
        """The target values that come nearest to source values that none equals."""
        inner = {name: value for name, value in self.source.values.items() if not name.startswith(OUTPUT)}
        aligner = Aligner(inner, self.hints, missing, survey=True)

        def force(node: Any, name: str, value: Any) -> Any:
            if not self._wanted(node, name, value) or name in self.output_names:
                return None
            match = aligner.match(name, value)
            return match.layout.arranged(inner[match.source].exact, value.shape) if match is not None else None

        self._evaluator(lift=True, perturb=self._exactly).run(self.given, force=force)
        return aligner.nearest()

    def _output_match(self, name: str, value: Array) -> Match | None:
        source = f"{OUTPUT}{self.output_names[name]}"
        known = self.source.values.get(source)
        fits = known is not None and known.exact.shape == value.shape
        return Match(source, Layout(), confirmed=False) if fits else None

    def _judged(self, name: str, value: Array, constants_variance: Array | None = None) -> FragmentJudgement:
        match = self.found[name]
        source = self.source.values[match.source]
        shape = value.shape
        rounded = self.source.rounded(match.source)
        judgement = semantic_judgement(
            Tensor(rounded.dtype, match.layout.arranged(rounded.array, shape)),
            match.layout.arranged(source.exact, shape),
            match.layout.arranged(self.source.spanned_variance(match.source, self.found), shape),
            value,
            constants_variance,
        )
        nodes = self._paths.between(name, self.found.__contains__)
        return FragmentJudgement(
            value=name,
            source=match.source,
            nodes=tuple(node.name or node.output[0] for node in nodes),
            op_types=tuple(dict.fromkeys(node.op_type for node in nodes)),
            operator=self._operators(match.source),
            line=source.line,
            semantic_residual_u=judgement.semantic_residual_u,
            semantic_limit_u=judgement.semantic_limit_u,
        )

    def _operators(self, name: str) -> str:
        operators = [self.source.values[one].operator for one in reversed(self.source.spanned(name, self.found))]
        return " + ".join(dict.fromkeys(one for one in operators if one))

    def _with_constants_perturbed(self, semantic: dict[str, FragmentJudgement]) -> dict[str, FragmentJudgement]:
        """Judge again where derived constants enter: does their rounding in the declared precision explain it?"""
        derived = Derived(set(self.constants.own[0]), set(self.constants.own[1]))
        seed = self.constants.seed * 1_000_003
        parts = ConstantParts(self.constants.parents, _stored(self.loaded), self._kernels)
        perturbed = [Noise(seed + sample, derived, self._exactly, parts) for sample in range(PERTURBED_SAMPLES)]
        exact, variance = self._deviations([(one, None) for one in perturbed])
        judged = dict(semantic)
        for name, one in semantic.items():
            if one.semantic_fault:
                again = self._judged(name, exact[name], variance[name])
                judged[name] = replace(again, constants=not again.semantic_fault)
        return judged

    def _with_own_rounding(self, semantic: dict[str, FragmentJudgement]) -> dict[str, FragmentJudgement]:
        """Judge again where float64 itself rounds: a formula that loses most digits shows in float64, too.

        Source: D. S. Parker, Monte Carlo Arithmetic, UCLA CSD-970002 (1997), with roundings of float64.
        """
        from tautomer.numerics.onnx_evaluator import RoundingNoise

        noises = [RoundingNoise(self.constants.seed + sample, of_float64=True) for sample in range(PERTURBED_SAMPLES)]
        exact, variance = self._deviations([(self._exactly, one) for one in noises])
        judged = dict(semantic)
        for name, one in semantic.items():
            if one.semantic_fault:
                again = self._judged(name, exact[name], variance[name])
                judged[name] = replace(one, own_rounding=not again.semantic_fault)
        return judged

    def _deviations(self, runs: list[tuple[Any, Any]]) -> tuple[dict[str, Array], dict[str, Array]]:
        """Values of all fragments, and their mean square deviation over runs with (perturbed constants, noise)."""
        exact: dict[str, Array] = {}
        squares: dict[str, Array] = {}

        def add(name: str, value: Array) -> None:
            if value.shape != exact[name].shape:
                return
            with np.errstate(all="ignore"):
                deviation = np.abs(value - exact[name])
            squares[name] = squares.get(name, 0.0) + np.square(np.where(np.isfinite(deviation), deviation, 0.0))

        self._forced_run(exact.__setitem__, self._exactly, None)
        for perturb, noise in runs:
            self._forced_run(add, perturb, noise)
        return exact, {name: squares.get(name, np.zeros(np.shape(one))) / len(runs) for name, one in exact.items()}

    def _forced_run(self, record: Callable[[str, Array], None], perturb: Any, noise: Any) -> None:
        def force(_node: Any, name: str, value: Any) -> Any:
            match = self.found.get(name)
            # A perturbed constant that decides a shape makes another value of it.
            if match is None or self.source.values[match.source].exact.size != value.size:
                return None
            record(name, value)
            return match.layout.arranged(self.source.values[match.source].exact, value.shape)

        evaluator = self._evaluator(lift=True, perturb=perturb, noise=noise)
        evaluator.run(self.given, force=force)

    def _meant(self, name: str) -> frozenset[str]:
        """The source values that a value stands for: of an output, what is returned as well."""
        match = self.found.get(name)
        if match is None:
            return frozenset()
        path = self.output_names.get(name)
        return frozenset({match.source}) | (self.source.returned(path) if path is not None else frozenset())

    def _with_stability(self, semantic: dict[str, FragmentJudgement]) -> dict[str, FragmentJudgement]:
        """Run each fragment on the source's declared values, exactly and in the declared types, and compare."""
        local: dict[str, Array] = {}
        judged = dict(semantic)
        steps = self._paths.steps(semantic, self._meant)
        semantic = {name: one for name, one in semantic.items() if name not in steps}

        def declared(name: str, shape: Any) -> Tensor:
            match = self.found[name]
            one = self.source.declared[match.source]
            return Tensor(one.dtype, match.layout.arranged(one.array, shape))

        def keep(_node: Any, name: str, value: Any) -> Any:
            if name not in semantic:
                return None
            local[name] = value
            return declared(name, value.shape).float64()

        def compare(_node: Any, name: str, value: Any) -> Any:
            if name not in semantic:
                return None
            kept = declared(name, value.shape)
            target = Tensor.of(value)
            if not semantic[name].semantic_fault and name in local and local[name].shape == value.shape:
                match = self.found[name]
                variance = match.layout.arranged(self.source.spanned_variance(match.source, self.found), value.shape)
                # Where float64 loses the fragment's value as well, the source's kernel is the better witness.
                exact = kept.float64() if semantic[name].own_rounding else local[name]
                one = stability_judgement(kept, exact, variance, target)
                # One operator has no formula: what its kernel rounds is the runtime's, and judged there.
                formula = is_formula(self._paths.between(name, semantic.__contains__))
                judged[name] = replace(
                    semantic[name],
                    rounding_ratio=one.rounding_ratio if formula else None,
                    stability_rho=one.stability_rho if formula else None,
                    range_fault=one.strict[0].message if one.strict else None,
                )
            return kept.numpy()

        self._evaluator(lift=True).run(self.given, force=keep)
        self._evaluator(lift=False).run(self.given, force=compare)
        return judged


def _stored(loaded: Any) -> set[str]:
    graph = loaded.proto.graph
    constants = {name for node in graph.node if node.op_type == "Constant" for name in node.output}
    return {tensor.name for tensor in graph.initializer} | constants
