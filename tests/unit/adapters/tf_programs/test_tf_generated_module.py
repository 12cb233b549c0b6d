"""Grown TensorFlow models as files: they give what they were grown with, and are traced as their signature says."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from tautomer.adapters.tf_programs.generated_module import module_text
from tautomer.adapters.tf_programs.kernels import TensorFlowKernels
from tautomer.adapters.tf_programs.loading import load_program
from tautomer.adapters.tf_programs.operator_table import OPERATORS
from tautomer.adapters.tf_programs.preparation import PreparedFunction
from tautomer.model import ArtifactKind
from tautomer.synthesis import Growth, Request
from tautomer.synthesis.choosing import Weighted
from tautomer.synthesis.dims import is_dynamic
from tautomer.synthesis.runs import OTHER, RESIZED, WRITTEN

pytestmark = pytest.mark.needs("tensorflow")

SEEDS = range(24)
DTYPES = {"float32": 0.6, "int64": 0.1, "int32": 0.1, "bool": 0.1, "float16": 0.05, "bfloat16": 0.05}
REQUEST = Request(nodes=8, dynamic=0.5, dtypes=DTYPES)


def grown(seed, request=REQUEST):
    growth = Growth(TensorFlowKernels(), Weighted(OPERATORS), request, seed)
    program = growth.grow()
    assert program is not None
    return growth, program


def loaded(text):
    names = {}
    exec(compile(text, "generated.py", "exec"), names)
    return names, names["Model"]() if "Model" in names else names["model"]


def outputs_of(made):
    return made if isinstance(made, tuple) else (made,)


@pytest.mark.parametrize("seed", SEEDS)
def test_a_written_model_gives_the_very_values_that_it_was_grown_with(seed):
    growth, program = grown(seed)
    names, model = loaded(module_text(program))
    for run, given in zip((WRITTEN, OTHER, RESIZED), (names["inputs"](), *names["run_inputs"]()), strict=False):
        for name, made in zip(program.outputs, outputs_of(model(*given)), strict=True):
            expected = growth.value(name, run)
            assert made.dtype == expected.dtype
            assert made.numpy().tobytes() == expected.numpy().tobytes(), (run, name)


def test_the_same_seed_gives_the_same_text_and_another_seed_another():
    texts = [module_text(grown(seed)[1]) for seed in (3, 3, 4)]
    assert texts[0] == texts[1] != texts[2]


def test_models_are_traced_as_their_signature_says_and_answer_at_both_sizes():
    resized = 0
    for seed in range(40):
        _, program = grown(seed, Request(nodes=6, dynamic=1.0))
        names, model = loaded(module_text(program))
        traced = tf.function(model.__call__ if "Model" in names else model, autograph=False)
        concrete = traced.get_concrete_function(*names["SIGNATURE"])
        for given in (names["inputs"](), *names["run_inputs"]()):
            eager, graph = outputs_of(model(*given)), outputs_of(concrete(*given))
            assert [(one.dtype, one.shape) for one in eager] == [(one.dtype, one.shape) for one in graph]
        resized += any(is_dynamic(size) for one in program.inputs for size in one.type.shape)
        assert any(None in spec.shape for spec in names["SIGNATURE"]) or not len(names["run_inputs"]()) > 1
        if resized == 8:
            return
    pytest.fail("too few of the models have a dynamic dimension")


def test_a_written_model_is_loaded_as_one_that_a_person_wrote(tmp_path):
    for seed in (1, 2, 3):
        growth, program = grown(seed, Request(nodes=5, dynamic=1.0))
        path = tmp_path / f"grown{seed}.py"
        path.write_text(module_text(program))
        spec = {"path": str(path), "kind": ArtifactKind.TENSORFLOW_MODULE, "seed": 0}
        prepared = PreparedFunction(load_program(spec), 0)
        answers = list(prepared.run(0).values())
        assert len(answers) == len(program.outputs)
        for name, answer in zip(program.outputs, answers, strict=True):
            expected = growth.value(name, WRITTEN).numpy()
            np.testing.assert_allclose(np.asarray(answer.array, np.float64), expected, rtol=1e-3, atol=1e-3)


def test_a_model_without_weights_is_a_function_and_one_with_weights_a_module():
    texts = [(program.weights, module_text(program)) for _, program in (grown(seed) for seed in range(12))]
    assert {bool(weights) for weights, _ in texts} == {True, False}
    for weights, text in texts:
        assert ("class Model(tf.Module):" in text) == bool(weights)
        assert ("def model(" in text) == (not weights)
