"""ONNX Runtime's fused operators, spelled out, against ONNX Runtime."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from tautomer.adapters.onnx_files.fused_operators import FUSED_DOMAIN, spell_out
from tautomer.numerics.onnx_evaluator import Evaluator

pytestmark = pytest.mark.needs("onnxruntime")


def tensor(*shape, seed=0):
    return np.random.default_rng(seed).standard_normal(shape).astype(np.float32)


CASES = {
    "FusedConv": ({"x": tensor(1, 2, 5, 5), "w": tensor(3, 2, 3, 3), "b": tensor(3)}, {"activation": "Relu"}, 1),
    "FusedConv of a leaky rectifier": (
        {"x": tensor(1, 2, 5, 5), "w": tensor(3, 2, 3, 3)},
        {"activation": "LeakyRelu", "activation_params": [0.2], "pads": [1, 1, 1, 1]},
        1,
    ),
    "FusedConv of a clip": (
        {"x": tensor(1, 2, 5, 5), "w": tensor(3, 2, 3, 3)},
        {"activation": "Clip", "activation_params": [-0.5, 0.5]},
        1,
    ),
    "FusedGemm": (
        {"a": tensor(3, 4), "b": tensor(5, 4), "c": tensor(5)},
        {"activation": "LeakyRelu", "activation_alpha": 0.3, "transB": 1},
        1,
    ),
    "FusedMatMul": ({"a": tensor(2, 4, 3), "b": tensor(2, 4, 5)}, {"transA": 1, "alpha": 0.25}, 1),
    "Gelu": ({"x": tensor(3, 4)}, {}, 1),
    "BiasGelu": ({"x": tensor(3, 4), "b": tensor(4)}, {}, 1),
    "FastGelu": ({"x": tensor(3, 4), "b": tensor(4)}, {}, 1),
    "QuickGelu": ({"x": tensor(3, 4)}, {"alpha": 1.5}, 1),
    "SkipLayerNormalization": (
        {"x": tensor(2, 3, 4), "skip": tensor(2, 3, 4, seed=1), "g": tensor(4), "b": tensor(4), "bias": tensor(4)},
        {"epsilon": 1e-3},
        4,
    ),
}


def model_of(op_type, given, attributes, outputs):
    names = ["y"] if outputs == 1 else ["y", "", "", "sum"]
    node = helper.make_node(op_type, list(given), names, "fused", domain=FUSED_DOMAIN, **attributes)
    graph = helper.make_graph(
        [node],
        "fused",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, one.shape) for name, one in given.items()],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in names if name],
    )
    opsets = [helper.make_opsetid("", 18), helper.make_opsetid(FUSED_DOMAIN, 1)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=9)


@pytest.mark.parametrize("case", CASES)
def test_a_fused_operator_spelled_out_computes_what_the_runtime_computes(case):
    import onnxruntime

    given, attributes, outputs = CASES[case]
    model = model_of(case.split(" ")[0], given, attributes, outputs)
    session = onnxruntime.InferenceSession(model.SerializeToString(), providers=["CPUExecutionProvider"])
    expected = dict(zip([one.name for one in session.get_outputs()], session.run(None, given), strict=True))
    spell_out(model)
    assert {node.domain for node in model.graph.node} == {""}
    assert {node.name for node in model.graph.node} == {"fused"}
    found = Evaluator(model, lift=True).run(given)
    for name, one in expected.items():
        np.testing.assert_allclose(found[name], one, rtol=2e-5, atol=2e-6)


def test_an_activation_that_is_unknown_leaves_the_operator_as_it_is():
    given, _, _ = CASES["FusedConv"]
    model = model_of("FusedConv", given, {"activation": "Softsign"}, 1)
    before = onnx.ModelProto.FromString(model.SerializeToString())
    spell_out(model)
    assert model == before
