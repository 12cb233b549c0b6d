"""Tables of approximated functions: the truth they are measured against, how they are made, stored and chosen."""

from __future__ import annotations

import json
import math
from dataclasses import replace

import mpmath
import numpy as np
import pytest

from tautomer.errors import MisuseError
from tautomer.numerics.approximation_tables import (
    ApproximationTable,
    FunctionErrors,
    decode_table,
    encode_table,
    shipped_tables,
    table_for,
)
from tautomer.numerics.approximation_tables import shipped as shipped_module
from tautomer.numerics.approximation_tables.functions import BY_NAME, EXPONENT, FUNCTIONS, INPUT
from tautomer.numerics.approximation_tables.measurement import (
    INFLATION,
    Measured,
    compare,
    errors_of,
    joined,
    sample_arguments,
    special_arguments,
    tails,
)

U = 2.0**-24
SELU_ALPHA, SELU_GAMMA = 1.67326319217681884765625, 1.05070102214813232421875


def sigmoid(x):
    return 1 / (1 + mpmath.exp(-x))


def expm1_below_zero(x):
    return mpmath.expm1(x) if x < 0 else x


def gelu_by_tanh(x):
    return x * sigmoid(2 * mpmath.sqrt(2 / mpmath.pi) * (x + mpmath.mpf("0.044715") * x**3))


TRUTH = {
    "Acos": mpmath.acos,
    "Acosh": mpmath.acosh,
    "Asin": mpmath.asin,
    "Asinh": mpmath.asinh,
    "Atan": mpmath.atan,
    "Atanh": mpmath.atanh,
    "Celu": expm1_below_zero,
    "Cos": mpmath.cos,
    "Cosh": mpmath.cosh,
    "Elu": expm1_below_zero,
    "Erf": mpmath.erf,
    "Exp": mpmath.exp,
    "Gelu": lambda x: x * mpmath.erfc(-x / mpmath.sqrt(2)) / 2,
    "Gelu tanh": gelu_by_tanh,
    "Log": mpmath.log,
    "Mish": lambda x: x * mpmath.tanh(mpmath.log1p(mpmath.exp(x))),
    "Reciprocal": lambda x: 1 / x,
    "Selu": lambda x: SELU_GAMMA * (SELU_ALPHA * mpmath.expm1(x) if x < 0 else x),
    "Sigmoid": sigmoid,
    "Sin": mpmath.sin,
    "Sinh": mpmath.sinh,
    "Softplus": lambda x: mpmath.log1p(mpmath.exp(x)),
    "Softsign": lambda x: x / (1 + abs(x)),
    "Sqrt": mpmath.sqrt,
    "Swish": lambda x: x * sigmoid(x),
    "Tan": mpmath.tan,
    "Tanh": mpmath.tanh,
}
"""The functions with 60 digits, from their definitions."""


@pytest.mark.parametrize("name", sorted(TRUTH))
def test_what_kernels_are_measured_against_is_right_to_a_thousandth_of_a_rounding(name):
    function = BY_NAME[name]
    samples = sample_arguments("float32", 3000, seed=5)[:250]
    usual = np.random.default_rng(6).uniform(-12, 12, 150).astype(np.float32)
    inputs = function.inputs(np.concatenate([samples, usual]), np.zeros(400, np.float32))
    exact = function.exact(inputs, "float32")
    compared = 0
    with mpmath.workdps(60):
        for x, value in zip(inputs[INPUT].tolist(), exact.tolist(), strict=True):
            if not math.isfinite(value) or abs(value) > 1e38 or (abs(value) < 1e-37 and value != 0):
                continue
            truth = TRUTH[name](mpmath.mpf(x))
            assert abs(value - truth) <= 1e-3 * U * abs(truth) + 2.0**-149 * 1e-3
            compared += 1
    assert compared > 100


def test_powers_and_softmaxes_are_measured_against_the_truth_as_well():
    power = BY_NAME["Pow"].inputs(np.array([2.0, 3.0, 0.5], np.float32), np.array([0.5, 3.0, -2.0], np.float32))
    np.testing.assert_allclose(BY_NAME["Pow"].exact(power, "float32"), [math.sqrt(2), 27, 4], rtol=1e-15)
    np.testing.assert_allclose(BY_NAME["Pow"].argument(power), power[EXPONENT] * np.log(power[INPUT], dtype=np.float64))
    pair = BY_NAME["Softmax"].inputs(np.array([1.0, 20.0], np.float32), np.zeros(2, np.float32))
    exact = BY_NAME["Softmax"].exact(pair, "float32")
    np.testing.assert_allclose(exact, [1 / (1 + math.e), 1 / (1 + math.exp(20))], rtol=1e-14)
    error, inner = BY_NAME["Softmax"].as_measured(BY_NAME["Softmax"].argument(pair), exact * (1 + 1e-7), exact)
    np.testing.assert_allclose(inner, np.exp([-1.0, -20.0]))
    np.testing.assert_allclose(error, exact * 1e-7 * (1 + inner) ** 2, rtol=1e-6)


def test_every_function_has_a_name_of_its_own_and_a_model():
    assert len(BY_NAME) == len(FUNCTIONS)
    assert all(one.model("float32").graph.node[0].op_type == one.op_type for one in FUNCTIONS)


def test_samples_reach_every_exponent_and_sign_and_are_dense_where_functions_turn():
    samples = sample_arguments("float32", 50_000, seed=0)
    assert np.isfinite(samples).all()
    exponents = np.frexp(np.abs(samples[samples != 0]).astype(np.float64))[1]
    for sign in (1, -1):
        reached = set(np.frexp(np.abs(samples[np.sign(samples) == sign]).astype(np.float64))[1].tolist())
        assert reached >= set(range(-148, 129))
    assert np.mean((exponents > -12) & (exponents < 8)) > 0.5
    assert np.sum(np.abs(samples - 88.37) < 0.5) > 50
    assert {0.0} <= set(samples.tolist())


def test_samples_are_those_of_their_seed():
    np.testing.assert_array_equal(sample_arguments("float32", 5000, 3), sample_arguments("float32", 5000, 3))
    assert not np.array_equal(sample_arguments("float32", 5000, 3), sample_arguments("float32", 5000, 4))


def test_every_float16_number_is_measured():
    samples = sample_arguments("float16", 10, seed=0)
    assert np.unique(samples.view(np.uint16)).size == 2**16 - 2 * 2**10


def test_tails_have_every_length_that_kernels_treat_apart():
    lengths = {one.size for one in tails(sample_arguments("float32", 5000, 0), 0)}
    assert lengths == {1, 3, 17, 4096}


def test_special_arguments_hold_nan_the_infinities_and_both_zeros():
    special = special_arguments("float32")
    assert np.isnan(special).any()
    assert set(special[np.isinf(special)].tolist()) == {math.inf, -math.inf}
    assert np.signbit(special[special == 0]).tolist() == [False, True]


def measured_exponential(seed):
    """An exponential that errs by up to 3 u below -4 and by up to 1 u elsewhere."""
    generator = np.random.default_rng(seed)
    x = generator.uniform(-20, 20, 20_000)
    exact = np.exp(x)
    return Measured(x, exact, generator.uniform(0, 1, x.size) * np.where(x < -4, 3, 1) * U * exact)


def test_a_table_holds_every_error_it_was_made_from_and_is_not_much_wider():
    one = measured_exponential(0)
    errors = errors_of(one, "float32")
    allowed = errors.allowance_u(one.argument, one.exact) * U
    assert (one.error <= allowed).all()
    assert errors.lower.size < 20
    # Errors scatter, so the bound on a cell may be twice the largest seen of the function, not more.
    true_largest = np.where(one.argument < -4, 3, 1) * U * one.exact
    away = np.abs(one.argument + 4) > 1
    assert (allowed <= INFLATION * 1.01 * true_largest)[away].all()


def test_a_table_holds_for_other_arguments_with_its_safety_factor():
    errors, other = errors_of(measured_exponential(0), "float32"), measured_exponential(1)
    assert (other.error <= 2 * errors.allowance_u(other.argument, other.exact) * U).all()


def test_a_kernel_that_is_not_finite_where_the_function_is_has_an_unbounded_error():
    function = BY_NAME["Exp"]
    argument = np.array([1.0, 2.0, 100.0])
    exact = np.exp(argument)
    found = np.array([exact[0], np.inf, np.inf])
    one = compare(function, argument, found, exact, "float32")
    assert one.argument.tolist() == [1.0, 2.0]  # e^100 is no float32 number
    assert one.error.tolist() == [0.0, math.inf]


def test_measurements_are_joined_end_to_end():
    one, other = measured_exponential(0), measured_exponential(1)
    both = joined([one, other])
    assert both.error.size == one.error.size + other.error.size


def table(version="1.2.0", runtime="somewhere", **changes):
    errors = FunctionErrors(np.array([-np.inf, 0.0]), np.array([2.0, np.inf]), np.array([np.inf, 0.5]), 10)
    made = ApproximationTable(runtime, version, "machine", "2026-01-01", 0, 2.0, {("Exp", "float32"): errors})
    return replace(made, **changes)


def test_the_smaller_of_both_columns_bounds_the_error_and_a_rounding_is_the_least():
    bound = table().error_bound("Exp", "float32", np.array([-1.0, 1.0, 1.0]), np.array([0.1, 0.2, 4.0]))
    np.testing.assert_allclose(bound, np.array([2 * 2.0 * 0.1, 2 * 0.5, 2 * 4.0]) * U, rtol=1e-9)
    assert table().error_bound("Log", "float32", np.zeros(1), np.zeros(1)) is None
    assert table().error_bound("Exp", "float16", np.zeros(1), np.zeros(1)) is None


def test_a_table_survives_being_stored():
    stored = encode_table(table())
    json.loads(stored, parse_constant=lambda text: pytest.fail(f"{text} is no JSON"))
    again = decode_table(stored, origin="here")
    assert encode_table(again) == stored
    assert again.functions["Exp", "float32"].relative_u.tolist() == [2.0, math.inf]


def test_stored_errors_are_never_smaller_than_measured_ones():
    errors = FunctionErrors(np.array([-np.inf]), np.array([1.23456]), np.array([0.0012341]), 10)
    again = decode_table(encode_table(table(functions={("Exp", "float32"): errors})), origin="here")
    found = again.functions["Exp", "float32"]
    assert found.relative_u.tolist() == [1.24]
    assert found.absolute_u.tolist() == [0.00124]


@pytest.mark.parametrize(
    "text",
    [
        "no json",
        "[]",
        '{"schema": "tautomer/approximation-table/99"}',
        encode_table(table()).replace("[0.0, ", '["-inf", '),
    ],
    ids=["no JSON", "no object", "another schema", "cells out of order"],
)
def test_a_file_that_is_no_table_is_refused_with_its_name(text):
    with pytest.raises(MisuseError, match=r"there\.json is no table"):
        decode_table(text, origin="there.json")


@pytest.mark.parametrize(
    ("asked", "given"),
    [("1.2.0", "1.2.0"), ("1.3.5", "1.2.0"), ("1.10.1", "1.10.0"), ("9", "1.10.0"), ("0.5", "1.2.0")],
)
def test_the_nearest_version_is_the_newest_that_is_not_newer_and_says_so(monkeypatch, asked, given):
    monkeypatch.setattr(shipped_module, "shipped_tables", lambda: (table("1.2.0"), table("1.10.0")))
    found = table_for("somewhere", asked)
    assert found is not None
    assert found.version == given
    assert (found.note is None) == (asked == given)
    if found.note:
        assert asked in found.note
        assert given in found.note
    assert table_for("elsewhere", asked) is None


@pytest.mark.parametrize("one", shipped_tables(), ids=lambda one: f"{one.runtime} {one.version}")
def test_a_shipped_table_is_complete_and_held_on_arguments_it_was_not_made_from(one):
    measured = {name for name, element in one.functions if element == "float32"}
    refused = {name.removesuffix(" float32") for name in one.refused if name.endswith(" float32")}
    assert measured | refused == set(BY_NAME)
    # PyTorch has no function with HardSigmoid's parameters, and its recurrent layers are other operators.
    assert refused == ({"HardSigmoid", "RNN sigmoid", "RNN tanh"} if one.runtime == "torch" else set())
    assert one.validation is not None
    assert one.validation.samples > 1_000_000
    assert one.validation.above_bound == 0
    assert one.validation.largest_ratio <= one.safety_factor


def test_the_runtimes_that_are_supported_have_tables():
    assert {one.runtime for one in shipped_tables()} == {"onnxruntime", "openvino", "torch"}
