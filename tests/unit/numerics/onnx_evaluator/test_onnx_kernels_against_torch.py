"""Single operators in float64 against torch, where torch computes the same function."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
import torch
from onnx import TensorProto, helper

from tautomer.adapters.runtimes.onnx_torch_kernels import torch_kernels
from tautomer.numerics.onnx_evaluator import Evaluator

_ELEMENTS = {np.dtype(np.float64): TensorProto.DOUBLE, np.dtype(np.int64): TensorProto.INT64}
# Each operand comes exactly from float32, so only the kernels' own float64 rounding is left.
_RTOL, _ATOL = 1e-11, 1e-12


def _evaluate(
    op_type: str, inputs: list[Any], *, opset: int, outputs: int = 1, fast: bool = False, **attributes: Any
) -> Any:
    names = [f"i{index}" if value is not None else "" for index, value in enumerate(inputs)]
    given = {name: value for name, value in zip(names, inputs, strict=True) if name}
    results = [f"o{index}" for index in range(outputs)]
    graph = helper.make_graph(
        [helper.make_node(op_type, names, results, **attributes)],
        "one_node",
        [
            helper.make_tensor_value_info(
                name,
                TensorProto.FLOAT if value.dtype.kind == "f" else _ELEMENTS.get(value.dtype, TensorProto.BOOL),
                None,
            )
            for name, value in given.items()
        ],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in results],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", opset)])
    evaluator = Evaluator(model, lift=True, kernels=torch_kernels() if fast else {})
    found = list(evaluator.run(given).values())
    return found[0] if outputs == 1 else found


def _random(*shape: int, seed: int = 0) -> np.ndarray:
    values: np.ndarray = np.random.default_rng(seed).standard_normal(shape).astype(np.float32)
    return values


def _t(array: np.ndarray) -> torch.Tensor:
    return torch.from_numpy(np.asarray(array, dtype=np.float64))


def _same(found: np.ndarray, expected: torch.Tensor) -> None:
    np.testing.assert_allclose(found, expected.detach().numpy(), rtol=_RTOL, atol=_ATOL)


@pytest.mark.parametrize("mode", ["linear", "cubic"])
@pytest.mark.parametrize("align_corners", [False, True])
@pytest.mark.parametrize("size", [(3, 4), (11, 13), (5, 1)])
def test_resize_to_sizes_is_torchs_interpolation(mode: str, align_corners: bool, size: tuple[int, int]) -> None:
    x = _random(2, 3, 6, 7)
    expected = torch.nn.functional.interpolate(
        _t(x), size, mode="bilinear" if mode == "linear" else "bicubic", align_corners=align_corners
    )
    transformation = "align_corners" if align_corners else "half_pixel" if mode == "cubic" else "pytorch_half_pixel"
    if mode == "linear" and 1 in size:
        transformation = "align_corners" if align_corners else "half_pixel"
    found = _evaluate(
        "Resize",
        [x, None, None, np.array([2, 3, *size])],
        opset=19,
        mode=mode,
        coordinate_transformation_mode=transformation,
        cubic_coeff_a=-0.75,
    )
    _same(found, expected)


@pytest.mark.parametrize("mode", ["linear", "cubic"])
@pytest.mark.parametrize("size", [(3, 4), (2, 13)])
def test_antialiased_resize_excluding_outside_is_torchs(mode: str, size: tuple[int, int]) -> None:
    x = _random(1, 2, 9, 10)
    expected = torch.nn.functional.interpolate(
        _t(x), size, mode="bilinear" if mode == "linear" else "bicubic", align_corners=False, antialias=True
    )
    found = _evaluate(
        "Resize",
        [x, None, None, np.array([1, 2, *size])],
        opset=19,
        mode=mode,
        antialias=1,
        exclude_outside=1,
        cubic_coeff_a=-0.5,
    )
    _same(found, expected)


def test_nearest_resize_with_floor_is_torchs() -> None:
    x = _random(1, 2, 5, 6)
    found = _evaluate(
        "Resize",
        [x, None, None, np.array([1, 2, 8, 3])],
        opset=19,
        nearest_mode="floor",
        coordinate_transformation_mode="asymmetric",
    )
    _same(found, torch.nn.functional.interpolate(_t(x), (8, 3), mode="nearest"))


@pytest.mark.parametrize("mode", ["bilinear", "nearest", "bicubic"])
@pytest.mark.parametrize("padding", ["zeros", "border", "reflection"])
@pytest.mark.parametrize("align_corners", [False, True])
def test_grid_sample_is_torchs(mode: str, padding: str, align_corners: bool) -> None:
    x, grid = _random(2, 3, 5, 6), 1.5 * _random(2, 4, 3, 2, seed=1)
    found = _evaluate(
        "GridSample", [x, grid], opset=16, mode=mode, padding_mode=padding, align_corners=int(align_corners)
    )
    _same(found, torch.nn.functional.grid_sample(_t(x), _t(grid), mode, padding, align_corners))


@pytest.mark.parametrize("axis", [0, 1, -1])
def test_gather_elements_is_torchs_gather_with_smaller_indices(axis: int) -> None:
    x = _random(4, 5, 6)
    indices = np.random.default_rng(1).integers(0, 4, (3, 2, 4))
    _same(
        _evaluate("GatherElements", [x, indices], opset=13, axis=axis), torch.gather(_t(x), axis, torch.tensor(indices))
    )


@pytest.mark.parametrize("approximate", ["none", "tanh"])
def test_gelu_is_torchs_up_to_its_tails(approximate: str) -> None:
    x = np.linspace(-6, 6, 101).astype(np.float32)
    expected = torch.nn.functional.gelu(_t(x), approximate=approximate)
    np.testing.assert_allclose(_evaluate("Gelu", [x], opset=20, approximate=approximate), expected.numpy(), atol=1e-14)


def test_the_tail_of_gelu_does_not_cancel() -> None:
    found = _evaluate("Gelu", [np.array([-10.0], dtype=np.float32)], opset=20)
    # -10 * (1 - Phi(10)), Phi from tables: 7.619853024160593e-24 to the digits shown.
    np.testing.assert_allclose(found, [-7.619853024160527e-23], rtol=1e-12)


@pytest.mark.parametrize("causal", [0, 1])
def test_attention_with_a_mask_and_shared_heads_is_torchs(causal: int) -> None:
    q, k, v = _random(2, 4, 5, 8), _random(2, 2, 5, 8, seed=1), _random(2, 2, 5, 6, seed=2)
    mask = None if causal else np.random.default_rng(3).random((5, 5)) > 0.3
    expected = torch.nn.functional.scaled_dot_product_attention(
        _t(q),
        _t(k),
        _t(v),
        None if mask is None else torch.tensor(mask),
        is_causal=bool(causal),
        enable_gqa=True,
    )
    _same(_evaluate("Attention", [q, k, v, mask], opset=23, is_causal=causal), expected)


def test_attention_gives_zeros_to_a_query_that_may_attend_nothing() -> None:
    q = _random(1, 1, 2, 4)
    mask = np.array([[True, True], [False, False]])
    found = _evaluate("Attention", [q, q, q, mask], opset=23)
    assert np.all(found[0, 0, 1] == 0)
    assert np.all(np.isfinite(found))


@pytest.mark.parametrize("count_include_pad", [0, 1])
@pytest.mark.parametrize(
    ("length", "kernel", "stride", "pad"), [(6, 3, 2, 1), (5, 3, 2, 0), (5, 2, 3, 1), (7, 3, 3, 1)]
)
def test_average_pool_of_opset_22_rounding_up_is_torchs(
    count_include_pad: int, length: int, kernel: int, stride: int, pad: int
) -> None:
    x = _random(1, 2, length, length)
    found = _evaluate(
        "AveragePool",
        [x],
        opset=22,
        kernel_shape=[kernel] * 2,
        strides=[stride] * 2,
        pads=[pad] * 4,
        ceil_mode=1,
        count_include_pad=count_include_pad,
    )
    _same(
        found,
        torch.nn.functional.avg_pool2d(
            _t(x), kernel, stride, pad, ceil_mode=True, count_include_pad=bool(count_include_pad)
        ),
    )


def test_average_pool_below_opset_22_keeps_a_window_that_starts_in_the_padding() -> None:
    x = _random(1, 1, 5)
    settings: dict[str, Any] = {"kernel_shape": [2], "strides": [3], "pads": [1, 1], "ceil_mode": 1}
    assert _evaluate("AveragePool", [x], opset=19, **settings).shape == (1, 1, 3)
    assert _evaluate("AveragePool", [x], opset=22, **settings).shape == (1, 1, 2)


@pytest.mark.parametrize("fast", [False, True])
def test_max_pool_values_and_indices_are_torchs(fast: bool) -> None:
    x = _random(2, 3, 8, 9)
    settings: dict[str, Any] = {"kernel_shape": [3, 2], "strides": [2, 1], "pads": [1, 1, 1, 1], "dilations": [1, 2]}
    expected, indices = torch.nn.functional.max_pool2d(_t(x), (3, 2), (2, 1), (1, 1), (1, 2), return_indices=True)
    values, places = _evaluate("MaxPool", [x], opset=12, outputs=2, fast=fast, **settings)
    _same(values, expected)
    planes = np.arange(6).reshape(2, 3, 1, 1) * 72
    assert np.array_equal(places, indices.numpy() + planes)
    _same(_evaluate("MaxPool", [x], opset=12, fast=fast, **settings), expected)


@pytest.mark.parametrize("fast", [False, True])
@pytest.mark.parametrize("groups", [1, 2, 4])
@pytest.mark.parametrize("rank", [1, 2, 3])
def test_conv_is_torchs(fast: bool, groups: int, rank: int) -> None:
    x, w, b = _random(2, 4, *[7] * rank), _random(8, 4 // groups, *[3] * rank, seed=1), _random(8, seed=2)
    function = (torch.nn.functional.conv1d, torch.nn.functional.conv2d, torch.nn.functional.conv3d)[rank - 1]
    expected = function(_t(x), _t(w), _t(b), 2, 1, 2, groups)
    found = _evaluate(
        "Conv",
        [x, w, b],
        opset=11,
        fast=fast,
        strides=[2] * rank,
        pads=[1] * 2 * rank,
        dilations=[2] * rank,
        group=groups,
    )
    _same(found, expected)


@pytest.mark.parametrize("fast", [False, True])
def test_conv_with_one_sided_padding_pads_only_that_side(fast: bool) -> None:
    x, w = _random(1, 1, 4, 5), _random(1, 1, 2, 2, seed=1)
    expected = torch.nn.functional.conv2d(torch.nn.functional.pad(_t(x), (0, 3, 2, 0)), _t(w))
    _same(_evaluate("Conv", [x, w], opset=11, fast=fast, pads=[2, 0, 0, 3]), expected)


@pytest.mark.parametrize("fast", [False, True])
@pytest.mark.parametrize("groups", [1, 2])
def test_conv_transpose_is_torchs(fast: bool, groups: int) -> None:
    x, w, b = _random(2, 4, 5, 6), _random(4, 3, 3, 3, seed=1), _random(3 * groups, seed=2)
    expected = torch.nn.functional.conv_transpose2d(_t(x), _t(w), _t(b), (2, 3), 1, (1, 2), groups, 2)
    found = _evaluate(
        "ConvTranspose",
        [x, w, b],
        opset=11,
        fast=fast,
        strides=[2, 3],
        pads=[1] * 4,
        output_padding=[1, 2],
        dilations=[2, 2],
        group=groups,
    )
    _same(found, expected)


def _torch_weights(module: torch.nn.Module, gates: list[int], suffixes: list[str]) -> list[np.ndarray]:
    """w, r, b of a torch recurrent module in ONNX's gate order, one row a direction."""
    rows: list[list[np.ndarray]] = [[], [], []]
    for suffix in suffixes:
        parts = [getattr(module, f"{name}{suffix}").detach().numpy() for name in ("weight_ih_l0", "weight_hh_l0")]
        biases = [getattr(module, f"{name}{suffix}").detach().numpy() for name in ("bias_ih_l0", "bias_hh_l0")]
        for row, array in zip(rows, parts, strict=False):
            row.append(np.concatenate([np.split(array, len(gates))[gate] for gate in gates]))
        ordered = [np.concatenate([np.split(array, len(gates))[gate] for gate in gates]) for array in biases]
        rows[2].append(np.concatenate(ordered))
    return [np.stack(row) for row in rows]


@pytest.mark.parametrize("bidirectional", [False, True])
@pytest.mark.parametrize("kind", ["GRU", "LSTM", "RNN"])
def test_recurrent_layers_are_torchs(kind: str, bidirectional: bool) -> None:
    torch.manual_seed(0)
    module = getattr(torch.nn, kind)(5, 4, bidirectional=bidirectional)
    gates = {"GRU": [1, 0, 2], "LSTM": [0, 3, 1, 2], "RNN": [0]}[kind]
    weights = _torch_weights(module, gates, ["", "_reverse"] if bidirectional else [""])
    x = _random(6, 3, 5)
    settings: dict[str, Any] = {"hidden_size": 4, "direction": "bidirectional" if bidirectional else "forward"}
    if kind == "GRU":
        settings["linear_before_reset"] = 1
    module = module.double()
    expected, state = module(_t(x))
    outputs = 3 if kind == "LSTM" else 2
    found = _evaluate(kind, [x, *weights], opset=14, outputs=outputs, **settings)
    _same(found[0].transpose(0, 2, 1, 3).reshape(6, 3, -1), expected)
    states = state if kind == "LSTM" else (state,)
    for last, wanted in zip(found[1:], states, strict=True):
        _same(last, wanted)


def test_a_reversed_gru_reads_each_sequence_from_its_own_end() -> None:
    x, w, r = _random(4, 2, 3), _random(1, 6, 3, seed=1), _random(1, 6, 2, seed=2)
    lengths = np.array([4, 2], dtype=np.int32)
    names = ["x", "w", "r", "", "lengths"]
    node = helper.make_node("GRU", names, ["y", "h"], hidden_size=2, direction="reverse")
    infos = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in "xwr"]
    infos.append(helper.make_tensor_value_info("lengths", TensorProto.INT32, None))
    graph = helper.make_graph([node], "g", infos, [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 14)])
    padded = Evaluator(model, lift=True).run({"x": x, "w": w, "r": r, "lengths": lengths})["y"]
    alone = _evaluate("GRU", [x[:2, 1:], w, r], opset=14, outputs=2, hidden_size=2, direction="reverse")[0]
    np.testing.assert_allclose(padded[:2, :, 1:], alone, rtol=1e-14)
    assert np.all(padded[2:, :, 1] == 0)


@pytest.mark.parametrize("fast", [False, True])
def test_erf_is_torchs(fast: bool) -> None:
    x = _random(50)
    _same(_evaluate("Erf", [x], opset=13, fast=fast), torch.erf(_t(x)))


@pytest.mark.parametrize("fast", [False, True])
def test_gemm_with_transposes_and_factors_is_torchs(fast: bool) -> None:
    a, b, c = _random(4, 3), _random(5, 4, seed=1), _random(5, seed=2)
    found = _evaluate("Gemm", [a, b, c], opset=13, fast=fast, alpha=0.5, beta=2.0, transA=1, transB=1)
    _same(found, 0.5 * (_t(a).T @ _t(b).T) + 2.0 * _t(c))


@pytest.mark.parametrize(
    ("shapes", "equation"),
    [(((2, 3, 4), (2, 4, 5)), "bij,bjk->bik"), (((3, 3),), "ii->i"), (((2, 3), (4, 3)), "...a,ba")],
)
def test_einsum_is_torchs(shapes: tuple[tuple[int, ...], ...], equation: str) -> None:
    arrays = [_random(*shape, seed=index) for index, shape in enumerate(shapes)]
    explicit = {"...a,ba": "ia,ba->ib"}.get(equation, equation)
    _same(_evaluate("Einsum", arrays, opset=12, equation=equation), torch.einsum(explicit, *map(_t, arrays)))


@pytest.mark.parametrize("reduction", ["add", "mul", "max", "min"])
def test_scatter_elements_with_a_reduction_is_torchs_scatter_reduce(reduction: str) -> None:
    x, updates = _random(4, 5), _random(3, 5, seed=1)
    indices = np.random.default_rng(2).integers(0, 4, (3, 5))
    names = {"add": "sum", "mul": "prod", "max": "amax", "min": "amin"}
    expected = _t(x).scatter_reduce(0, torch.tensor(indices), _t(updates), names[reduction])
    _same(_evaluate("ScatterElements", [x, indices, updates], opset=18, axis=0, reduction=reduction), expected)
