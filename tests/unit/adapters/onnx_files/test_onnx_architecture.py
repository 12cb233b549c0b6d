"""An ONNX file as an architecture: ports, types, constants, control flow and functions."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import numpy_helper

from tautomer.adapters.onnx_files.architecture import architecture_of
from tautomer.model.architecture import Origin


def read(text: str, **stored: np.ndarray):
    model = onnx.parser.parse_model('<ir_version: 9, opset_import: ["" : 20, "local" : 1]>\n' + text)
    model.graph.initializer.extend(numpy_helper.from_array(array, name) for name, array in stored.items())
    return architecture_of(model, "model")


def taken(node) -> list[tuple[int, str, int, int]]:
    return [(one.port, str(one.origin), one.index, one.output) for one in node.operands]


def test_types_attributes_and_constants_are_told():
    made = read(
        """
        g (float[n, 3] x) => (int64[n, 4] y) {
            b = Constant <value = float[4] {1., 2., 3., 4.}> ()
            z = MatMul (x, w)
            s = Add (z, b)
            y = Cast <to = 7> (s)
        }
        """,
        w=np.ones((3, 4), np.float32),
    )

    product, total, cast = made.nodes
    assert [node.operator for node in made.nodes] == ["MatMul", "Add", "Cast"]
    assert taken(product) == [(0, "input", 0, 0), (1, "constant", -1, 0)]
    assert [one.type.shape for one in total.operands] == [("n", 4), (4,)]
    assert [one.type.dtype for one in total.operands] == ["float32", "float32"]
    assert (total.broadcasts, product.broadcasts) == (True, False)
    assert cast.attributes["to"] == "int64"
    assert made.outputs == ((2, 0),)


def test_a_stored_tensor_and_a_constant_node_are_the_same_architecture():
    stored = read("g (float[3] x) => (float[3] y) { y = Mul (x, c) }", c=np.ones(3, np.float32))
    node = read("g (float[3] x) => (float[3] y) { c = Constant <value = float[3] {1., 1., 1.}> () y = Mul (x, c) }")

    assert stored == node


def test_values_of_a_list_share_its_port_and_what_is_left_out_has_none():
    made = read(
        """
        g (float[2, 4] x, float h) => (float[2, 6] y) {
            a, b = Split <axis = 1, num_outputs = 2> (x)
            c = Clip (b, , h)
            y = Concat <axis = 1> (a, c, b)
        }
        """
    )

    split, clip, joined = made.nodes
    assert taken(clip) == [(0, "node", 0, 0), (2, "input", 1, 0)]
    assert taken(joined) == [(0, "node", 0, 0), (0, "node", 1, 0), (0, "node", 0, 0)]
    assert split.attributes == {"axis": 1, "num_outputs": 2}


def test_results_have_ports_of_their_own():
    made = read(
        """
        g (float[2, 4] x) => (float[2, 2] y) {
            k = Constant <value = int64[1] {2}> ()
            v, i = TopK (x, k)
            f = Cast <to = 1> (i)
            y = Add (v, f)
        }
        """
    )

    assert taken(made.nodes[1]) == [(0, "node", 0, 1)]
    assert taken(made.nodes[2]) == [(0, "node", 0, 0), (1, "node", 1, 0)]


def test_branches_take_values_from_outside_and_result_in_ports_of_their_owner():
    made = read(
        """
        g (float[2] x, bool c) => (float[2] y) {
            r = Relu (x)
            y = If (c) <
                then_branch = t () => (float[2] p) { p = Sin (r) },
                else_branch = e () => (float[2] q) { q = Identity (r) }
            >
        }
        """
    )

    assert [(node.operator, node.within) for node in made.nodes] == [
        ("Relu", ()),
        ("Identity", ("If.else_branch",)),
        ("Sin", ("If.then_branch",)),
        ("If", ()),
    ]
    assert taken(made.nodes[2]) == [(0, "node", 0, 0)]
    assert taken(made.nodes[3]) == [(0, "input", 1, 0), (1, "node", 1, 0), (2, "node", 2, 0)]


def test_the_body_of_a_loop_is_given_what_the_loop_is_given():
    made = read(
        """
        g (float[2] x, int64 n, bool c) => (float[2] y) {
            r = Relu (x)
            y = Loop (n, c, r) <
                body = b (int64 i, bool k, float[2] s) => (bool o, float[2] t) { o = Identity (k) t = Tanh (s) }
            >
        }
        """
    )

    tanh = next(node for node in made.nodes if node.operator == "Tanh")
    assert taken(tanh) == [(0, "node", 0, 0)]
    assert tanh.operands[0].type.shape == (2,)
    assert made.nodes[-1].operator == "Loop"
    assert taken(made.nodes[-1])[-1] == (3, "node", made.nodes.index(tanh), 0)


def test_functions_are_written_out_where_they_are_called():
    made = read(
        """
        g (float[2] x) => (float[2] y) { y = local.twice (x) }
        <opset_import: ["" : 20], domain: "local"> twice (a) => (b) { h = Sin (a) b = Add (h, h) }
        """
    )

    assert [node.operator for node in made.nodes] == ["Sin", "Add"]
    assert made.nodes[0].operands[0].origin is Origin.INPUT


def test_an_unknown_operator_has_its_domain_and_ports_by_position():
    model = onnx.parser.parse_model(
        '<ir_version: 9, opset_import: ["" : 20, "com.example" : 1]> '
        "g (float[2] x) => (float[2] y) { y = com.example.Strange (x, x) }"
    )
    [node] = architecture_of(model, "model").nodes

    assert node.operator == "com.example::Strange"
    assert taken(node) == [(0, "input", 0, 0), (1, "input", 0, 0)]


def test_a_value_that_nothing_makes_is_refused():
    model = onnx.helper.make_model(
        onnx.helper.make_graph(
            [onnx.helper.make_node("Relu", ["nowhere"], ["y"])],
            "g",
            [],
            [onnx.helper.make_tensor_value_info("y", onnx.TensorProto.FLOAT, [2])],
        )
    )
    with pytest.raises(ValueError, match="'nowhere', which nothing before it makes"):
        architecture_of(model, "model")
