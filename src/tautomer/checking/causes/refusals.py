"""Why a runtime or the checker refuses a model: a type, a shape, a missing kernel, or an operator that means another
thing.
"""

from __future__ import annotations

import re

from tautomer.checking.causes.calls import SourceCall
from tautomer.checking.causes.conversion_faults import of_semantics
from tautomer.checking.causes.target_nodes import TargetNode
from tautomer.model import CauseCategory

_TYPE = re.compile(
    r"Type Error|Type \(tensor\(\w+\)\)|has type tensor\(|type inference|inferred elem type|has inconsistent type"
    r"|bound to different types|does not match expected type"
)
_MISSING = re.compile(
    r"NOT_IMPLEMENTED|Could not find an implementation|No Op registered|is not a registered function|NotImplemented"
    r"|no implementation|[Uu]nsupported (?:operator|op)|Unrecognized attribute|is deprecated in|not supported"
)
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
    if not _SHAPE.search(said):
        return CauseCategory.UNKNOWN
    if call is not None and node is not None and node.computes:
        explained = of_semantics(call, node, said)
        if explained is not None:
            return explained[0]
    return CauseCategory.SHAPE_PROBLEM
