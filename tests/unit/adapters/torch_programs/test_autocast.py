"""Casts of an autocast region, made explicit."""

from __future__ import annotations

import torch

from tautomer.adapters.torch_programs.autocast import with_explicit_casts


def region(enabled=True):
    """The submodule of an exported program's autocast region, and its settings."""

    class Model(torch.nn.Module):
        def forward(self, x, w):
            with torch.autocast("cpu", dtype=torch.bfloat16, enabled=enabled):
                return torch.nn.functional.linear(x, w)

    program = torch.export.export(Model(), (torch.randn(2, 3), torch.randn(4, 3)), strict=False)
    node = next(one for one in program.graph.nodes if "autocast" in str(one.target))
    at = next(index for index, one in enumerate(node.args) if getattr(one, "op", "") == "get_attr")
    return getattr(program.graph_module, node.args[at].target), node.args[:at]


def test_the_casts_to_the_narrow_type_become_operators():
    graph, settings = region()
    operands = [torch.randn(2, 3), torch.randn(4, 3)]
    explicit = with_explicit_casts(graph, operands, settings)
    casts = [node for node in explicit.graph.nodes if "_to_copy" in str(node.target)]
    assert [node.kwargs["dtype"] for node in casts] == [torch.bfloat16, torch.bfloat16]
    with torch.autocast("cpu", dtype=torch.bfloat16):
        expected = torch.nn.functional.linear(*operands)
    given = torch.utils._pytree.tree_leaves(explicit(*operands))[0]
    assert torch.equal(given, expected)


def test_operands_in_float64_are_taken_in_the_types_the_region_states():
    graph, settings = region()
    explicit = with_explicit_casts(graph, [torch.randn(2, 3).double(), torch.randn(4, 3).double()], settings)
    assert any("_to_copy" in str(node.target) for node in explicit.graph.nodes)


def test_a_region_that_switches_autocast_off_gets_no_casts():
    graph, settings = region(enabled=False)
    explicit = with_explicit_casts(graph, [torch.randn(2, 3), torch.randn(4, 3)], settings)
    assert not any("_to_copy" in str(node.target) for node in explicit.graph.nodes)
