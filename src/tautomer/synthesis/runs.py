"""The runs in which a growing model is watched, and what an operator answers in each.

Every value is known on the inputs that the model is written with, on these perturbed, on other inputs, and, where a
dimension is dynamic, on inputs of another size.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from tautomer.synthesis.health import PERTURBATION, Observed, ailment, jumps, out_of_range
from tautomer.synthesis.program import DrawnTensor, Reference
from tautomer.synthesis.specification import Specification
from tautomer.synthesis.tensor_types import FLOATS, TensorType

Array = NDArray[Any]

WRITTEN, PERTURBED, OTHER, RESIZED = range(4)


class Kernels(Protocol):
    """A framework that runs one operator at a time."""

    refusals: tuple[type[BaseException], ...]

    def tensor(self, array: Array, dtype: str) -> Any:
        """An array as a tensor of a dtype."""

    def array(self, tensor: Any) -> Array:
        """A tensor as an array; formats that NumPy lacks as float32."""

    def dtype(self, tensor: Any) -> str:
        """The name of a tensor's dtype."""

    def evaluate(self, specification: Specification, bound: Mapping[str, Any]) -> tuple[Any, ...]:
        """The results of an operator on tensors and attributes."""


class Refusal(Exception):
    """A proposal is of no use; the message says why."""


@dataclass(frozen=True, slots=True)
class Proposal:
    """A node that is to be tried.

    Attributes:
        specification: its operator.
        bindings: what its expression's names stand for.
        results: the types that the rule says.
        fresh: tensors of the operands that are new, in every run, by name.
        weights: names of the operands that are the same in every run.
    """

    specification: Specification
    bindings: Mapping[str, Any]
    results: tuple[TensorType, ...]
    fresh: Mapping[str, Sequence[Any]]
    weights: frozenset[str]


@dataclass(frozen=True, slots=True)
class Answer:
    """What an operator gave: for each run, its results as tensors and as arrays."""

    tensors: Sequence[Sequence[Any]]
    arrays: Sequence[Sequence[Array]]


class Runs:
    """Values of a growing model in every run.

    Args:
        kernels: the framework.
        dynamic: whether there is a run at a second size.
        ties: whether decisions near ties are wanted.
        noise: what values are perturbed with.
    """

    def __init__(self, kernels: Kernels, *, dynamic: bool, ties: bool, noise: np.random.RandomState) -> None:
        self._kernels = kernels
        self._runs = range(4 if dynamic else 3)
        self._ties = ties
        self._noise = noise
        self._tensors: dict[str, Sequence[Any]] = {}

    def keep(self, name: str, tensors: Sequence[Any]) -> None:
        """Remember a value."""
        self._tensors[name] = tensors

    def tensors(self, name: str) -> Sequence[Any]:
        """A value in every run."""
        return self._tensors[name]

    def arrays(self, tensors: Sequence[Any]) -> list[Array]:
        """Tensors as arrays."""
        return [self._kernels.array(one) for one in tensors]

    def drawn(self, drawn: DrawnTensor, *, is_input: bool) -> list[Any]:
        """An input or a weight in every run."""
        dtype = drawn.type.dtype
        written = values_of(drawn, drawn.seed, drawn.type.shape)
        tensor = self._kernels.tensor(written, dtype)
        if not is_input:
            return [tensor for _ in self._runs]
        perturbed = self._perturbed(written, dtype)
        other = values_of(drawn, drawn.seed + 1, drawn.type.shape)
        runs = [tensor, self._kernels.tensor(perturbed, dtype), self._kernels.tensor(other, dtype)]
        if RESIZED in self._runs:
            resized = values_of(drawn, drawn.seed + 2, drawn.type.shape_at_second_size())
            runs.append(self._kernels.tensor(resized, dtype))
        return runs

    def _perturbed(self, array: Array, dtype: str, *, shifted: bool = False) -> Array:
        if dtype not in FLOATS or array.size == 0:
            return array
        noise = self._noise.uniform(-1.0, 1.0, array.shape) * PERTURBATION[dtype]
        scale = np.abs(array).max() if shifted else np.abs(array)
        return np.asarray(array + noise * scale, array.dtype)

    def answer(self, proposal: Proposal) -> Answer:
        """What an operator gives in every run, if it is of use.

        Raises:
            Refusal: the framework refuses it, its types are not those of the rule, or a value is not healthy.
        """
        decides = proposal.specification.decides and not self._ties
        runs = [self._results(proposal, run, shifted=decides and run == PERTURBED) for run in self._runs]
        arrays = [self.arrays(made) for made in runs]
        for index, type_ in enumerate(proposal.results):
            seen = Observed(*(arrays[run][index] for run in (WRITTEN, PERTURBED, OTHER)))
            wrong = ailment(seen, type_.dtype, ties=self._ties)
            if wrong is None and RESIZED in self._runs:
                wrong = out_of_range(arrays[RESIZED][index], type_.dtype)
            if wrong is not None:
                raise Refusal(wrong)
        for run in self._runs[OTHER:] if decides else ():
            moved = self.arrays(self._results(proposal, run, shifted=True))
            if any(jumps(a, b, one.dtype) for a, b, one in zip(arrays[run], moved, proposal.results, strict=True)):
                raise Refusal("near a tie")
        for index, type_ in enumerate(proposal.results):
            if type_.dtype in FLOATS:
                nudged = self._perturbed(arrays[PERTURBED][index], type_.dtype)
                runs[PERTURBED][index] = self._kernels.tensor(nudged, type_.dtype)
        return Answer(runs, arrays)

    def _results(self, proposal: Proposal, run: int, *, shifted: bool) -> list[Any]:
        bound = {
            name: self._in_run(value, proposal, run, shifted=shifted) if is_tensor(value) else value
            for name, value in proposal.bindings.items()
        }
        try:
            results = list(self._kernels.evaluate(proposal.specification, bound))
        except self._kernels.refusals as error:
            raise Refusal(f"refused: {type(error).__name__}: {error}"[:300]) from error
        got = [(self._kernels.dtype(one), tuple(one.shape)) for one in results]
        said = [
            (one.dtype, one.shape_at_second_size() if run == RESIZED else tuple(int(size) for size in one.shape))
            for one in proposal.results
        ]
        if got != said:
            raise Refusal(f"wrong type {'at the second size ' if run == RESIZED else ''}{got} for {said}")
        return results

    def _in_run(self, value: Any, proposal: Proposal, run: int, *, shifted: bool) -> Any:
        if isinstance(value, tuple):
            return [self._in_run(one, proposal, run, shifted=shifted) for one in value]
        own = proposal.fresh.get(value.name)
        tensor = (own if own is not None else self._tensors[value.name])[run]
        if shifted and value.name not in proposal.weights:
            dtype = self._kernels.dtype(tensor)
            if dtype in FLOATS:
                return self._kernels.tensor(self._perturbed(self._kernels.array(tensor), dtype, shifted=True), dtype)
        return tensor


def values_of(drawn: DrawnTensor, seed: int, shape: Sequence[int]) -> Array:
    """The values that an input or a weight has for a seed.

    NumPy's `RandomState` is frozen, so that a model's file makes the same ones wherever it is read.
    """
    state, size = np.random.RandomState(seed % 2**32), tuple(int(one) for one in shape)
    if drawn.type.dtype == "bool":
        return state.random_sample(size) < 0.5
    if drawn.type.dtype in FLOATS:
        return state.uniform(drawn.low, drawn.high, size).astype(
            "float64" if drawn.type.dtype == "float64" else "float32"
        )
    return state.randint(int(drawn.low), int(drawn.high) + 1, size).astype(drawn.type.dtype)


def is_tensor(value: Any) -> bool:
    """Whether something bound is a tensor or a list of tensors."""
    first = value[0] if isinstance(value, tuple) and value else value
    return isinstance(first, Reference)
