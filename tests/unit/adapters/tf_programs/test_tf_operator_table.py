"""TensorFlow's table of operators: each grows, gives what its rule says, and is called in a graph as its entry says."""

from __future__ import annotations

import dataclasses
from collections import Counter

import pytest
import tensorflow as tf
from tensorflow.python.framework import convert_to_constants

from tautomer.adapters.tf_programs.generated_module import module_text
from tautomer.adapters.tf_programs.kernels import TensorFlowKernels
from tautomer.adapters.tf_programs.operator_table import OPERATORS
from tautomer.synthesis import Growth, Request
from tautomer.synthesis.choosing import Weighted

pytestmark = [pytest.mark.needs("tensorflow"), pytest.mark.slow]

UNHEALTHY = {"vacuous", "amplifies", "near a tie", "too large", "not finite"}
"""What a proposal may be refused for; all else says that a rule or an entry is wrong."""

GROWTHS = 12
PROPOSALS_PER_GROWTH = 10
PARTS = 6


class Grown:
    """Nodes of one operator, each a model of its own, and why proposals were refused."""

    def __init__(self, specification):
        self.nodes = []
        self.refused = Counter()
        self._specification = specification

    def grow(self, *, dtype, rank=None):
        """Grow one node whose first operand is of this dtype and rank; whether there was one."""
        rule = self._specification.rule
        wanted = dataclasses.replace(rule, ranks=rule.ranks if rank is None else (rank,))
        specification = dataclasses.replace(self._specification, rule=wanted, dtypes=(dtype,))
        for seed in range(GROWTHS):
            request = Request(nodes=1, dtypes={dtype: 1.0}, dynamic=0.4, empty=0.1)
            growth = Growth(KERNELS, Weighted([specification]), request, seed)
            added = any(growth.add(specification) for _ in range(PROPOSALS_PER_GROWTH))
            self.refused.update(reason for _, reason in growth.refused.elements())
            if added:
                self.nodes.append(growth.grow())
                return True
        return False


KERNELS = TensorFlowKernels()


def anchor_type(program, specification):
    [node] = program.nodes
    bound = node.bindings.get(specification.rule.anchor)
    return program.type_of(bound.name if bound is not None else node.operands()[0])  # a list has one dtype and rank


@pytest.mark.parametrize("part", range(PARTS))
def test_every_operator_grows_on_each_of_its_dtypes_and_ranks_and_is_what_its_rule_says(part):
    wrong = []
    for specification in OPERATORS[part::PARTS]:
        grown = Grown(specification)
        wrong += [(specification.name, dtype) for dtype in specification.dtypes if not grown.grow(dtype=dtype)]
        grown_ranks = [
            rank for rank in specification.rule.ranks if grown.grow(dtype=specification.dtypes[0], rank=rank)
        ]
        if not grown_ranks:
            wrong.append((specification.name, "no rank"))
        wrong += [(specification.name, reason) for reason in grown.refused if reason not in UNHEALTHY]
        for program in filter(None, grown.nodes):
            x = anchor_type(program, specification)
            feasible = specification.rule.results(x.dtype, x.rank)
            seen = {(one.dtype, one.rank) for one in program.nodes[0].types}
            wrong += [(specification.name, x, seen - feasible)] if not seen <= feasible else []
    assert wrong == []


@pytest.mark.parametrize("part", range(PARTS))
def test_a_frozen_graph_holds_the_operator_that_the_entry_names(part):
    missing = []
    for specification in OPERATORS[part::PARTS]:
        grown = Grown(specification)
        assert grown.grow(dtype=specification.dtypes[0])
        found = graph_operators(grown.nodes[0])
        if specification.graph_operator not in found:
            missing.append((specification.name, specification.graph_operator, sorted(found)))
    assert missing == []


def graph_operators(program):
    """The operators of a model's frozen graph, traced as its signature says."""
    names = {}
    exec(compile(module_text(program), "generated.py", "exec"), names)
    function = names["Model"]().__call__ if "Model" in names else names["model"]
    concrete = tf.function(function, autograph=False).get_concrete_function(*names["SIGNATURE"])
    frozen = convert_to_constants.convert_variables_to_constants_v2(
        concrete, lower_control_flow=False, aggressive_inlining=True
    )
    return {node.op for node in frozen.graph.as_graph_def().node}


def test_names_are_unique_and_there_are_as_many_as_documented():
    assert len({one.name for one in OPERATORS}) == len(OPERATORS)
    assert len(OPERATORS) >= 300
    assert len({one.graph_operator for one in OPERATORS}) >= 180
