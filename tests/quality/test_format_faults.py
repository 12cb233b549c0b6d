"""Conversions that are wrong by what formats can get wrong: each is found, and its sound twin is not."""

from __future__ import annotations

import textwrap
from pathlib import Path

import ml_dtypes
import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from tautomer.checking import run_check
from tautomer.execution import Pool
from tautomer.model import CheckSettings, Kind, Outcome

pytestmark = [pytest.mark.needs("torch"), pytest.mark.needs("onnxruntime")]
F16, F32, BF16 = TensorProto.FLOAT16, TensorProto.FLOAT, TensorProto.BFLOAT16


@pytest.fixture(scope="module")
def pool():
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(Path(__file__).parent / "counterexamples")
        from handmade import offered

        with offered(), Pool() as shared:
            yield shared


@pytest.fixture
def judged(pool, tmp_path):
    """The report on a graph that some converter could have made of a module."""

    def run(source, model):
        module, path = tmp_path / "source.py", tmp_path / "target.onnx"
        module.write_text(f"import numpy as np\nimport torch\n\n{textwrap.dedent(source)}")
        onnx.save(model, path)
        settings = CheckSettings(via=("handmade",), options={"graph": str(path)}, run_dir=tmp_path / "runs")
        report = run_check(module, settings, runner=pool).report.reports[0]
        print(report)  # pytest shows it where a test fails
        return report

    return run


def numbers(seed, *shape):
    """As the modules below draw them: the same numbers on both sides."""
    return (np.random.default_rng(seed).standard_normal(shape) / np.sqrt(shape[-1])).astype(np.float32)


NUMBERS = """
def numbers(seed, *shape):
    drawn = np.random.default_rng(seed).standard_normal(shape) / np.sqrt(shape[-1])
    return torch.from_numpy(drawn.astype(np.float32))
"""


def graph(nodes, element, initializers, shape=(8, 32), out=(8, 32), more=()):
    made = helper.make_graph(
        [*nodes, *more],
        "g",
        [helper.make_tensor_value_info("x", element, shape)],
        [helper.make_tensor_value_info("y", element, out)],
        [numpy_helper.from_array(array, name) for name, array in initializers.items()],
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)
    onnx.checker.check_model(model, full_check=True)
    return model


def through(array, *types):
    for one in types:
        array = array.astype(one)
    return array


def assert_found(report, kind=Kind.SEMANTIC):
    assert report.outcome is Outcome.DIVERGENT, report.reason
    assert report.cause.kind is kind, report.cause


def assert_sound(report):
    assert report.outcome is Outcome.EQUIVALENT, (report.reason, [one.message for one in report.findings])


# --- weights that went through another format ------------------------------------------------------------------------


def product(dtype):
    """A module with one product, in float16 or float32."""
    return f"""{NUMBERS}
class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.w = torch.nn.Parameter(numbers(1, 32, 32).to(torch.{dtype}))

    def forward(self, x):
        return x @ self.w

def inputs():
    return (torch.randn(8, 32).to(torch.{dtype}),)
"""


PRODUCT = (helper.make_node("MatMul", ["x", "w"], ["y"], name="product"),)


def test_a_sound_product_is_equivalent_in_both_formats(judged):
    assert_sound(judged(product("float16"), graph(PRODUCT, F16, {"w": numbers(1, 32, 32).astype(np.float16)})))
    assert_sound(judged(product("float32"), graph(PRODUCT, F32, {"w": numbers(1, 32, 32)})))


def test_float16_weights_that_went_through_bfloat16_are_found(judged):
    weight = through(numbers(1, 32, 32), np.float16, ml_dtypes.bfloat16, np.float16)
    assert_found(judged(product("float16"), graph(PRODUCT, F16, {"w": weight})))


def test_float32_weights_that_went_through_float16_are_found(judged):
    weight = through(numbers(1, 32, 32), np.float16, np.float32)
    assert_found(judged(product("float32"), graph(PRODUCT, F32, {"w": weight})))


def test_float32_weights_that_are_stored_in_float16_and_cast_are_found(judged):
    nodes = [
        helper.make_node("Cast", ["narrow"], ["w"], name="widen", to=F32),
        helper.make_node("MatMul", ["x", "w"], ["y"], name="product"),
    ]
    stored = {"narrow": numbers(1, 32, 32).astype(np.float16)}
    assert_found(judged(product("float32"), graph(nodes, F32, stored)))


# --- a cast to the wrong format ---------------------------------------------------------------------------------------

CASTING = f"""{NUMBERS}
class Model(torch.nn.Module):
    def forward(self, x):
        return (x * 3).half().float()

def inputs():
    return (torch.randn(8, 32),)
"""


def casting(to):
    nodes = [
        helper.make_node("Mul", ["x", "three"], ["h"], name="times"),
        helper.make_node("Cast", ["h"], ["n"], name="narrow", to=to),
        helper.make_node("Cast", ["n"], ["y"], name="widen", to=F32),
    ]
    return graph(nodes, F32, {"three": np.float32(3)})


def test_a_declared_cast_to_float16_is_part_of_the_function(judged):
    assert_sound(judged(CASTING, casting(F16)))


def test_bfloat16_where_float16_is_declared_is_found(judged):
    assert_found(judged(CASTING, casting(BF16)))


def test_a_declared_cast_that_was_dropped_is_found(judged):
    nodes = [helper.make_node("Mul", ["x", "three"], ["y"], name="times")]
    assert_found(judged(CASTING, graph(nodes, F32, {"three": np.float32(3)})))


# --- an epsilon that float16 cannot hold ------------------------------------------------------------------------------

NORM = f"""{NUMBERS}
class Model(torch.nn.Module):
    def forward(self, x):
        return torch.nn.functional.layer_norm(x, (32,), eps=1e-5)

def inputs():
    return (torch.randn(8, 32).half() * 2.0 ** -torch.arange(8).half()[:, None],)
"""


def norm(epsilon):
    """LayerNorm written out in float16, with an epsilon of that format."""
    nodes = [
        helper.make_node("ReduceMean", ["x", "axes"], ["mean"], name="mean"),
        helper.make_node("Sub", ["x", "mean"], ["centred"], name="centre"),
        helper.make_node("Cast", ["centred"], ["wide"], name="widen", to=F32),
        helper.make_node("Mul", ["wide", "wide"], ["squares"], name="squares"),
        helper.make_node("ReduceMean", ["squares", "axes"], ["variance"], name="variance"),
        helper.make_node("Cast", ["epsilon"], ["wide_epsilon"], name="widen_epsilon", to=F32),
        helper.make_node("Add", ["variance", "wide_epsilon"], ["kept"], name="add"),
        helper.make_node("Sqrt", ["kept"], ["deviation"], name="root"),
        helper.make_node("Div", ["wide", "deviation"], ["normal"], name="divide"),
        helper.make_node("Cast", ["normal"], ["y"], name="narrow", to=F16),
    ]
    return graph(nodes, F16, {"axes": np.array([-1], np.int64), "epsilon": np.float16(epsilon)})


def test_an_epsilon_flushed_to_zero_in_float16_is_found(judged):
    assert np.float16(1e-9) == 0
    assert_found(judged(NORM, norm(1e-9)))


# --- quantization -----------------------------------------------------------------------------------------------------

QUANTIZED = f"""{NUMBERS}
class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.w = torch.nn.Parameter(numbers(1, 32, 32))
        self.s = self.w.detach().abs().amax(1) / 127
        self.z = torch.zeros(32, dtype=torch.int32)

    def forward(self, x):
        h = torch.fake_quantize_per_tensor_affine(x, 0.0273, 117, 0, 255)
        w = torch.fake_quantize_per_channel_affine(self.w, self.s, self.z, 0, -128, 127)
        return torch.nn.functional.linear(h, w)

def inputs():
    return (torch.randn(8, 32) * 2,)  # some are beyond what the integers reach
"""


def quantized(*, scale=0.0273, zero=117, read_zero=None, axis=0, scales=None, weight=None):
    """The same function as a QDQ graph; each argument is a way to be wrong."""
    w = numbers(1, 32, 32)
    right = (np.abs(w).max(1) / np.float32(127)).astype(np.float32)
    q = np.clip(np.rint(w.astype(np.float64) / right[:, None]), -128, 127).astype(np.int8)
    constants = {
        "s": np.float32(scale),
        "z": np.uint8(zero),
        "rz": np.uint8(zero if read_zero is None else read_zero),
        "ws": right if scales is None else scales(right),
        "wz": np.zeros(32, np.int8),
        "q": q if weight is None else weight(q),
    }
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "s", "z"], ["xq"], name="quantize"),
        helper.make_node("DequantizeLinear", ["xq", "s", "rz"], ["xd"], name="dequantize"),
        helper.make_node("DequantizeLinear", ["q", "ws", "wz"], ["w"], name="weight", axis=axis),
        helper.make_node("Gemm", ["xd", "w"], ["y"], name="product", transB=1),
    ]
    return graph(nodes, F32, constants)


def test_a_sound_quantized_graph_is_equivalent(judged):
    assert_sound(judged(QUANTIZED, quantized()))


WRONG = {
    "another scale of the activations": quantized(scale=0.0273 * 1.01),
    "a scale that went through float16": quantized(scale=float(np.float16(0.0273))),
    "another zero point": quantized(zero=118),
    "a zero point that is left out on one side": quantized(read_zero=0),
    "scales along the wrong axis of a square weight": quantized(axis=1),
    "scales in another order": quantized(scales=lambda right: right[::-1].copy()),
    "one scale for all channels": quantized(scales=lambda right: np.full_like(right, right.mean())),
    "one channel's scale": quantized(scales=lambda right: right * np.where(np.arange(32) == 5, np.float32(1.05), 1)),
    "integers that were truncated instead of rounded": quantized(weight=lambda q: q - (q > 0)),
    "one integer of the weight": quantized(
        weight=lambda q: q + (np.arange(1024) == 77).reshape(32, 32).astype(np.int8)
    ),
}


@pytest.mark.parametrize("name", WRONG)
def test_a_wrong_quantized_graph_is_found(judged, name):
    assert_found(judged(QUANTIZED, WRONG[name]))
