"""What a planted fault is: a change of one node's function, the software that makes it, and the node it is made at.

A fault knows its node by what the node is (operator, attributes, stored operands and, where needed, shapes), as real
defects do, not by its name: so it shows again when the same operator stands in a smaller model.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass
from enum import StrEnum
from pathlib import Path
from typing import Any

import onnx
from onnx import numpy_helper

from tautomer.adapters.onnx_files.mutants import Family, Site, Subject
from tautomer.adapters.onnx_files.mutants.graph_view import Spot, views_of
from tautomer.adapters.onnx_files.mutants.registry import KINDS
from tautomer.model import Stage

EXCHANGED = "constants_exchanged"
"""The rule by which two nodes get each other's stored operand."""


class Where(StrEnum):
    """The software that makes the fault."""

    TRANSLATION = "translation"
    """The exporter, when it translates operators."""
    OPTIMIZER = "optimizer"
    """The last pass of the exporter's optimizer."""
    KERNEL = "kernel"
    """A kernel of the runtime."""
    FUSION = "fusion"
    """The runtime's graph optimizations."""

    @property
    def stage(self) -> Stage:
        """The stage that is at fault."""
        return _STAGES[self]


_STAGES = {
    Where.TRANSLATION: Stage.NODE_CONVERSION,
    Where.OPTIMIZER: Stage.OPTIMIZATION,
    Where.KERNEL: Stage.RUNTIME_EXECUTION,
    Where.FUSION: Stage.RUNTIME_OPTIMIZATION,
}


@dataclass(frozen=True, slots=True)
class NodeKey:
    """What a node is, apart from its name and its place.

    Attributes:
        op_type: its operator.
        attributes: serialized, by name.
        stored: digests of its operands that the model stores, by position.
        shapes: of its inputs and outputs; None where they do not matter.
    """

    op_type: str
    attributes: tuple[tuple[str, str], ...]
    stored: tuple[tuple[int, str], ...]
    shapes: tuple[tuple[int, ...] | None, ...] | None = None

    @classmethod
    def of(cls, spot: Spot, *, with_shapes: bool) -> NodeKey:
        """The key of a node."""
        shapes = tuple(_shape(spot, name) for name in (*spot.node.input, *spot.node.output)) if with_shapes else None
        return cls(spot.op_type, _attributes(spot.node), tuple(_stored(spot)), shapes)

    @classmethod
    def read(cls, fields: Mapping[str, Any]) -> NodeKey:
        """The key that was written as JSON."""
        shapes = fields["shapes"]
        return cls(
            fields["op_type"],
            tuple((name, text) for name, text in fields["attributes"]),
            tuple((index, digest) for index, digest in fields["stored"]),
            None if shapes is None else tuple(None if one is None else tuple(one) for one in shapes),
        )

    def fits(self, spot: Spot) -> bool:
        """Whether a node is one of these."""
        if spot.op_type != self.op_type or _attributes(spot.node) != self.attributes:
            return False
        if self.shapes is not None and NodeKey.of(spot, with_shapes=True).shapes != self.shapes:
            return False
        return tuple(_stored(spot)) == self.stored


@dataclass(frozen=True, slots=True, kw_only=True)
class Plant:
    """One planted fault.

    Attributes:
        where: the software that makes it.
        kind, variant: which change (`tautomer.adapters.onnx_files.mutants`), or `EXCHANGED` and the operand's position.
        target: the node that becomes wrong.
        partner: for a fault of two nodes, the other: `target` is wrong only where it depends on this one; with
            `EXCHANGED` both are wrong, and neither is without the other.
        nodes: names in the saved file of the nodes that are wrong.
        siblings: names there of all nodes that were made for the same operators of the source.
        minimum: nodes of the smallest model that shows it: one, or as many as the shortest connection of the two has.
            Of a fault of the exporter, all that the operators of the source become that these were made for, since
            they are converted anew.
        description: in a sentence.
    """

    where: Where
    kind: str
    variant: str
    target: NodeKey
    partner: NodeKey | None = None
    nodes: tuple[str, ...]
    siblings: tuple[str, ...]
    minimum: int
    description: str

    def write(self, path: Path) -> None:
        """Let the faulty software read it."""
        aside = path.with_suffix(".aside")
        aside.write_text(json.dumps(asdict(self)), "utf-8")
        aside.replace(path)

    @classmethod
    def read(cls, fields: Mapping[str, Any]) -> Plant:
        """The fault that was written as JSON."""
        partner = fields["partner"]
        return cls(
            where=Where(fields["where"]),
            kind=fields["kind"],
            variant=fields["variant"],
            target=NodeKey.read(fields["target"]),
            partner=None if partner is None else NodeKey.read(partner),
            nodes=tuple(fields["nodes"]),
            siblings=tuple(fields["siblings"]),
            minimum=fields["minimum"],
            description=fields["description"],
        )


def spots_of(model: onnx.ModelProto) -> list[Spot]:
    """The nodes of the main graph."""
    view = next(iter(views_of(model, None)))
    return [Spot(view, index) for index in range(len(view.nodes))]


def faulty(model: onnx.ModelProto, plant: Plant) -> onnx.ModelProto | None:
    """A model with the fault at every node that it concerns; None where it concerns none.

    Args:
        model: with all its tensors inside.
    """
    spots = spots_of(model)
    targets = [spot for spot in spots if plant.target.fits(spot)]
    if not targets:
        return None
    partners = [spot for spot in spots if plant.partner is not None and plant.partner.fits(spot)]
    if plant.kind == EXCHANGED:
        return _exchanged(model, targets[0], partners[0], int(plant.variant)) if partners else None
    if plant.partner is not None:
        reached = _reached(spots, partners)
        targets = [spot for spot in targets if spot.index in reached]
    changed = model
    for spot in targets:
        site = site_at(spot, plant.kind, plant.variant)
        if site is not None:
            changed = Subject(changed).mutant(site).model
    return None if changed is model else changed


def site_at(spot: Spot, kind: str, variant: str) -> Site | None:
    """The change at a node, where it can be made."""
    known = KINDS[kind]
    if spot.op_type not in known.op_types:
        return None
    change = next((one for one in known.changes(spot) if one.variant == variant and not one.also), None)
    if change is None:
        return None
    return Site(kind, Family(known.family), (spot.name,), (spot.op_type,), change.description, "", spot.index, variant)


def _reached(spots: list[Spot], partners: list[Spot]) -> set[int]:
    """Positions of the nodes whose values depend on a partner's."""
    reached: set[int] = set()
    values = {name for spot in partners for name in spot.node.output}
    for spot in spots:
        if values & set(spot.node.input):
            reached.add(spot.index)
            values.update(spot.node.output)
    return reached


def _exchanged(model: onnx.ModelProto, one: Spot, other: Spot, position: int) -> onnx.ModelProto:
    changed = onnx.ModelProto()
    changed.CopyFrom(model)
    nodes = changed.graph.node
    nodes[one.index].input[position] = other.input(position)
    nodes[other.index].input[position] = one.input(position)
    return changed


def _attributes(node: onnx.NodeProto) -> tuple[tuple[str, str], ...]:
    return tuple(sorted((one.name, one.SerializeToString(deterministic=True).hex()) for one in node.attribute))


def _stored(spot: Spot) -> Iterator[tuple[int, str]]:
    for index, name in enumerate(spot.node.input):
        tensor = spot.graph.tensors.get(name) if name else None
        if tensor is not None:
            array = numpy_helper.to_array(tensor)
            text = f"{array.dtype}{array.shape}".encode() + array.tobytes()
            yield index, hashlib.blake2b(text, digest_size=8).hexdigest()


def _shape(spot: Spot, name: str) -> tuple[int, ...] | None:
    shape = spot.shape(name) if name else None
    return None if shape is None else tuple(size if isinstance(size, int) else -1 for size in shape)
