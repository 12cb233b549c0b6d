"""Chooses faults for a clean conversion by a seed: nodes that can be told apart, other operators first, each active."""

from __future__ import annotations

import copy
import itertools
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from plants import EXCHANGED, NodeKey, Plant, Where, faulty, site_at, spots_of

from tautomer.adapters.onnx_files.evaluation import kernel_table
from tautomer.adapters.onnx_files.mutants import Family, Subject
from tautomer.adapters.onnx_files.mutants.graph_view import Spot
from tautomer.adapters.onnx_files.mutants.registry import BY_OPERATOR
from tautomer.minimization import Dag
from tautomer.model import Tensor
from tautomer.numerics.branches import Branches
from tautomer.numerics.judge import ENVELOPE_SAMPLES, Reference, judge_declared
from tautomer.numerics.onnx_evaluator import Evaluator, EvaluatorError, LoadedModel, RoundingNoise

SHORTEST, LONGEST = 3, 9
"""Nodes on the shortest way between the two nodes of a fault, both included."""

PARTNERS = 200
"""Nodes that are tried as the other node of a fault."""

CANDIDATES = 16
"""Active faults that are looked at for one of another operator and kind than those chosen before."""

LAYERS = {Where.TRANSLATION: "translated", Where.OPTIMIZER: "optimized", Where.KERNEL: "saved", Where.FUSION: "saved"}
"""The checkpoint whose graph the faulty software has before it."""


@dataclass(frozen=True, slots=True)
class _Layer:
    """One checkpoint's graph.

    Attributes:
        spots: its nodes.
        keys: for each the simplest key that fits it alone; None where another is just like it.
        dag: how they depend on each other.
    """

    spots: list[Spot]
    keys: list[NodeKey | None]
    dag: Dag

    @classmethod
    def of(cls, model: onnx.ModelProto) -> _Layer:
        """The main graph of a model."""
        spots = spots_of(model)
        plain = [NodeKey.of(spot, with_shapes=False) for spot in spots]
        shaped = [NodeKey.of(spot, with_shapes=True) for spot in spots]
        counts = Counter([*plain, *shaped])
        keys = [next((key for key in pair if counts[key] == 1), None) for pair in zip(plain, shaped, strict=True)]
        producer = {name: spot.index for spot in spots for name in spot.node.output if name}
        dag = Dag([[producer[name] for name in spot.node.input if name in producer] for spot in spots])
        return cls(spots, keys, dag)


@dataclass(slots=True)
class CleanConversion:
    """A clean conversion, at which faults are chosen.

    Attributes:
        layers: the models of its checkpoints, all tensors inside.
        given: values of the graph's inputs.
    """

    layers: Mapping[str, onnx.ModelProto]
    given: Mapping[str, Any]
    seed: int
    _references: Mapping[str, Reference] = field(init=False)
    _saved: dict[str, Spot] = field(init=False)
    _graphs: dict[str, _Layer] = field(init=False)

    def __post_init__(self) -> None:
        """Ask once what the clean model answers, and how far rounding may move it."""
        self._references = self._allowances()
        self._graphs = {name: _Layer.of(model) for name, model in self.layers.items()}
        self._saved = {spot.name: spot for spot in self._graphs["saved"].spots}

    @property
    def saved(self) -> onnx.ModelProto:
        """What the exporter writes."""
        return self.layers["saved"]

    def _run(self, model: onnx.ModelProto, **options: Any) -> Mapping[str, Any]:
        return Evaluator(LoadedModel(model, None), kernels=kernel_table(), **options).run(self.given)

    def _allowances(self) -> dict[str, Reference]:
        """What the judge holds a wrong output against: the clean one, and what rounding alone does to it."""
        branches = Branches()
        declared = self._run(self.saved, lift=False, branches=branches)
        exact = self._run(self.saved, lift=True, branches=branches.again())
        squares: dict[str, Any] = {}
        for sample in range(ENVELOPE_SAMPLES):
            noise = RoundingNoise(self.seed + sample)
            perturbed = self._run(self.saved, lift=True, branches=branches.again(), noise=noise)
            for name, value in perturbed.items():
                squares[name] = squares.get(name, 0.0) + np.square(value - exact[name]) / ENVELOPE_SAMPLES
        return {
            name: Reference(name, Tensor.of(np.asarray(value)), exact[name], squares[name])
            for name, value in declared.items()
        }

    def singles(self, where: Where) -> Iterator[Plant]:
        """Active faults of one node, in an order of the seed."""
        layer = self._graphs[LAYERS[where]]
        for spot, kind, variant, description in self._changes(layer.spots, where):
            key = layer.keys[spot.index]
            if key is None:
                continue
            siblings = self._siblings(spot.name)
            plant = Plant(
                where=where,
                kind=kind,
                variant=variant,
                target=key,
                nodes=(spot.name,),
                siblings=siblings,
                minimum=1 if where is Where.KERNEL else len(siblings),
                description=f"{spot.op_type} '{spot.name}': {description}",
            )
            if self._acts(plant, layer.spots):
                yield plant

    def pairs(self, where: Where) -> Iterator[Plant]:
        """Active faults of a node that depends on another, some nodes before it."""
        layer = self._graphs[LAYERS[where]]
        generator = np.random.default_rng([self.seed, 1])
        for spot, kind, variant, description in self._changes(layer.spots, where):
            partner = self._partner(spot, layer, generator)
            if partner is None:
                continue
            other, path = partner
            plant = Plant(
                where=where,
                kind=kind,
                variant=variant,
                target=NodeKey.of(spot, with_shapes=True),
                partner=layer.keys[other.index],
                nodes=(spot.name,),
                siblings=self._siblings(spot.name),
                minimum=len(path) if where is Where.KERNEL else len(self._siblings(*path)),
                description=f"{spot.op_type} '{spot.name}': {description}; only after {other.op_type} '{other.name}'",
            )
            if self._acts(plant, layer.spots):
                yield plant

    def exchanges(self, where: Where) -> Iterator[Plant]:
        """Active faults of two nodes that get each other's stored operand."""
        layer = self._graphs[LAYERS[where]]
        found = []
        for index, one in enumerate(layer.spots):
            for other in layer.spots[index + 1 :]:
                for position in range(len(one.node.input)):
                    if one.op_type == other.op_type and _exchangeable(one, other, position):
                        found.append((one, other, position))
        for at in np.random.default_rng([self.seed, 2]).permutation(len(found)):
            one, other, position = found[at]
            keys = layer.keys[one.index], layer.keys[other.index]
            if keys[0] is None or keys[1] is None or {one.name, other.name} - self._saved.keys():
                continue
            plant = Plant(
                where=where,
                kind=EXCHANGED,
                variant=str(position),
                target=keys[0],
                partner=keys[1],
                nodes=(one.name, other.name),
                siblings=(siblings := self._siblings(one.name, other.name)),
                minimum=2 if where is Where.KERNEL else len(siblings),
                description=f"{one.op_type} '{one.name}' and '{other.name}' exchange operand {position}",
            )
            if self._acts(plant, layer.spots):
                yield plant

    def _changes(self, spots: list[Spot], where: Where) -> Iterator[tuple[Spot, str, str, str]]:
        """Changes of single nodes in place, operators in turns."""
        generator = np.random.default_rng([self.seed, list(Where).index(where)])
        by_operator: dict[str, list[tuple[Spot, str, str, str]]] = {}
        for spot in spots:
            if spot.name not in self._saved or self._saved[spot.name].op_type != spot.op_type:
                continue
            for kind in BY_OPERATOR.get(spot.op_type, ()):
                if kind.family is Family.SEMANTIC:
                    for change in kind.changes(spot):
                        if not change.also:
                            found = (spot, kind.name, change.variant, change.description)
                            by_operator.setdefault(spot.op_type, []).append(found)
        queues = []
        for op_type in sorted(by_operator):
            listed = by_operator[op_type]
            queues.append([listed[at] for at in generator.permutation(len(listed))])
        order = [queues[at] for at in generator.permutation(len(queues))]
        for turn in range(max(map(len, order), default=0)):
            yield from (queue[turn] for queue in order if turn < len(queue))

    def _partner(self, spot: Spot, layer: _Layer, generator: np.random.Generator) -> tuple[Spot, list[str]] | None:
        """A node that this one depends on and no other of its kind does, and the shortest connection in the file."""
        target = NodeKey.of(spot, with_shapes=True)
        alike = [one.index for one in layer.spots if target.fits(one)]
        saved = self._graphs["saved"]
        names = list(self._saved)
        for at in generator.permutation(spot.index)[:PARTNERS]:
            other = layer.spots[at]
            if other.name not in self._saved or layer.keys[at] is None:
                continue
            if [index for index in alike if layer.dag.shortest_path(int(at), index)] != [spot.index]:
                continue
            path = saved.dag.shortest_path(self._saved[other.name].index, self._saved[spot.name].index)
            if path is not None and SHORTEST <= len(path) <= LONGEST:
                return other, [names[index] for index in path]
        return None

    def _siblings(self, *names: str) -> tuple[str, ...]:
        """The nodes of the saved file that were made for the same operators of the source as these."""
        made_for = {_made_for(self._saved[name]) for name in names}
        return tuple(name for name, spot in self._saved.items() if name in names or _made_for(spot) in made_for - {""})

    def _acts(self, plant: Plant, spots: list[Spot]) -> bool:
        """Whether exactly the named nodes are changed, in place, and an output leaves the judge's allowance."""
        layer = LAYERS[plant.where]
        changed = faulty(self.layers[layer], plant)
        if changed is None or not _only_in_place(self.layers[layer], changed, plant):
            return False
        # Other layers' graphs become the saved one; the same change at the same node shows there what it does.
        final = changed if layer == "saved" else self._at_saved(plant, spots)
        if final is None:
            return False
        try:
            found = self._run(final, lift=False)
        except (EvaluatorError, FloatingPointError):
            return False
        return any(
            (judged := judge_declared(one, Tensor.of(np.asarray(found[name])))).faulty and not judged.strict
            for name, one in self._references.items()
        )

    def _at_saved(self, plant: Plant, spots: list[Spot]) -> onnx.ModelProto | None:
        if plant.kind == EXCHANGED:
            by_name = {spot.name: spot for spot in spots}
            one, other = (self._saved[name] for name in plant.nodes)
            was = [by_name[name] for name in plant.nodes]
            position = int(plant.variant)
            if any(a.input(position) != b.input(position) for a, b in zip((one, other), was, strict=True)):
                return None
            changed = copy.deepcopy(self.saved)
            changed.graph.node[one.index].input[position] = other.input(position)
            changed.graph.node[other.index].input[position] = one.input(position)
            return changed
        site = site_at(self._saved[plant.nodes[0]], plant.kind, plant.variant)
        return None if site is None else Subject(self.saved).mutant(site).model


def _made_for(spot: Spot) -> str:
    return next((one.value for one in spot.node.metadata_props if one.key == "pkg.torch.onnx.fx_node"), "")


def _exchangeable(one: Spot, other: Spot, position: int) -> bool:
    tensors = [spot.weight(position) for spot in (one, other)]
    if tensors[0] is None or tensors[1] is None or tensors[0].name == tensors[1].name:
        return False
    users = [
        len(spot.users(tensor.name)) for spot, tensor in zip((one, other), tensors, strict=True) if tensor is not None
    ]
    return users == [1, 1] and list(tensors[0].dims) == list(tensors[1].dims) and len(tensors[0].dims) > 0


def _only_in_place(before: onnx.ModelProto, after: onnx.ModelProto, plant: Plant) -> bool:
    """Whether no node came, went or was renamed, the named ones alone changed, and no other uses what they changed."""
    old, new = before.graph.node, after.graph.node
    if [(one.name, list(one.output)) for one in old] != [(one.name, list(one.output)) for one in new]:
        return False
    stored = {one.name: one for one in before.graph.initializer}
    tensors = {one.name for one in after.graph.initializer if one.name in stored and one != stored[one.name]}
    touched = {
        now.name or now.output[0] for was, now in zip(old, new, strict=True) if was != now or tensors & set(now.input)
    }
    passes_on = plant.where is Where.TRANSLATION and any(
        now.op_type == "Identity" for was, now in zip(old, new, strict=True) if was != now
    )
    return touched == set(plant.nodes) and not passes_on


def read_layers(paths: Mapping[str, Path]) -> dict[str, onnx.ModelProto]:
    """Models of checkpoints with all their tensors inside."""
    return {name: onnx.load(str(path)) for name, path in paths.items()}


def chosen(clean: CleanConversion, wanted: list[tuple[str, Where]]) -> list[tuple[str, Plant]]:
    """One active fault for each (rule, place) that is asked for: other operators and changes each time where possible.

    Rules are `single`, `pair` and `exchange`.
    """
    ways: dict[str, Callable[[Where], Iterator[Plant]]] = {
        "single": clean.singles,
        "pair": clean.pairs,
        "exchange": clean.exchanges,
    }
    operators: set[str] = set()
    kinds: set[str] = set()
    found = []
    for rule, where in wanted:
        candidates: list[tuple[bool, bool, int, Plant]] = []
        for plant in itertools.islice(ways[rule](where), CANDIDATES):
            candidates.append((plant.target.op_type in operators, plant.kind in kinds, len(candidates), plant))
            if candidates[-1][:2] == (False, False):
                break
        if candidates:
            plant = min(candidates, key=lambda one: one[:3])[3]
            operators.add(plant.target.op_type)
            kinds.add(plant.kind)
            found.append((rule, plant))
    return found
