"""ONNX's control flow: branches that a boolean chooses, loops of a few rounds, scans over the first axis.

Branches and bodies are written as functions; a name that is no parameter is a value of the graph around them.
"""

from __future__ import annotations

from tautomer.adapters.onnx_files.operators.entry import FLOATING, SIGNED_WHOLE, operator
from tautomer.synthesis import Domain, Specification
from tautomer.synthesis.rules.control_flow import chosen, iterated, scanned

FACTOR = Domain(0.5, 1.2)
LOOP = "Loop(turns, None, x, body=lambda i, go, state:"

OPERATORS: tuple[Specification, ...] = (
    operator(
        "If(condition, then_branch=lambda: Relu(x), else_branch=lambda: Mul(Tanh(x), factor))[:1]",
        chosen("x", FLOATING, factor=FACTOR),
        ("bool",),
    ),
    operator(
        "If(condition, then_branch=lambda: Max(x, y), else_branch=lambda: Sub(x, y))[:1]",
        chosen("x", (*FLOATING, "int64", "int32"), second="y"),
        ("bool",),
        name="If of two",
    ),
    operator(f"{LOOP} (Identity(go), Mul(Tanh(state), factor)))[:1]", iterated(factor=FACTOR)),
    operator(
        f"{LOOP} (Identity(go), Sub(factor, state)))[:1]",
        iterated(factor=Domain(1, 3)),
        SIGNED_WHOLE,
        name="Loop of integers",
    ),
    operator(
        f"{LOOP} (Identity(go), Mul(Sin(state), factor), Neg(state)))[:2]",
        iterated(factor=FACTOR, collected=True),
        name="Loop that collects",
    ),
    operator(
        f"{LOOP} (Less(factor, ReduceMax(Abs(state), keepdims=0)), Mul(state, rate)))[:1]",
        iterated(factor=Domain(0.2, 0.6), rate=Domain(0.4, 0.7)),
        name="Loop until",
        decides=True,
    ),
    operator(
        "Scan(start, x, num_scan_inputs=1, body=lambda state, row: (Add(Mul(state, factor), row), Tanh(row)))[:2]",
        scanned(factor=Domain(0.3, 0.8)),
        name="Scan",
    ),
    operator(
        "Scan(start, x, num_scan_inputs=1, scan_input_directions=[1], "
        "body=lambda state, row: (Max(state, row), Sub(row, state)))[:2]",
        scanned(),
        (*FLOATING, "int64", "int32", "int8"),
        name="Scan backwards",
    ),
)
