"""Cases that the ONNX specification leaves open: where they are met, and what hangs on them."""

from __future__ import annotations

import numpy as np
import onnx
import pytest

from tautomer.numerics.onnx_evaluator import Evaluator
from tautomer.numerics.open_cases import RULES, WAYS, watched_kernels

NAN = np.nan


def f32(*values):
    return np.array(values, dtype=np.float32)


def evaluated(body, inputs, opset=18):
    """The usual outputs of a graph, those of the other ways, and the open cases met."""
    model = onnx.parser.parse_model(f'<ir_version: 9, opset_import: ["" : {opset}]> graph {body}')
    cases = []

    def outputs(seen, way):
        return list(Evaluator(model, lift=False, kernels=watched_kernels({}, seen, way)).run(inputs).values())

    return outputs(cases, None), [outputs([], way) for way in range(WAYS)], cases


def hanging(usual, others):
    """Where any of the other ways gives another value."""
    found = np.zeros(usual.shape, dtype=bool)
    for other in others:
        found |= ~np.isclose(usual, other, rtol=0, atol=0, equal_nan=usual.dtype.kind == "f")
    return found.tolist()


ELEMENTS = "(float[N] x) => (float[N] y)"
ROW_INDICES = "(float[N, M] x) => (int64[N] y)"
ROW_VALUES = "(float[N, M] x) => (float[N] y)"
POOLED = "(float[N, C, M] x) => (float[N, C, K] y)"
TWO = "(float[N] x, float[N] z) => (float[N] y)"
AXES = "a = Constant <value_ints = [1]> ()"
ROWS = np.stack([f32(1, NAN, 3), f32(1, 2, 3)])
MAPS = ROWS[:, None]
PAIR = {"x": f32(NAN, 1), "z": f32(0, 0)}
SCATTERED = {"d": np.zeros(3, np.float32), "i": np.array([1, -2, 2]), "u": f32(5, 6, 7)}
FIRST = [True, False]
ZERO, ONE = np.float32(0).reshape(()), np.float32(1).reshape(())

OPEN = {
    "ArgMax": (f"{ROW_INDICES} {{ y = ArgMax <axis = 1, keepdims = 0> (x) }}", {"x": ROWS}, FIRST),
    "ArgMin": (f"{ROW_INDICES} {{ y = ArgMin <axis = 1, keepdims = 0> (x) }}", {"x": ROWS}, FIRST),
    "ReduceMax": (f"{ROW_VALUES} {{ {AXES} y = ReduceMax <keepdims = 0> (x, a) }}", {"x": ROWS}, FIRST),
    "ReduceMin": (f"{ROW_VALUES} {{ {AXES} y = ReduceMin <keepdims = 0> (x, a) }}", {"x": ROWS}, FIRST),
    "MaxPool": (f"{POOLED} {{ y = MaxPool <kernel_shape = [3]> (x) }}", {"x": MAPS}, [[[True]], [[False]]]),
    "GlobalMaxPool": (f"{POOLED} {{ y = GlobalMaxPool (x) }}", {"x": MAPS}, [[[True]], [[False]]]),
    "Max": (f"{TWO} {{ y = Max (x, z) }}", PAIR, FIRST),
    "Min": (f"{TWO} {{ y = Min (x, z) }}", PAIR, FIRST),
    "Clip": ("(float[N] x, float z) => (float[N] y) { y = Clip (x, z) }", {"x": PAIR["x"], "z": ZERO}, FIRST),
    "Relu": (f"{ELEMENTS} {{ y = Relu (x) }}", {"x": PAIR["x"]}, FIRST),
    "Sign": (f"{ELEMENTS} {{ y = Sign (x) }}", {"x": PAIR["x"]}, FIRST),
    "TopK": (
        "(float[N, M] x) => (float[N, K] y) { k = Constant <value_ints = [1]> ()  y, i = TopK (x, k) }",
        {"x": ROWS},
        [[True], [False]],
    ),
    "TopK, unsorted": (
        "(float[N, M] x) => (float[N, K] y) { k = Constant <value_ints = [2]> ()  y, i = TopK <sorted = 0> (x, k) }",
        {"x": ROWS[1:]},
        [[True, True]],
    ),
    "QuantizeLinear": (
        "(float[N] x, float s, uint8 z) => (uint8[N] y) { y = QuantizeLinear (x, s, z) }",
        {"x": PAIR["x"], "s": ONE, "z": np.zeros((), np.uint8)},
        FIRST,
    ),
    "Cast": (
        "(float[N] x) => (uint8[N] y) { y = Cast <to = 2> (x) }",
        {"x": f32(300, -1, 255, 0.5, -0.5)},
        [True, True, False, False, False],
    ),
    "CastLike": (
        "(float[N] x, int32[N] l) => (int32[N] y) { y = CastLike (x, l) }",
        {"x": f32(NAN, 3e9, 1), "l": np.zeros(3, np.int32)},
        [True, True, False],
    ),
    "ReduceMean": (
        f"{ROW_VALUES} {{ {AXES} y = ReduceMean <keepdims = 0> (x, a) }}",
        {"x": np.zeros((2, 0), np.float32)},
        [True, True],
    ),
    "BitShift": (
        '(uint8[N] x, uint8[N] n) => (uint8[N] y) { y = BitShift <direction = "LEFT"> (x, n) }',
        {"x": np.array([1, 3], np.uint8), "n": np.array([8, 1], np.uint8)},
        FIRST,
    ),
    "ScatterElements": (
        "(float[N] d, int64[K] i, float[K] u) => (float[N] y) { y = ScatterElements (d, i, u) }",
        SCATTERED,
        [False, True, False],
    ),
    "ScatterND": (
        "(float[N] d, int64[K, L] i, float[K] u) => (float[N] y) { y = ScatterND (d, i, u) }",
        SCATTERED | {"i": SCATTERED["i"][:, None]},
        [False, True, False],
    ),
}


@pytest.mark.parametrize("name", OPEN)
@pytest.mark.filterwarnings("ignore:Mean of empty slice")
def test_what_hangs_on_an_open_case_changes_with_the_other_ways_and_nothing_else_does(name):
    body, inputs, expected = OPEN[name]
    usual, others, cases = evaluated(body, inputs)
    assert [case.op_type for case in cases] == [name.partition(",")[0]]
    assert hanging(usual[0], [other[0] for other in others]) == expected


@pytest.mark.parametrize("name", [name for name in OPEN if name not in ("ReduceMean", "TopK, unsorted")])
def test_an_operator_on_ordinary_values_is_not_open(name):
    body, inputs, _ = OPEN[name]
    ordinary = {
        "x": np.arange(inputs["x"].size, dtype=inputs["x"].dtype).reshape(inputs["x"].shape) if "x" in inputs else None,
        "n": np.array([7, 0], np.uint8),
        "i": np.arange(3).reshape(inputs["i"].shape) if "i" in inputs else None,
    }
    given = {key: value if ordinary.get(key) is None else ordinary[key] for key, value in inputs.items()}
    usual, others, cases = evaluated(body, given)
    assert cases == []
    assert all(np.array_equal(usual[0], other[0]) for other in others)


def test_every_rule_has_a_case_for_each_of_its_operators():
    tested = {name.partition(",")[0] for name in OPEN} | {"Scatter"}  # Scatter is ScatterElements before opset 11
    assert {operator for rule in RULES for operator in rule.operators} == tested


def test_what_is_computed_from_an_open_value_hangs_on_it_too():
    body = """(float[N, M] x, float[K] table) => (float[N] y, float[N] z) {
        i = ArgMax <axis = 1, keepdims = 0> (x)  y = Gather (table, i)
        axes = Constant <value_ints = [1]> ()  z = ReduceSum <keepdims = 0> (x, axes)
    }"""
    usual, others, _ = evaluated(body, {"x": ROWS, "table": f32(10, 20, 30)})
    assert hanging(usual[0], [other[0] for other in others]) == [True, False]
    assert hanging(usual[1], [other[1] for other in others]) == [False, False]


@pytest.mark.parametrize("reduction", ["add", "max"])
def test_an_index_twice_is_not_open_where_the_updates_are_reduced(reduction):
    for operator, shape in (("ScatterElements", (3,)), ("ScatterND", (3, 1))):
        body = f"""(float[N] d, int64{list(shape)} i, float[K] u) => (float[N] y) {{
            y = {operator} <reduction = "{reduction}"> (d, i, u)
        }}"""
        inputs = {"d": np.zeros(3, np.float32), "i": np.array([1, 1, 2]).reshape(shape), "u": f32(5, 6, 7)}
        assert evaluated(body, inputs)[2] == []


def test_the_greatest_numbers_of_an_integer_type_are_in_its_range():
    """2^31 - 1 is no number of float32: the nearest below it is in range, 2^31 is not."""
    body = "(float[N] x) => (int32[N] y) { y = Cast <to = 6> (x) }"
    usual, others, cases = evaluated(body, {"x": f32(2147483520, -2147483648, 2147483648)})
    assert [case.elements for case in cases] == [1]
    assert usual[0][:2].tolist() == [2147483520, -2147483648]
    assert others[0][0].tolist()[:2] == [2147483520, -2147483648]
    assert others[0][0][2] == 2147483520
