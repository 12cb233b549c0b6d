"""One model under mutation: the places of its faults, a choice among them, and the model with one of them."""

from __future__ import annotations

import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import numpy as np
import onnx

from tautomer.adapters.onnx_files.mutants.edit import Edit
from tautomer.adapters.onnx_files.mutants.graph_view import Container, GraphView, Spot, views_of
from tautomer.adapters.onnx_files.mutants.registry import BY_OPERATOR, KINDS
from tautomer.adapters.onnx_files.mutants.site import Change, Kind, Site


@dataclass(frozen=True, slots=True, eq=False)
class Mutant:
    """A model with one fault.

    Attributes:
        model: a model of its own; external tensors that were not changed still lie where they did.
        tensors: names of the stored tensors whose values differ.
    """

    model: onnx.ModelProto
    tensors: frozenset[str]


class Subject:
    """A model that faults are seeded into. It must not change as long as this is used.

    Args:
        model: without its external data.
        folder: where external data lies; None where the model has none.
    """

    def __init__(self, model: onnx.ModelProto, folder: Path | None = None) -> None:
        self._model = model
        self._folder = folder

    @cached_property
    def _views(self) -> dict[str, GraphView]:
        return {view.scope: view for view in views_of(self._model, self._folder)}

    def sites(self) -> Iterator[Site]:
        """Every fault at every place, in the order of the nodes."""
        for view in self._views.values():
            for spot in view.spots():
                for kind in BY_OPERATOR.get(spot.op_type, ()):
                    for change in kind.changes(spot):
                        yield _site(kind, spot, change)

    def mutant(self, site: Site) -> Mutant:
        """The model with the fault of a site of its own."""
        model = onnx.ModelProto()
        model.CopyFrom(self._model)
        edit = Edit(Spot(self._views[site.scope], site.index), _container(model, site.scope))
        KINDS[site.kind].change(edit, site.variant)
        edit.finish()
        return Mutant(model, frozenset(edit.tensors))

    def choose(self, count: int, seed: int) -> list[Site]:
        """At most `count` sites, spread evenly over the kinds and, within each, over the depth of the graph.

        The same model, count and seed give the same sites; a larger count gives more of the same.
        """
        by_kind: dict[str, list[Site]] = {}
        for site in self.sites():
            by_kind.setdefault(site.kind, []).append(site)
        generator = np.random.default_rng(seed)
        queues = {
            kind: _spread(found, np.random.default_rng([seed, zlib.crc32(kind.encode())]))
            for kind, found in by_kind.items()
        }
        order = [str(kind) for kind in generator.permutation(sorted(queues))]
        chosen: list[Site] = []
        turn = 0
        while len(chosen) < count and any(turn < len(queues[kind]) for kind in order):
            chosen.extend(queues[kind][turn] for kind in order if turn < len(queues[kind]))
            turn += 1
        return chosen[:count]


def _spread(sites: list[Site], generator: np.random.Generator) -> list[Site]:
    """The sites in an order whose every beginning is spread over their positions.

    Source: the golden-ratio sequence frac(o + k / phi), whose points divide the unit interval into gaps of at most
    three lengths (Steinhaus' three-gap theorem).
    """
    points = (generator.random() + np.arange(len(sites)) * (np.sqrt(5.0) - 1) / 2) % 1.0
    ranks = np.argsort(np.argsort(points))
    return [sites[rank] for rank in ranks]


def _site(kind: Kind, spot: Spot, change: Change) -> Site:
    touched = [spot, *(Spot(spot.graph, index) for index in change.also)]
    return Site(
        kind=kind.name,
        family=kind.family,
        nodes=tuple(one.name for one in touched),
        op_types=tuple(one.op_type for one in touched),
        description=f"{spot.op_type} '{spot.name}': {change.description}",
        scope=spot.graph.scope,
        index=spot.index,
        variant=change.variant,
    )


def _container(model: onnx.ModelProto, scope: str) -> Container:
    """The graph of an address."""
    start, *inner = scope.split("/") if not scope.startswith("function ") else _function_parts(model, scope)
    found: Container = model.graph
    if start:
        found = next(one for one in model.functions if start == f"function {one.domain}:{one.name}:{one.overload}")
    for step in inner:
        index, _, name = step.partition(".")
        found = next(one.g for one in found.node[int(index)].attribute if one.name == name)
    return found


def _function_parts(model: onnx.ModelProto, scope: str) -> list[str]:
    """Address parts of a scope within a function, whose domain may hold slashes."""
    for function in model.functions:
        start = f"function {function.domain}:{function.name}:{function.overload}"
        if scope == start:
            return [start]
        if scope.startswith(start + "/"):
            return [start, *scope[len(start) + 1 :].split("/")]
    raise KeyError(scope)
