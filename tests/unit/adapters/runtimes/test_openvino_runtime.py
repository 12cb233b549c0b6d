"""OpenVINO computes what it is asked to, in the types that the graph declares, and says where it does not."""

from __future__ import annotations

import os
import subprocess
import sys

import ml_dtypes
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from small_graphs import graph

from tautomer.adapters.runtimes.declared_formats import DeclaredNode
from tautomer.adapters.runtimes.openvino_precision import Layer, PrecisionOfPlan, beyond_int32

pytestmark = pytest.mark.needs("openvino")


def unary(op_type, element_type, shape, **attributes):
    node = helper.make_node(op_type, ["x"], ["y"], **attributes)
    return graph([node], [("x", element_type, shape)], [("y", element_type, shape)])


def product(size):
    """A matrix product and its factors, in float32."""
    weight, x = np.random.default_rng(0).standard_normal((2, size, size)).astype(np.float32)
    model = graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        [("x", TensorProto.FLOAT, [size, size])],
        [("y", TensorProto.FLOAT, [size, size])],
        [numpy_helper.from_array(weight, "w")],
    )
    return model, x, weight


def test_a_float32_product_is_computed_in_float32_and_nothing_else_is_reported(compute):
    model, x, weight = product(64)
    _, values, precision = compute("openvino", model, x=x)
    exact = x.astype(np.float64) @ weight
    bound = 64 * 2.0**-24 * (np.abs(x).astype(np.float64) @ np.abs(weight))  # Higham 2002, (3.13)
    assert np.all(np.abs(values["y"].array - exact) <= bound)
    assert [event.fields["nodes"] for event in precision] == [[]]


PLUGINS_OWN_CHOICE = """
import json, sys
from tautomer.adapters.runtimes.openvino_precision import PrecisionOfPlan
from tautomer.adapters.runtimes.openvino_runtime import import_openvino

openvino = import_openvino()
core = openvino.Core()
program = core.read_model(sys.argv[1])
compiled = core.compile_model(program, "CPU", {"INFERENCE_PRECISION_HINT": "bf16"})
capabilities = core.get_property("CPU", "OPTIMIZATION_CAPABILITIES")
plan = PrecisionOfPlan.of(compiled.get_runtime_model(), program, capabilities)
print(json.dumps({"formats": plan.formats([]), "bf16": "BF16" in capabilities}))
"""


def in_process(code, *arguments, home):
    environment = {**os.environ, "HOME": str(home), "OPENBLAS_NUM_THREADS": "1"}
    environment.pop("CI", None)  # where it is set, OpenVINO's telemetry is silent by itself
    done = subprocess.run(
        [sys.executable, "-c", code, *map(str, arguments)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
        env=environment,
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def test_a_plugin_that_does_choose_bfloat16_is_found_out(tmp_path):
    import json

    onnx.save(product(64)[0], tmp_path / "model.onnx")
    said = json.loads(in_process(PLUGINS_OWN_CHOICE, tmp_path / "model.onnx", home=tmp_path))
    reduced = [{"declared": "float32", "computed": "bfloat16", "rounded": None, "count": 1}]
    assert said["formats"] == (reduced if said["bf16"] else [])


def test_nothing_is_told_to_a_server_and_the_home_folder_stays_as_it_is(tmp_path):
    code = (
        "import sys; from tautomer.adapters.runtimes.openvino_runtime import import_openvino; import_openvino().Core();"
        "print([name for name in sys.modules if name.startswith('openvino_telemetry') and sys.modules[name]])"
    )
    assert in_process(code, home=tmp_path).strip() == "[]"
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("element_type", "values"),
    [
        (TensorProto.FLOAT, np.array([1.5, -0.0, np.inf, 1e-40], np.float32)),
        (TensorProto.FLOAT, np.array(2.5, np.float32)),
        (TensorProto.FLOAT, np.zeros((0, 3), np.float32)),
        (TensorProto.DOUBLE, np.array([1.5, -2.0])),
        (TensorProto.FLOAT16, np.array([1.5, 65504.0, 6e-8], np.float16)),
        (TensorProto.BFLOAT16, np.array([1.5, -3e38, 1e-38], ml_dtypes.bfloat16)),
        (TensorProto.INT64, np.array([[2**31 - 1, -(2**31)]])),
        (TensorProto.INT32, np.array([2**31 - 1, -(2**31)], np.int32)),
        (TensorProto.INT8, np.array([127, -128], np.int8)),
        (TensorProto.UINT8, np.array([255, 0], np.uint8)),
        (TensorProto.BOOL, np.array([True, False])),
    ],
    ids=lambda value: f"{value.dtype}{list(value.shape)}" if isinstance(value, np.ndarray) else "",
)
def test_values_go_in_and_come_out_in_the_type_and_shape_of_the_graph(compute, element_type, values):
    _, found, _ = compute("openvino", unary("Identity", element_type, list(values.shape)), x=values)
    assert found["y"].dtype == values.dtype.name
    assert found["y"].shape == values.shape
    assert found["y"].array.tobytes() == values.tobytes()


def test_an_input_of_another_type_is_an_error_and_is_not_converted(compute):
    fields, values, _ = compute("openvino", unary("Relu", TensorProto.FLOAT, [2]), x=np.array([1.0, 2.0]))
    assert not values
    assert "f64" in fields["error"]["message"]


def test_an_input_that_the_graph_does_not_have_is_an_error(compute):
    one = np.ones(2, np.float32)
    fields, _, _ = compute("openvino", unary("Relu", TensorProto.FLOAT, [2]), x=one, z=one)
    assert "no input 'z'" in fields["error"]["message"]


def test_outputs_keep_the_graphs_names_and_order_where_one_value_has_several(compute):
    constant = np.array([3.0, 4.0], np.float32)
    model = graph(
        [helper.make_node("Cast", ["x"], ["same"], to=TensorProto.FLOAT), helper.make_node("Neg", ["same"], ["b"])],
        [("x", TensorProto.FLOAT, [2])],
        [(name, TensorProto.FLOAT, [2]) for name in ("same", "c", "b")],
        [numpy_helper.from_array(constant, "c")],
    )
    x = np.array([1.0, 2.0], np.float32)
    _, values, _ = compute("openvino", model, x=x)
    assert {name: value.array.tolist() for name, value in values.items()} == {
        "same": [1.0, 2.0],
        "c": [3.0, 4.0],
        "b": [-1.0, -2.0],
    }
    assert list(values) == ["same", "c", "b"]


@pytest.mark.parametrize(("largest", "named"), [(2**31 - 1, []), (2**31 + 5, [["x"]])])
def test_integers_that_the_plugin_wraps_are_named(compute, largest, named):
    _, values, precision = compute("openvino", unary("Neg", TensorProto.INT64, [1]), x=np.array([largest]))
    assert (values["y"].array[0] == -largest) == (not named)
    assert [event.fields["beyond_int32"] for event in precision if "beyond_int32" in event.fields] == named


def test_a_cast_to_float16_that_the_plugin_leaves_out_is_reported(compute):
    casts = [
        helper.make_node("Cast", ["x"], ["h"], to=TensorProto.FLOAT16),
        helper.make_node("Cast", ["h"], ["y"], to=TensorProto.FLOAT),
    ]
    x = np.array([1 / 3, 2.0**20], np.float32)
    _, values, [event] = compute(
        "openvino", graph(casts, [("x", TensorProto.FLOAT, [2])], [("y", TensorProto.FLOAT, [2])]), x=x
    )
    kept = np.array_equal(values["y"].array, x)
    assert kept == (event.fields["nodes"][0]["computed"] == "float32")


# --- reading an executed model --------------------------------------------------------------------------------------

HALF = DeclaredNode(("half", "h"), ("x",), "h", "Exp", "float16")


DECLARED = {"half": "f16", "plain": "f32", "moved": "f32", "other": "f32", "third": "f32"}
"""Element types in the model that was compiled."""


def plan(*layers, has_float16=False):
    return PrecisionOfPlan(layers, DECLARED, has_float16)


def layer(origins, precision, layer_type="Eltwise"):
    return Layer(frozenset(origins.split(",")), layer_type, precision, "")


@pytest.mark.parametrize(("has_float16", "computed"), [(True, "float16"), (False, "float32")])
def test_a_processor_without_float16_arithmetic_only_stores_values_in_it(has_float16, computed):
    [count] = plan(layer("half", "f16"), has_float16=has_float16).formats([HALF])
    assert count == {"declared": "float16", "computed": computed, "rounded": None, "count": 1}


def test_a_node_that_is_gone_computes_as_all_others_do_or_in_an_unknown_format():
    assert plan(layer("other", "f32")).formats([HALF])[0]["computed"] == "float32"
    assert plan(layer("other", "f32"), layer("third", "f64")).formats([HALF])[0]["computed"] is None


def test_a_float32_node_in_bfloat16_is_counted_apart_from_declared_ones():
    found = plan(layer("half", "f32"), layer("plain", "bf16"), layer("moved", "bf16", "Transpose")).formats([HALF])
    assert [(one["declared"], one["computed"], one["count"]) for one in found] == [
        ("float16", "float32", 1),
        ("float32", "bfloat16", 1),
    ]


@pytest.mark.parametrize("origins", ["Convert_17", "half,plain"])
def test_what_the_plugin_puts_in_or_fuses_with_reduced_nodes_is_no_float32_node_in_less(origins):
    assert plan(layer(origins, "bf16", "Subgraph")).formats([]) == []


@pytest.mark.parametrize(
    ("array", "expected"),
    [
        (np.array([2**31 - 1, -(2**31)]), False),
        (np.array([2**31]), True),
        (np.array([-(2**31) - 1]), True),
        (np.array([2**63], np.uint64), True),
        (np.array([1e300]), False),
        (np.array([], np.int64), False),
        (np.array([True]), False),
    ],
)
def test_only_integers_outside_int32_are_beyond_it(array, expected):
    assert beyond_int32(array) is expected
