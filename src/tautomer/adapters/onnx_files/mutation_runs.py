"""The worker's part of `tautomer generate --mutate` for ONNX: mutants run in ONNX Runtime, checked and written."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import onnx
from onnx import helper

from tautomer.adapters.mutating import Answer, perturbed, shuffled, write_inputs
from tautomer.adapters.onnx_files.mutation import Graph, changed, fitting_table, places_of, separated
from tautomer.adapters.onnx_files.operator_kernels import session_options
from tautomer.adapters.runtimes.ort_values import session_call
from tautomer.adapters.sources.onnx_source import input_sets
from tautomer.errors import ModelFileError
from tautomer.synthesis.dims import is_dynamic, sized
from tautomer.synthesis.health import Array, extent
from tautomer.synthesis.mutation import Change, Mutator, Source, resized
from tautomer.synthesis.specification import Origin, Value
from tautomer.synthesis.tensor_types import ALL, TensorType

Feeds = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class OnnxMutant:
    """A graph with changes.

    Attributes:
        graph: the changed graph, its outputs declared as they were.
        runs: inputs as written, perturbed, others, and at another size where there are free dimensions.
        answers: what the graph gave for each, by output; filled by a run.
    """

    graph: Graph
    runs: Sequence[Feeds]
    answers: list[dict[str, Any]] = field(default_factory=list)


class OnnxSubject:
    """A model that mutants are made of, as ONNX Runtime runs it without optimization.

    Args:
        spec: `path`, `seed` and `inputs`, as the source takes them.

    Raises:
        ModelFileError: the model cannot be read, or ONNX Runtime does not run it.
        InputsError: an input file cannot be read.
    """

    def __init__(self, spec: dict[str, Any]) -> None:
        from tautomer.adapters.onnx_files.evaluation import kernel_table
        from tautomer.numerics.onnx_evaluator import Evaluator, InvalidModel, load_model

        path = Path(spec["path"])
        try:
            loaded = load_model(path)
            declared = Evaluator(loaded, lift=False).inputs
        except InvalidModel as error:
            raise ModelFileError("TA115", f"{path.name} is not a sound ONNX model: {error.message}.") from error
        sets = [arrays for _, arrays, _ in input_sets(declared, spec, loaded, kernel_table())[0]]
        model = onnx.load(path)
        self._outputs = [one.name for one in model.graph.output]
        self._graph, self._sets = separated(model), _usable(sets)
        try:
            first = self._watched(self._graph, self._sets[0])
        except Exception:
            self._graph = separated(model, inline=np.inf)  # an operator of it wants its weights to be constants
            try:
                first = self._watched(self._graph, self._sets[0])
            except Exception as error:  # whatever the runtime says
                text = str(error).strip().splitlines()
                raise ModelFileError(
                    "TA115", f"ONNX Runtime does not run {path.name}: {text[0] if text else type(error).__name__}"
                ) from error
        second = first
        if len(self._sets) > 1:
            try:
                second = self._watched(self._graph, self._sets[1])
            except Exception:  # it runs at the first sizes only, whatever it declares
                del self._sets[1:]
        _fix_sizes(self._graph.proto, self._sets)
        self._shapes = {name: np.shape(array) for name, array in first.items()}
        values = _values(first, second, self._graph)
        self._dtypes = {name: value.type.dtype for name, value in values.items()}
        table = fitting_table(self._graph.opset)
        self.mutator = Mutator(places_of(self._graph, values), list(_sources(self._graph, values)), table)

    def mutant(self, changes: Sequence[Change]) -> OnnxMutant:
        """The model with changes.

        Raises:
            NoEffect: no output is computed from a node that is changed.
        """
        graph = changed(self._graph, changes, self._dtypes) if changes else self._graph
        shapes = {name: shape for one in changes for name, shape in one.shapes.items()}
        return OnnxMutant(graph, _runs(self._sets, shapes))

    def answers(self, mutant: OnnxMutant) -> list[list[Answer]]:
        """What it answers.

        Raises:
            Exception: what the checker or ONNX Runtime raises.
        """
        proto = onnx.ModelProto()
        proto.CopyFrom(mutant.graph.proto)
        _undeclare_outputs(proto)
        call, names = _session(proto)
        given = []
        for feeds in mutant.runs:
            made = dict(zip(names, call({**feeds, **mutant.graph.weights}), strict=True))
            mutant.answers.append(made)
            found = [np.asarray(made[name]) for name in self._outputs if _is_number(made[name])]
            given.append([(one.dtype.name, _plain(one)) for one in found])
        self._declare_outputs(mutant)
        onnx.checker.check_model(mutant.graph.proto, full_check=True)
        return given

    def written(self, mutant: OnnxMutant, folder: Path, stem: str) -> dict[str, Any]:
        """Write a mutant that was run, and its inputs beside it.

        Raises:
            onnx.checker.ValidationError, onnx.shape_inference.InferenceError: what it declares is not so.
        """
        whole = mutant.graph.whole()
        # Weights are in it now, and shape inference may read them; larger files than protobuf's limit raise here.
        onnx.checker.check_model(whole, full_check=True)
        (folder / f"{stem}.onnx").write_bytes(whole.SerializeToString(deterministic=True))
        write_inputs(folder / f"{stem}-inputs", mutant.runs)
        operators = [node.op_type for node in whole.graph.node]
        return {
            "file": f"{stem}.onnx",
            "inputs": f"{stem}-inputs",
            "nodes": len(operators),
            "operators": sorted(set(operators)),
        }

    def _declare_outputs(self, mutant: OnnxMutant) -> None:
        """Outputs as the model declared them, but for what has another type or size now."""
        declared = {one.name: one for one in self._graph.proto.graph.output}
        answer = mutant.answers[0]
        last = mutant.answers[-1]
        free = {
            size.dim_param
            for one in mutant.graph.proto.graph.input
            for size in one.type.tensor_type.shape.dim
            if size.dim_param
        }
        del mutant.graph.proto.graph.output[:]
        for name in self._outputs:
            made = mutant.graph.proto.graph.output.add()
            made.CopyFrom(declared[name])
            if not made.type.HasField("tensor_type") or not isinstance(answer[name], np.ndarray):
                continue
            own, array = made.type.tensor_type, answer[name]
            own.elem_type = helper.np_dtype_to_tensor_dtype(array.dtype)
            same = self._shapes.get(name) == array.shape
            symbols = [one.dim_param for one in own.shape.dim] if same and own.HasField("shape") else []
            if same and all(one in free for one in symbols if one):
                continue
            own.ClearField("shape")
            for size, other in zip(array.shape, np.shape(last[name]), strict=True):
                own.shape.dim.add(**({"dim_value": size} if size == other and not free else {}))

    def _watched(self, graph: Graph, feeds: Feeds) -> dict[str, Any]:
        """Every value of the graph itself."""
        proto = onnx.ModelProto()
        proto.CopyFrom(graph.proto)
        known = {one.name for one in proto.graph.output}
        extra = [name for node in proto.graph.node for name in node.output if name and name not in known]
        _undeclare_outputs(proto)
        proto.graph.output.extend(helper.make_empty_tensor_value_info(name) for name in extra)
        call, names = _session(proto)
        found = dict(zip(names, call({**feeds, **graph.weights}), strict=True))
        constants = {one.name: onnx.numpy_helper.to_array(one) for one in proto.graph.initializer}
        return {**feeds, **graph.weights, **constants, **found}


def _fix_sizes(proto: onnx.ModelProto, sets: Sequence[Feeds]) -> None:
    """Declare free dimensions that have one size in all inputs with that size: mutants are valid at no other."""
    for one in proto.graph.input:
        if one.name in sets[0] and one.type.tensor_type.HasField("shape"):
            sizes = zip(*(np.shape(given[one.name]) for given in sets), strict=True)
            for dimension, found in zip(one.type.tensor_type.shape.dim, sizes, strict=True):
                if not dimension.HasField("dim_value") and len(set(found)) == 1:
                    dimension.dim_value = found[0]


def _undeclare_outputs(proto: onnx.ModelProto) -> None:
    """Let the outputs of tensors be what they are: a change may give them another size or dtype."""
    for one in proto.graph.output:
        if one.type.HasField("tensor_type"):
            one.type.ClearField("tensor_type")


def _session(proto: onnx.ModelProto) -> tuple[Any, list[str]]:
    import onnxruntime

    options = session_options()
    session = onnxruntime.InferenceSession(proto.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return session_call(session), [one.name for one in session.get_outputs()]


def _usable(sets: Sequence[Feeds]) -> list[Feeds]:
    """The first set, and one of other sizes where there is one."""
    first = sets[0]
    others = [one for one in sets[1:] if any(np.shape(one[name]) != np.shape(first[name]) for name in first)]
    return [first, *others[:1]]


def _runs(sets: Sequence[Feeds], shapes: Mapping[str, Sequence[int]]) -> list[Feeds]:
    """The inputs of the runs, with the sizes that a change gives them."""
    sets = [
        {name: resized(one, _sizes(shapes[name], at)) if name in shapes else one for name, one in feeds.items()}
        for at, feeds in enumerate(sets)
    ]

    def moved(how: Any) -> Feeds:
        generator = np.random.Generator(np.random.PCG64(0))
        return {name: how(one, generator) if _is_number(one) else one for name, one in sets[0].items()}

    runs = [sets[0], moved(lambda one, by: perturbed(one.dtype.name, one, by)), moved(shuffled)]
    still_free = len(sets) > 1 and any(np.shape(sets[1][name]) != np.shape(one) for name, one in sets[0].items())
    return [*runs, sets[1]] if still_free else runs


def _sizes(shape: Sequence[int], at: int) -> list[int]:
    return [getattr(one, "second", int(one)) if at else int(one) for one in shape]


def _values(first: Feeds, second: Feeds, graph: Graph) -> dict[str, Value]:
    """Values whose types rules know, with both of their sizes."""
    inputs = {one.name for one in graph.proto.graph.input} - set(graph.weights)
    weights = {*graph.weights, *(one.name for one in graph.proto.graph.initializer)}
    found = {}
    for name, array in first.items():
        other = second.get(name)
        if (
            not _is_number(array)
            or other is None
            or not _is_number(other)
            or array.ndim != other.ndim
            or array.dtype != other.dtype
        ):
            continue
        shape = tuple(sized(a, b) for a, b in zip(array.shape, other.shape, strict=True))
        seen = extent(_plain(array))
        origin = Origin.INPUT if name in inputs else Origin.WEIGHT if name in weights else Origin.NODE
        found[name] = Value(name, TensorType(array.dtype.name, shape), origin, seen.least, seen.largest)
    return found


def _sources(graph: Graph, values: Mapping[str, Value]) -> list[Source]:
    """Inputs and weights, with what their dimensions share."""
    symbols = {one.name: one.type.tensor_type.shape.dim for one in graph.proto.graph.input}
    found = []
    for name, value in values.items():
        if value.origin is Origin.NODE:
            continue
        named = [one.dim_param for one in symbols[name]] if name in symbols else []
        labels = tuple(
            (dict(enumerate(named)).get(axis) or f"{name} {axis}") if is_dynamic(size) else int(size)
            for axis, size in enumerate(value.type.shape)
        )
        found.append(Source(name, value.type, value.origin is Origin.INPUT, labels))
    return found


def _is_number(value: Any) -> bool:
    return isinstance(value, np.ndarray) and value.dtype.name in ALL


def _plain(array: Array) -> Array:
    return array.astype(np.float32) if array.dtype == ml_dtypes.bfloat16 else array
