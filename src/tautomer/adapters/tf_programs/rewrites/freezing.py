"""Freeze a function for rewriting: as for its conversion, but with all control flow left as it was written."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from tautomer.adapters.tf_programs.freezing import NotFreezable
from tautomer.adapters.tf_programs.graph_plan import GraphPlan, planned


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
    frozen = prepared.frozen_whole()
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
