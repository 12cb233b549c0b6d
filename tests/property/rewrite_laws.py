"""For each operator with a rewrite: how its arguments are made, and the scale that the bound is stated on."""

from __future__ import annotations

import torch
from rewrite_examples import (
    FLOATS,
    INTEGERS,
    Law,
    adaptive,
    adaptive_numbers,
    addbmm_arguments,
    addr_arguments,
    along,
    attended,
    binary,
    boolean_pair,
    boolean_scalar,
    clamped,
    clamped_by_tensors,
    diagonal_arguments,
    divided,
    finite_of,
    indexed,
    inf,
    kth,
    largest,
    lerped,
    loss_arguments,
    masked_source,
    matrices,
    max_pooled,
    nan,
    norm_arguments,
    normalized,
    of_all,
    of_products,
    of_windows,
    or_one,
    or_operands,
    pooled,
    powers_of_all,
    reduced,
    resized,
    rms_arguments,
    scalar_first,
    scalar_options,
    scattered,
    searched,
    searched_rows,
    sorted_by,
    special_of,
    top,
    two_alike,
    unary,
    variance_arguments,
    with_scalar,
)

LAWS: dict[str, Law] = {
    # Signs, remainders, quadrants.
    "signbit.default": Law(
        lambda draw: ((torch.nan_to_num(draw.special(draw.shape()), nan=-1.0),), {}), dtypes=(*FLOATS, torch.float16)
    ),
    "copysign.Tensor": Law(
        lambda draw: ((draw.special([4, 3]), torch.nan_to_num(draw.special([3]), nan=-2.0)), {}), dtypes=FLOATS
    ),
    "copysign.Scalar": Law(lambda draw: ((draw.special(draw.shape()), draw.among(-0.0, 0.0, 2.0, -3.5)), {})),
    "remainder.Tensor": Law(divided, dtypes=(*FLOATS, *INTEGERS)),
    "remainder.Scalar": Law(with_scalar, dtypes=(*FLOATS, *INTEGERS)),
    "remainder.Scalar_Tensor": Law(scalar_first, dtypes=(*FLOATS, *INTEGERS)),
    "floor_divide.default": Law(divided, dtypes=(*FLOATS, *INTEGERS)),
    "floor_divide.Scalar": Law(with_scalar, dtypes=(*FLOATS, *INTEGERS)),
    "div.Tensor_mode": Law(
        lambda draw: (divided(draw)[0], {"rounding_mode": draw.among("trunc", "floor")}), dtypes=(*FLOATS, *INTEGERS)
    ),
    "div.Scalar_mode": Law(
        lambda draw: (with_scalar(draw)[0], {"rounding_mode": draw.among("trunc", "floor")}),
        dtypes=(*FLOATS, *INTEGERS),
    ),
    "atan2.default": Law(binary, least=1),
    "hypot.default": Law(binary, least=1),
    "sgn.default": Law(unary(), dtypes=(*FLOATS, *INTEGERS)),
    "sign.default": Law(unary(), dtypes=(*FLOATS, *INTEGERS)),
    "heaviside.default": Law(binary),
    "frac.default": Law(unary()),
    # Logarithms and exponentials.
    "log1p.default": Law(unary(), dtypes=(*FLOATS, torch.int64), least=1),
    "expm1.default": Law(unary(), dtypes=(*FLOATS, torch.int32), least=1),
    "special_expm1.default": Law(unary(), least=1),
    "log_sigmoid.default": Law(unary(), least=1),
    "softplus.default": Law(scalar_options((), (2,), (0.5, 10), (1, 5.0)), least=2),
    "mish.default": Law(unary(), least=2),
    "logaddexp.default": Law(binary, or_operands),
    "logaddexp2.default": Law(binary, or_operands),
    "logsumexp.default": Law(reduced(several=True), or_operands),
    "logcumsumexp.default": Law(along(special_of), or_operands),
    "logit.default": Law(
        lambda draw: ((torch.sigmoid(draw.special(draw.shape())), draw.among(None, 1e-3)), {}), or_one
    ),
    "xlogy.Tensor": Law(binary, dtypes=(*FLOATS, *INTEGERS)),
    "xlogy.Scalar_Other": Law(lambda draw: ((draw.special(draw.shape()), draw.among(2.0, 0.0, nan)), {})),
    "xlogy.Scalar_Self": Law(lambda draw: ((draw.among(2.0, 0.0, nan), draw.special(draw.shape())), {})),
    "special_xlogy.default": Law(binary),
    "special_xlogy.other_scalar": Law(lambda draw: ((draw.special(draw.shape()), draw.among(2.0, 0.0, nan)), {})),
    "special_xlogy.self_scalar": Law(lambda draw: ((draw.among(2.0, 0.0, nan), draw.special(draw.shape())), {})),
    "special_xlog1py.default": Law(binary, least=1),
    "special_xlog1py.other_scalar": Law(
        lambda draw: ((draw.special(draw.shape()), draw.among(2.0, 0.0, nan)), {}), least=1
    ),
    "special_xlog1py.self_scalar": Law(
        lambda draw: ((draw.among(2.0, 0.0, nan), draw.special(draw.shape())), {}), least=1
    ),
    "asinh.default": Law(unary(), least=1),
    "acosh.default": Law(unary()),
    "atanh.default": Law(unary(), least=1),
    "sinh.default": Law(unary(), least=1),
    "sinc.default": Law(unary(finite=True, scale=3), or_one),
    "special_sinc.default": Law(unary(finite=True, scale=3), or_one),
    "special_entr.default": Law(unary(), least=1),
    # Rounding and limits.
    **{
        f"{name}.default": Law(unary(), dtypes=(*INTEGERS, torch.uint8))
        for name in ("floor", "ceil", "trunc", "fix", "round")
    },
    "round.decimals": Law(lambda draw: ((draw.special(draw.shape()),), {"decimals": draw.number(-2, 3)})),
    "clamp.default": Law(clamped, dtypes=(*FLOATS, *INTEGERS)),
    "clamp.Tensor": Law(clamped_by_tensors, dtypes=(*FLOATS, *INTEGERS)),
    "clamp_min.default": Law(with_scalar, dtypes=(*FLOATS, *INTEGERS)),
    "clamp_min.Tensor": Law(two_alike, dtypes=(*FLOATS, *INTEGERS)),
    "clamp_max.default": Law(with_scalar, dtypes=(*FLOATS, *INTEGERS)),
    "clamp_max.Tensor": Law(two_alike, dtypes=(*FLOATS, *INTEGERS)),
    "nan_to_num.default": Law(
        scalar_options((), (1.0,), (0.0, 2.0, -3.0)), dtypes=(*FLOATS, torch.float16, torch.int64)
    ),
    "maximum.default": Law(binary, dtypes=(*FLOATS, *INTEGERS, torch.bool)),
    "max.other": Law(binary, dtypes=(*FLOATS, *INTEGERS)),
    "minimum.default": Law(binary, dtypes=(*FLOATS, *INTEGERS, torch.bool)),
    "min.other": Law(binary, dtypes=(*FLOATS, *INTEGERS)),
    "fmax.default": Law(binary, dtypes=(*FLOATS, *INTEGERS)),
    "fmin.default": Law(binary, dtypes=(*FLOATS, *INTEGERS)),
    "lerp.Tensor": Law(lerped, of_all),
    "lerp.Scalar": Law(lambda draw: ((*lerped(draw)[0][:2], draw.among(0.25, 0.75, -2.0, 3.0)), {}), of_all),
    "isclose.default": Law(
        lambda draw: (two_alike(draw)[0], {"equal_nan": draw.among(False, True), "rtol": draw.among(0.0, 0.1)})
    ),
    # Extremes and order.
    "argmax.default": Law(reduced(optional=True), dtypes=(*FLOATS, torch.float16, *INTEGERS)),
    "argmin.default": Law(reduced(optional=True), dtypes=(*FLOATS, torch.float16, *INTEGERS)),
    "max.dim": Law(reduced(), dtypes=(*FLOATS, *INTEGERS)),
    "min.dim": Law(reduced(), dtypes=(*FLOATS, *INTEGERS)),
    "amax.default": Law(reduced(several=True), dtypes=(*FLOATS, torch.bool)),
    "amin.default": Law(reduced(several=True), dtypes=(*FLOATS, torch.bool)),
    "max.default": Law(lambda draw: ((draw.special(draw.shape()),), {}), dtypes=(*FLOATS, torch.bool)),
    "min.default": Law(lambda draw: ((draw.special(draw.shape()),), {}), dtypes=(*FLOATS, torch.bool)),
    "cummax.default": Law(along(special_of), dtypes=(*FLOATS, *INTEGERS)),
    "cummin.default": Law(along(special_of), dtypes=(*FLOATS, *INTEGERS)),
    "sort.default": Law(
        lambda draw: ((*along(sorted_by(True, True))(draw)[0], draw.among(False, True)), {}),
        dtypes=(*FLOATS, *INTEGERS),
    ),
    "sort.stable": Law(
        lambda draw: (
            (draw.special([3, 4]),),
            {"stable": True, "dim": draw.among(0, 1, -1), "descending": draw.among(False, True)},
        ),
        dtypes=(*FLOATS, *INTEGERS, torch.bool),
    ),
    "argsort.stable": Law(
        lambda draw: (
            (draw.special([3, 4]),),
            {"stable": True, "dim": draw.among(0, 1, -1), "descending": draw.among(False, True)},
        ),
        dtypes=(*FLOATS, *INTEGERS),
    ),
    "argsort.default": Law(lambda draw: (along(sorted_by(True, True))(draw)[0], {}), dtypes=(*FLOATS, *INTEGERS)),
    "msort.default": Law(lambda draw: ((draw.special(draw.shape()),), {}), dtypes=(*FLOATS, *INTEGERS)),
    "topk.default": Law(top, dtypes=(*FLOATS, *INTEGERS)),
    "kthvalue.default": Law(kth, dtypes=(*FLOATS, *INTEGERS)),
    "median.dim": Law(
        lambda draw: ((*along(sorted_by(True, True))(draw)[0], draw.among(False, True)), {}),
        dtypes=(*FLOATS, *INTEGERS),
    ),
    "median.default": Law(lambda draw: ((draw.special(draw.shape()),), {}), dtypes=(*FLOATS, *INTEGERS)),
    # Activations.
    "elu.default": Law(scalar_options((), (0.5,), (1.0, 2.0, 0.5)), least=2),
    "celu.default": Law(scalar_options((), (0.5,), (2.0,)), least=2),
    "selu.default": Law(unary(), least=2),
    "gelu.default": Law(
        lambda draw: ((draw.finite(draw.shape(), scale=4),), {"approximate": draw.among("none", "tanh")}), or_operands
    ),
    "silu.default": Law(unary(finite=True, scale=9), least=1),
    "hardswish.default": Law(unary(), or_operands),
    "hardsigmoid.default": Law(unary(), or_one),
    "hardtanh.default": Law(scalar_options((), (-2.0, 0.5)), dtypes=FLOATS),
    "relu6.default": Law(unary()),
    "relu.default": Law(unary(), dtypes=(*FLOATS, *INTEGERS)),
    "leaky_relu.default": Law(scalar_options((), (0.2,))),
    "rrelu.default": Law(scalar_options((), (0.1, 0.5)), least=1),
    "prelu.default": Law(lambda draw: ((draw.special([2, 3, 4]), draw.finite([3])), {})),
    "_prelu_kernel.default": Law(lambda draw: ((draw.special([2, 3, 4]), draw.finite([1, 3, 1])), {})),
    "threshold.default": Law(scalar_options((0.5, 2.0), (-1.0, 0.0)), dtypes=FLOATS),
    "hardshrink.default": Law(scalar_options((), (1.5,))),
    "softshrink.default": Law(scalar_options((), (1.5,))),
    "glu.default": Law(
        lambda draw: ((draw.finite([2 * draw.number(1, 3), 2 * draw.number(1, 3)], scale=5), draw.among(0, 1, -1)), {}),
        least=1,
    ),
    "softmax.int": Law(along(finite_of)),
    "_softmax.default": Law(lambda draw: ((*along(finite_of)(draw)[0], False), {})),
    "log_softmax.int": Law(along(finite_of), or_operands),
    "_log_softmax.default": Law(lambda draw: ((*along(finite_of)(draw)[0], False), {}), or_operands),
    "huber_loss.default": Law(loss_arguments, of_all),
    "smooth_l1_loss.default": Law(loss_arguments, of_all),
    # Scattering.
    "scatter_reduce.two": Law(scattered, powers_of_all, dtypes=(*FLOATS, torch.int64)),
    "index_add.default": Law(indexed(reduce=False), of_all, dtypes=(*FLOATS, torch.int64)),
    "index_reduce.default": Law(indexed(reduce=True), powers_of_all),
    "index_copy.default": Law(indexed(reduce=False, unique=True), dtypes=(*FLOATS, torch.int64, torch.bool)),
    "index_fill.int_Scalar": Law(
        lambda draw: ((draw.special([4, 3]), draw.among(0, 1, -1), draw.integers([2], -3, 3), 7), {}),
        dtypes=(*FLOATS, torch.int64),
    ),
    "masked_fill.Scalar": Law(
        lambda draw: ((draw.special([2, 3]), draw.boolean([3]), 3), {}), dtypes=(*FLOATS, torch.int64)
    ),
    "masked_fill.Tensor": Law(
        lambda draw: ((draw.special([2, 3]), draw.boolean([3]), draw.special([])), {}), dtypes=(*FLOATS, torch.int64)
    ),
    "masked_scatter.default": Law(masked_source, dtypes=(*FLOATS, torch.int64)),
    "take.default": Law(
        lambda draw: ((draw.special([3, 4]), draw.integers(draw.shape(), -12, 12)), {}), dtypes=(*FLOATS, torch.int64)
    ),
    "diagonal_scatter.default": Law(diagonal_arguments),
    "select_scatter.default": Law(
        lambda draw: ((draw.special([3, 4]), draw.special([3]), 1, draw.number(-4, 3)), {}),
        dtypes=(*FLOATS, torch.int64),
    ),
    # Attention and normalizations.
    "scaled_dot_product_attention.default": Law(attended, of_all),
    "_safe_softmax.default": Law(
        lambda draw: (
            (torch.where(draw.boolean([3, 4]), draw.finite([3, 4]), torch.full([1], -inf).to(draw.dtype)), 1),
            {},
        )
    ),
    "layer_norm.default": Law(normalized, of_all),
    "rms_norm.default": Law(rms_arguments, of_all),
    "group_norm.default": Law(
        lambda draw: ((draw.finite([2, 6, 3]), draw.among(1, 2, 3), draw.finite([6]), draw.finite([6]), 1e-4), {}),
        of_all,
    ),
    "instance_norm.default": Law(
        lambda draw: (
            (draw.finite([2, 3, 4, 2]), draw.finite([3]), draw.finite([3]), None, None, True, 0.1, 1e-4, False),
            {},
        ),
        of_all,
    ),
    "batch_norm.default": Law(
        lambda draw: (
            (
                draw.finite([2, 3, 4]),
                draw.finite([3]),
                draw.finite([3]),
                draw.finite([3]),
                draw.finite([3]).abs() + 0.1,
                False,
                0.1,
                1e-4,
                False,
            ),
            {},
        ),
        of_all,
    ),
    # Reductions and products.
    "var.correction": Law(variance_arguments, of_all),
    "std.correction": Law(variance_arguments, of_all),
    "var_mean.correction": Law(variance_arguments, of_all),
    "std_mean.correction": Law(variance_arguments, of_all),
    "nansum.default": Law(
        lambda draw: (
            (
                torch.where(draw.boolean([3, 4]), draw.finite([3, 4]), torch.full([1], nan).to(draw.dtype)),
                draw.among(0, [1], None),
            ),
            {},
        ),
        of_all,
    ),
    "nanmean.default": Law(
        lambda draw: (
            (
                torch.where(draw.boolean([3, 4]), draw.finite([3, 4]), torch.full([1], nan).to(draw.dtype)),
                draw.among([0], [1], None),
            ),
            {},
        ),
        of_all,
    ),
    "count_nonzero.default": Law(unary(), dtypes=(*FLOATS, torch.int64, torch.bool)),
    "count_nonzero.dim_IntList": Law(
        lambda draw: ((draw.special([3, 4]), draw.among([0], [1], [0, 1])), {}), dtypes=(*FLOATS, torch.int64)
    ),
    "cumsum.default": Law(along(finite_of), of_all, dtypes=(*FLOATS, torch.int32, torch.bool)),
    "cumprod.default": Law(
        along(finite_of), lambda expected, *_, **__: 5 * largest(expected), dtypes=(*FLOATS, torch.int64)
    ),
    "linalg_vector_norm.default": Law(
        norm_arguments, lambda expected, *a, **k: of_all(expected, *a) + expected.double().abs()
    ),
    "cosine_similarity.default": Law(
        lambda draw: (
            (draw.finite([3, 4]), draw.finite(draw.among([3, 4], [1, 4])), draw.among(0, 1), draw.among(1e-8, 3.0)),
            {},
        ),
        of_all,
    ),
    "pairwise_distance.default": Law(
        lambda draw: (
            (draw.finite([3, 4]), draw.finite([3, 4]), draw.among(1.0, 2.0), 1e-6, draw.among(False, True)),
            {},
        ),
        of_all,
    ),
    "_cdist_forward.default": Law(
        lambda draw: ((draw.finite([2, 3, 4]), draw.finite([2, 5, 4]), draw.among(1.0, 2.0, inf), 2), {}), of_all
    ),
    "cdist.default": Law(
        lambda draw: ((draw.finite([2, 3, 4]), draw.finite([2, 5, 4]), draw.among(1.0, 2.0, inf), 2), {}), of_all
    ),
    "renorm.default": Law(
        lambda draw: ((draw.finite([3, 4, 2]), draw.among(1.0, 2.0), draw.among(0, 1, -1), draw.among(0.5, 2.0)), {}),
        of_all,
    ),
    "trace.default": Law(lambda draw: ((draw.finite(draw.shape(2)),), {}), of_all, dtypes=(*FLOATS, torch.int64)),
    "addmm.default": Law(matrices(batch=False), of_products),
    "baddbmm.default": Law(matrices(batch=True), of_products),
    "addbmm.default": Law(addbmm_arguments, of_products),
    "addmv.default": Law(matrices(batch=False, vector=True), of_products),
    "addr.default": Law(addr_arguments, of_products),
    # Pooling.
    "avg_pool1d.default": Law(pooled(1, divisor=False), of_windows("avg_pool1d.default")),
    "avg_pool2d.default": Law(pooled(2, divisor=True), of_windows("avg_pool2d.default")),
    "avg_pool3d.default": Law(pooled(3, divisor=True), of_windows("avg_pool3d.default")),
    "max_pool1d.default": Law(max_pooled(1)),
    "max_pool2d.default": Law(max_pooled(2)),
    "max_pool3d.default": Law(max_pooled(3)),
    "adaptive_avg_pool1d.default": Law(adaptive_numbers(1), of_windows("adaptive_avg_pool1d.default")),
    "adaptive_avg_pool2d.default": Law(adaptive_numbers(2), of_windows("adaptive_avg_pool2d.default")),
    "_adaptive_avg_pool2d.default": Law(adaptive_numbers(2), of_windows("_adaptive_avg_pool2d.default")),
    "adaptive_avg_pool3d.default": Law(adaptive_numbers(3), of_windows("adaptive_avg_pool3d.default")),
    "_adaptive_avg_pool3d.default": Law(adaptive_numbers(3), of_windows("_adaptive_avg_pool3d.default")),
    "adaptive_max_pool1d.default": Law(adaptive(1)),
    "adaptive_max_pool2d.default": Law(adaptive(2)),
    "im2col.default": Law(
        lambda draw: (
            (
                draw.special([2, 2, 6, 7]),
                [draw.number(1, 3), 2],
                [1, draw.number(1, 2)],
                [0, 1],
                [draw.number(1, 2), 2],
            ),
            {},
        )
    ),
    # Resampling.
    "upsample_linear1d.default": Law(resized(1, corners=True, by_factor=False), of_all),
    "upsample_linear1d.vec": Law(resized(1, corners=True, by_factor=True), of_all),
    "upsample_bilinear2d.default": Law(resized(2, corners=True, by_factor=False), of_all),
    "upsample_bilinear2d.vec": Law(resized(2, corners=True, by_factor=True), of_all),
    "upsample_bicubic2d.default": Law(resized(2, corners=True, by_factor=False), of_all),
    "upsample_bicubic2d.vec": Law(resized(2, corners=True, by_factor=True), of_all),
    "_upsample_bilinear2d_aa.default": Law(resized(2, corners=True, by_factor=False, narrowest=2), of_all),
    "_upsample_bilinear2d_aa.vec": Law(resized(2, corners=True, by_factor=True, narrowest=2), of_all),
    "_upsample_bicubic2d_aa.default": Law(resized(2, corners=True, by_factor=False, narrowest=2), of_all),
    "_upsample_bicubic2d_aa.vec": Law(resized(2, corners=True, by_factor=True, narrowest=2), of_all),
    "upsample_trilinear3d.vec": Law(resized(3, corners=True, by_factor=True), of_all),
    "upsample_nearest1d.vec": Law(resized(1, corners=False, by_factor=True)),
    "upsample_nearest2d.vec": Law(resized(2, corners=False, by_factor=True)),
    "upsample_nearest3d.vec": Law(resized(3, corners=False, by_factor=True)),
    "_upsample_nearest_exact1d.vec": Law(resized(1, corners=False, by_factor=True)),
    "_upsample_nearest_exact2d.vec": Law(resized(2, corners=False, by_factor=True)),
    # Arrangement.
    "squeeze.dim": Law(lambda draw: ((draw.special(draw.shape(3, high=2)), draw.number(-3, 2)), {})),
    "squeeze.dims": Law(lambda draw: ((draw.special(draw.shape(3, high=2)), draw.among([0, 2], [-1], [0, 1, 2])), {})),
    "roll.default": Law(
        lambda draw: (
            (draw.special([3, 4]), *draw.among(([5],), ([-2], [1]), ([1, -6], [0, 1]), ([2, 3], [1, 1]))),
            {},
        ),
        dtypes=(*FLOATS, torch.int64),
    ),
    "rot90.default": Law(
        lambda draw: ((draw.special([2, 3, 4]), draw.number(-5, 5), draw.among([0, 1], [2, 0], [-1, 1])), {})
    ),
    "tril.default": Law(
        lambda draw: ((draw.special(draw.shape(draw.number(2, 3))), draw.number(-3, 3)), {}),
        dtypes=(*FLOATS, torch.int64, torch.bool),
    ),
    "triu.default": Law(
        lambda draw: ((draw.special(draw.shape(draw.number(2, 3))), draw.number(-3, 3)), {}),
        dtypes=(*FLOATS, torch.int64, torch.bool),
    ),
    "pixel_shuffle.default": Law(lambda draw: ((draw.special([*draw.shape(1), 8, 3, 2]), 2), {})),
    "pixel_unshuffle.default": Law(lambda draw: ((draw.special([*draw.shape(1), 2, 4, 6]), 2), {})),
    "channel_shuffle.default": Law(lambda draw: ((draw.special([2, 6, 2, 3]), draw.among(1, 2, 3, 6)), {})),
    "one_hot.default": Law(
        lambda draw: ((draw.integers(draw.shape(), 0, 5), draw.number(5, 7)), {}), dtypes=(torch.int64,)
    ),
    "isin.Tensor_Tensor": Law(
        lambda draw: ((draw.special(draw.shape()), draw.special(draw.shape())), {"invert": draw.among(False, True)}),
        dtypes=(*FLOATS, torch.int64),
    ),
    "bucketize.Tensor": Law(searched, dtypes=(*FLOATS, torch.int64)),
    "searchsorted.Tensor": Law(searched_rows, dtypes=(*FLOATS, torch.int64)),
    **{
        f"{name}.{overload}": Law(boolean_pair if overload == "Tensor" else boolean_scalar, dtypes=(torch.bool,))
        for name in ("bitwise_and", "bitwise_or", "bitwise_xor")
        for overload in ("Tensor", "Scalar")
    },
    **{f"__{name}__.Tensor": Law(boolean_pair, dtypes=(torch.bool,)) for name in ("and", "or", "xor")},
    "bitwise_not.default": Law(unary(), dtypes=(torch.bool, *INTEGERS)),
    "unfold.default": Law(
        lambda draw: ((draw.special([5, 6]), draw.among(0, 1, -1), draw.number(1, 4), draw.number(1, 3)), {}),
        dtypes=(*FLOATS, torch.int64),
    ),
    "take_along_dim.default": Law(
        lambda draw: ((draw.special([3, 4]), draw.integers([draw.among(1, 3), 2], 0, 3), draw.among(1, -1)), {})
    ),
    "repeat_interleave.self_int": Law(
        lambda draw: ((draw.special([2, 3]), draw.number(1, 3), draw.among(None, 0, -1)), {}),
        dtypes=(*FLOATS, torch.int64),
    ),
    "linalg_cross.default": Law(
        lambda draw: ((draw.finite([2, 3, 3]), draw.finite([1, 3, 3])), {"dim": draw.among(-1, 2)}), of_all
    ),
}
