"""What many kinds ask of a node: that its result holds floating-point numbers."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from tautomer.adapters.onnx_files.mutants.graph_view import Spot
from tautomer.adapters.onnx_files.mutants.site import Change


def float_changes(description: str) -> Callable[[Spot], Iterator[Change]]:
    """What a kind does that rewrites any node with a floating-point result."""

    def changes(spot: Spot) -> Iterator[Change]:
        if spot.is_float(spot.output()) or not spot.graph.facts:
            yield Change("form", description)

    return changes
