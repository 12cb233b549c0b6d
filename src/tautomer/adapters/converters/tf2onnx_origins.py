"""What tf2onnx made each ONNX node for: the TensorFlow node that was being handled, or rewritten, when it was made.

tf2onnx keeps no such record. Facts about its graph: tf2onnx 1.17, `graph.py`: every node is an instance of `Node`, a
handler changes the node it is given or makes others, and `replace_all_inputs` puts one value in the place of another.
"""

from __future__ import annotations

import contextlib
import json
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from tautomer.adapters.converters.recording import patched

_NUMBERED = re.compile(r"__\d+$")
"""What `utils.make_name` appends to the name of a node that another one is made from."""


@dataclass(frozen=True, slots=True)
class Origin:
    """A TensorFlow node: its name and its operator's."""

    node: str
    operator: str


class UsersGraph(Protocol):
    """What the user wrote: where a node of the frozen graph comes from."""

    def line(self, node: str) -> str | None:
        """`file.py:12` of the user's code; None where unknown."""

    def written_as(self, origin: Origin) -> Origin:
        """The user's node of which freezing made this one; the node itself where that is the user's."""


class Origins:
    """Follows one conversion; what it learns is written with `write`.

    Attributes:
        meanings: by name of an ONNX value, the TensorFlow tensor whose place it takes.
    """

    def __init__(self) -> None:
        self.meanings: dict[str, str] = {}
        self._nodes: dict[str, Origin] = {}
        self._types: dict[str, str] = {}
        self._tensors: dict[str, Origin] = {}
        self._handled: Origin | None = None
        self._reading = False
        self._unknown: list[Any] | None = None

    def of(self, name: str) -> Origin | None:
        """What an ONNX node was made for; None where that is not known."""
        return self._nodes.get(name)

    @contextlib.contextmanager
    def followed(self) -> Iterator[None]:
        """Notice every node that is made, and every value that is put in another's place."""
        from tf2onnx import graph

        make, replace, insert = graph.Node.__init__, graph.Graph.replace_all_inputs, graph.Graph.insert_node_on_output

        def on_make(node: Any, *arguments: Any, **keywords: Any) -> None:
            make(node, *arguments, **keywords)
            self._made(node)

        def on_replace(one: Any, old_input: str, new_input: str, ops: Any = None) -> Any:
            if ops is None:
                self._replaced(old_input, new_input)
            return replace(one, old_input, new_input, ops=ops)

        def on_insert(one: Any, node: Any, output_name: str | None = None) -> Any:
            self._replaced(output_name or node.input[0], node.output[0])
            return insert(one, node, output_name)

        with (
            patched(graph.Node, "__init__", on_make),
            patched(graph.Graph, "replace_all_inputs", on_replace),
            patched(graph.Graph, "insert_node_on_output", on_insert),
        ):
            yield

    @contextlib.contextmanager
    def reading(self) -> Iterator[None]:
        """While TensorFlow's graph is read, every node stands for itself."""
        self._reading = True
        try:
            yield
        finally:
            self._reading = False

    @contextlib.contextmanager
    def handling(self, node: Any, operator: str) -> Iterator[Origin]:
        """While a node is handled, what is made is made for it."""
        before = self._handled
        self._handled = self._nodes.get(node.name) or Origin(node.name, operator)
        self._nodes.setdefault(node.name, self._handled)
        try:
            yield self._handled
        finally:
            self._handled = before

    @contextlib.contextmanager
    def rewriting(self) -> Iterator[None]:
        """While a rewriter runs, what is made is made for the nodes whose values it takes the place of."""
        before, self._unknown = self._unknown, []
        try:
            yield
        finally:
            self._settle(self._unknown)
            self._unknown = before

    def renamed(self, names: Mapping[str, str]) -> None:
        """Values of the main graph have got other names."""
        for old, new in names.items():
            self.meanings[new] = self.meanings.pop(old, old)

    def write(self, folder: Path, users: UsersGraph) -> dict[str, str]:
        """Write what is known now; gives the files as facts of a checkpoint."""
        written = {one: users.written_as(one) for one in set(self._nodes.values())}
        lines = {one: users.line(one.node) for one in set(written.values())}
        nodes = {
            name: {"node": written[one].node, "operator": written[one].operator, "line": lines[written[one]]}
            for name, one in self._nodes.items()
        }
        origins, meanings = folder / "origins.json", folder / "meanings.json"
        origins.write_text(json.dumps(nodes), "utf-8")
        meanings.write_text(json.dumps(self.meanings), "utf-8")
        return {"origins": str(origins), "meanings": str(meanings)}

    def _made(self, node: Any) -> None:
        name = node.name
        if name in self._nodes:
            return  # made anew under its own name
        if self._reading:
            # An Identity is put before each output, under that output's name.
            self._nodes[name] = self._of_outputs(node) or Origin(name, node.type)
            for output in node.output:
                self._tensors.setdefault(output, self._nodes[name])
                self.meanings.setdefault(output, output)
        else:
            found = self._of_copy(name, node.type) or self._of_outputs(node) or self._handled
            if found is not None:
                self._nodes[name] = found
            elif self._unknown is not None:
                self._unknown.append(node)
        self._types[name] = node.type

    def _of_copy(self, name: str, kind: str) -> Origin | None:
        """Of the node that this one is a copy of: a number was appended to its name, or a scope put before it."""
        if self._handled is None:
            copied = _NUMBERED.sub("", name)
            return self._nodes.get(copied) if copied != name and self._types.get(copied) == kind else None
        # A function's body is inlined under the name of the function: `cond_12_while/Less`.
        parts = name.split("_")
        inlined = ("_".join(parts[start:]) for start in range(1, len(parts)))
        return next((self._nodes[one] for one in inlined if "/" in one and one in self._nodes), None)

    def _of_outputs(self, node: Any) -> Origin | None:
        return next((self._tensors[one] for one in node.output if one in self._tensors), None)

    def _replaced(self, old: str, new: str) -> None:
        if old == new:
            return
        if old in self.meanings:
            self.meanings[new] = self.meanings.pop(old)
        origin = self._tensors.get(old)
        if origin is not None and new not in self._tensors:
            self._tensors[new] = origin

    def _settle(self, made: list[Any]) -> None:
        """Origins of nodes that a rewriter made: by what their values replaced, else by what uses them."""
        open_nodes = {node.name: node for node in made}
        users: dict[str, list[str]] = {}
        for node in made:
            for value in node.input:
                users.setdefault(value, []).append(node.name)
        progress = True
        while progress:
            progress = False
            for name, node in list(open_nodes.items()):
                using = (self._nodes.get(user) for output in node.output for user in users.get(output, ()))
                found = self._of_outputs(node) or next((one for one in using if one is not None), None)
                if found is not None:
                    self._nodes[name] = found
                    del open_nodes[name]
                    progress = True
