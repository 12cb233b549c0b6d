"""The source's values as a target is aligned with them, and alignments as files."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from tautomer.adapters.source_trace import SourceTrace
from tautomer.model import Tensor
from tautomer.numerics.alignment import Match, SourceValue
from tautomer.numerics.layouts import Layout

Array = np.ndarray[Any, Any]

OUTPUT = "output:"
"""Prefix of the names under which the source's outputs stand among its values."""


def write_alignment(path: Path, found: Mapping[str, Match]) -> None:
    """Write an alignment as JSON."""
    document = {
        name: {"source": match.source, "axes": match.layout.axes, "of_target": match.layout.of_target}
        for name, match in found.items()
    }
    path.write_text(json.dumps(document), "utf-8")


def read_alignment(path: Path) -> dict[str, Match]:
    """An alignment from its file; every match is one that is yet to be confirmed."""
    return {
        name: Match(
            one["source"],
            Layout(None if one["axes"] is None else tuple(one["axes"]), one["of_target"]),
            confirmed=False,
        )
        for name, one in json.loads(path.read_text("utf-8")).items()
    }


@dataclass(frozen=True, slots=True)
class Source:
    """The source's values on one input set, its outputs among them.

    Attributes:
        values: by name, in float64.
        declared: in the source's own precision.
        variance: mean square deviation under perturbed rounding of the operator alone; of an output, of the whole.
    """

    values: Mapping[str, SourceValue]
    declared: Mapping[str, Tensor]
    variance: Mapping[str, Array]

    @classmethod
    def read(cls, files: Mapping[str, str]) -> Source:
        """From the files a source's task left."""
        from tautomer.adapters.tensor_file import read_values

        trace = SourceTrace.read(Path(files["trace"]))
        values = {
            one.name: SourceValue(one.name, one.operator, one.line, one.parents, trace.exact[one.name].array)
            for one in trace.values
        }
        declared: dict[str, Tensor] = dict(trace.declared)
        variance: dict[str, Array] = {
            name: np.square(one.array.astype(np.float64)) for name, one in trace.deviation.items()
        }
        s32, s64 = read_values(Path(files["s32"])), read_values(Path(files["s64"]))
        assert isinstance(s32, Mapping)
        assert isinstance(s64, Mapping)
        for path, producer in trace.producers.items():
            one, exact = s32.get(path), s64.get(path)
            if not isinstance(one, Tensor) or not isinstance(exact, Tensor) or not one.is_floating:
                continue
            maker = values.get(producer or "")
            name = f"{OUTPUT}{path}"
            values[name] = SourceValue(
                name,
                maker.operator if maker is not None else "",
                maker.line if maker is not None else None,
                (producer,) if producer else (),
                exact.array,
            )
            declared[name] = one
            variance[name] = moved_variance(maker, variance.get(producer or ""), exact.array)
        return cls(values, declared, variance)

    def returned(self, path: str) -> frozenset[str]:
        """Names of the values that an output is, as they are.

        Args:
            path: of the output.
        """
        output = self.values[f"{OUTPUT}{path}"]
        makers = [one for one in output.parents if one in self.values]
        return frozenset(one for one in makers if np.array_equal(self.values[one].exact, output.exact, equal_nan=True))

    def twins(self, names: Collection[str]) -> frozenset[str]:
        """Names of the values that hold the same numbers as one of these, in the same order.

        What an RNN gives for its only step and its last state are two values of the source, and one of the target's.
        """
        marks = {_numbers(self.values[one].exact) for one in names}
        return frozenset(name for name, one in self.values.items() if _numbers(one.exact) in marks)

    def spanned(self, name: str, found: Mapping[str, Match]) -> list[str]:
        """The values that a fragment computes, the one it ends with first.

        Args:
            name: the one it ends with.
            found: the alignment; a fragment begins behind what is aligned.
        """
        known = {match.source for match in found.values()}
        spanned: dict[str, None] = {}
        pending = [name]
        while pending:
            value = self.values[pending.pop()]
            if value.name not in spanned:
                spanned[value.name] = None
                pending.extend(one for one in value.parents if one not in known)
        return list(spanned)

    def spanned_variance(self, name: str, found: Mapping[str, Match]) -> Array:
        """What perturbed rounding does in all the operators that a fragment spans; see `spanned`."""
        exact = self.values[name].exact
        total = np.array(self.variance[name])
        for other in self.spanned(name, found)[1:]:
            maker, variance = self.values[other], self.variance[other]
            total = total + (variance if variance.shape == exact.shape else moved_variance(maker, variance, exact))
        return total

    def rounded(self, name: str) -> Tensor:
        """The float64 value as the declared precision holds it."""
        kept = self.declared[name].numpy().dtype
        with np.errstate(all="ignore"):
            return Tensor.of(np.asarray(self.values[name].exact).astype(kept))


def _numbers(exact: Array) -> tuple[int, int]:
    """What two arrays with the same numbers share; a mask of ones shares nothing with another."""
    if exact.size > 1 and np.all(exact == exact.reshape(-1)[0]):
        return exact.size, id(exact)
    return exact.size, hash(exact.tobytes())


def moved_variance(maker: SourceValue | None, variance: Array | None, output: Array) -> Array:
    """The variance of an output that is a value, or a value's elements in other places."""
    if maker is None or variance is None:
        return np.zeros(output.shape)
    if maker.exact.size == output.size and np.array_equal(maker.exact.reshape(output.shape), output):
        return variance.reshape(output.shape)
    with np.errstate(all="ignore"):
        relative = variance / np.square(maker.exact)
        known = relative[np.isfinite(relative) & (relative > 0)]
    return np.asarray((float(np.median(known)) if known.size else 0.0) * np.square(output))
