"""What a check says of a graph in reduced precision: what leaves its range, what is near, what to keep in float32."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tautomer.adapters.protocols import WarmHost
from tautomer.checking.attempts import Bench, describe
from tautomer.model import Completed, Workaround
from tautomer.numerics.formats import LARGEST

NEAR_BITS = 1.0
"""A value within a factor of two of the format's largest number is near it: the next input may be twice as large."""

VANISHING_SHARE = 0.01
"""From this share of a value's elements on, becoming zero is worth a sentence. No finding: softmax does it often."""

_HEADROOM = "tautomer.adapters.onnx_files.headroom:headroom"
_KEEP = "tautomer.adapters.onnx_files.keep_in_float32:keep_in_float32"


@dataclass(frozen=True, slots=True)
class RangeReport:
    """How a graph's reduced-precision values lie in their formats.

    Attributes:
        values: entries of `headroom`, the most urgent first.
        first_non_finite: the first value that leaves its format, in the graph's order.
        constants_not_finite: names of stored tensors with NaN or infinity.
        reasons: why something could not be measured.
    """

    values: Sequence[Mapping[str, Any]] = ()
    first_non_finite: Mapping[str, Any] | None = None
    constants_not_finite: Sequence[str] = ()
    reasons: Sequence[str] = ()

    @property
    def formats(self) -> list[str]:
        """Reduced formats the graph uses; empty where it uses none."""
        return sorted({str(one["dtype"]) for one in self.values})

    def warnings(self) -> list[str]:
        """Sentences that a person should see without asking: values outside their format, or nearly."""
        said = [self._left()] if self.first_non_finite is not None else []
        if self.constants_not_finite:
            names = ", ".join(f"'{name}'" for name in self.constants_not_finite[:3])
            said.append(f"stored in reduced precision, {names} hold NaN or infinity")
        nearest = self._nearest()
        if self.first_non_finite is None and nearest is not None and nearest["headroom_bits"] < NEAR_BITS:
            said.append(headroom_text(nearest))
        return said

    def sentences(self) -> list[str]:
        """Everything worth a line: the warnings, the least headroom, and the value of which most becomes zero."""
        said = self.warnings()
        nearest = self._nearest()
        if nearest is not None and headroom_text(nearest) not in said:
            said.append(headroom_text(nearest))
        vanishing = max(self.values, key=lambda one: float(one["vanishing_share"]), default=None)
        if vanishing is not None and vanishing["vanishing_share"] >= VANISHING_SHARE:
            share = float(vanishing["vanishing_share"])
            said.append(f"{share:.0%} of the elements of {_named(vanishing)} become zero in {vanishing['dtype']}")
        return [*said, *(f"the range of its values was not measured: {reason}" for reason in self.reasons)]

    def _left(self) -> str:
        one = self.first_non_finite or {}
        first = one["non_finite"]
        more = sum(other["non_finite"] is not None for other in self.values) - 1
        others = f"; {more} more value{'s' if more > 1 else ''} after it" if more else ""
        return (
            f"{_named(one)} is the first value to leave {one['dtype']}, on input set {first['input']}:"
            f" {first['found']} where float64 has {first['should_be']:.5g} (the largest {one['dtype']} number is"
            f" {LARGEST[one['dtype']]:.5g}){others}"
        )

    def _nearest(self) -> Mapping[str, Any] | None:
        held = [one for one in self.values if one["non_finite"] is None and one["headroom_bits"] is not None]
        return min(held, key=lambda one: float(one["headroom_bits"]), default=None)


def headroom_text(one: Mapping[str, Any]) -> str:
    """One line about how near a value comes to its format's largest number."""
    bits, dtype = float(one["headroom_bits"]), one["dtype"]
    where = f"{_named(one)} reaches {float(one['largest']):.4g}"
    largest = f"the largest {dtype} number is {LARGEST[dtype]:.5g}"
    return f"{where}: {max(bits, 0.0):.1f} powers of two below overflow ({largest})"


def _named(one: Mapping[str, Any]) -> str:
    node = f" of '{one['node']}'" if one["node"] else ""
    return f"'{one['value']}' ({one['op_type'] or 'stored'}{node})"


def range_report(bench: Bench, host: WarmHost, evaluation: Mapping[str, Any], *, label: str) -> RangeReport:
    """Measure one ONNX file's reduced-precision values.

    Args:
        bench: where the task runs.
        host: of the converter or runtime.
        evaluation: arguments of an evaluation task (`pipeline.evaluation_arguments`).
        label: of the attempt.
    """
    attempt = bench.run(host, _HEADROOM, _arguments(evaluation), label=label)
    if not isinstance(attempt, Completed):
        return RangeReport(reasons=(describe(attempt),))
    return RangeReport(**attempt.result)


@dataclass(frozen=True, slots=True)
class KeptNodes:
    """Nodes that a reduced-precision graph must keep in float32.

    Attributes:
        nodes: `name`, `op_type` and `output` of each.
        file: the rewritten model; None where there is none.
        minimal: whether none of the nodes can be left out.
        verified: what ONNX Runtime makes of the file, for each optimization level.
        reason: why there is no list, or why it is not verified.
    """

    nodes: Sequence[Mapping[str, str]] = ()
    file: str | None = None
    minimal: bool = False
    verified: Sequence[Mapping[str, Any]] = ()
    reason: str | None = None

    @property
    def names(self) -> list[str]:
        """Names of the nodes, or of their outputs where they have none."""
        return [one["name"] or one["output"] for one in self.nodes]

    def workaround(self) -> Workaround | None:
        """The list as a workaround; None unless a runtime confirmed it."""
        if not self.nodes or self.reason is not None or not self.verified:
            return None
        count = len(self.nodes)
        which = "the one node that it takes" if count == 1 else f"these {count} nodes"
        smallest = ", none of which can be left out" if self.minimal and count > 1 else ""
        return Workaround(
            description=f"keep {which} in float32{smallest}: {', '.join(self.names)} (verified in ONNX Runtime)"
        )


def kept_nodes(
    bench: Bench, host: WarmHost, evaluation: Mapping[str, Any], *, label: str, error_limit: float | None = None
) -> KeptNodes:
    """Search the smallest list of nodes to keep in float32.

    Args:
        bench, host, evaluation, label: as for `range_report`.
        error_limit: relative RMS error the outputs must reach; None asks for finite values.
    """
    attempt = bench.run(host, _KEEP, {**_arguments(evaluation), "error_limit": error_limit}, label=label)
    if not isinstance(attempt, Completed):
        return KeptNodes(reason=describe(attempt))
    result = attempt.result
    return KeptNodes(
        tuple(result["nodes"]),
        result.get("file"),
        bool(result.get("minimal")),
        tuple(result.get("verified", ())),
        result.get("reason"),
    )


def _arguments(evaluation: Mapping[str, Any]) -> dict[str, Any]:
    return {name: evaluation[name] for name in ("model", "inputs", "feeds", "opset_override") if name in evaluation}
