"""Does the rounding of constants that a converter folded in their declared precision explain a difference in float64?

A folded constant carries a few roundings of its format into a graph that is then lifted exactly. Where the graph before
folding is known, each folded constant is replaced by the exact value it stands for, if it is within a few roundings of
it; what remains is perturbed by as much. A difference of functions survives both.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from tautomer.adapters.onnx_files.constant_parts import ConstantParts
from tautomer.adapters.onnx_files.evaluation import as_value, graph_inputs, kernel_table, load_as
from tautomer.adapters.onnx_files.fingerprint import fingerprint
from tautomer.adapters.worker_api import Channel
from tautomer.model import Tensor
from tautomer.numerics.formats import UNIT_ROUNDOFF

U = UNIT_ROUNDOFF["float32"]

FOLDING_U = 2.0
"""Half-width, in u, of each perturbation of a derived constant: folding a small subgraph takes a few roundings."""

SAME_CONSTANT_U = 64.0
"""A folded constant this close to the exact value, relative to the tensor's largest, is that value rounded."""

SAME_NARROW_CONSTANT_U = 8.0
"""The same for 16-bit formats, where 64 u would be 3% and more: a batch norm folded in float16 is off by up to 3 u."""


@dataclass(frozen=True, slots=True)
class Constants:
    """What is known of a graph's constants.

    Attributes:
        own: fingerprints of the source's tensors, and its scalars: what is among them was not derived.
        doubles: float32 number -> the double that the source's factories take in its place.
        parents: earlier checkpoints (`path`, `opset_override`) that still compute a folded constant, by value name.
        seed: of their perturbation.
    """

    own: tuple[list[str], list[float]]
    doubles: Mapping[float, float]
    parents: list[dict[str, Any]]
    seed: int


def explain(
    channel: Channel,
    *,
    model: str,
    checkpoint: str,
    inputs: list[str],
    feeds: dict[str, str],
    samples: int,
    own_constants: list[str],
    own_scalars: list[float],
    own_doubles: list[float],
    opset_override: int | None = None,
    parents: list[dict[str, Any]] | None = None,
    seed: int = 0,
) -> dict[str, Any]:
    """Evaluate a model in float64 with exact constants, and with the remaining derived ones perturbed.

    Emits a `constants` event for each input set, with files of the outputs under exact constants and of the mean square
    deviation of the perturbed runs.

    Args:
        model, checkpoint, inputs, feeds, opset_override: as for `evaluate`.
        samples: perturbed runs an input set.
        own_constants, own_scalars: fingerprints and numbers that the source has; what is among them is not derived.
        own_doubles: numbers that factories of the source take in double precision.
        parents: earlier checkpoints (`path`, `opset_override`) that still compute a folded constant, by value name.
        seed: of the perturbation.
    """
    from tautomer.adapters.tensor_file import write_values
    from tautomer.numerics.onnx_evaluator import Evaluator, EvaluatorError

    loaded = load_as(model, opset_override)
    kernels = kernel_table()
    derived = Derived(set(own_constants), set(own_scalars))
    units = declared_units(loaded.proto.graph)
    doubles = rounded_doubles(own_doubles)
    stored = {tensor.name for tensor in loaded.proto.graph.initializer}
    stored |= {name for node in loaded.proto.graph.node if node.op_type == "Constant" for name in node.output}
    for index, file in enumerate(inputs):
        given = graph_inputs(file, feeds)
        try:
            known = computed_before(parents or [], stored, given, kernels, doubles)
            exactly = ExactConstants(known, units, doubles)
            outputs = Evaluator(loaded, lift=True, kernels=kernels, perturb=exactly).run(given)
            squares: dict[str, Any] = {}
            parts = ConstantParts(parents or [], stored, kernels) if samples else None
            for sample in range(samples):
                noise = Noise(seed * 1_000_003 + sample, derived, exactly, parts)
                _add_squares(squares, outputs, Evaluator(loaded, lift=True, kernels=kernels, perturb=noise).run(given))
        except EvaluatorError as error:
            channel.emit("constants", checkpoint=checkpoint, input=index, exact=None, variance=None, error=str(error))
            continue
        exact_file = channel.folder / f"{checkpoint}-exact-constants-{index}.safetensors"
        variance_file = channel.folder / f"{checkpoint}-constants-variance-{index}.safetensors"
        write_values(exact_file, {name: as_value(value) for name, value in outputs.items()})
        write_values(variance_file, {name: Tensor.of(np.asarray(total / samples)) for name, total in squares.items()})
        channel.emit(
            "constants",
            checkpoint=checkpoint,
            input=index,
            exact=str(exact_file),
            variance=str(variance_file),
            error=None,
            replaced=len(exactly.replaced),
        )
    return {}


def declared_units(graph: Any) -> dict[str, float]:
    """Unit roundoff of each stored floating constant, by name: of the format that the graph computes with it in.

    A constant of 16 bits that nodes take through a Cast belongs to a computation in the wider type: that it went
    through the narrow one is a difference of functions, not a rounding of the arithmetic. A float64 constant whose
    every use is rounded to float32 before it meets a value (torch.onnx writes a scale so) is rounded when the graph
    runs, as a folded one was before.
    """
    from tautomer.numerics.onnx_evaluator.element_types import element_name, spec_dtype

    tensors = {tensor.name: tensor for tensor in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant" and node.domain in ("", "ai.onnx"):
            for attribute in node.attribute:
                if attribute.name == "value":
                    tensors[node.output[0]] = attribute.t
    units = {
        name: UNIT_ROUNDOFF[spec_dtype(element_name(tensor.data_type))]
        for name, tensor in tensors.items()
        if spec_dtype(element_name(tensor.data_type)) in UNIT_ROUNDOFF
    }
    for node in graph.node:
        if node.op_type in ("Cast", "CastLike") and node.domain in ("", "ai.onnx") and node.input[0] in units:
            units[node.input[0]] = min(U, units[node.input[0]])
    return {name: U if unit < U and _only_rounded(graph, name, set(tensors)) else unit for name, unit in units.items()}


def _only_rounded(graph: Any, name: str, constants: set[str]) -> bool:
    """Whether whatever is made of a constant, of constants alone, is cast to float32 before anything else takes it."""
    import onnx

    made, rounded = {name}, False
    for node in graph.node:  # in topological order
        if any(attribute.HasField("g") or attribute.graphs for attribute in node.attribute):
            return False  # a branch may take it by name
        if made.isdisjoint(node.input):
            continue
        if node.op_type == "Cast" and node.domain in ("", "ai.onnx"):
            rounded = any(one.name == "to" and one.i == onnx.TensorProto.FLOAT for one in node.attribute)
            if not rounded:
                return False
            continue
        if not set(node.input) - {""} <= made | constants:
            return False
        made.update(node.output)
    return rounded and made.isdisjoint(output.name for output in graph.output)


def rounded_doubles(numbers: list[float]) -> dict[float, float]:
    """The numbers by what float32 makes of them, where that is another number."""
    with np.errstate(over="ignore"):
        return {float(np.float32(one)): one for one in numbers if float(np.float32(one)) != one}


def _add_squares(squares: dict[str, Any], exact: Mapping[str, Any], outputs: Mapping[str, Any]) -> None:
    for name, base in exact.items():
        value = outputs[name]
        if isinstance(base, np.ndarray) and base.dtype.kind in "fc" and np.shape(value) == base.shape:
            deviation = np.abs(value - base)
            squares[name] = squares.get(name, 0.0) + np.square(np.where(np.isfinite(deviation), deviation, 0.0))


def computed_before(
    parents: list[dict[str, Any]],
    wanted: set[str],
    given: dict[str, Any],
    kernels: Mapping[tuple[str, str], Any],
    doubles: Mapping[float, float] | None = None,
) -> dict[str, Any]:
    """Exact values, by name, that an earlier checkpoint computes and this one stores."""
    from tautomer.numerics.onnx_evaluator import Evaluator, EvaluatorError

    found: dict[str, Any] = {}
    for parent in parents:
        loaded = load_as(parent["path"], parent.get("opset_override"))

        def observe(name: str, value: Any) -> None:
            if name in wanted and isinstance(value, np.ndarray) and value.dtype.kind == "f":
                found.setdefault(name, value)

        own = ExactConstants({}, {}, doubles)
        # What a checkpoint that cannot be run computes before it fails is as good as any other's.
        with contextlib.suppress(EvaluatorError):
            Evaluator(loaded, lift=True, kernels=kernels, perturb=own).run(given, observe)
    return found


class ExactConstants:
    """Replaces each folded constant by the exact value it stands for.

    Args:
        known: exact values by name, which an earlier checkpoint computes.
        units: unit roundoff of each constant's format, by name.
        doubles: float32 number -> the double that a factory of the source (arange) takes unrounded, and that the
            number therefore stands for.
    """

    def __init__(
        self, known: Mapping[str, Any], units: Mapping[str, float], doubles: Mapping[float, float] | None = None
    ) -> None:
        self._known = known
        self.units = units
        self._doubles = doubles or {}
        self.replaced: set[str] = set()

    def __call__(self, name: str, array: Any) -> Any:
        """The array to compute with."""
        exact = self._known.get(name)
        if exact is None and array.size == 1 and (double := self._doubles.get(float(array.reshape(-1)[0]))) is not None:
            exact = np.full_like(array, double)
        if exact is None or exact.shape != array.shape or not array.size or np.array_equal(exact, array):
            return array  # a constant in the earlier graph as well: nothing says what it was made from
        u = self.units.get(name, U)
        limit_u = SAME_CONSTANT_U if u <= U else SAME_NARROW_CONSTANT_U
        with np.errstate(all="ignore"):
            close = np.abs(array - exact) <= limit_u * u * np.abs(exact).max()
        if not np.all(close | (array == exact)):
            return array
        self.replaced.add(name)
        return exact


def rounded_reciprocals(scalars: Iterable[float]) -> set[float]:
    """What float32 makes of one over each number, where that is rounded.

    An optimizer writes a division by six as a product with 0.16666667. That the source has this number, too, does not
    say that it is meant wherever it stands.
    """
    with np.errstate(all="ignore"):
        pairs = [(one, float(np.float32(1.0 / one))) for one in scalars if one]
    return {rounded for one, rounded in pairs if np.isfinite(rounded) and rounded * one != 1.0}


class Derived:
    """Which constants the source does not have itself."""

    def __init__(self, own_constants: set[str], own_scalars: set[float]) -> None:
        self._own_constants = own_constants
        self._own_scalars = own_scalars - rounded_reciprocals(own_scalars)
        self._known: dict[str, bool] = {}

    def __call__(self, name: str, array: Any) -> bool:
        """Whether the constant was derived."""
        if name not in self._known:
            self._known[name] = not self._is_own(array)
        return self._known[name]

    def _is_own(self, array: Any) -> bool:
        values = np.asarray(array, dtype=np.float64)
        mantissas, _ = np.frexp(values[np.isfinite(values)])
        if np.all(mantissas * 2**8 % 1 == 0):
            return True  # few bits: nothing was rounded to make them (0.5, 2, 1024, 0.125...)
        if array.size == 1:
            return float(values.reshape(-1)[0]) in self._own_scalars
        return fingerprint(np.asarray(array, dtype=np.float32)) in self._own_constants


class Noise:
    """Perturbs each derived constant by a few of its roundings, the same way at each use.

    One that is exactly known is what an earlier checkpoint makes of its own derived constants, perturbed likewise.

    Args:
        seed: of the perturbation.
        derived: which constants are derived.
        exactly: replaces those that are exactly known.
        parts: what earlier checkpoints make of constants; None where there are no earlier ones.
    """

    def __init__(
        self,
        seed: int,
        derived: Callable[[str, Any], bool],
        exactly: ExactConstants,
        parts: ConstantParts | None = None,
    ) -> None:
        self._seed = seed
        self._derived = derived
        self._exactly = exactly
        own = Noise(seed, derived, ExactConstants({}, exactly.units)) if parts is not None else None
        self._moved = parts.values(own) if parts is not None else {}

    def __call__(self, name: str, array: Any) -> Any:
        """The array to compute with."""
        replaced = self._exactly(name, array)
        if replaced is not array:
            moved = self._moved.get(name)
            return replaced if moved is None or np.shape(moved) != replaced.shape else moved
        if not self._derived(name, array):
            return array
        letters = np.frombuffer(name.encode().ljust(4, b"\0"), dtype=np.uint8)
        generator = np.random.default_rng([self._seed, *letters.tolist()])
        relative = generator.uniform(-FOLDING_U, FOLDING_U, array.shape)
        for axis in range(array.ndim):  # a folded norm or scale errs alike for a whole slice
            shape = [array.shape[axis] if other == axis else 1 for other in range(array.ndim)]
            relative = relative + generator.uniform(-FOLDING_U, FOLDING_U, shape)
        u = self._exactly.units.get(name, U)
        if max(array.shape, default=1) == array.size > 1:
            # A vector, whatever axis it lies along, that was folded from a sum (a bias with the mean of a batch norm in
            # it) cancels in single elements.
            largest = float(np.abs(array).max(initial=0.0, where=np.isfinite(array)))
            return array * (1.0 + u * relative) + u * largest * generator.uniform(-FOLDING_U, FOLDING_U, array.shape)
        return array * (1.0 + u * relative)
