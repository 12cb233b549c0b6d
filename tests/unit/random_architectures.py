"""Random architectures, small enough to walk every path of."""

from __future__ import annotations

from hypothesis import strategies as st

from tautomer.model.architecture import Architecture, Operand, OperatorNode, Origin


@st.composite
def architectures(draw: st.DrawFn) -> Architecture:
    """Small random graphs of few operators, so that much is repeated."""
    nodes: list[OperatorNode] = []
    for position in range(draw(st.integers(1, 9))):
        operands = tuple(
            Operand(port, Origin.NODE, draw(st.integers(0, position - 1)), draw(st.integers(0, 1)))
            for port in range(draw(st.integers(0, 3)) if position else 0)
        )
        nodes.append(OperatorNode(draw(st.sampled_from(("Add", "Relu", "Conv"))), operands))
    return Architecture("random", "onnx", (), tuple(nodes))
