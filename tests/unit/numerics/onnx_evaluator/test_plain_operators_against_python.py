"""Arithmetic, comparison, logic, shapes and sequences against Python's own numbers and lists."""

from __future__ import annotations

import itertools
import math
import operator
from fractions import Fraction
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from evaluated_node import evaluate, random

_NUMBERS = [0.0, -0.0, 1.5, -2.25, 1e308, 5e-324, math.inf, -math.inf, math.nan]
_PAIRS = list(itertools.product(_NUMBERS, _NUMBERS))
_A, _B = (np.array(column) for column in zip(*_PAIRS, strict=True))


@pytest.mark.parametrize(
    ("op_type", "function", "opset"),
    [
        ("Equal", operator.eq, 19),
        ("Greater", operator.gt, 13),
        ("GreaterOrEqual", operator.ge, 16),
        ("Less", operator.lt, 13),
        ("LessOrEqual", operator.le, 16),
    ],
)
def test_comparisons_are_pythons_with_nan_and_signed_zeros(op_type: str, function: Any, opset: int) -> None:
    found = evaluate(op_type, _A, _B, opset=opset)
    assert found.dtype == np.bool_
    assert found.tolist() == [function(a, b) for a, b in _PAIRS]
    big = np.array([2**53 + 1, -(2**63), 2**63 - 1]), np.array([2**53, 2**63 - 1, 2**63 - 1])
    assert evaluate(op_type, *big, opset=opset).tolist() == [
        function(a, b) for a, b in zip(*map(list, big), strict=True)
    ]


@pytest.mark.parametrize(
    ("op_type", "function"),
    [("Add", operator.add), ("Sub", operator.sub), ("Mul", operator.mul), ("Div", operator.truediv)],
)
def test_arithmetic_is_ieee_754_and_broadcasts(op_type: str, function: Any) -> None:
    given = [(a, b) for a, b in _PAIRS if b != 0 or op_type != "Div"]
    a, b = (np.array(column) for column in zip(*given, strict=True))
    found = evaluate(op_type, a, b, opset=14)
    expected = [function(x, y) for x, y in given]
    np.testing.assert_array_equal(found, expected)
    assert np.array_equal(np.signbit(found[~np.isnan(found)]), np.signbit(np.array(expected)[~np.isnan(expected)]))
    left, right = random(3, 1, 2), random(4, 1, seed=1)
    table = evaluate(op_type, left, right, opset=14)
    assert table.shape == (3, 4, 2)
    for i, j, k in np.ndindex(3, 4, 2):
        assert table[i, j, k] == function(float(left[i, 0, k]), float(right[j, 0]))


def test_division_by_zero_is_ieee_754() -> None:
    found = evaluate("Div", np.array([1.0, -1.0, 1.0, 0.0]), np.array([0.0, 0.0, -0.0, 0.0]), opset=14)
    np.testing.assert_array_equal(found, [np.inf, -np.inf, -np.inf, np.nan])


@pytest.mark.parametrize(("op_type", "function"), [("Max", torch.maximum), ("Min", torch.minimum)])
def test_extrema_of_several_inputs_pass_nan_on_as_torch_does(op_type: str, function: Any) -> None:
    third = np.array([0.5])
    expected = function(function(torch.from_numpy(_A), torch.from_numpy(_B)), torch.from_numpy(third))
    np.testing.assert_array_equal(evaluate(op_type, _A, _B, third, opset=13), expected.numpy())
    ints = [np.array([2**53 + 1, -3]), np.array([2**53, 4])]
    assert (
        evaluate(op_type, *ints, opset=13).tolist() == (np.maximum if op_type == "Max" else np.minimum)(*ints).tolist()
    )


def test_sums_and_means_of_several_inputs_are_exact_sums_rounded() -> None:
    parts = [random(3, 4, seed=index) for index in range(3)]
    for op_type, count in (("Sum", 1), ("Mean", 3)):
        expected = [
            float(sum(map(Fraction, row)) / count)
            for row in zip(*(part.reshape(-1).tolist() for part in parts), strict=True)
        ]
        np.testing.assert_allclose(evaluate(op_type, *parts, opset=13).reshape(-1), expected, rtol=1e-14, atol=1e-16)


@pytest.mark.parametrize(
    ("op_type", "function"),
    [("BitwiseAnd", operator.and_), ("BitwiseOr", operator.or_), ("BitwiseXor", operator.xor)],
)
def test_bitwise_operators_are_those_of_twos_complement(op_type: str, function: Any) -> None:
    values = [0, 1, -1, 90, -90, 2**62, -(2**63)]
    pairs = list(itertools.product(values, values))
    a, b = (np.array(column, np.int64) for column in zip(*pairs, strict=True))
    assert evaluate(op_type, a, b, opset=18).tolist() == [function(x, y) for x, y in pairs]
    assert evaluate("BitwiseNot", a, opset=18).tolist() == [~x for x, _ in pairs]


@pytest.mark.parametrize(("op_type", "function"), [("And", operator.and_), ("Or", operator.or_), ("Xor", operator.xor)])
def test_logic_is_pythons(op_type: str, function: Any) -> None:
    a, b = np.array([[True], [False]]), np.array([True, False])
    assert evaluate(op_type, a, b, opset=7).tolist() == [[function(x, y) for y in (True, False)] for x in (True, False)]
    assert evaluate("Not", b, opset=1).tolist() == [False, True]


def test_predicates_and_signs_of_special_numbers() -> None:
    x = np.array(_NUMBERS)
    assert evaluate("IsNaN", x, opset=20).tolist() == [math.isnan(v) for v in _NUMBERS]
    assert evaluate("IsInf", x, opset=20).tolist() == [math.isinf(v) for v in _NUMBERS]
    assert evaluate("IsInf", x, opset=20, detect_negative=0).tolist() == [v == math.inf for v in _NUMBERS]
    assert evaluate("IsInf", x, opset=20, detect_positive=0).tolist() == [v == -math.inf for v in _NUMBERS]
    np.testing.assert_array_equal(evaluate("Sign", x, opset=13), [0, 0, 1, -1, 1, 1, 1, -1, np.nan])
    for op_type, function in (("Floor", math.floor), ("Ceil", math.ceil), ("Abs", abs), ("Neg", operator.neg)):
        finite = [v for v in _NUMBERS if math.isfinite(v)]
        assert evaluate(op_type, np.array(finite), opset=13).tolist() == [float(function(v)) for v in finite]
    assert np.signbit(evaluate("Ceil", np.array([-0.5]), opset=13)).all()
    assert evaluate("Sign", np.array([3, 0], np.uint8), opset=13).tolist() == [1, 0]
    assert evaluate("Abs", np.array([-(2**62), 5]), opset=13).tolist() == [2**62, 5]


def test_where_chooses_without_computing_what_it_drops() -> None:
    condition = np.array([[True], [False]])
    found = evaluate("Where", condition, np.array([1.0, np.nan]), np.array(np.inf), opset=16)
    np.testing.assert_array_equal(found, [[1.0, np.nan], [np.inf, np.inf]])


# --- shapes


@pytest.mark.parametrize(
    ("shape", "wanted", "allow_zero", "expected"),
    [
        ((2, 3, 4), [0, -1], 0, (2, 12)),
        ((2, 3, 4), [4, 0, -1], 0, (4, 3, 2)),
        ((0, 3), [3, 0], 1, (3, 0)),
        ((0, 3), [0, 5, -1], 0, None),
        ((1,), [], 0, ()),
        ((2, 3), [-1], 0, (6,)),
        ((0, 4), [-1, 4], 0, (0, 4)),
    ],
)
def test_reshape_reads_zero_and_minus_one_as_the_schema_says(
    shape: tuple[int, ...], wanted: list[int], allow_zero: int, expected: tuple[int, ...] | None
) -> None:
    x = np.arange(math.prod(shape), dtype=np.float64).reshape(shape)
    if expected is None:
        with pytest.raises(Exception, match="cannot be reshaped"):
            evaluate("Reshape", x, np.array(wanted, np.int64), opset=14, allowzero=allow_zero)
        return
    found = evaluate("Reshape", x, np.array(wanted, np.int64), opset=14, allowzero=allow_zero)
    assert found.shape == expected
    assert found.reshape(-1).tolist() == x.reshape(-1).tolist()


def test_shapes_sizes_and_axes_are_read_from_either_end() -> None:
    x = random(2, 1, 3, 1)
    assert evaluate("Shape", x, opset=15).tolist() == [2, 1, 3, 1]
    assert evaluate("Shape", x, opset=15, start=-3, end=-1).tolist() == [1, 3]
    assert evaluate("Shape", x, opset=15, start=3, end=1).tolist() == []
    assert evaluate("Size", x, opset=13) == 6
    assert evaluate("Squeeze", x, opset=13).shape == (2, 3)
    assert evaluate("Squeeze", x, np.array([-1]), opset=13).shape == (2, 1, 3)
    assert evaluate("Unsqueeze", x, np.array([-1, 0]), opset=13).shape == (1, 2, 1, 3, 1, 1)
    assert evaluate("Flatten", x, opset=13, axis=-2).shape == (2, 3)
    assert evaluate("Flatten", x, opset=13, axis=0).shape == (1, 6)
    assert evaluate("Transpose", x, opset=13).shape == (1, 3, 1, 2)
    joined = evaluate("Concat", x, random(2, 4, 3, 1), np.zeros((2, 0, 3, 1)), opset=13, axis=-3)
    assert joined.shape == (2, 5, 3, 1)
    assert np.array_equal(joined[:, :1], x)
    assert evaluate("ConstantOfShape", np.array([2, 0]), opset=20).shape == (2, 0)


def test_upsampling_of_opset_9_repeats_elements() -> None:
    x = random(1, 1, 2, 3)
    found = evaluate("Upsample", x, np.array([1, 1, 2, 3], np.float32), opset=9)
    assert found[0, 0].tolist() == [[x[0, 0, i // 2, j // 3] for j in range(9)] for i in range(4)]


def test_bits_are_read_as_another_type() -> None:
    x = np.array([1.0, -2.5], np.float32)
    found = evaluate("BitCast", x, opset=26, to=onnx.TensorProto.INT32)
    assert found.tolist() == [0x3F800000, -0x3FE00000]
    assert evaluate("BitCast", found, opset=26, to=onnx.TensorProto.FLOAT).tolist() == [1.0, -2.5]


# --- sequences and optionals


def test_what_is_passed_on_is_passed_on_as_it_is() -> None:
    x = np.array([1.5, np.nan, -0.0])
    for op_type, opset in (("Identity", 21), ("Dropout", 13), ("Optional", 15), ("OptionalGetElement", 18)):
        found = evaluate(op_type, x, opset=opset)
        np.testing.assert_array_equal(found, x)
        assert np.signbit(found[2])
    assert evaluate("OptionalHasElement", x, opset=18)
    assert not evaluate("OptionalHasElement", opset=18)


def test_sequences_are_pythons_lists() -> None:
    items = [random(2, seed=seed) for seed in range(4)]
    graph = onnx.parser.parse_graph("""
        main (double[2] a, double[2] b, double[2] c, double[2] d, int64 first, int64 last)
            => (double[2] at, int64 count, double[K] joined, double[M, 2] stacked) {
            three = SequenceConstruct(a, b, c)
            four = SequenceInsert(three, d, first)
            less = SequenceErase(four, last)
            at = SequenceAt(less, last)
            count = SequenceLength(less)
            joined = ConcatFromSequence <axis = 0> (less)
            stacked = ConcatFromSequence <axis = 0, new_axis = 1> (less)
        }
    """)
    from tautomer.numerics.onnx_evaluator import Evaluator

    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", 18)])
    feeds = dict(zip("abcd", items, strict=True)) | {"first": np.array(1), "last": np.array(-1)}
    found = Evaluator(model, lift=True).run(feeds)
    expected = items[:3]
    expected.insert(1, items[3])
    del expected[-1]
    assert np.array_equal(found["at"], expected[-1])
    assert found["count"] == len(expected)
    assert np.array_equal(found["joined"], np.concatenate(expected))
    assert np.array_equal(found["stacked"], np.stack(expected))


def test_a_split_into_a_sequence_gives_chunks_or_single_elements() -> None:
    x = random(5, 2)
    chunks = evaluate("SplitToSequence", x, np.array(2), opset=11)
    assert [part.tolist() for part in chunks] == [x[:2].tolist(), x[2:4].tolist(), x[4:].tolist()]
    single = evaluate("SplitToSequence", x, opset=11, keepdims=0)
    assert [part.tolist() for part in single] == x.tolist()
    given = evaluate("SplitToSequence", x, np.array([1, 4]), opset=11)
    assert [len(part) for part in given] == [1, 4]
