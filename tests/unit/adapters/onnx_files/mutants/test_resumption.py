"""Evaluating a mutant from the touched node on gives what evaluating the whole mutant gives."""

from __future__ import annotations

import numpy as np
import pytest
from mutant_cases import CASES

from tautomer.adapters.onnx_files.mutants import Subject
from tautomer.adapters.onnx_files.mutants.resumption import Passage, Resumption
from tautomer.numerics.onnx_evaluator import Evaluator, LoadedModel

LONG = ("score_scale", "mask_dropped", "unshifted_exponential", "branches_exchanged", "weight_row", "gate_order")


def both(model, given, *, budget_bytes):
    declared = Passage.of(Evaluator(model, lift=False), given, budget_bytes=budget_bytes)
    exact = Passage.of(Evaluator(model, lift=True), given, budget_bytes=budget_bytes, declared=declared)
    return declared, exact


@pytest.mark.parametrize("budget_bytes", [0, 200, 1 << 20])
@pytest.mark.parametrize("kind", LONG)
def test_resuming_gives_the_outputs_of_the_whole_mutant_however_little_was_kept(kind, budget_bytes):
    model, given = CASES[kind].model(), CASES[kind].given()
    loaded = LoadedModel(model, None)
    declared, exact = both(model, given, budget_bytes=budget_bytes)
    subject, resumption = Subject(model), Resumption(loaded, {})
    tried = 0
    for site in subject.sites():
        mutant = subject.mutant(site)
        for passage, lift in ((declared, False), (exact, True)):
            whole = Evaluator(mutant.model, lift=lift).run(given)
            resumed = resumption.outputs(mutant, passage, lift=lift)
            assert whole.keys() == resumed.keys()
            for name, value in whole.items():
                assert value.dtype == resumed[name].dtype
                assert np.array_equal(value, resumed[name], equal_nan=value.dtype.kind == "f")
        tried += 1
    assert tried > 3


def test_nothing_before_the_touched_node_is_computed_again():
    case = CASES["score_scale"]
    model, given = case.model(), case.given()
    _, exact = both(model, given, budget_bytes=1 << 20)
    subject, resumption = Subject(model), Resumption(LoadedModel(model, None), {})
    site = next(site for site in subject.sites() if site.kind == "softmax_axis")
    seen = []
    resumption.outputs(subject.mutant(site), exact, lift=True, observe=lambda name, _: seen.append(name))
    assert seen == ["p", "y"]


def test_a_mutant_that_reaches_no_output_costs_nothing():
    case = CASES["states_exchanged"]
    model, given = case.model(), case.given()
    del model.graph.output[0]
    _, exact = both(model, given, budget_bytes=1 << 20)
    subject, resumption = Subject(model), Resumption(LoadedModel(model, None), {})
    site = next(site for site in subject.sites() if site.kind == "states_exchanged")
    mutant = subject.mutant(site)
    assert len(resumption.touched(mutant)) == 1
    resumed = resumption.outputs(mutant, exact, lift=True)
    assert np.array_equal(resumed["yh"], exact.outputs["yc"])
