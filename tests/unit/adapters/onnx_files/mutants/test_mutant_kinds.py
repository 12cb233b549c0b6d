"""Every kind of fault, on a graph that can have it."""

from __future__ import annotations

import re
from pathlib import Path

import numpy as np
import onnx
import pytest
from mutant_cases import CASES, SEMANTIC, UNSTABLE

from tautomer.adapters.onnx_files.mutants import KINDS, Family, apply, sites
from tautomer.numerics.onnx_evaluator import Evaluator

ROUNDINGS_OF_FLOAT64 = 1e-12


def evaluated(model, given, *, lift):
    with np.errstate(all="ignore"):
        return {name: np.asarray(value) for name, value in Evaluator(model, lift=lift).run(given).items()}


def mutants_of(kind):
    model = CASES[kind].model()
    return model, [(site, apply(model, site)) for site in sites(model) if site.kind == kind]


def same(one, other, within=0.0):
    if one.shape != other.shape or one.dtype != other.dtype:
        return False
    if one.dtype.kind != "f":
        return np.array_equal(one, other)
    return np.allclose(one, other, rtol=within, atol=within, equal_nan=True)


def error(value, exact):
    """Root mean square error relative to the exact values; infinite where a value is not finite."""
    if not np.isfinite(value).all():
        return np.inf
    return np.sqrt(np.mean(np.square(value - exact)) / np.mean(np.square(exact)))


def test_every_kind_has_a_case_that_is_of_its_family():
    assert set(CASES) == set(KINDS)
    assert {name for name, kind in KINDS.items() if kind.family is Family.SEMANTIC} == set(SEMANTIC)


@pytest.mark.parametrize("kind", CASES)
def test_a_mutant_is_a_valid_model_that_differs_only_where_its_site_says(kind):
    model, mutants = mutants_of(kind)
    before = model.SerializeToString(deterministic=True)
    assert mutants
    kept = {node.name: node.SerializeToString(deterministic=True) for node in model.graph.node}
    for site, mutant in mutants:
        onnx.checker.check_model(mutant)
        assert mutant.SerializeToString(deterministic=True) != before
        assert {value.name for value in mutant.graph.output} == {value.name for value in model.graph.output}
        same_nodes = {node.SerializeToString(deterministic=True) for node in mutant.graph.node}
        for name, content in kept.items():
            assert name in site.nodes or content in same_nodes
        made = {name for node in mutant.graph.node for name in node.output}
        assert {name for node in model.graph.node for name in node.output} <= made
    assert model.SerializeToString(deterministic=True) == before


@pytest.mark.parametrize("kind", SEMANTIC)
def test_a_semantic_fault_is_another_function_in_float64(kind):
    model, mutants = mutants_of(kind)
    given = CASES[kind].given()
    expected = evaluated(model, given, lift=True)
    differing = 0
    for _, mutant in mutants:
        found = evaluated(mutant, given, lift=True)
        differing += any(not same(found[name], value, ROUNDINGS_OF_FLOAT64) for name, value in expected.items())
    assert differing


@pytest.mark.parametrize("kind", UNSTABLE)
def test_an_unstable_form_is_the_same_function_and_errs_where_the_original_does_not(kind):
    model, mutants = mutants_of(kind)
    benign, hard = CASES[kind].given(benign=True), CASES[kind].given()
    [name] = [value.name for value in model.graph.output]
    expected, exact = (evaluated(model, given, lift=True)[name] for given in (benign, hard))
    own = error(evaluated(model, hard, lift=False)[name].astype(np.float64), exact)
    worse = 0
    for _, mutant in mutants:
        assert same(evaluated(mutant, benign, lift=True)[name], expected, 1e-8)
        worse += error(evaluated(mutant, hard, lift=False)[name].astype(np.float64), exact) > 10 * max(own, 2.0**-24)
    assert worse


def test_the_reference_lists_every_kind_with_its_family_and_summary():
    page = (Path(__file__).parents[5] / "docs" / "reference" / "mutants.md").read_text("utf-8")
    rows = dict(re.findall(r"^\| `(\w+)` \| (.*?) \| [^|]*\|$", page, flags=re.MULTILINE))
    said = {name: f"{kind.family} | {kind.summary.replace('|', chr(92) + '|')}" for name, kind in KINDS.items()}
    assert rows == said
