"""Does the rounding of constants that a converter folded in float32 explain a difference in float64?

A folded constant carries a few roundings of float32 into a graph that is then lifted exactly. Where the graph before
folding is known, each folded constant is replaced by the exact value it stands for, if it is within a few roundings of
it; what remains is perturbed by as much. A difference of functions survives both.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

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
        parents: earlier checkpoints (`path`, `opset_override`) that still compute a folded constant, by value name.
        seed: of the perturbation.
    """
    from tautomer.adapters.tensor_file import write_values
    from tautomer.numerics.onnx_evaluator import Evaluator, EvaluatorError

    loaded = load_as(model, opset_override)
    kernels = kernel_table()
    derived = _Derived(set(own_constants), set(own_scalars))
    stored = {tensor.name for tensor in loaded.proto.graph.initializer}
    stored |= {name for node in loaded.proto.graph.node if node.op_type == "Constant" for name in node.output}
    for index, file in enumerate(inputs):
        given = graph_inputs(file, feeds)
        try:
            known = _computed_before(parents or [], stored, given, kernels)
            exactly = _Exact(known)
            outputs = Evaluator(loaded, lift=True, kernels=kernels, perturb=exactly).run(given)
            squares: dict[str, Any] = {}
            for sample in range(samples):
                noise = _Noise(seed * 1_000_003 + sample, derived, exactly)
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


def _add_squares(squares: dict[str, Any], exact: Mapping[str, Any], outputs: Mapping[str, Any]) -> None:
    for name, base in exact.items():
        value = outputs[name]
        if isinstance(base, np.ndarray) and base.dtype.kind in "fc" and np.shape(value) == base.shape:
            deviation = np.abs(value - base)
            squares[name] = squares.get(name, 0.0) + np.square(np.where(np.isfinite(deviation), deviation, 0.0))


def _computed_before(
    parents: list[dict[str, Any]], wanted: set[str], given: dict[str, Any], kernels: Mapping[tuple[str, str], Any]
) -> dict[str, Any]:
    """Exact values, by name, that an earlier checkpoint computes and this one stores."""
    from tautomer.numerics.onnx_evaluator import Evaluator

    found: dict[str, Any] = {}
    for parent in parents:
        loaded = load_as(parent["path"], parent.get("opset_override"))

        def observe(name: str, value: Any) -> None:
            if name in wanted and isinstance(value, np.ndarray) and value.dtype.kind == "f":
                found.setdefault(name, value)

        Evaluator(loaded, lift=True, kernels=kernels).run(given, observe)
    return found


class _Exact:
    """Replaces each folded constant by the exact value it stands for."""

    def __init__(self, known: Mapping[str, Any]) -> None:
        self._known = known
        self.replaced: set[str] = set()

    def __call__(self, name: str, array: Any) -> Any:
        exact = self._known.get(name)
        if exact is None or exact.shape != array.shape or not array.size or np.array_equal(exact, array):
            return array  # a constant in the earlier graph as well: nothing says what it was made from
        with np.errstate(all="ignore"):
            close = np.abs(array - exact) <= SAME_CONSTANT_U * U * np.abs(exact).max()
        if not np.all(close | (array == exact)):
            return array
        self.replaced.add(name)
        return exact


class _Derived:
    """Which constants the source does not have itself."""

    def __init__(self, own_constants: set[str], own_scalars: set[float]) -> None:
        self._own_constants = own_constants
        self._own_scalars = own_scalars
        self._known: dict[str, bool] = {}

    def __call__(self, name: str, array: Any) -> bool:
        if name not in self._known:
            self._known[name] = not self._is_own(array)
        return self._known[name]

    def _is_own(self, array: Any) -> bool:
        if array.size == 1:
            value = float(np.asarray(array, dtype=np.float64).reshape(-1)[0])
            mantissa, _ = np.frexp(value)
            # Few bits: nothing was rounded to make it (0.5, 2, 1024, 0.125...).
            return value in self._own_scalars or not np.isfinite(value) or float(mantissa) * 2**8 % 1 == 0
        return fingerprint(np.asarray(array, dtype=np.float32)) in self._own_constants


class _Noise:
    """Perturbs each derived constant that is not exactly known by a few float32 roundings, the same way at each use."""

    def __init__(self, seed: int, derived: Callable[[str, Any], bool], exactly: _Exact) -> None:
        self._seed = seed
        self._derived = derived
        self._exactly = exactly

    def __call__(self, name: str, array: Any) -> Any:
        replaced = self._exactly(name, array)
        if replaced is not array or not self._derived(name, array):
            return replaced
        letters = np.frombuffer(name.encode().ljust(4, b"\0"), dtype=np.uint8)
        generator = np.random.default_rng([self._seed, *letters.tolist()])
        relative = generator.uniform(-FOLDING_U, FOLDING_U, array.shape)
        for axis in range(array.ndim):  # a folded norm or scale errs alike for a whole slice
            shape = [array.shape[axis] if other == axis else 1 for other in range(array.ndim)]
            relative = relative + generator.uniform(-FOLDING_U, FOLDING_U, shape)
        return array * (1.0 + U * relative)
