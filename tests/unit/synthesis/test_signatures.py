"""Types read off rules, against NumPy and against what the rules themselves say."""

from __future__ import annotations

import numpy as np
import pytest

from tautomer.adapters.onnx_files.generating import specifications as onnx_operators
from tautomer.adapters.tf_programs.generating import specifications as tensorflow_operators
from tautomer.adapters.torch_programs.generating import specifications as torch_operators
from tautomer.synthesis.signatures import signatures

TABLES = {"torch": torch_operators, "tensorflow": tensorflow_operators, "onnx": onnx_operators}


def named(framework, name):
    return next(one for one in TABLES[framework]() if one.name == name)


def ranks(found, first, second):
    """Ranks of two operands and of the result."""
    return {
        (one.rank, other.rank, signature.results[0][1])
        for signature in found.found
        for one in signature.slots
        for other in signature.slots
        if (one.name, other.name) == (first, second)
    }


def test_products_have_the_ranks_that_numpy_gives_them():
    expected = set()
    for a in range(1, 6):
        for b in range(1, 6):
            expected.add((a, b, np.matmul(np.ones((2,) * a), np.ones((2,) * b)).ndim))

    assert ranks(signatures(named("torch", "torch.matmul")), "x", "y") == expected


def test_operands_that_broadcast_may_have_any_two_ranks():
    found = signatures(named("torch", "torch.add"))

    assert ranks(found, "x", "y") == {(a, b, max(a, b)) for a in range(6) for b in range(6)}
    assert {one.dtype for signature in found.found for one in signature.slots} == set(found.specification.dtypes)


def test_weights_are_closed_to_other_nodes():
    slots = {slot for signature in signatures(named("torch", "F.conv2d")).found for slot in signature.slots}

    assert {one.name for one in slots if one.is_open} == {"x"}
    assert {one.name for one in slots if not one.is_open} == {"weight", "bias"}


def test_what_leaves_a_type_as_it_is_is_known_where_it_need_not():
    assert signatures(named("torch", "torch.reshape")).idle
    assert not signatures(named("torch", "torch.relu")).idle


@pytest.mark.parametrize("framework", TABLES)
def test_rules_say_the_results_that_they_give(framework):
    table = TABLES[framework]()
    for specification in [*table[:: len(table) // 15], *(one for one in table if "matmul" in one.name.lower())]:
        found = signatures(specification)
        assert found.found, specification.name
        assert not found.undeclared, specification.name
        assert not found.declared_only, specification.name
        given = {one for signature in found.dynamic for one in signature.results}
        assert given <= {one for signature in found.found for one in signature.results}
