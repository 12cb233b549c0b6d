"""Where in the graph a refused or failing node sits: its name, its operator, and the source it came from."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from typing import Any

from tautomer.adapters.stack_traces import users_line
from tautomer.checking.fragment_records import FragmentFault
from tautomer.checking.records import NodeFault
from tautomer.checking.verdicts import Verdict
from tautomer.model import Location

_NAMED = tuple(
    map(
        re.compile,
        (
            r"[Nn]ode \(([^)]+)\)",
            r"[Nn]ame: ?'([^']+)'",
            r"node name: ([^)\s]+)\)",
            r"node with name '([^']+)'",
            r"[Nn]ode, \(\"([^\"]+)\"",
            r"[Nn]ode:? ?'([^']+)'",
        ),
    )
)
"""How ONNX Runtime and onnx.checker name a node in their messages."""


def locate_node(verdict: Verdict, message: str) -> Location:
    """The node that an error names, with the exporter's metadata about it; empty where no node is named."""
    named = next((str(fault.error["node"]) for fault in verdict.errors if fault.error.get("node")), None)
    if named is None:
        found = next((pattern.search(message) for pattern in _NAMED if pattern.search(message)), None)
        named = found.group(1) if found else None
    if named is None or verdict.record.path is None:
        operators = [str(fault.error["op_type"]) for fault in verdict.errors if fault.error.get("op_type")]
        return Location(op_types=operators[:1])
    return locate_named(verdict, named)


def locate_named(verdict: Verdict, named: str) -> Location:
    """A node of a checkpoint's graph, with the exporter's metadata about it."""
    assert verdict.record.path is not None
    from tautomer.adapters.onnx_files.digest import read_structure
    from tautomer.checking.causes.target_nodes import read_origins

    origin = read_origins(verdict.record.facts).get(named)
    for node in read_structure(verdict.record.path).graph.node:
        if node.name == named and origin is not None:
            return Location(
                nodes=[node.name], op_types=[node.op_type], source_node=origin.operator, source_line=origin.line
            )
        if node.name == named:
            metadata = {one.key: one.value for one in node.metadata_props}
            return Location(
                nodes=[node.name],
                op_types=[node.op_type],
                source_node=_source_node(metadata),
                source_line=_source_line(metadata),
            )
    return Location(nodes=[named])


def first_cause(faults: Sequence[FragmentFault]) -> FragmentFault:
    """What to name of several: the first that is another function, else the one that errs most."""
    return next((fault for fault in faults if fault.semantic), max(faults, key=lambda fault: fault.size_u))


def locate_fragment(verdict: Verdict, index: int | None) -> Location:
    """The fragment that deviates most on an input set: one that is another function before one that only errs more."""
    faults = verdict.fragment_faults(index) or verdict.fragment_faults()
    if not faults:
        return Location()
    worst = first_cause(faults)
    return Location(
        nodes=list(worst.nodes), op_types=list(worst.op_types), source_node=worst.operator, source_line=worst.line
    )


def locate_kernels(verdict: Verdict, faults: Sequence[NodeFault]) -> Location:
    """The nodes whose kernels are at fault, with the exporter's metadata about the first."""
    named = list(dict.fromkeys(fault.node for fault in faults))
    found = locate_named(verdict, named[0])
    return Location(
        nodes=named,
        op_types=list(dict.fromkeys(fault.op_type for fault in faults)),
        source_node=found.source_node,
        source_line=found.source_line,
    )


def _source_node(metadata: Mapping[str, Any]) -> str | None:
    text = str(metadata.get("pkg.torch.onnx.fx_node", ""))
    found = re.search(r"target=torch\.ops\.([\w.]+)\]", text) or re.search(r"target=([\w.]+)\]", text)
    return found.group(1) if found else None


def _source_line(metadata: Mapping[str, Any]) -> str | None:
    """`file.py:12` of the innermost frame outside PyTorch in the exporter's stack trace."""
    return users_line(str(metadata.get("pkg.torch.onnx.stack_trace", "")))
