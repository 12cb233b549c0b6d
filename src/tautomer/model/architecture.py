"""What a model is made of: its operators and the data flow between them, the same for every framework."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from enum import StrEnum
from typing import Any

from tautomer.errors import MisuseError

ARCHITECTURE_SCHEMA = "tautomer/architecture/1"

Dimension = int | str | None
"""A size, the name of a symbolic one, or None where it is not known."""

Plain = bool | int | float | str | None | list[Any]
"""An attribute: what JSON can hold, lists of it; element types by name, tensors as `dtype[rank]`, graphs as `graph`."""


class Origin(StrEnum):
    """Where an operator's input comes from."""

    NODE = "node"
    INPUT = "input"
    CONSTANT = "constant"


@dataclass(frozen=True, slots=True)
class ValueType:
    """What is known of a value before anything runs.

    Attributes:
        dtype: logical element type as `tautomer.model.Tensor` has it; `sequence`, `optional`, `map`, `resource` and
            the like for what is no tensor; None where it is not known.
        shape: dimensions; None where not even their number is known.
    """

    dtype: str | None = None
    shape: tuple[Dimension, ...] | None = None

    @property
    def rank(self) -> int | None:
        """Number of dimensions, where it is known."""
        return None if self.shape is None else len(self.shape)


@dataclass(frozen=True, slots=True)
class Operand:
    """One value that an operator takes.

    Attributes:
        port: which formal parameter of the operator it is given for; all values of a list share its port.
        origin: where it comes from.
        index: of the node or of the graph input it comes from; -1 for a constant.
        output: the port of that node that it leaves by: which of its formal results; 0 else.
        type: what is known of it.
    """

    port: int
    origin: Origin
    index: int = -1
    output: int = 0
    type: ValueType = field(default_factory=ValueType)


@dataclass(frozen=True, slots=True)
class OperatorNode:
    """One operator.

    Attributes:
        operator: its name: `Conv`, `com.microsoft::FusedMatMul`, `aten.conv2d`, `Conv2D`.
        operands: in the order of their ports; an optional parameter that is not given has none.
        results: types of its results.
        attributes: what it is told besides, defaults included.
        broadcasts: whether its operands are broadcast against each other, as its specification says.
        within: the graph attributes it lies in, from the outermost (`If.then_branch`); empty in the main graph.
        name: what finds it in the model: the node's own name, in an ONNX file that of its first result, which no other
            node of the graph has. It says nothing about the architecture.
    """

    operator: str
    operands: tuple[Operand, ...] = ()
    results: tuple[ValueType, ...] = ()
    attributes: Mapping[str, Plain] = field(default_factory=dict)
    broadcasts: bool = False
    within: tuple[str, ...] = ()
    name: str = ""


@dataclass(frozen=True, slots=True)
class Architecture:
    """A model as a directed acyclic graph of operators.

    Graphs in attributes (branches, bodies of loops) are part of it: their nodes stand in the same list, marked by
    `within`, before the node that owns them. A value taken from outside is an edge like any other; a formal input of
    a body is the value that the owner is given for it; what a body results in enters the owner, at a port of its own
    after those of its parameters. What a loop carries back into its next round is left out.

    Attributes:
        name: of the model.
        framework: `onnx`, `torch` or `tensorflow`.
        inputs: types of the graph's inputs.
        nodes: each after those it takes values from.
        outputs: node and output port of every output of the graph that a node makes.
        notes: what a reader should know, such as how a program was captured.
    """

    name: str
    framework: str
    inputs: tuple[ValueType, ...]
    nodes: tuple[OperatorNode, ...]
    outputs: tuple[tuple[int, int], ...] = ()
    notes: tuple[str, ...] = ()

    def __post_init__(self) -> None:
        """Refuse a graph that is not in order.

        Raises:
            ValueError: an operand refers to a node that comes later, or to none.
        """
        for position, node in enumerate(self.nodes):
            for one in node.operands:
                limit = {Origin.NODE: position, Origin.INPUT: len(self.inputs)}.get(one.origin, 0)
                if not (-1 if one.origin is Origin.CONSTANT else 0) <= one.index < limit:
                    raise ValueError(f"node {position} ({node.operator}) takes a value from {one.origin} {one.index}")


def to_plain(architecture: Architecture) -> dict[str, Any]:
    """The architecture as JSON values."""
    return {"schema": ARCHITECTURE_SCHEMA, **asdict(architecture)}


def from_plain(document: Mapping[str, Any]) -> Architecture:
    """The architecture that `to_plain` has written down; fields that are not known are ignored.

    Raises:
        MisuseError: TA160 another schema or none; TA161 it breaks the schema.
    """
    import msgspec

    if document.get("schema") != ARCHITECTURE_SCHEMA:
        raise MisuseError(
            "TA160",
            f"the document is no architecture: its schema is {document.get('schema')!r}.",
            f"Expected '{ARCHITECTURE_SCHEMA}'.",
        )
    try:
        return msgspec.convert(dict(document), Architecture)
    except (msgspec.ValidationError, ValueError) as error:
        raise MisuseError("TA161", f"the document is no architecture: {error}.", "Write it again.") from error
