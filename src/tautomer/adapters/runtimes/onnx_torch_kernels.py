"""Faster kernels for the ONNX evaluator where torch on the CPU computes the same function, in float32 and float64."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any

import numpy as np

from tautomer.numerics.onnx_evaluator import Call, Kernel
from tautomer.numerics.onnx_evaluator.kernels import KERNELS
from tautomer.numerics.onnx_evaluator.kernels.convolution import transposed_padding
from tautomer.numerics.onnx_evaluator.kernels.linear_algebra import gemm_operands, gemm_sum
from tautomer.numerics.onnx_evaluator.kernels.pooling import pooling_windows
from tautomer.numerics.onnx_evaluator.kernels.windows import spatial_windows

if TYPE_CHECKING:
    import torch

Array = np.ndarray[Any, Any]
_COMPUTED = (np.dtype(np.float32), np.dtype(np.float64))
_SPATIAL_RANKS = (1, 2, 3)


def torch_kernels() -> dict[tuple[str, str], Kernel]:
    """Kernels by (domain, op_type), for `Evaluator(kernels=...)`.

    Each hands over to the evaluator's own kernel where torch does something else, or lacks the case. torch is
    imported here; how many threads it uses is the caller's setting.
    """
    import torch

    made: Mapping[str, Callable[[Any, Call], Array | None]] = {
        "Conv": _conv,
        "ConvTranspose": _conv_transpose,
        "Erf": _erf,
        "Gemm": _gemm,
        "MatMul": _matmul,
        "MaxPool": _max_pool,
    }
    return {("", name): _with_fallback(torch, kernel, KERNELS[name]) for name, kernel in made.items()}


def _with_fallback(module: Any, fast: Callable[[Any, Call], Array | None], own: Kernel) -> Kernel:
    def kernel(call: Call) -> Any:
        arrays = [item for item in call.inputs if item is not None]
        if any(item.dtype not in _COMPUTED or item.size == 0 for item in arrays):
            return own(call)
        result = fast(module, call)
        return own(call) if result is None else result

    return kernel


def _tensor(module: Any, array: Array) -> torch.Tensor:
    # torch refuses negative strides and warns about read-only memory; neither kind is written to here.
    if not array.flags.writeable or any(stride < 0 for stride in array.strides):
        array = np.array(array)
    return module.from_numpy(array)  # type: ignore[no-any-return]


def _matmul(module: Any, call: Call) -> Array | None:
    a, b = call.inputs
    if a.ndim < 2 or b.ndim < 2:
        return None
    return np.asarray(module.matmul(_tensor(module, a), _tensor(module, b)).numpy())


def _gemm(module: Any, call: Call) -> Array | None:
    a, b = gemm_operands(call)
    return gemm_sum(call, module.mm(_tensor(module, a), _tensor(module, b)).numpy())


def _erf(module: Any, call: Call) -> Array | None:
    return np.asarray(module.erf(_tensor(module, call.inputs[0])).numpy()).reshape(call.inputs[0].shape)


def _conv(module: Any, call: Call) -> Array | None:
    x, w, bias = call.inputs[0], call.inputs[1], call.input(2)
    rank = x.ndim - 2
    groups = call.get("group", 1)
    kernel = call.get("kernel_shape") or w.shape[2:]
    if rank not in _SPATIAL_RANKS or x.ndim != w.ndim or tuple(kernel) != w.shape[2:]:
        return None
    if x.shape[1] != w.shape[1] * groups or w.shape[0] % groups:
        return None
    windows = spatial_windows(call, x.shape[2:], w.shape[2:], drop_padding_windows=False)
    if any(pad < 0 for pad in (*windows.before, *windows.after)) or any(count < 1 for count in windows.counts):
        return None
    source = _tensor(module, x)
    if windows.before != windows.after:
        widths = [
            width for pair in zip(reversed(windows.before), reversed(windows.after), strict=True) for width in pair
        ]
        source = module.nn.functional.pad(source, widths)
        padding = (0,) * rank
    else:
        padding = windows.before
    function = (module.nn.functional.conv1d, module.nn.functional.conv2d, module.nn.functional.conv3d)[rank - 1]
    with module.no_grad():
        result = function(
            source,
            _tensor(module, w),
            None if bias is None else _tensor(module, bias),
            windows.strides,
            padding,
            windows.dilations,
            groups,
        )
    return np.asarray(result.numpy())


def _conv_transpose(module: Any, call: Call) -> Array | None:
    x, w, bias = call.inputs[0], call.inputs[1], call.input(2)
    rank = x.ndim - 2
    groups = call.get("group", 1)
    if rank not in _SPATIAL_RANKS or x.ndim != w.ndim or x.shape[1] != w.shape[0] or w.shape[0] % groups:
        return None
    strides = tuple(call.get("strides") or (1,) * rank)
    dilations = tuple(call.get("dilations") or (1,) * rank)
    before, _, outputs = transposed_padding(call, x.shape[2:], w.shape[2:])
    full = [
        stride * (size - 1) + (taps - 1) * dilation + 1
        for stride, size, taps, dilation in zip(strides, x.shape[2:], w.shape[2:], dilations, strict=True)
    ]
    if any(low < 0 or low + out > size for low, out, size in zip(before, outputs, full, strict=True)):
        return None
    functional = module.nn.functional
    function = (functional.conv_transpose1d, functional.conv_transpose2d, functional.conv_transpose3d)[rank - 1]
    with module.no_grad():
        result = function(
            _tensor(module, x),
            _tensor(module, w),
            None if bias is None else _tensor(module, bias),
            strides,
            0,
            0,
            groups,
            dilations,
        ).numpy()
    cut = tuple(slice(low, low + out) for low, out in zip(before, outputs, strict=True))
    return np.asarray(result[(slice(None), slice(None), *cut)])


def _max_pool(module: Any, call: Call) -> Array | None:
    x = call.inputs[0]
    rank = x.ndim - 2
    if rank not in _SPATIAL_RANKS or call.wants(1) or call.get("ceil_mode", 0):
        return None
    windows = pooling_windows(call, x)
    if windows.before != windows.after or any(count < 1 for count in windows.counts):
        return None
    if any(2 * pad > size for pad, size in zip(windows.before, windows.kernel, strict=True)):
        return None
    function = (module.max_pool1d, module.max_pool2d, module.max_pool3d)[rank - 1]
    return np.asarray(
        function(_tensor(module, x), windows.kernel, windows.strides, windows.before, windows.dilations).numpy()
    )
