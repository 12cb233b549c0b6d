"""Freeze a function for rewriting: as for its conversion, but with all control flow left as it was written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tensorflow.python.framework import convert_to_constants

from tautomer.adapters.converters.recording import patched
from tautomer.adapters.tf_programs.freezing import NotFreezable, freeze
from tautomer.adapters.tf_programs.graph_plan import GraphPlan, planned

_CASES = frozenset({"Case", "StatelessCase"})
"""Control flow that freezing lowers to switches even where it is told not to. Source: TensorFlow 2.21,
`convert_to_constants.py`, `disable_lower_using_switch_merge`, which clears the mark of conditions and loops only."""


@dataclass(frozen=True, slots=True)
class FunctionalGraph:
    """A frozen graph in which control flow calls functions.

    Attributes:
        graph_def: of which `plan` is made.
        plan: its nodes and functions.
        inputs: names of the tensors it takes, in the order of the call.
        outputs: names of those it returns, in order.
        lines: the user's line by node.
    """

    graph_def: Any
    plan: GraphPlan
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    lines: Mapping[str, str | None]


def functional_graph(prepared: Any) -> FunctionalGraph:
    """The frozen graph of a source.

    Raises:
        NotFreezable: its variables cannot become constants, or it looks up values in tables.
        UnknownOperator: it has an operator that is not registered.
        Exception: what the model or TensorFlow raises while it is traced.
    """
    concrete = prepared.concrete()
    inputs, outputs = prepared.interface(concrete)
    kept = {*convert_to_constants._CONTROL_FLOW_OPS, *_CASES}
    with patched(convert_to_constants, "_CONTROL_FLOW_OPS", kept):
        frozen = freeze(concrete, inputs, outputs, prepared.program.path, prepared.program.layer_lines)
    if frozen.captured:
        raise NotFreezable("the model looks up values in tables, which cannot be made anew")
    plan = planned(frozen.graph_def)
    names = [*plan.nodes, *(node.name for one in plan.functions.values() for node in one.node_def)]
    return FunctionalGraph(
        frozen.graph_def,
        plan,
        tuple(frozen.inputs.values()),
        tuple(frozen.outputs.values()),
        {name: frozen.line_of(name) for name in names},
    )
