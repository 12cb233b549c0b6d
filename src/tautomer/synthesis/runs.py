"""The runs in which a growing model is watched, and what an operator answers in each.

Every value is known on the inputs that the model is written with, on these perturbed, on other inputs, and, where a
dimension is dynamic, on inputs of another size.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from tautomer.synthesis.health import PERTURBATION, Array, Extent, Observed, ailment, extent, jumps, out_of_range
from tautomer.synthesis.program import DrawnTensor, Reference
from tautomer.synthesis.specification import Specification
from tautomer.synthesis.tensor_types import FLOATS, TensorType

WRITTEN, PERTURBED, OTHER, RESIZED = range(4)

NOISE_ELEMENTS = 1 << 14
_NOISE = 2.0 * np.random.Generator(np.random.PCG64(0)).random(NOISE_ELEMENTS) - 1.0
"""Between -1 and 1; drawing it anew for every value would cost more than the operators do.

A value has fewer elements than that.
"""


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
    """What an operator gave: for each run, its results as tensors; and their extents, but for the perturbed run."""

    tensors: Sequence[Sequence[Any]]
    extents: Sequence[Sequence[Extent]]


class Runs:
    """Values of a growing model in every run.

    Args:
        kernels: the framework.
        dynamic: whether there is a run at a second size.
        ties: whether decisions near ties are wanted.
        noise: where in the noise that values are perturbed with the first is taken from.
    """

    def __init__(self, kernels: Kernels, *, dynamic: bool, ties: bool, noise: int) -> None:
        self._kernels = kernels
        self._runs = range(4 if dynamic else 3)
        self._ties = ties
        self._at = noise
        self._tensors: dict[str, Sequence[Any]] = {}
        self._nearest: dict[str, float] = {}

    def keep(self, name: str, tensors: Sequence[Any]) -> None:
        """Remember a value."""
        self._tensors[name] = tensors

    def tensors(self, name: str) -> Sequence[Any]:
        """A value in every run."""
        return self._tensors[name]

    def arrays(self, tensors: Sequence[Any]) -> list[Array]:
        """Tensors as arrays."""
        return [self._kernels.array(one) for one in tensors]

    def nearest_to_zero(self, name: str) -> float:
        """The smallest magnitude that a value has in any run."""
        found = self._nearest.get(name)
        if found is None:
            arrays = self.arrays(self._tensors[name])
            found = min((float(np.abs(one).min()) for one in arrays if one.size), default=0.0)
            self._nearest[name] = found
        return found

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
        begin = self._at % (NOISE_ELEMENTS - array.size)
        self._at += array.size
        noise = _NOISE[begin : begin + array.size].reshape(array.shape)
        scale = np.abs(array).max() if shifted else array
        return np.asarray(array + noise * (PERTURBATION[dtype] * scale), array.dtype)

    def answer(self, proposal: Proposal) -> Answer:
        """What an operator gives in every run, if it is of use.

        Raises:
            Refusal: the framework refuses it, its types are not those of the rule, or a value is not healthy.
        """
        decides = proposal.specification.decides and not self._ties
        said = [tuple(map(int, one.shape)) for one in proposal.results]
        runs = [self._results(proposal, run, said, shifted=decides and run == PERTURBED) for run in self._runs]
        arrays = [self.arrays(made) for made in runs]
        extents = [[extent(one) for one in arrays[run]] for run in self._runs if run != PERTURBED]
        for index, type_ in enumerate(proposal.results):
            written, perturbed, other = (made[index] for made in arrays[:RESIZED])
            seen = Observed(written, perturbed, other, (extents[0][index], extents[1][index]))
            wrong = ailment(seen, type_.dtype, ties=self._ties)
            if wrong is None and RESIZED in self._runs:
                wrong = out_of_range(extents[-1][index], type_.dtype)
            if wrong is not None:
                raise Refusal(wrong)
        for place, run in enumerate(self._runs[OTHER:], 1) if decides else ():
            moved = self.arrays(self._results(proposal, run, said, shifted=True))
            for index, type_ in enumerate(proposal.results):
                if jumps(arrays[run][index], moved[index], type_.dtype, extents[place][index].reach):
                    raise Refusal("near a tie")
        for index, type_ in enumerate(proposal.results):
            if type_.dtype in FLOATS:
                nudged = self._perturbed(arrays[PERTURBED][index], type_.dtype)
                runs[PERTURBED][index] = self._kernels.tensor(nudged, type_.dtype)
        return Answer(runs, extents)

    def _results(self, proposal: Proposal, run: int, said: Sequence[tuple[int, ...]], *, shifted: bool) -> list[Any]:
        bound = {
            name: self._in_run(value, proposal, run, shifted=shifted) if is_tensor(value) else value
            for name, value in proposal.bindings.items()
        }
        kernels = self._kernels
        try:
            results = list(kernels.evaluate(proposal.specification, bound))
        except kernels.refusals as error:
            raise Refusal(f"refused: {type(error).__name__}: {error}"[:300]) from error
        if run == RESIZED:
            said = [one.shape_at_second_size() for one in proposal.results]
        right = len(results) == len(said) and all(
            tuple(one.shape) == shape and kernels.dtype(one) == type_.dtype
            for one, shape, type_ in zip(results, said, proposal.results, strict=True)
        )
        if not right:
            got = [(kernels.dtype(one), tuple(one.shape)) for one in results]
            wanted = [(type_.dtype, shape) for type_, shape in zip(proposal.results, said, strict=True)]
            raise Refusal(f"wrong type {'at the second size ' if run == RESIZED else ''}{got} for {wanted}")
        return results

    def _in_run(self, value: Any, proposal: Proposal, run: int, *, shifted: bool) -> Any:
        if type(value) is not Reference:
            return [self._in_run(one, proposal, run, shifted=shifted) for one in value]
        own = proposal.fresh.get(value.name)
        tensor = (own if own is not None else self._tensors[value.name])[run]
        if shifted and value.name not in proposal.weights:
            dtype = self._kernels.dtype(tensor)
            if dtype in FLOATS:
                return self._kernels.tensor(self._perturbed(self._kernels.array(tensor), dtype, shifted=True), dtype)
        return tensor


def values_of(drawn: DrawnTensor, seed: int, shape: Sequence[int]) -> Array:
    """The values that an input or a weight has for a seed; `module_text.DRAWN` is the same for a model's file.

    NumPy keeps the stream of PCG64, and nothing but its numbers between zero and one is used (NEP 19).
    """
    unit = np.random.Generator(np.random.PCG64(seed)).random(tuple(int(one) for one in shape))
    dtype = drawn.type.dtype
    if dtype == "bool":
        return np.asarray(unit < 0.5)
    if dtype in FLOATS:
        values = np.asarray(drawn.low + (drawn.high - drawn.low) * unit)
        return values.astype("float64" if dtype == "float64" else "float32")
    return np.asarray(np.floor(drawn.low + (drawn.high - drawn.low + 1) * unit)).astype(dtype)


def is_tensor(value: Any) -> bool:
    """Whether something bound is a tensor or a list of tensors."""
    return type(value) is Reference or (isinstance(value, tuple) and bool(value) and type(value[0]) is Reference)
