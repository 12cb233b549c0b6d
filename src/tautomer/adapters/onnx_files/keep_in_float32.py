"""The smallest list of nodes a float16 graph must keep in float32, verified in ONNX Runtime on a rewritten file."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx

from tautomer.adapters.onnx_files.evaluation import graph_inputs, kernel_table, load_as
from tautomer.adapters.onnx_files.float32_islands import NarrowGraph, names_used, narrow_graph, with_float32
from tautomer.adapters.worker_api import Channel
from tautomer.minimization import BudgetSpent, Trials, one_minimal_subset
from tautomer.numerics.formats import overflows_from

Array = np.ndarray[Any, Any]
TESTS = 200
"""Evaluations spent at most on making the list smaller."""

_EXTERNAL_FROM_BYTES = 1 << 30
"""Weights above this go into a file of their own: protobuf serializes less than 2 GiB."""

_LEVELS = {"disabled": "ORT_DISABLE_ALL", "all": "ORT_ENABLE_ALL"}


@dataclass(frozen=True, slots=True)
class Subset:
    """Nodes that are enough.

    Attributes:
        items: their positions, in order.
        tests: how many lists were tried.
        minimal: whether none of them can be left out; False where the budget ended before that was known.
    """

    items: tuple[int, ...]
    tests: int
    minimal: bool


@dataclass(frozen=True, slots=True)
class RunQuality:
    """What one model's answers are worth.

    Attributes:
        non_finite: names of the values looked at that are NaN or infinite where they are finite in float32.
        relative_error: RMS error of the outputs over the RMS of their float64 values, the largest over outputs and
            input sets; infinite where outputs are not finite.
    """

    non_finite: tuple[str, ...]
    relative_error: float


def keep_in_float32(
    channel: Channel,
    *,
    model: str,
    inputs: list[str],
    feeds: dict[str, str],
    error_limit: float | None = None,
    opset_override: int | None = None,
    tests: int = TESTS,
) -> dict[str, Any]:
    """Find the nodes, write the graph with Casts around them, and run it in ONNX Runtime.

    Args:
        model, inputs, feeds, opset_override: as for `evaluate`.
        error_limit: the relative error (`RunQuality.relative_error`) that the outputs must reach. None asks for values
            that are finite wherever the graph in float32 has finite ones, intermediate values included.
        tests: evaluations to spend on making the list smaller.

    Returns:
        `nodes` (name, op_type and output of each), `file` (the rewritten model), `minimal` (whether none can be left
        out), `tests`, `before` and `after` (what the evaluator says of the graph as given and rewritten), `verified`
        (the same of ONNX Runtime, for each optimization level; in `as_given` whether the given file passes there, since
        its CPU kernels compute much of float16 in float32, or None where it refuses that file), and `reason` where
        there is no list or it is not verified.
    """
    from tautomer.numerics.onnx_evaluator import EvaluatorError

    loaded = load_as(model, opset_override)
    sets = [graph_inputs(file, feeds) for file in inputs]
    channel.emit("stage", stage="validation", doing="searching nodes to keep in float32")
    try:
        study = _Study.of(loaded, sets)
        wanted = _finite if error_limit is None else _accurate(error_limit)
        before = study.quality(())
        if wanted(before):
            return _answer(study, Subset((), 0, minimal=True), before)
        found = _search(study, wanted, before, by_error=error_limit is not None, tests=tests)
    except EvaluatorError as error:
        return {"nodes": [], "file": None, "reason": f"the graph cannot be evaluated: {error}"}
    if isinstance(found, str):
        return {"nodes": [], "file": None, "before": _as_json(before), "reason": found}
    answer = _answer(study, found, before)
    path = channel.folder / "kept-in-float32.onnx"
    save(with_float32(study.graph, found.items).proto, loaded.folder, path)
    channel.emit("stage", stage="runtime_execution", doing="verifying the rewritten graph")
    return answer | {"file": str(path)} | _verified(path, Path(model), study, wanted)


def _finite(quality: RunQuality) -> bool:
    return not quality.non_finite


def _accurate(limit: float) -> Callable[[RunQuality], bool]:
    return lambda quality: quality.relative_error <= limit


def _search(
    study: _Study, wanted: Callable[[RunQuality], bool], before: RunQuality, *, by_error: bool, tests: int
) -> Subset | str:
    """A minimal list, or why there is none."""
    everything = study.graph.movable
    start = everything if by_error else study.touching_overflows()
    if not wanted(study.quality(start)):
        start, best = everything, study.quality(everything)
        if not wanted(best):
            if by_error:
                return (
                    f"with every node in float32 the error is still {best.relative_error:.2g}"
                    f" (as given {before.relative_error:.2g})"
                )
            return f"with every node in float32 {_listed(best.non_finite)} still leave the declared format"
    trials: Trials[tuple[int, ...]] = Trials(
        lambda kept: wanted(study.quality(kept)), key=lambda kept: kept, size=lambda kept: (len(kept),), budget=tests
    )
    try:
        found = tuple(one_minimal_subset(start, lambda kept: trials(tuple(kept))))
    except BudgetSpent:
        return Subset(trials.best if trials.best is not None else tuple(start), trials.calls, minimal=False)
    return Subset(found, trials.calls, minimal=True)


def _listed(names: Sequence[str]) -> str:
    return ", ".join(f"'{name}'" for name in names[:3]) + (" and others" if len(names) > 3 else "")


def _answer(study: _Study, found: Subset, before: RunQuality) -> dict[str, Any]:
    nodes = [study.graph.proto.graph.node[index] for index in found.items]
    return {
        "nodes": [{"name": node.name, "op_type": node.op_type, "output": node.output[0]} for node in nodes],
        "file": None,
        "minimal": found.minimal,
        "tests": found.tests,
        "before": _as_json(before),
        "after": _as_json(study.quality(found.items)),
        "verified": [],
        "reason": None,
    }


def _as_json(quality: RunQuality) -> dict[str, Any]:
    error = quality.relative_error
    return {"non_finite": list(quality.non_finite), "relative_error": error if np.isfinite(error) else None}


@dataclass(frozen=True, slots=True)
class _Study:
    """A graph, its input sets, and what its values are in float32 and its outputs in float64.

    Attributes:
        finite: for each set, by value name, where it is finite in float32; None where it is so everywhere.
        overflowing: values that the declared format cannot hold on some set.
        exact: for each set, the outputs in float64.
    """

    graph: NarrowGraph
    folder: Path | None
    sets: Sequence[Mapping[str, Any]]
    kernels: Mapping[tuple[str, str], Any]
    finite: Sequence[Mapping[str, Array | None]]
    overflowing: frozenset[str]
    exact: Sequence[Mapping[str, Any]]

    @classmethod
    def of(cls, loaded: Any, sets: Sequence[Mapping[str, Any]]) -> _Study:
        """Evaluate the graph as given for its types, with every node in float32, and in float64.

        Raises:
            EvaluatorError: it cannot be evaluated.
        """
        from tautomer.numerics.onnx_evaluator import Evaluator, LoadedModel

        kernels = kernel_table()
        types = {one.name: one.type.tensor_type.elem_type for one in loaded.proto.graph.input}
        formats: dict[str, str] = {}

        def note_type(name: str, value: Any) -> None:
            if isinstance(value, np.ndarray) and value.dtype.kind in "fV":
                formats[name] = value.dtype.name
                types[name] = onnx.helper.np_dtype_to_tensor_dtype(value.dtype)

        Evaluator(loaded, lift=False, kernels=kernels).run(sets[0], note_type)
        graph = narrow_graph(loaded.proto, types)
        rewritten = with_float32(graph, graph.movable)
        wide = LoadedModel(rewritten.proto, loaded.folder)
        finite, overflowing, exact = [], set(), []
        for given in sets:
            here: dict[str, Array | None] = {}

            def note_range(name: str, value: Any, here: dict[str, Array | None] = here) -> None:
                base = rewritten.declared.get(name, name)
                if base not in formats or not isinstance(value, np.ndarray) or value.dtype != np.float32:
                    return
                good = np.isfinite(value)
                here[base] = None if good.all() else good
                if base in graph.narrow and (np.abs(value[good]) >= overflows_from(formats[base])).any():
                    overflowing.add(base)

            Evaluator(wide, lift=False, kernels=kernels).run(given, note_range)
            finite.append(here)
            exact.append(Evaluator(loaded, lift=True, kernels=kernels).run(given))
        return cls(graph, loaded.folder, sets, kernels, finite, frozenset(overflowing), exact)

    def touching_overflows(self) -> tuple[int, ...]:
        """Movable nodes that make or take a value that the declared format cannot hold."""
        nodes = self.graph.proto.graph.node
        return tuple(
            index
            for index in self.graph.movable
            if self.overflowing & (set(nodes[index].output) | names_used(nodes[index]))
        )

    def quality(self, kept: Sequence[int]) -> RunQuality:
        """Of the graph with the nodes at these positions in float32.

        Raises:
            EvaluatorError: it cannot be evaluated.
        """
        from tautomer.numerics.onnx_evaluator import Evaluator, LoadedModel

        rewritten = with_float32(self.graph, kept)
        model = LoadedModel(rewritten.proto, self.folder)
        bad: dict[str, None] = {}
        error = 0.0
        for index, given in enumerate(self.sets):

            def observe(name: str, value: Any, index: int = index) -> None:
                name = rewritten.declared.get(name, name)
                if isinstance(value, np.ndarray) and self._leaves_range(index, name, value):
                    bad[name] = None

            outputs = Evaluator(model, lift=False, kernels=self.kernels).run(given, observe)
            error = max(error, relative_error(outputs, self.exact[index]))
        return RunQuality(tuple(bad), error)

    def quality_of_outputs(self, index: int, outputs: Mapping[str, Any]) -> RunQuality:
        """Of what a runtime gave on one input set."""
        bad = [
            name
            for name, value in outputs.items()
            if isinstance(value, np.ndarray) and self._leaves_range(index, name, value)
        ]
        return RunQuality(tuple(bad), relative_error(outputs, self.exact[index]))

    def _leaves_range(self, index: int, name: str, value: Array) -> bool:
        if name not in self.finite[index]:
            return False
        expected = self.finite[index][name]
        good = np.isfinite(value.astype(np.float32) if value.dtype.kind == "V" else value)
        return not bool((good if expected is None else good | ~expected).all())


def relative_error(outputs: Mapping[str, Any], exact: Mapping[str, Any]) -> float:
    """The largest over the floating outputs of RMS error over RMS of the exact value; infinite where not finite.

    Elements that are not finite in the exact value either are left out.
    """
    worst = 0.0
    for name, value in exact.items():
        found = outputs.get(name)
        if not isinstance(value, np.ndarray) or value.dtype.kind != "f" or not isinstance(found, np.ndarray):
            continue
        compared = np.isfinite(value)
        given = found.astype(np.float64)[compared]
        if not np.isfinite(given).all():
            return float("inf")
        scale = float(np.sqrt(np.mean(np.square(value[compared])))) if compared.any() else 0.0
        gap = float(np.sqrt(np.mean(np.square(given - value[compared])))) if compared.any() else 0.0
        worst = max(worst, gap / scale if scale else (0.0 if gap == 0 else float("inf")))
    return worst


def save(model: onnx.ModelProto, folder: Path | None, path: Path) -> None:
    """Write a rewritten model; weights that the original has in other files are brought along.

    Args:
        model: the model.
        folder: where its external tensors lie.
        path: of the new file.
    """
    if folder is not None:
        onnx.external_data_helper.load_external_data_for_model(model, str(folder))
    size_bytes = sum(len(tensor.raw_data) for tensor in model.graph.initializer)
    if size_bytes < _EXTERNAL_FROM_BYTES:
        onnx.save_model(model, str(path))
    else:
        onnx.save_model(model, str(path), save_as_external_data=True, location=f"{path.name}.data")


def _verified(path: Path, given: Path, study: _Study, wanted: Callable[[RunQuality], bool]) -> dict[str, Any]:
    """What ONNX Runtime makes of the rewritten file, and of the given one."""
    try:
        after = {level: _worst(path, study, level) for level in _LEVELS}
    except ImportError:
        return {"verified": [], "reason": "onnxruntime is not installed: the list is the evaluator's word alone"}
    except Exception as error:  # whatever the runtime raises on the rewritten file says that it is no remedy
        return {"verified": [], "reason": f"ONNX Runtime refuses the rewritten graph: {type(error).__name__}: {error}"}
    verified = [
        {"level": level, "passes": wanted(one), "as_given": _passes(given, study, level, wanted), **_as_json(one)}
        for level, one in after.items()
    ]
    failing = [str(one["level"]) for one in verified if not one["passes"]]
    said = f"ONNX Runtime does not confirm it at optimization {', '.join(failing)}" if failing else None
    return {"verified": verified, "reason": said}


def _passes(path: Path, study: _Study, level: str, wanted: Callable[[RunQuality], bool]) -> bool | None:
    try:
        return wanted(_worst(path, study, level))
    except Exception:  # the runtime may lack kernels for the format, which is no matter of this search
        return None


def _worst(path: Path, study: _Study, level: str) -> RunQuality:
    qualities = list(_answers(path, study, level))
    bad = tuple(dict.fromkeys(name for one in qualities for name in one.non_finite))
    return RunQuality(bad, max((one.relative_error for one in qualities), default=0.0))


def _answers(path: Path, study: _Study, level: str) -> Iterator[RunQuality]:
    import onnxruntime

    from tautomer.adapters.runtimes.ort_values import session_call

    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = getattr(onnxruntime.GraphOptimizationLevel, _LEVELS[level])
    options.log_severity_level = 3
    session = onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    call = session_call(session)
    names = [one.name for one in session.get_outputs()]
    for index, given in enumerate(study.sets):
        yield study.quality_of_outputs(index, dict(zip(names, call(given), strict=True)))
