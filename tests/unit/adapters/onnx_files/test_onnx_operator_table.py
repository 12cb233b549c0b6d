"""ONNX's table for the generator: whole, executed in every dtype it names, and right about what its rules say."""

from __future__ import annotations

import dataclasses
from collections import Counter

import numpy as np
import onnx
import pytest

from tautomer.adapters.onnx_files.node_calls import Initializer, node_call
from tautomer.adapters.onnx_files.operators import ABSENT, OPERATORS, OPSET
from tautomer.adapters.onnx_files.operators.absent import DEPRECATED, NEWER, NO_KERNEL
from tautomer.synthesis import Growth, Request
from tautomer.synthesis.choosing import Weighted

pytestmark = pytest.mark.needs("onnxruntime")

UNHEALTHY = {"vacuous", "amplifies", "near a tie", "too large", "not finite"}
"""Words for values that are of no use; anything else means that a rule or an entry is wrong."""

EXAMPLES = {
    "GlobalLpPool": ([("float32", (1, 1, 2, 2))], {}),
    "MaxRoiPool": ([("float32", (1, 1, 4, 4)), ("float32", (1, 5))], {"pooled_shape": [2, 2]}),
    "RoiAlign": ([("float32", (1, 1, 4, 4)), ("float32", (1, 4)), ("int64", (1,))], {}),
    "ImageDecoder": ([("uint8", (8,))], {}),
}
"""A call of every operator that is said to have no kernel."""


@pytest.fixture(scope="module")
def kernels():
    from tautomer.adapters.onnx_files.operator_kernels import OnnxRuntimeKernels

    return OnnxRuntimeKernels()


def schemas():
    return {one.name: one for one in onnx.defs.get_all_schemas() if one.domain == ""}


def test_every_operator_of_the_domain_is_in_the_table_or_absent_for_a_reason_and_none_is_both():
    entered = {one.graph_operator for one in OPERATORS}
    assert entered | set(ABSENT) == set(schemas())
    assert not entered & set(ABSENT)


def test_names_of_the_table_are_unique():
    assert [name for name, count in Counter(one.name for one in OPERATORS).items() if count > 1] == []


def test_what_is_called_deprecated_or_newer_is_so_in_the_schemas():
    known = schemas()
    versions = Counter()
    for one in onnx.defs.get_all_schemas_with_history():
        if one.domain == "" and one.since_version <= OPSET:
            versions[one.name] += 1
    assert {name for name, why in ABSENT.items() if why == DEPRECATED} == {
        name for name, one in known.items() if one.deprecated
    }
    assert {name for name, why in ABSENT.items() if why == NEWER} == {name for name in known if not versions[name]}


def test_the_examples_are_those_of_the_operators_without_a_kernel():
    assert set(EXAMPLES) == {name for name, why in ABSENT.items() if why == NO_KERNEL}


@pytest.mark.parametrize("op_type", EXAMPLES)
def test_onnx_runtime_finds_no_kernel_where_the_table_says_so(op_type):
    import onnxruntime

    from tautomer.adapters.onnx_files.node_calls import ELEMENT_TYPES
    from tautomer.adapters.onnx_files.operator_kernels import session_options

    operands, attributes = EXAMPLES[op_type]
    names = [f"x{index}" for index in range(len(operands))]
    graph = onnx.helper.make_graph(
        [onnx.helper.make_node(op_type, names, ["y"], **attributes)],
        "g",
        [
            onnx.helper.make_tensor_value_info(name, ELEMENT_TYPES[dtype], shape)
            for name, (dtype, shape) in zip(names, operands, strict=True)
        ],
        [onnx.helper.make_empty_tensor_value_info("y")],
    )
    model = onnx.helper.make_model(graph, opset_imports=[onnx.helper.make_opsetid("", OPSET)], ir_version=10)
    onnx.checker.check_model(onnx.shape_inference.infer_shapes(model, strict_mode=True))
    with pytest.raises(Exception, match="Could not find an implementation"):
        onnxruntime.InferenceSession(model.SerializeToString(), session_options(), providers=["CPUExecutionProvider"])


@pytest.mark.slow
@pytest.mark.parametrize("part", range(4))
def test_every_entry_is_executed_in_every_dtype_it_names_and_its_rule_says_what_comes_out(kernels, part):
    wrong: Counter = Counter()
    unreached = []
    for specification in OPERATORS[part::4]:
        for dtype in specification.dtypes:
            only = dataclasses.replace(specification, dtypes=(dtype,))
            stayed = 0
            for seed in range(30):
                request = Request(nodes=1, dtypes={dtype: 1.0}, dynamic=0.4, empty=0.1)
                growth = Growth(kernels, Weighted([only]), request, seed)
                for _ in range(4):
                    stayed += growth.add(only)
                wrong.update({one: count for one, count in growth.refused.items() if one[1] not in UNHEALTHY})
                for node in growth._nodes:
                    anchor = node.bindings.get(specification.rule.anchor)
                    if anchor is not None and not isinstance(anchor, tuple):
                        type_ = next(value.type for value in growth._values if value.name == anchor.name)
                        possible = specification.rule.results(type_.dtype, type_.rank)
                        for result in node.types:
                            if (result.dtype, result.rank) not in possible:
                                wrong[specification.name, f"{result} of {type_} is not among what the rule says"] += 1
                if stayed >= 3:
                    break
            if not stayed:
                unreached.append((specification.name, dtype))
    assert not wrong
    assert not unreached


def test_an_attribute_in_the_place_of_an_input_has_the_type_that_the_schema_says():
    x = np.zeros((2, 3), np.int8)
    call = node_call("Clip(x, low, high)", {"x": x, "low": 0, "high": 3}, lambda one: one.dtype.name)
    assert call.inputs[1:] == (Initializer("int8", 0), Initializer("int8", 3))
    call = node_call("TopK(x, [k], axis=axis)", {"x": x, "k": 2, "axis": -1}, lambda one: one.dtype.name)
    assert (call.inputs[1], call.attributes, call.results) == (Initializer("int64", (2,)), {"axis": -1}, 2)
    call = node_call("Split(x, sizes, axis=1)[:sizes]", {"x": x, "sizes": (1, 1, 1)}, lambda one: one.dtype.name)
    assert call.results == 3
    call = node_call("Resize(x, None, factors)", {"x": x, "factors": (1.0, 2.0)}, lambda one: one.dtype.name)
    assert call.inputs[1:] == (None, Initializer("float32", (1.0, 2.0)))
