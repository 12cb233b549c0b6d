"""What the evaluator lifts, checks, scopes and frees."""

from __future__ import annotations

import gc
import weakref
from typing import Any

import ml_dtypes
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from tautomer.model import TensorSpec
from tautomer.numerics.onnx_evaluator import (
    Evaluator,
    EvaluatorError,
    InvalidInput,
    InvalidModel,
    InvalidNode,
    NodeExecutionError,
    UnsupportedOperator,
)

F32, F16, F64, I64, BF16 = (
    TensorProto.FLOAT,
    TensorProto.FLOAT16,
    TensorProto.DOUBLE,
    TensorProto.INT64,
    TensorProto.BFLOAT16,
)


def _model(
    nodes: list[onnx.NodeProto],
    inputs: dict[str, int],
    outputs: dict[str, int],
    *,
    initializers: dict[str, np.ndarray] | None = None,
    functions: list[onnx.FunctionProto] | None = None,
    opset: int = 18,
    domains: tuple[str, ...] = (),
) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info(name, element, None) for name, element in inputs.items()],
        [helper.make_tensor_value_info(name, element, None) for name, element in outputs.items()],
        [numpy_helper.from_array(array, name) for name, array in (initializers or {}).items()],
    )
    imports = [helper.make_opsetid("", opset), *(helper.make_opsetid(domain, 1) for domain in domains)]
    return helper.make_model(graph, opset_imports=imports, functions=functions or [])


def _run(model: onnx.ModelProto, *, lift: bool = True, **inputs: Any) -> Any:
    results = list(Evaluator(model, lift=lift).run(inputs).values())
    return results[0] if len(results) == 1 else results


def _one(
    op_type: str, inputs: dict[str, np.ndarray], element: int, *, lift: bool = True, opset: int = 18, **attributes: Any
) -> Any:
    declared = {name: helper.np_dtype_to_tensor_dtype(array.dtype) for name, array in inputs.items()}
    node = helper.make_node(op_type, list(inputs), ["y"], name="the node", **attributes)
    return _run(_model([node], declared, {"y": element}, opset=opset), lift=lift, **inputs)


# --- what lifting keeps of the 32-bit function


def test_a_float32_constant_is_lifted_exactly() -> None:
    model = _model(
        [helper.make_node("Add", ["x", "c"], ["y"])], {"x": F32}, {"y": F32}, initializers={"c": np.float32([0.1])}
    )
    y = _run(model, x=np.zeros(1, np.float32))
    assert y.dtype == np.float64
    assert y[0] == float(np.float32(0.1))


def test_lifted_sums_keep_what_float32_loses() -> None:
    x = np.array([1e8, 1.0, -1e8], dtype=np.float32)
    assert _one("ReduceSum", {"x": x}, F32) == 1.0
    assert _one("ReduceSum", {"x": x}, F32, lift=False) == 0.0


def test_integers_cast_to_float32_round_as_float32_does() -> None:
    x = np.array([2**24 + 1])
    y = _one("Cast", {"x": x}, F32, to=F32)
    assert y.dtype == np.float64
    assert y[0] == 2**24


def test_a_cast_to_float16_rounds_and_is_lifted_again() -> None:
    y = _one("Cast", {"x": np.array([1 / 3], dtype=np.float32)}, F16, to=F16)
    assert y.dtype == np.float64
    assert y[0] == float(np.float16(np.float32(1 / 3)))


def test_a_cast_between_equal_or_wider_types_changes_nothing() -> None:
    nodes = [
        helper.make_node("Mul", ["x", "x"], ["square"]),
        helper.make_node("Cast", ["square"], ["same"], to=F16),
        helper.make_node("Cast", ["same"], ["y"], to=F32),
    ]
    x = np.array([0.1], dtype=np.float16)
    assert _run(_model(nodes, {"x": F16}, {"y": F32}), x=x)[0] == float(x[0]) ** 2


def test_a_double_constant_cast_to_float32_is_rounded_but_a_computed_double_is_not() -> None:
    third = np.array([1 / 3])
    constant = _model([helper.make_node("Cast", ["c"], ["y"], to=F32)], {}, {"y": F32}, initializers={"c": third})
    assert _run(constant)[0] == float(np.float32(1 / 3))
    assert _one("Cast", {"x": third}, F32, to=F32)[0] == 1 / 3


def test_declared_types_are_kept_beside_lifted_values() -> None:
    nodes = [helper.make_node("Mul", ["x", "x"], ["y"]), helper.make_node("CastLike", ["wide", "y"], ["z"])]
    model = _model(nodes, {"x": BF16, "wide": F32}, {"y": BF16, "z": BF16})
    x = np.array([1.5], dtype=ml_dtypes.bfloat16)
    y, z = _run(model, x=x, wide=np.array([1 / 3], dtype=np.float32))
    assert y[0] == 2.25
    assert z[0] == float(np.float32(1 / 3).astype(ml_dtypes.bfloat16))


def test_every_float_that_a_node_makes_from_nothing_is_float64() -> None:
    value = numpy_helper.from_array(np.float32([0.1]))
    nodes = [
        helper.make_node("ConstantOfShape", ["shape"], ["a"], value=value),
        helper.make_node("EyeLike", ["a2"], ["b"], dtype=F32),
        helper.make_node("RandomNormal", [], ["c"], shape=[2]),
        helper.make_node("Constant", [], ["d"], value_floats=[0.1, 0.2]),
        helper.make_node("Range", ["start", "limit", "delta"], ["e"]),
    ]
    numbers = {"start": np.float32(0), "limit": np.float32(1), "delta": np.float32(0.1)}
    initializers = {
        "shape": np.array([2]),
        "a2": np.zeros((2, 2), np.int64),
        **{k: np.array(v) for k, v in numbers.items()},
    }
    outputs = _run(_model(nodes, {}, dict.fromkeys("abcde", F32), initializers=initializers))
    assert [array.dtype for array in outputs] == [np.dtype(np.float64)] * 5
    assert outputs[0][0] == float(np.float32(0.1))
    assert outputs[4][3] == 3 * float(np.float32(0.1))


def test_without_lifting_float16_is_computed_in_float32_and_rounded_at_the_output() -> None:
    x = np.array([2048.0, 1.0, -2048.0], dtype=np.float16)
    y = _one("ReduceSum", {"x": x}, F16, lift=False)
    assert y.dtype == np.float16
    assert y == 1.0


def test_perturb_sees_every_floating_constant_lifted_and_no_integer() -> None:
    nodes = [
        helper.make_node("Constant", [], ["k"], value_float=2.0),
        helper.make_node("Constant", [], ["axes"], value_ints=[0]),
        helper.make_node("Mul", ["w", "k"], ["m"]),
        helper.make_node("ReduceSum", ["m", "axes"], ["y"]),
    ]
    model = _model(nodes, {}, {"y": F32}, initializers={"w": np.ones(3, np.float32)})
    seen: dict[str, np.dtype] = {}

    def perturb(name: str, array: np.ndarray) -> np.ndarray:
        seen[name] = array.dtype
        return array * 10

    result = Evaluator(model, lift=True, perturb=perturb).run({})
    assert seen == {"w": np.float64, "k": np.float64}
    assert result["y"].tolist() == [600.0]


# --- special values and shapes


def test_negative_zero_nan_and_infinity_survive() -> None:
    x = np.array([-0.0, np.nan, np.inf, -np.inf], dtype=np.float32)
    nodes = [
        helper.make_node("Relu", ["x"], ["r"]),
        helper.make_node("Neg", ["r"], ["n"]),
        helper.make_node("Identity", ["n"], ["y"]),
    ]
    for lift in (False, True):
        y = _run(_model(nodes, {"x": F32}, {"y": F32}), lift=lift, x=x)
        assert np.array_equal(y, [0.0, np.nan, -np.inf, -0.0], equal_nan=True)
        assert np.signbit(y).tolist()[0::3] == [False, True]


def test_softmax_of_a_row_of_negative_infinities_is_nan() -> None:
    assert np.isnan(_one("Softmax", {"x": np.full((1, 3), -np.inf, np.float32)}, F32)).all()


@pytest.mark.parametrize(
    ("op_type", "shape", "attributes", "expected"),
    [
        ("Softmax", (0, 3), {}, (0, 3)),
        ("Transpose", (2, 0), {"perm": [1, 0]}, (0, 2)),
        ("Flatten", (0, 2, 3), {}, (0, 6)),
        ("ReduceSum", (0, 3), {"keepdims": 0}, ()),
        ("Exp", (0,), {}, (0,)),
    ],
)
def test_empty_tensors_pass(op_type: str, shape: tuple[int, ...], attributes: Any, expected: tuple[int, ...]) -> None:
    assert _one(op_type, {"x": np.zeros(shape, np.float32)}, F32, **attributes).shape == expected


def test_scalars_stay_arrays_of_rank_zero() -> None:
    y = _one("Add", {"a": np.array(1.0, np.float32), "b": np.array(2.0, np.float32)}, F32)
    assert isinstance(y, np.ndarray)
    assert y.shape == ()


def test_integer_division_truncates_toward_zero() -> None:
    a, b = np.array([7, -7, 7, -7]), np.array([2, 2, -2, -2])
    assert _one("Div", {"a": a, "b": b}, I64).tolist() == [3, -3, -3, 3]


def test_einsum_does_not_broadcast_a_labelled_dimension() -> None:
    with pytest.raises(NodeExecutionError, match="label 'j'"):
        _one("Einsum", {"a": np.ones((2, 1), np.float32), "b": np.ones((3, 2), np.float32)}, F32, equation="ij,jk->ik")


def test_gather_refuses_an_index_outside_its_axis() -> None:
    with pytest.raises(NodeExecutionError, match="IndexError"):
        _one("Gather", {"x": np.ones(3, np.float32), "i": np.array([3])}, F32)


# --- the opset decides


def test_softmax_below_opset_13_normalizes_over_all_trailing_axes() -> None:
    x = np.zeros((1, 2, 3), dtype=np.float32)
    assert np.allclose(_one("Softmax", {"x": x}, F32, opset=11), 1 / 6)
    assert np.allclose(_one("Softmax", {"x": x}, F32, opset=13), 1 / 3)


def test_axes_are_an_attribute_or_an_input_as_the_opset_says() -> None:
    x = np.arange(6, dtype=np.float32).reshape(2, 3)
    assert _one("ReduceMax", {"x": x}, F32, opset=13, axes=[1], keepdims=0).tolist() == [2, 5]
    axes = np.array([1])
    assert _one("ReduceMax", {"x": x, "axes": axes}, F32, opset=18, keepdims=0).tolist() == [2, 5]
    with pytest.raises(InvalidNode, match="2 inputs"):
        _one("ReduceMax", {"x": x, "axes": axes}, F32, opset=13)


def test_group_normalization_scales_groups_below_opset_21_and_channels_since() -> None:
    x = np.arange(8, dtype=np.float32).reshape(1, 4, 2)
    per_group = {"x": x, "s": np.ones(2, np.float32), "b": np.float32([0, 1])}
    per_channel = {"x": x, "s": np.ones(4, np.float32), "b": np.float32([0, 0, 1, 1])}
    old = _one("GroupNormalization", per_group, F32, opset=18, num_groups=2)
    new = _one("GroupNormalization", per_channel, F32, opset=21, num_groups=2)
    assert np.array_equal(old, new)
    with pytest.raises(NodeExecutionError, match=r"needs \(4,\)"):
        _one("GroupNormalization", per_group, F32, opset=21, num_groups=2)


def test_broadcasting_below_opset_7_must_be_asked_for() -> None:
    inputs = {"a": np.ones((2, 3), np.float32), "b": np.float32([1, 2])}
    assert _one("Add", inputs, F32, opset=6, broadcast=1, axis=0).tolist() == [[2, 2, 2], [3, 3, 3]]
    with pytest.raises(NodeExecutionError, match="does not ask for broadcasting"):
        _one("Add", inputs, F32, opset=6)


def test_the_nearest_element_is_chosen_with_float32_coordinates() -> None:
    x = np.arange(5, dtype=np.float32)
    # 1.5 / 0.6 - 0.5 is 2 in float32; the float64 number nearest to float32's 0.6 gives a little less.
    scales = np.array([0.6], dtype=np.float32)
    node = helper.make_node("Resize", ["x", "", "scales"], ["y"], nearest_mode="floor")
    model = _model([node], {"x": F32}, {"y": F32}, initializers={"scales": scales})
    assert _run(model, x=x).tolist() == [0, 2, 3]


def test_the_length_of_a_range_comes_from_the_declared_type() -> None:
    # The span 16777217 - 0 is 16777216 in float32.
    start, limit = np.array(-1, np.float32), np.array(2**24, np.float32)
    y = _one("Range", {"s": start, "l": limit, "d": np.array(2**24, np.float32)}, F32)
    assert y.tolist() == [-1]


# --- errors name the node


def test_floor_of_integers_is_refused_before_it_runs() -> None:
    with pytest.raises(InvalidNode, match=r"tensor\(int64\)") as caught:
        _one("Floor", {"x": np.array([1])}, I64)
    assert (caught.value.node_name, caught.value.op_type, caught.value.domain) == ("the node", "Floor", "")


def test_operands_of_different_types_are_refused() -> None:
    with pytest.raises(InvalidNode, match="earlier input"):
        _one("Add", {"a": np.ones(1, np.float32), "b": np.ones(1, np.float64)}, F32)


@pytest.mark.parametrize(
    ("domain", "op_type", "error"),
    [("com.microsoft", "FusedMatMul", UnsupportedOperator), ("", "NoSuchOperator", InvalidNode)],
)
def test_an_unknown_operator_is_named(domain: str, op_type: str, error: type[EvaluatorError]) -> None:
    """What the standard does not define is no operator; another domain may define what we do not know."""
    node = helper.make_node(op_type, ["x"], ["y"], domain=domain, name="n")
    with pytest.raises(error, match=op_type) as caught:
        _run(_model([node], {"x": F32}, {"y": F32}, domains=(domain,) if domain else ()), x=np.ones(1, np.float32))
    assert caught.value.domain == domain


def test_a_kernel_that_gives_float32_for_a_lifted_output_is_refused() -> None:
    model = _model([helper.make_node("Relu", ["x"], ["y"])], {"x": F32}, {"y": F32})
    narrow = Evaluator(model, lift=True, kernels={("", "Relu"): lambda call: call.inputs[0].astype(np.float32)})
    with pytest.raises(NodeExecutionError, match="float32"):
        narrow.run({"x": np.ones(1, np.float32)})


def test_a_graph_that_uses_an_undefined_value_is_invalid() -> None:
    with pytest.raises(InvalidModel, match="nowhere"):
        Evaluator(_model([helper.make_node("Relu", ["nowhere"], ["y"])], {}, {"y": F32}), lift=True)


@pytest.mark.parametrize(
    ("value", "message"),
    [
        (np.ones((2, 3), np.int64), "type int64"),
        (np.ones((2, 4), np.float32), "shape"),
        (np.ones(3, np.float32), "shape"),
    ],
)
def test_an_input_that_is_not_as_declared_is_refused(value: np.ndarray, message: str) -> None:
    graph = helper.make_graph(
        [helper.make_node("Relu", ["x"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", F32, ["n", 3])],
        [helper.make_tensor_value_info("y", F32, ["n", 3])],
    )
    evaluator = Evaluator(helper.make_model(graph), lift=True)
    assert evaluator.inputs == [TensorSpec("x", "float32", ("n", 3))]
    with pytest.raises(InvalidInput, match=message):
        evaluator.run({"x": value})
    with pytest.raises(InvalidInput, match="missing"):
        evaluator.run({})


def test_an_initializer_among_the_graph_inputs_is_no_input() -> None:
    model = _model(
        [helper.make_node("Add", ["x", "w"], ["y"])],
        {"x": F32, "w": F32},
        {"y": F32},
        initializers={"w": np.float32([5])},
    )
    assert [spec.name for spec in Evaluator(model, lift=True).inputs] == ["x"]
    assert _run(model, x=np.float32([1])).tolist() == [6]


# --- control flow and functions


def _body(nodes: list[onnx.NodeProto], inputs: dict[str, int], outputs: dict[str, int]) -> onnx.GraphProto:
    return _model(nodes, inputs, outputs).graph


def test_a_loop_sees_outer_values_and_stacks_its_scan_outputs() -> None:
    body = _body(
        [
            helper.make_node("Add", ["state", "step"], ["next"]),
            helper.make_node("Identity", ["next"], ["seen"]),
            helper.make_node("Less", ["next", "limit"], ["more"]),
        ],
        {"i": I64, "go": TensorProto.BOOL, "state": F32},
        {"more": TensorProto.BOOL, "next": F32, "seen": F32},
    )
    nodes = [helper.make_node("Loop", ["trips", "go", "start"], ["last", "all"], body=body)]
    initializers = {
        "trips": np.array(10),
        "go": np.array(True),
        "step": np.array(1.5, np.float32),
        "limit": np.array(4.0, np.float32),
    }
    last, every = _run(
        _model(nodes, {"start": F32}, {"last": F32, "all": F32}, initializers=initializers),
        start=np.array(0, np.float32),
    )
    assert last == 4.5
    assert every.tolist() == [1.5, 3.0, 4.5]
    assert every.dtype == np.float64


def test_a_loop_that_never_runs_gives_empty_scan_outputs_of_the_declared_type() -> None:
    body = _body(
        [helper.make_node("Identity", ["go"], ["more"]), helper.make_node("Identity", ["x"], ["seen"])],
        {"i": I64, "go": TensorProto.BOOL},
        {"more": TensorProto.BOOL},
    )
    body.output.append(helper.make_tensor_value_info("seen", F32, [2]))
    model = _model(
        [helper.make_node("Loop", ["trips", ""], ["all"], body=body)],
        {"x": F32},
        {"all": F32},
        initializers={"trips": np.array(0)},
    )
    y = _run(model, x=np.ones(2, np.float32))
    assert y.shape == (0, 2)
    assert y.dtype == np.float64


@pytest.mark.parametrize("condition", [True, False])
def test_if_runs_one_branch_and_sees_values_two_scopes_out(condition: bool) -> None:
    inner = _body([helper.make_node("Add", ["x", "local"], ["a"])], {}, {"a": F32})
    other = _body([helper.make_node("Identity", ["x"], ["b"])], {}, {"b": F32})
    then = _body(
        [
            helper.make_node("Mul", ["x", "x"], ["local"]),
            helper.make_node("If", ["c"], ["t"], then_branch=inner, else_branch=other),
        ],
        {},
        {"t": F32},
    )
    otherwise = _body(
        [helper.make_node("NoSuchOperator", ["x"], ["e"])] if condition else [helper.make_node("Neg", ["x"], ["e"])],
        {},
        {"e": F32},
    )
    node = helper.make_node("If", ["c"], ["y"], then_branch=then, else_branch=otherwise)
    model = _model([node], {"x": F32, "c": TensorProto.BOOL}, {"y": F32})
    assert _run(model, x=np.float32([3]), c=np.array(condition)).tolist() == [12.0 if condition else -3.0]


def test_scan_can_read_and_write_backwards() -> None:
    body = _body(
        [helper.make_node("Add", ["s", "x"], ["s2"]), helper.make_node("Identity", ["s2"], ["o"])],
        {"s": F32, "x": F32},
        {"s2": F32, "o": F32},
    )
    node = helper.make_node(
        "Scan",
        ["s0", "xs"],
        ["s", "os"],
        body=body,
        num_scan_inputs=1,
        scan_input_directions=[1],
        scan_output_directions=[1],
    )
    state, outputs = _run(
        _model([node], {"s0": F32, "xs": F32}, {"s": F32, "os": F32}),
        s0=np.array(0, np.float32),
        xs=np.float32([1, 2, 4]),
    )
    assert state == 7
    assert outputs.tolist() == [7, 6, 4]


def _scale_function(**settings: Any) -> onnx.FunctionProto:
    constant = helper.make_node("Constant", [], ["k"])
    constant.attribute.append(
        onnx.AttributeProto(name="value_float", type=onnx.AttributeProto.FLOAT, ref_attr_name="factor")
    )
    cast = helper.make_node("CastLike", ["k", "x"], ["typed"])
    return helper.make_function(
        "pkg.local", "Scale", ["x"], ["y"], [constant, cast, helper.make_node("Mul", ["x", "typed"], ["y"])],
        [helper.make_opsetid("", 18)], **settings,
    )  # fmt: skip


def test_a_local_function_takes_its_attributes_at_each_call() -> None:
    nodes = [
        helper.make_node("Scale", ["x"], ["a"], domain="pkg.local", factor=2.0),
        helper.make_node("Scale", ["a"], ["y"], domain="pkg.local", factor=5.0),
    ]
    model = _model(
        nodes, {"x": F32}, {"y": F32}, functions=[_scale_function(attributes=["factor"])], domains=("pkg.local",)
    )
    assert _run(model, x=np.float32([1, 3])).tolist() == [10, 30]


def test_a_local_functions_default_attribute_applies_where_a_call_gives_none() -> None:
    function = _scale_function(attribute_protos=[helper.make_attribute("factor", 7.0)])
    node = helper.make_node("Scale", ["x"], ["y"], domain="pkg.local")
    model = _model([node], {"x": F16}, {"y": F16}, functions=[function], domains=("pkg.local",))
    assert _run(model, lift=False, x=np.float16([1])).dtype == np.float16
    assert _run(model, x=np.float16([1])).tolist() == [7]


def test_an_attribute_reference_is_resolved_in_operators_with_a_type_attribute() -> None:
    cast = helper.make_node("Cast", ["x"], ["y"])
    cast.attribute.append(onnx.AttributeProto(name="to", type=onnx.AttributeProto.INT, ref_attr_name="type"))
    function = helper.make_function("pkg.local", "To", ["x"], ["y"], [cast], [helper.make_opsetid("", 18)], ["type"])
    nodes = [
        helper.make_node("To", ["x"], ["a"], domain="pkg.local", type=I64),
        helper.make_node("To", ["x"], ["b"], domain="pkg.local", type=TensorProto.INT32),
    ]
    model = _model(nodes, {"x": F32}, {"a": I64, "b": TensorProto.INT32}, functions=[function], domains=("pkg.local",))
    a, b = _run(model, x=np.float32([2.7]))
    assert (a.dtype, b.dtype) == (np.int64, np.int32)


def test_sequences_and_optionals_pass_as_lists_and_none() -> None:
    nodes = [
        helper.make_node("SequenceConstruct", ["x", "x"], ["s"]),
        helper.make_node("Optional", [], ["o"], type=helper.make_tensor_type_proto(F32, None)),
        helper.make_node("OptionalHasElement", ["o"], ["y"]),
    ]
    model = _model(nodes, {"x": F32}, {"s": F32, "o": F32, "y": TensorProto.BOOL})
    sequence, optional, present = _run(model, x=np.float32([1]))
    assert [item.dtype for item in sequence] == [np.float64] * 2
    assert optional is None
    assert not present


# --- observation and memory


def test_observe_sees_every_node_output_of_the_main_graph_in_order() -> None:
    nodes = [helper.make_node("Neg", ["x"], ["a"]), helper.make_node("Split", ["a"], ["b", "c"], axis=0, num_outputs=2)]
    seen: list[tuple[str, list[float]]] = []
    Evaluator(_model(nodes, {"x": F32}, {"b": F32}), lift=True).run(
        {"x": np.float32([1, 2])}, lambda name, value: seen.append((name, value.tolist()))
    )
    assert seen == [("a", [-1, -2]), ("b", [-1]), ("c", [-2])]


def test_a_value_is_freed_after_its_last_use() -> None:
    alive: list[weakref.ref[np.ndarray]] = []
    at_the_end: list[bool] = []

    def square(call: Any) -> np.ndarray:
        result = call.inputs[0] ** 2
        alive.append(weakref.ref(result))
        return result

    def last(call: Any) -> np.ndarray:
        gc.collect()
        at_the_end.extend(reference() is not None for reference in alive)
        return np.asarray(call.inputs[0] + 0)

    nodes = [
        helper.make_node("Abs", ["x"], ["a"]),
        helper.make_node("Neg", ["a"], ["b"]),
        helper.make_node("Exp", ["b"], ["y"]),
    ]
    kernels = {("", "Abs"): square, ("", "Exp"): last}
    Evaluator(_model(nodes, {"x": F32}, {"y": F32}), lift=True, kernels=kernels).run({"x": np.ones(4, np.float32)})
    assert at_the_end == [False]
