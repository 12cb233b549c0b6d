"""Why a runtime or the checker refuses a model: a type, a shape, a missing kernel, or an operator that means another
thing.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import replace

from tautomer.checking.causes.calls import SourceCall
from tautomer.checking.causes.conversion_faults import of_semantics
from tautomer.checking.causes.target_nodes import TargetNode
from tautomer.checking.results import Conversion
from tautomer.checking.verdicts import Verdict
from tautomer.model import CauseCategory, Finding, Stage

_TYPE = re.compile(
    r"Type Error|Type \(tensor\(\w+\)\)|has type tensor\(|type inference|inferred elem type|has inconsistent type"
    r"|bound to different types|does not match expected type"
)
_MISSING = re.compile(
    r"NOT_IMPLEMENTED|Could not find an implementation|No Op registered|is not a registered function|NotImplemented"
    r"|no implementation|[Uu]nsupported (?:operator|op)|Unrecognized attribute|is deprecated in|not supported"
)
_VALUE = re.compile(r"must not contain|must be (?:non-negative|positive|greater|at least|one of)|negative values")
_SHAPE = re.compile(
    r"[Ss]hape|\brank\b|[Dd]imension|\bdim\b|\baxis\b|\baxes\b|broadcast|cannot be squeezed|size not equal to one"
)


def cause_of_refusal(said: str, call: SourceCall | None, node: TargetNode | None) -> CauseCategory:
    """The category of what an error says of a node.

    A node that computes, whose parameters say what the source's arguments say, and whose result has another shape, is
    an operator with other semantics. One that only moves values can only be wrong in its shapes.

    Args:
        said: the error's text, and the evidence that has been found.
        call: what the node was made for.
        node: what is refused.
    """
    if _TYPE.search(said):
        return CauseCategory.TYPE_PROBLEM
    if _MISSING.search(said):
        return CauseCategory.INCOMPATIBILITY
    if _VALUE.search(said):
        return CauseCategory.ALGORITHMIC_ERROR  # an attribute has a value that no node may have
    if not _SHAPE.search(said):
        return CauseCategory.UNKNOWN
    if call is not None and node is not None and node.computes:
        explained = of_semantics(call, node, said)
        if explained is not None:
            return explained[0]
    return CauseCategory.SHAPE_PROBLEM


def written_so(
    finding: Finding,
    node: TargetNode,
    conversion: Conversion,
    nodes_of: Callable[[Verdict], Mapping[str, TargetNode]],
) -> Finding:
    """The finding, caused where a node was written so, if onnx's shape inference refuses that node as a runtime does.

    A runtime that refuses to load a file is at fault where all else takes it; what ONNX's own inference refuses is not
    a model, whatever an evaluator makes of it.

    Args:
        finding: a refusal, as far as it is known.
        node: what is refused.
        conversion: with the checkpoints, and what the full check said.
        nodes_of: the nodes of a checkpoint by name.
    """
    said = conversion.full_check
    if finding.stage is not Stage.RUNTIME_LOAD or said is None or f"node name: {node.name})" not in said:
        return finding

    def holds(verdict: Verdict) -> bool:
        other = nodes_of(verdict).get(node.name)
        return other is not None and (other.op_type, other.parameters) == (node.op_type, node.parameters)

    first = next((one for one in conversion.verdicts if one.record.path is not None and holds(one)), None)
    if first is None:
        return finding
    evidence = f"'{first.name}' is the first checkpoint that has it, and onnx.checker refuses it, too: {said}"
    return replace(finding, stage=first.stage, cause=replace(finding.cause, evidence=evidence))
