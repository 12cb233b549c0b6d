"""How an operator is entered in ONNX's table, and the opset that the table is written for."""

from __future__ import annotations

from tautomer.synthesis import Domain, Rule, Specification

OPSET = 24
"""The newest opset of the default domain in which ONNX Runtime's CPU kernels execute Attention.

Kernels of some operators end before the newest opset that a session loads, each at another one; this is where fewest of
those that models use are lost (`ABSENT` names them). Everything that names an opset for generated models takes it from
here.
"""

IR_VERSION = 12
"""The oldest version of the file format that may hold this opset.

Source: ONNX's table of releases (docs/Versioning.md), as onnx.helper.find_min_ir_version_for reads it.
"""

HALF = ("float32", "float16")
SINGLE = ("float32", "float64")
FLOATING = ("float32", "float64", "float16")
SIGNED_WHOLE = ("int64", "int32", "int16", "int8")
UNSIGNED = ("uint8", "uint16", "uint32", "uint64")
WHOLE = (*SIGNED_WHOLE, *UNSIGNED)
NUMBERS = (*FLOATING, *WHOLE)
MOVED = (*NUMBERS, "bool", "bfloat16")
"""What operators that move elements take."""


def operator(
    expression: str,
    rule: Rule,
    dtypes: tuple[str, ...] = FLOATING,
    *,
    name: str | None = None,
    decides: bool = False,
    **domains: Domain,
) -> Specification:
    """An operator by its expression.

    An expression is a call of the operator's type: positional names are inputs, keywords are attributes. A rule's
    attribute in the place of an input becomes an initializer, `[k]` one of rank 1, `None` an input left out. A
    subscript `[:n]` says how many results are named where a node may have more than those it must have; a tuple in
    place of `n` stands for its length.
    """
    op_type = expression.partition("(")[0]
    return Specification(name or op_type, expression, rule, dtypes, domains, decides, op_type)
