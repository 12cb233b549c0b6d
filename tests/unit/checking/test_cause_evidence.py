"""Which category the evidence about one operator and one node comes to."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import pytest

from tautomer.checking.causes.arguments import compare
from tautomer.checking.causes.calls import Argument, SourceCall
from tautomer.checking.causes.conversion_faults import of_semantics, of_set
from tautomer.checking.causes.counterfactuals import Misreading, Supposition
from tautomer.checking.causes.exceptions import complaint_of
from tautomer.checking.causes.refusals import cause_of_refusal
from tautomer.checking.causes.responsible_sets import ResponsibleSet
from tautomer.checking.causes.target_nodes import TargetNode, read_nodes, responsible
from tautomer.model import Kind, Refused, Resources, Stage


def argument(name, value, default=None, *, has_default=True, type_="int"):
    return Argument(name, type_, value, has_default, default)


def call(operator, *arguments, shapes=((2, 3),)):
    return SourceCall("node", operator, "model.py:3", None, shapes, arguments)


def node(op_type, *, sizes_only=False, moves=False, unset=None, **parameters):
    name = f"node_{op_type}"
    return TargetNode(name, op_type, "", parameters, unset or {}, (name,), sizes_only, moves, "node", None, None)


def faulty(source, *nodes, said="off", inputs=(0,), exact=False):
    return ResponsibleSet(nodes, source.operator, None, source, Kind.SEMANTIC, said, ("v",), inputs, 1.0, exact)


MEAN = call("aten.scatter_reduce.two", argument("reduce", "mean", has_default=False, type_="str"))
POOL = call(
    "aten.avg_pool2d.default",
    argument("kernel_size", [3, 3], has_default=False),
    argument("padding", [1, 1], [0, 0]),
    argument("divisor_override", 5),
)


def test_a_counterpart_with_another_value_is_an_algorithmic_error_that_names_both():
    category, evidence = of_set(faulty(MEAN, node("ScatterElements", reduction="none")), {})
    assert category == "algorithmic_error"
    assert evidence.startswith("scatter_reduce(reduce='mean') became ScatterElements(reduction='none')")


def test_a_default_of_the_target_counts_as_its_value():
    category, evidence = of_set(faulty(MEAN, node("ScatterElements", unset={"reduction": "none"})), {})
    assert (category, "reduction='none'" in evidence) == ("algorithmic_error", True)


def test_an_argument_without_a_counterpart_is_an_incompatibility():
    pool = node("AveragePool", kernel_shape=[3, 3], pads=[1, 1, 1, 1])
    category, evidence = of_set(faulty(POOL, pool), {})
    assert category == "incompatibility"
    assert "AveragePool, which has no counterpart of divisor_override=5" in evidence


def test_arguments_that_all_agree_leave_the_semantics():
    resize = call(
        "aten._upsample_bicubic2d_aa.default",
        argument("output_size", [3, 4], has_default=False),
        argument("align_corners", True, has_default=False, type_="bool"),
    )
    made = node("Resize", sizes=[1, 2, 3, 4], coordinate_transformation_mode="align_corners")
    category, evidence = of_set(faulty(resize, made), {})
    assert (category, "whose semantics differ" in evidence) == ("incompatibility", True)


def supposed(source, how, arguments, *nodes):
    return replace(faulty(source, *nodes), supposition=Supposition(how, arguments))


def test_an_argument_that_a_formula_ignores_is_an_incompatibility():
    gelu = call("aten.gelu.default", argument("approximate", "tanh", "none", type_="str"))
    found = supposed(gelu, Misreading.IGNORED, ("approximate",), node("Erf"), node("Mul"))
    category, evidence = of_set(found, {})
    assert category == "incompatibility"
    assert evidence.startswith("gelu(approximate='tanh') became the formula Erf -> Mul, which ignores approximate")


def test_operands_that_are_exchanged_are_an_algorithmic_error():
    category, evidence = of_set(
        supposed(call("aten.sub.Tensor"), Misreading.EXCHANGED, ("self", "other"), node("Sub")), {}
    )
    assert (category, "with self and other exchanged" in evidence) == ("algorithmic_error", True)


def test_an_attribute_that_differs_says_more_than_an_argument_that_may_have_been_ignored():
    found = supposed(MEAN, Misreading.IGNORED, ("reduce",), node("ScatterElements", reduction="none"))
    assert of_set(found, {})[0] == "algorithmic_error"


def test_an_operator_that_a_pass_took_away_is_not_said_to_have_become_what_misses_it():
    turn = replace(faulty(call("aten.transpose.int"), node("MatMul")), taken_away=True)
    category, evidence = of_set(turn, {})
    assert (category, evidence) == ("algorithmic_error", "transpose() was taken away, and MatMul is wrong: off")


def test_of_two_existing_artefacts_only_a_parameter_that_differs_says_why():
    bare = call("aten.linear.default")
    assert of_set(faulty(bare, node("Linear")), {}, seen=False)[0] == "unknown"
    assert of_set(faulty(MEAN, node("ScatterElements", reduction="none")), {}, seen=False)[0] == "algorithmic_error"


def test_a_formula_is_an_algorithmic_error_even_of_one_node():
    source = call("aten.signbit.default")
    assert of_set(faulty(source, node("Less", B=[0.0])), {})[0] == "algorithmic_error"
    assert "the formula Div -> Floor" in of_set(faulty(source, node("Div"), node("Floor")), {})[1]


def test_a_size_that_stands_in_the_node_and_fails_only_elsewhere_is_a_shape_problem():
    frozen = node("AveragePool", kernel_shape=[6, 6])
    assert of_set(faulty(POOL, frozen, inputs=(1,)), {1: [6]})[0] == "shape_problem"
    assert of_set(faulty(POOL, frozen, inputs=(0, 1)), {1: [6]})[0] != "shape_problem"
    assert of_set(faulty(POOL, frozen, inputs=(1,)), {1: [7]})[0] != "shape_problem"


@pytest.mark.parametrize(
    ("said", "category"),
    [
        ("'v' is float32 where the operator gives float64", "type_problem"),
        ("'v' has shape [2] where the operator gives [3]", "shape_problem"),
        ("'v' is 3 at [0] where the operator gives 4", "algorithmic_error"),
    ],
)
def test_what_differs_on_forced_inputs_decides(said, category):
    assert of_set(faulty(call("aten.relu.default"), node("Add"), said=said, exact=True), {})[0] == category


@pytest.mark.parametrize(
    ("given", "attribute", "found", "agrees"),
    [
        (argument("padding", [1, 2]), "pads", [1, 2, 1, 2], True),
        (argument("padding", [1, 1]), "pads", [0, 0, 2, 2], False),
        (argument("stride", 2), "strides", [2, 2], True),
        (argument("dim", -1), "axis", 1, True),
        (argument("dim", 0), "axis", 1, False),
        (argument("eps", 1e-5), "epsilon", 9.99999975e-06, True),
        (argument("reduce", "amax", type_="str"), "reduction", "max", True),
        (argument("keepdim", True), "keepdims", 0, False),
    ],
)
def test_an_argument_and_its_attribute_agree_as_both_specifications_mean_them(given, attribute, found, agrees):
    compared = compare(call("aten.any.default", given), node("Any", **{attribute: found}))
    assert (bool(compared.agreeing), bool(compared.differing)) == (agrees, not agrees)


def test_tensors_and_storage_are_no_arguments_of_a_node():
    source = call("aten.any.default", argument("self", {"node": "x"}, type_="Tensor"), argument("dtype", "torch.int64"))
    assert compare(source, node("Any")).missing == ()
    assert of_semantics(source, node("Any"), "off") is None


REFUSALS = {
    "Type Error: Type 'tensor(int64)' of input parameter (x) of operator (Floor) is invalid": "type_problem",
    "NOT_IMPLEMENTED : Could not find an implementation for Conv(11)": "incompatibility",
    "No Op registered for TanhFast with domain_version of 20": "incompatibility",
    "Dimension of input 0 must be 1 instead of 2. shape={2,5,3}": "shape_problem",
    "something else altogether": "unknown",
}


@pytest.mark.parametrize("said", REFUSALS)
def test_a_refusal_says_what_it_is_about(said):
    assert cause_of_refusal(said, None, None) == REFUSALS[said]


def test_a_shape_that_a_computing_node_gives_though_its_parameters_agree_is_an_incompatibility():
    pool = node("AveragePool", kernel_shape=[3, 3], pads=[1, 1, 1, 1], ceil_mode=1)
    ceil = call("aten.avg_pool2d.default", argument("kernel_size", [3, 3]), argument("ceil_mode", True, False))
    said = "Inferred shape and existing shape differ in dimension 2: (4) vs (3)"
    assert cause_of_refusal(said, ceil, pool) == "incompatibility"
    squeeze = call("aten.squeeze.dim", argument("dim", 0))
    assert cause_of_refusal(said, squeeze, node("Squeeze", moves=True, axes=[0])) == "shape_problem"


def refused(message, *, error_type="torch.onnx.errors.X", cause=None, traceback=""):
    attributes = {"cause": cause} if cause else {}
    return Refused(Resources(1.0, 1), Path("log"), (), error_type, message, traceback, (error_type,), attributes)


def test_the_operator_that_was_being_translated_is_read_from_the_exception():
    said = (
        "Error when translating node %eig : [num_users=1] = call_function[target=torch.ops.aten.linalg_eig.default](x)"
    )
    inner = {"type": "torch.onnx.DispatchError", "message": "No ONNX function found"}
    found = complaint_of(refused(said, cause=inner), "model.py", Stage.NODE_CONVERSION)
    assert (found.node, found.operator, found.category) == ("eig", "aten.linalg_eig.default", "incompatibility")


def test_the_line_is_the_last_one_in_the_users_file():
    frames = (
        'File "/lib/torch/x.py", line 3, in f\nFile "/a/model.py", line 7, in forward\nFile "/lib/torch/y.py", line 9'
    )
    found = complaint_of(refused("no", traceback=frames), "model.py", Stage.LOAD_MODEL)
    assert (found.line, found.category) == ("model.py:7", "unknown")


def test_the_legacy_exporter_names_an_operator_without_overload():
    said = "Exporting the operator 'aten::special_bessel_j0' to ONNX opset version 20 is not supported"
    found = complaint_of(
        refused(said, error_type="torch.onnx.errors.UnsupportedOperatorError"), "model.py", Stage.NODE_CONVERSION
    )
    assert (found.operator, found.category) == ("aten.special_bessel_j0", "incompatibility")


def test_nodes_that_only_compute_sizes_have_no_part_in_a_fault(tmp_path):
    import onnx
    from onnx import TensorProto, helper

    graph = helper.make_graph(
        [
            helper.make_node("Shape", ["x"], ["size"], name="size"),
            helper.make_node("Reshape", ["x", "size"], ["same"], name="same"),
            helper.make_node("Relu", ["same"], ["y"], name="relu"),
        ],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [2, 3])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [2, 3])],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)]), tmp_path / "m.onnx")
    nodes = read_nodes(tmp_path / "m.onnx")
    assert [one.name for one in responsible(nodes.values())] == ["relu"]
    assert [one.name for one in responsible([nodes["size"], nodes["same"]])] == ["same"]
    assert [one.name for one in responsible([nodes["size"]])] == ["size"]
