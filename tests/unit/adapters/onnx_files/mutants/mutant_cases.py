"""A small graph for every kind of fault, with inputs that show the fault."""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np
import onnx
import onnx.parser

RNG = np.random.default_rng(0)


def normal(*shape):
    return RNG.standard_normal(shape).astype(np.float32)


def floats(*values):
    return np.asarray(values, dtype=np.float32)


def ints(*values):
    return np.asarray(values, dtype=np.int64)


@dataclass(frozen=True)
class Case:
    """A graph in ONNX's text form.

    Attributes:
        signature: its inputs and outputs.
        body: its nodes.
        stored: its initializers.
        inputs: values that show the fault; random numbers for those not given.
        benign: for unstable forms, values on which the formula is as good.
        opset: of its operators.
    """

    signature: str
    body: str
    stored: dict = field(default_factory=dict)
    inputs: dict = field(default_factory=dict)
    benign: dict = field(default_factory=dict)
    opset: int = 20

    def model(self):
        text = f'<ir_version: 10, opset_import: ["" : {self.opset}]> g {self.signature} {{ {self.body} }}'
        model = onnx.parser.parse_model(text)
        model.graph.initializer.extend(onnx.numpy_helper.from_array(one, name) for name, one in self.stored.items())
        for index, node in enumerate(model.graph.node):
            node.name = f"node_{index}"
        return model

    def given(self, *, benign=False):
        values = dict(self.benign if benign else self.inputs)
        generator = np.random.default_rng(1)
        for one in self.model().graph.input:
            shape = [size.dim_value for size in one.type.tensor_type.shape.dim]
            values.setdefault(one.name, generator.standard_normal(shape).astype(np.float32))
        return values


IMAGE = "(float[1,3,6,6] x) => (float[1,n,h,w] y)"
KERNEL = normal(3, 3, 3, 3)
ROW = "(float[2,8] x) => (float[2,8] y)"
FREE = "(float[2,8] x) => (float[n,m] y)"
NORM = {"s": normal(8), "b": normal(8)}
LSTM = {"w": normal(1, 16, 3), "r": normal(1, 16, 4), "b": normal(1, 32), "h": normal(1, 2, 4), "c": normal(1, 2, 4)}
GRU = {"w": normal(1, 12, 3), "r": normal(1, 12, 4), "b": normal(1, 24)}
SEQUENCE = "(float[5,2,3] x) => (float[5,1,2,4] y, float[1,2,4] yh, float[1,2,4] yc)"
SCORES = "(float[1,2,4,4] q, float[1,2,4,4] k, float[1,2,4,4] v) => (float[1,2,4,4] y)"
ATTEND = "a = MatMul(q, k) s = Mul(a, d) m = Add(s, mask) p = Softmax<axis=-1>(m) y = MatMul(p, v)"
ATTENTION = {"d": floats(0.5).reshape(()), "mask": np.triu(np.full((4, 4), -np.inf, dtype=np.float32), 1)}
SCALES = {"r": floats(), "k": floats(1, 1, 2, 2)}

SEMANTIC = {
    "epsilon": Case(ROW, "y = LayerNormalization<axis=-1, epsilon=0.001>(x, s, b)", NORM),
    "unbiased_variance": Case(ROW, "y = LayerNormalization<axis=-1>(x, s, b)", NORM),
    "norm_scale_dropped": Case(ROW, "y = LayerNormalization<axis=-1>(x, s, b)", NORM),
    "window_shift": Case(IMAGE, "y = Conv<pads=[1,1,1,1]>(x, k)", {"k": KERNEL}),
    "ceil_mode": Case(IMAGE, "y = MaxPool<kernel_shape=[3,3], strides=[2,2]>(x)"),
    "count_include_pad": Case(IMAGE, "y = AveragePool<kernel_shape=[3,3], pads=[1,1,1,1]>(x)"),
    "dilation": Case(IMAGE, "y = Conv<pads=[1,1,1,1]>(x, k)", {"k": KERNEL}),
    "pool_kind": Case(IMAGE, "y = MaxPool<kernel_shape=[2,2]>(x)"),
    "kernel_turned": Case(IMAGE, "y = Conv(x, k)", {"k": KERNEL}),
    "pad_mode": Case(IMAGE, "y = Pad<mode='reflect'>(x, p)".replace("'", '"'), {"p": ints(0, 0, 1, 1, 0, 0, 1, 1)}),
    "pad_value": Case(IMAGE, "y = Pad(x, p)", {"p": ints(0, 0, 1, 1, 0, 0, 1, 1)}),
    "pad_shift": Case(IMAGE, "y = Pad(x, p)", {"p": ints(0, 0, 1, 1, 0, 0, 1, 1)}),
    "resize_coordinates": Case(IMAGE, 'y = Resize<mode="linear">(x, r, k)', SCALES),
    "resize_nearest_mode": Case(
        IMAGE, 'y = Resize<nearest_mode="ceil">(x, r, k)', {"r": floats(), "k": floats(1, 1, 1.5, 1.5)}
    ),
    "resize_cubic_coefficient": Case(IMAGE, 'y = Resize<mode="cubic">(x, r, k)', SCALES),
    "resize_mode": Case(IMAGE, 'y = Resize<mode="linear">(x, r, k)', SCALES),
    "grid_corners": Case(
        "(float[1,3,6,6] x, float[1,4,4,2] g) => (float[1,3,4,4] y)",
        "y = GridSample(x, g)",
        inputs={"g": RNG.uniform(-0.9, 0.9, (1, 4, 4, 2)).astype(np.float32)},
    ),
    "depth_to_space_mode": Case("(float[1,8,2,2] x) => (float[1,2,4,4] y)", "y = DepthToSpace<blocksize=2>(x)"),
    "softmax_axis": Case(ROW, "y = Softmax<axis=-1>(x)"),
    "concat_order": Case("(float[2,8] x, float[2,8] z) => (float[4,8] y)", "y = Concat<axis=0>(x, z)"),
    "gather_axis": Case("(float[4,4] x) => (float[4,4] y)", "y = Gather<axis=0>(x, i)", {"i": ints(3, 1, 0, 2)}),
    "reduce_axis": Case("(float[4,4] x) => (float[4,4] y)", "m = ReduceMean(x, a) y = Sub(x, m)", {"a": ints(1)}),
    "reduce_keepdims": Case("(float[4,4] x) => (float[4,4] y)", "m = ReduceMean(x, a) y = Sub(x, m)", {"a": ints(1)}),
    "reduce_kind": Case(FREE, "y = ReduceMean(x, a)", {"a": ints(1)}),
    "arg_tie": Case(
        "(float[2,3] x) => (int64[2,1] y)",
        "y = ArgMax<axis=1>(x)",
        inputs={"x": floats(1, 1, 0, 2, 0, 2).reshape(2, 3)},
    ),
    "transpose_order": Case("(float[2,3,3] x) => (float[2,3,3] y)", "y = Transpose<perm=[0,1,2]>(x)"),
    "split_order": Case("(float[2,8] x) => (float[2,4] y, float[2,4] z)", "y, z = Split<axis=1, num_outputs=2>(x)"),
    "cumulative_sum": Case(ROW, "y = CumSum(x, a)", {"a": ints(1).reshape(())}),
    "top_k_order": Case("(float[2,8] x) => (float[2,3] y, int64[2,3] i)", "y, i = TopK(x, k)", {"k": ints(3)}),
    "slice_offset": Case(FREE, "y = Slice(x, s, e, a)", {"s": ints(2), "e": ints(6), "a": ints(1)}),
    "index_offset": Case(FREE, "y = Gather<axis=1>(x, i)", {"i": ints(3, 5)}),
    "index_clamped": Case(
        "(float[8,2] x, int64[3] i) => (float[3,2] y)", "y = Gather(x, i)", inputs={"i": ints(-1, 7, 0)}
    ),
    "constant_relative": Case(ROW, "y = Mul(x, c)", {"c": floats(0.3).reshape(())}),
    "score_scale": Case(SCORES, ATTEND, ATTENTION),
    "attention_scale": Case(SCORES, "y = Attention(q, k, v)", opset=23),
    "clip_bound": Case(ROW, "y = Clip(x, l, h)", {"l": floats(-0.5).reshape(()), "h": floats(0.5).reshape(())}),
    "mask_value": Case(
        "(float[2,4] x, bool[2,4] k) => (float[2,4] y)",
        "m = Where(k, x, f) y = Softmax<axis=-1>(m)",
        {"f": floats(-np.inf).reshape(())},
        # A row that is masked altogether is where -inf (NaN) and -1e4 (uniform) differ.
        {"k": np.asarray([[True, False, True, True], [False] * 4])},
    ),
    "weight_float16": Case(ROW, "y = MatMul(x, w)", {"w": normal(8, 8)}),
    "weight_bfloat16": Case(ROW, "y = MatMul(x, w)", {"w": normal(8, 8)}),
    "weight_sign": Case(ROW, "y = MatMul(x, w)", {"w": normal(8, 8)}),
    "weight_row": Case(ROW, "y = MatMul(x, w)", {"w": normal(8, 8)}),
    "weight_transposed": Case(ROW, "y = MatMul(x, w)", {"w": normal(8, 8)}),
    "operands_exchanged": Case("(float[2,8] x, float[2,8] z) => (float[2,8] y)", "y = Sub(x, z)"),
    "branches_exchanged": Case(
        "(float[2,8] x, float[2,8] z) => (float[2,8] y)", "g = Greater(x, z) n = Neg(z) y = Where(g, x, n)"
    ),
    "comparison_edge": Case(
        "(float[3] x, float[3] z) => (bool[3] y)", "y = Less(x, z)", inputs={"x": floats(1, 2, 3), "z": floats(2, 2, 2)}
    ),
    "logic": Case(
        "(bool[4] x, bool[4] z) => (bool[4] y)",
        "y = And(x, z)",
        inputs={"x": np.asarray([True, True, False, False]), "z": np.asarray([True, False, True, False])},
    ),
    "mask_dropped": Case(SCORES, ATTEND, ATTENTION),
    "term_dropped": Case("(float[2,8] x, float[2,8] z) => (float[2,8] y)", "t = Tanh(x) y = Add(t, z)"),
    "bias_dropped": Case(ROW, "y = Gemm(x, w, b)", {"w": normal(8, 8), "b": normal(8)}),
    "activation_dropped": Case(ROW, "y = Tanh(x)"),
    "causal_flipped": Case(SCORES, "y = Attention(q, k, v)", opset=23),
    "diagonal": Case("(float[4,4] x) => (float[4,4] y)", "y = Trilu<upper=0>(x)"),
    "gelu_variant": Case(ROW, "y = Gelu(x)"),
    "activation_slope": Case(ROW, "y = LeakyRelu<alpha=0.1>(x)"),
    "activation_lookalike": Case(ROW, "y = Sigmoid(x)"),
    "rounding_mode": Case("(float[4] x) => (float[4] y)", "y = Round(x)", inputs={"x": floats(0.5, 1.5, 2.5, -2.5)}),
    "rounding_dropped": Case(ROW, "y = Floor(x)"),
    "cast_rounds": Case("(float[3] x) => (int64[3] y)", "y = Cast<to=7>(x)", inputs={"x": floats(0.6, -1.7, 2.2)}),
    "value_narrowed": Case(ROW, "y = Tanh(x)"),
    "cast_dropped": Case(ROW, "h = Cast<to=10>(x) y = Cast<to=1>(h)"),
    "modulo_sign": Case(
        "(float[2] x, float[2] z) => (float[2] y)",
        "y = Mod<fmod=1>(x, z)",
        inputs={"x": floats(-3, 5), "z": floats(2, -3)},
    ),
    "integer_division": Case(
        "(int64[1] x, int64[1] z) => (int64[1] y)", "y = Div(x, z)", inputs={"x": ints(2**24 + 1), "z": ints(1)}
    ),
    "recurrent_direction": Case(SEQUENCE, "y, yh, yc = LSTM<hidden_size=4>(x, w, r, b)", LSTM),
    "gate_order": Case(SEQUENCE, "y, yh, yc = LSTM<hidden_size=4>(x, w, r, b)", LSTM),
    "linear_before_reset": Case(
        "(float[5,2,3] x) => (float[5,1,2,4] y, float[1,2,4] yh)", "y, yh = GRU<hidden_size=4>(x, w, r, b)", GRU
    ),
    "initial_state_dropped": Case(SEQUENCE, "y, yh, yc = LSTM<hidden_size=4>(x, w, r, b, , h, c)", LSTM),
    "lengths_dropped": Case(
        SEQUENCE, "y, yh, yc = LSTM<hidden_size=4>(x, w, r, b, n)", {**LSTM, "n": np.asarray([5, 2], dtype=np.int32)}
    ),
    "states_exchanged": Case(SEQUENCE, "y, yh, yc = LSTM<hidden_size=4>(x, w, r, b)", LSTM),
}

WIDE = floats(*np.linspace(-150, 150, 16)).reshape(2, 8)
TINY = floats(*np.linspace(1e-4, 2e-4, 16)).reshape(2, 8)
BATCH = {"s": normal(3), "b": normal(3), "m": floats(1e4, 2e4, 3e4), "v": floats(1, 1, 1)}

UNSTABLE = {
    "naive_variance": Case(
        ROW, "y = LayerNormalization<axis=-1>(x, s, b)", NORM, {"x": normal(2, 8) + np.float32(1000)}
    ),
    "folded_batch_norm": Case(
        "(float[2,3] x) => (float[2,3] y)",
        "y = BatchNormalization(x, s, b, m, v)",
        BATCH,
        {"x": floats(1e4, 2e4, 3e4, 1e4, 2e4, 3e4).reshape(2, 3) + normal(2, 3)},
    ),
    "unshifted_softmax": Case(ROW, "y = Softmax<axis=-1>(x)", inputs={"x": WIDE}),
    "unshifted_exponential": Case(
        ROW,
        "m = ReduceMax(x, a) d = Sub(x, m) e = Exp(d) t = ReduceSum(e, a) y = Div(e, t)",
        {"a": ints(1)},
        {"x": WIDE},
    ),
    "unshifted_log_sum": Case(FREE, "y = ReduceLogSumExp(x, a)", {"a": ints(1)}, {"x": WIDE}),
    "log_of_softmax": Case(ROW, "y = LogSoftmax<axis=-1>(x)", inputs={"x": WIDE}),
    "log_of_sigmoid": Case(ROW, "n = Neg(x) p = Softplus(n) y = Neg(p)", inputs={"x": WIDE}),
    "softplus_by_exp": Case(ROW, "y = Softplus(x)", inputs={"x": WIDE}),
    "one_minus_twice": Case(ROW, "y = Sigmoid(x)", inputs={"x": floats(*np.linspace(-20, -15, 16)).reshape(2, 8)}),
    "there_and_back": Case(ROW, "y = Tanh(x)"),
    "elu_by_exp": Case(ROW, "y = Elu(x)", inputs={"x": -TINY}),
    "tanh_by_exp": Case(ROW, "y = Tanh(x)", inputs={"x": TINY}),
    "sinh_by_exp": Case(ROW, "y = Sinh(x)", inputs={"x": TINY}),
    "asinh_by_log": Case(ROW, "y = Asinh(x)", inputs={"x": TINY * np.float32(-1e7)}),
    "sigmoid_by_exp": Case(ROW, "y = Sigmoid(x)", inputs={"x": WIDE}),
    "remainder_by_division": Case(
        "(float[2] x, float[2] z) => (float[2] y)",
        "y = Mod<fmod=1>(x, z)",
        inputs={"x": floats(1e6, 3e6), "z": floats(0.1, 0.7)},
        benign={"x": floats(5.3, 7.7), "z": floats(2, -3)},
    ),
    "abs_by_root": Case(ROW, "y = Abs(x)", inputs={"x": TINY * np.float32(1e-20)}),
    "power_by_log": Case(ROW, "y = Pow(x, c)", {"c": floats(2).reshape(())}, {"x": TINY * np.float32(1e16)}),
    "sequential_sum": Case(
        "(float[1,65536] x) => (float[1,1] y)",
        "y = ReduceSum(x, a)",
        {"a": ints(1)},
        {"x": np.full((1, 65536), 0.1, dtype=np.float32)},
    ),
    "expanded_square": Case(
        "(float[2,8] x, float[2,8] z) => (float[2,8] y)",
        "d = Sub(x, z) y = Mul(d, d)",
        inputs={"x": np.full((2, 8), 1000, dtype=np.float32), "z": np.full((2, 8), 1000.37, dtype=np.float32)},
    ),
}

CASES = {**SEMANTIC, **UNSTABLE}
