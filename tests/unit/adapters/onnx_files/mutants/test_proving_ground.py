"""What is active, what is caught, and what is said of the rest."""

from __future__ import annotations

import numpy as np
import onnx
import onnx.parser
import pytest

from tautomer.adapters.onnx_files.derived_constants import Constants
from tautomer.adapters.onnx_files.mutants import Subject
from tautomer.adapters.onnx_files.mutants.proving_ground import ProvingGround, SourceAnswers
from tautomer.model import Tensor
from tautomer.numerics.judge import Reference
from tautomer.numerics.onnx_evaluator import Evaluator, LoadedModel, RoundingNoise

SAMPLES = 8
TEXT = """<ir_version: 10, opset_import: ["": 20]> g (float[4,8] x) => (float[4,8] y) {
    low = Constant<value = float {-100.0}>()
    high = Constant<value = float {0.5}>()
    c = Clip(x, low, high)
    y = Softmax<axis=-1>(c)
}"""
NOTHING_KNOWN = Constants(([], []), {}, [], 0)


@pytest.fixture(scope="module")
def given():
    return {"x": np.random.default_rng(0).standard_normal((4, 8)).astype(np.float32)}


def reference_of(model, given):
    """The model judged against itself: what a faultless conversion of it would be judged against."""
    [name] = [value.name for value in model.graph.output]
    exact = Evaluator(model, lift=True).run(given)[name]
    runs = [Evaluator(model, lift=True, noise=RoundingNoise(seed)).run(given)[name] for seed in range(SAMPLES)]
    variance = sum(np.square(run - exact) for run in runs) / SAMPLES
    return {name: Reference(name, Tensor.of(Evaluator(model, lift=False).run(given)[name]), exact, variance)}


def ground_of(model, given, references=None):
    answers = [SourceAnswers(given, references or reference_of(model, given), {})]
    return ProvingGround.of(LoadedModel(model, None), answers, {"y": "y"}, NOTHING_KNOWN)


def trials(model, ground):
    subject = Subject(model)
    return {
        (site.kind, site.variant): ground.trial(site, subject.mutant(site), by_operator=False)
        for site in subject.sites()
    }


def test_a_fault_that_acts_is_caught_and_one_that_does_not_is_said_not_to_be_exercised(given):
    model = onnx.parser.parse_model(TEXT)
    ground = ground_of(model, given)
    assert ground.reason is None
    found = trials(model, ground)
    upper, lower = found["clip_bound", "2,max"], found["clip_bound", "1,min"]
    assert (upper.active, upper.caught) == (True, True)
    assert "another function" in upper.why
    assert (lower.active, lower.caught) == (False, False)
    assert "no difference to the values" in lower.why
    assert found["softmax_axis", "0"].caught


def test_an_unstable_form_is_active_only_where_it_errs():
    model = onnx.parser.parse_model(TEXT.replace("float {0.5}", "float {1e6}"))
    small = {"x": np.random.default_rng(1).standard_normal((4, 8)).astype(np.float32)}
    large = {"x": small["x"] * 100}
    inert = trials(model, ground_of(model, small))["unshifted_softmax", "form"]
    active = trials(model, ground_of(model, large))["unshifted_softmax", "form"]
    assert (inert.active, inert.caught) == (False, False)
    assert (active.active, active.caught) == (True, True)
    assert "range" in active.why


def test_nothing_is_measured_where_the_original_deviates_itself(given):
    model = onnx.parser.parse_model(TEXT)
    [reference] = reference_of(model, given).values()
    wrong = Reference("y", reference.declared, reference.exact * (1 + 1e-6), reference.variance)
    ground = ground_of(model, given, {"y": wrong})
    assert "itself deviates" in ground.reason


def test_nothing_is_measured_without_a_float64_reference(given):
    model = onnx.parser.parse_model(TEXT)
    [reference] = reference_of(model, given).values()
    ground = ground_of(model, given, {"y": Reference("y", reference.declared)})
    assert "no float64 reference" in ground.reason


def test_an_active_fault_below_the_judges_limit_survives(given):
    """The judge's limit is 1e-3 u: a change of 2^-46 is real, provable in float64, and invisible to it."""
    model = onnx.parser.parse_model(TEXT)
    ground = ground_of(model, given)
    subject = Subject(model)
    site = next(site for site in subject.sites() if site.kind == "clip_bound" and site.variant == "2,max")
    mutant = subject.mutant(site)
    # The bound as a product of numbers that float32 holds: 0.5 (1 + 2^-23) (1 - 2^-23) = 0.5 (1 - 2^-46).
    factor = [
        onnx.numpy_helper.from_array(np.asarray(1 + sign * 2.0**-23, dtype=np.float32), name)
        for sign, name in ((1, "up"), (-1, "down"))
    ]
    mutant.model.graph.initializer.extend(factor)
    clip = next(node for node in mutant.model.graph.node if node.op_type == "Clip")
    before = [
        onnx.helper.make_node("Mul", ["high", "up"], ["h1"]),
        onnx.helper.make_node("Mul", ["h1", "down"], ["h2"]),
    ]
    clip.input[2] = "h2"  # in place of the bound that the kind has changed
    nodes = list(mutant.model.graph.node)
    del mutant.model.graph.node[:]
    mutant.model.graph.node.extend([*nodes[:2], *before, *nodes[2:]])
    trial = ground.trial(site, mutant, by_operator=False)
    assert (trial.active, trial.caught) == (True, False)
    assert trial.semantic_residual_u < 1e-3
    assert "roundings of float64" in trial.why
