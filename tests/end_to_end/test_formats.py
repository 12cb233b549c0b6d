"""Sound models in every format: none may be found wrong because its own rounding is large."""

from __future__ import annotations

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from small_models import HEAD

from tautomer.adapters.runtimes.onnx_host import ONNX_HOST
from tautomer.adapters.tensor_file import write_values
from tautomer.checking.attempts import Bench
from tautomer.checking.formats import kept_nodes, range_report
from tautomer.execution import RunStore
from tautomer.model import Limits, Outcome, Stage, Tensor

pytestmark = pytest.mark.needs("torch", "torch.onnx", "onnxruntime")


def module(init, forward, inputs, after=""):
    """The text of a model module from lines of __init__ and of forward."""
    begins = "\n".join(f"        {line}" for line in init.strip().splitlines())
    lines = "\n".join(f"        {line}" for line in forward.strip().splitlines())
    return (
        f"{HEAD}class Model(torch.nn.Module):\n    def __init__(self):\n        super().__init__()\n{begins}\n\n"
        f"    def forward(self, x):\n{lines}\n\ndef inputs():\n    return ({inputs},)\n{after}"
    )


PERCEPTRON = """\
self.a = torch.nn.Linear(64, 128)
self.n = torch.nn.LayerNorm(128)
self.b = torch.nn.Linear(128, 32)
"""
CONVOLUTION = """\
self.a = torch.nn.Conv2d(3, 16, 3, padding=1)
self.n = torch.nn.BatchNorm2d(16)
self.b = torch.nn.Conv2d(16, 8, 3, stride=2)
self.n.running_mean.normal_()
self.n.running_var.uniform_(0.5, 2)
"""
CONVOLVE = "return self.b(torch.relu(self.n(self.a(x)))).mean((2, 3))"
ENCODER = "self.l = torch.nn.TransformerEncoderLayer(64, 4, 128, batch_first=True, norm_first=True)"


@pytest.fixture
def equivalent(check):
    """Checks a model that must be equivalent, at every checkpoint that could be run; gives the report."""

    def run(model, **settings):
        report = check(model, **settings)
        assert report.outcome is Outcome.EQUIVALENT, (report.reason, [one.message for one in report.findings])
        return report

    return run


def checkpoint(report, name):
    return next(one for one in report.checkpoints if one.name == name)


SOUND = {
    "a perceptron in float16": module(
        f"{PERCEPTRON}self.half()",
        "return self.b(torch.nn.functional.gelu(self.n(self.a(x))))",
        "torch.randn(4, 64).half()",
    ),
    "an encoder layer in float16": module(
        f"{ENCODER}\nself.half()", "return self.l(x)", "torch.randn(2, 10, 64).half()"
    ),
    "a batch norm folded into a convolution in float16": module(
        f"{CONVOLUTION}self.half()\nself.eval()", CONVOLVE, "torch.randn(2, 3, 16, 16).half()"
    ),
    "a norm in float32 between products in float16": module(
        f"{PERCEPTRON}self.a.half()\nself.b.half()",
        "h = self.n(self.a(x.half()).float()).half()\nreturn self.b(torch.nn.functional.silu(h)).float()",
        "torch.randn(4, 64)",
    ),
    "bfloat16 at the borders of a float32 model": module(
        "self.a = torch.nn.Linear(64, 32)",
        "return self.a(x.float()).to(torch.bfloat16)",
        "torch.randn(4, 64).bfloat16()",
    ),
    "float8 on the way and at the output": module(
        "self.a = torch.nn.Linear(64, 32)\nself.b = torch.nn.Linear(32, 8)",
        "h = self.a(x).to(torch.float8_e4m3fn)\nreturn self.b(h.float()), h",
        "torch.randn(4, 64)",
    ),
    "fake quantization per tensor and per channel": module(
        "self.a = torch.nn.Linear(64, 128)\nself.b = torch.nn.Linear(128, 32)\n"
        "self.register_buffer('s', self.b.weight.detach().abs().amax(1) / 127)\n"
        "self.register_buffer('z', torch.zeros(32, dtype=torch.int32))",
        "h = torch.fake_quantize_per_tensor_affine(torch.relu(self.a(x)), 0.013, 3, 0, 255)\n"
        "w = torch.fake_quantize_per_channel_affine(self.b.weight, self.s, self.z, 0, -128, 127)\n"
        "return torch.nn.functional.linear(h, w, self.b.bias)",
        "torch.randn(4, 64)",
    ),
    "an integer weight and decomposed quantization": module(
        "import torch.ao.quantization.fx._decomposed\n"
        "self.a = torch.nn.Linear(64, 128)\nself.b = torch.nn.Linear(128, 32)\nw = self.b.weight.detach()\n"
        "self.register_buffer('s', w.abs().amax(1) / 127)\n"
        "self.register_buffer('z', torch.zeros(32, dtype=torch.int64))\n"
        "self.register_buffer('q', (w / self.s[:, None]).round().clamp(-128, 127).to(torch.int8))",
        "Q = torch.ops.quantized_decomposed\ngrid = (0.013, 3, 0, 255, torch.uint8)\n"
        "h = Q.dequantize_per_tensor(Q.quantize_per_tensor(torch.relu(self.a(x)), *grid), *grid)\n"
        "w = Q.dequantize_per_channel(self.q, self.s, self.z, 0, -128, 127, torch.int8)\n"
        "return torch.nn.functional.linear(h, w, self.b.bias)",
        "torch.randn(4, 64)",
    ),
}


@pytest.mark.parametrize("name", SOUND)
def test_a_sound_conversion_is_equivalent(equivalent, name):
    equivalent(SOUND[name])


def test_autocast_is_the_same_program_before_and_after_its_casts_are_explicit(check):
    text = module(
        "self.a = torch.nn.Linear(64, 32)",
        "with torch.autocast('cpu', dtype=torch.bfloat16):\n    h = self.a(x)\nreturn h.float()",
        "torch.randn(4, 64)",
    )
    report = check(text)
    for name in ("captured", "decomposed", "saved"):
        assert checkpoint(report, name).outcome is Outcome.EQUIVALENT
    # ONNX Runtime's CPU has no product in bfloat16: an honest failure of the runtime, not of the model.
    assert report.outcome is Outcome.FAILED
    assert report.stage is Stage.RUNTIME_LOAD


def test_bfloat16_is_judged_up_to_the_file_where_the_runtime_has_no_kernels(check):
    text = module(
        f"{PERCEPTRON}self.bfloat16()", "return self.b(torch.relu(self.n(self.a(x))))", "torch.randn(4, 64).bfloat16()"
    )
    report = check(text)
    assert checkpoint(report, "saved").outcome is Outcome.EQUIVALENT
    assert (report.outcome, report.stage) == (Outcome.FAILED, Stage.RUNTIME_LOAD)
    assert "NOT_IMPLEMENTED" in report.findings[0].message


def test_float64_is_judged_by_roundings_of_float64(check):
    text = module(
        "self.a = torch.nn.Linear(64, 32)\nself.double()", "return torch.tanh(self.a(x))", "torch.randn(4, 64).double()"
    )
    report = check(text)
    assert checkpoint(report, "saved").outcome is Outcome.EQUIVALENT
    assert checkpoint(report, "saved").semantic_residual_u < 16


# --- files -----------------------------------------------------------------------------------------------------------


def float32_graph(seed=0):
    """Two products with a Relu between them, as an ONNX file has it."""
    generator = np.random.default_rng(seed)
    nodes = [
        helper.make_node("Gemm", ["x", "A", "a"], ["h"], name="first"),
        helper.make_node("Relu", ["h"], ["r"], name="relu"),
        helper.make_node("Gemm", ["r", "B", "b"], ["y"], name="second"),
    ]
    weights = {
        "A": generator.standard_normal((64, 96)) / 8,
        "a": generator.standard_normal(96),
        "B": generator.standard_normal((96, 16)) / 10,
        "b": generator.standard_normal(16),
    }
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [8, 64])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [8, 16])],
        [numpy_helper.from_array(array.astype(np.float32), name) for name, array in weights.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def quantized(path, model, **settings):
    """The model with QuantizeLinear and DequantizeLinear nodes, as ONNX Runtime's own tool makes it."""
    from onnxruntime.quantization import CalibrationDataReader, QuantFormat, QuantType, quantize_static

    class Reader(CalibrationDataReader):
        def __init__(self):
            generator = np.random.default_rng(1)
            self._left = iter([{"x": generator.standard_normal((8, 64)).astype(np.float32)} for _ in range(4)])

        def get_next(self):
            return next(self._left, None)

    plain = path.with_name("float32.onnx")
    onnx.save(model, plain)
    settings = {"quant_format": QuantFormat.QDQ, "activation_type": QuantType.QUInt8} | settings
    quantize_static(plain, path, Reader(), weight_type=QuantType.QInt8, **settings)
    return path


@pytest.mark.parametrize("per_channel", [False, True])
def test_a_declared_quantization_is_equivalent_at_every_level_of_the_runtime(equivalent, tmp_path, per_channel):
    report = equivalent(quantized(tmp_path / "qdq.onnx", float32_graph(), per_channel=per_channel))
    assert len([one for one in report.checkpoints if one.name.startswith("ort")]) == 4


def test_dynamic_quantization_is_equivalent(equivalent, tmp_path):
    from onnxruntime.quantization import quantize_dynamic

    onnx.save(float32_graph(), tmp_path / "float32.onnx")
    quantize_dynamic(tmp_path / "float32.onnx", tmp_path / "dynamic.onnx")
    equivalent(tmp_path / "dynamic.onnx")


def test_a_file_converted_to_float16_is_equivalent(equivalent, tmp_path):
    from onnxruntime.transformers.float16 import convert_float_to_float16

    onnx.save(convert_float_to_float16(float32_graph()), tmp_path / "float16.onnx")
    equivalent(tmp_path / "float16.onnx")


def test_nodes_out_of_order_are_the_checkers_matter_and_are_evaluated_all_the_same(check, tmp_path):
    model = float32_graph()
    nodes = list(model.graph.node)
    del model.graph.node[:]
    model.graph.node.extend(nodes[::-1])
    onnx.save(model, tmp_path / "unsorted.onnx")
    report = check(tmp_path / "unsorted.onnx")
    assert (report.outcome, report.stage) == (Outcome.FAILED, Stage.VALIDATION)
    assert "topologically sorted" in report.findings[0].message
    assert all(one.outcome is Outcome.EQUIVALENT for one in report.checkpoints if one.name.startswith("ort"))


# --- range -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def overflowing(pool, tmp_path):
    """A bench, and arguments to evaluate a graph whose squares leave float16 on the second of two input sets."""
    nodes = [
        helper.make_node("Mul", ["x", "x"], ["squares"], name="square"),
        helper.make_node("ReduceMean", ["squares", "axes"], ["mean"], name="average"),
        helper.make_node("Sqrt", ["mean"], ["rms"], name="root"),
        helper.make_node("Div", ["x", "rms"], ["y"], name="divide"),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT16, [2, 8])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT16, [2, 8])],
        [numpy_helper.from_array(np.array([-1], np.int64), "axes")],
    )
    onnx.save(helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), tmp_path / "m.onnx")
    files = []
    for index, largest in enumerate((10, 1000)):
        files.append(tmp_path / f"inputs-{index}.safetensors")
        write_values(files[-1], {"x": Tensor.of(np.linspace(-largest, largest, 16).reshape(2, 8).astype(np.float16))})
    arguments = {
        "model": str(tmp_path / "m.onnx"),
        "checkpoint": "saved",
        "inputs": [str(file) for file in files],
        "feeds": {"x": "x"},
        "opset_override": None,
    }
    with RunStore(tmp_path / "runs").create("range") as folder:
        yield Bench(pool, Limits(60.0, 2 << 30), folder), arguments


def test_the_value_that_leaves_float16_is_named_and_the_nodes_to_keep_are_verified(overflowing):
    bench, arguments = overflowing
    report = range_report(bench, ONNX_HOST, arguments, label="range")
    assert report.warnings()[0].startswith(
        "'squares' (Mul of 'square') is the first value to leave float16, on input set 1: inf where float64 has 1e+06"
    )
    kept = kept_nodes(bench, ONNX_HOST, arguments, label="kept")
    assert kept.names == ["square", "average", "root"]
    assert [one["passes"] for one in kept.verified] == [True, True]
    assert kept.workaround() is not None
