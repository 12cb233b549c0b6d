"""ONNX's operators over axes, its products and its transforms."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tautomer.adapters.onnx_files.operators.entry import FLOATING, HALF, operator
from tautomer.synthesis import Domain, Draw, Specification, TensorType
from tautomer.synthesis.rules.products import einstein, matrix_product
from tautomer.synthesis.rules.reductions import along, reduction, top
from tautomer.synthesis.rules.signals import fourier, fourier_of_windows
from tautomer.synthesis.rules.whole_tensors import determinant, general_product
from tautomer.synthesis.tensor_types import POSITIVE

REDUCED = (*FLOATING, "int64", "int32")
SMALL = Domain(-1.5, 1.5)


def _last_of_equals(draw: Draw, type_: TensorType) -> Mapping[str, Any]:
    return {"last": int(draw.chance(0.3))}


def _order(draw: Draw, type_: TensorType) -> Mapping[str, Any]:
    return {"order": draw.pick((1, 2))}


def _way(draw: Draw, type_: TensorType) -> Mapping[str, Any]:
    return {"exclusive": int(draw.chance(0.3)), "backwards": int(draw.chance(0.3))}


REDUCTIONS: tuple[Specification, ...] = (
    operator("ReduceSum(x, axes, keepdims=keepdims)", reduction(), REDUCED),
    operator("ReduceMean(x, axes, keepdims=keepdims)", reduction(), REDUCED, decides=True),
    operator("ReduceMax(x, axes, keepdims=keepdims)", reduction(), (*REDUCED, "int8", "uint8", "bool")),
    operator("ReduceMin(x, axes, keepdims=keepdims)", reduction(), (*REDUCED, "int8", "uint8", "bool")),
    operator("ReduceProd(x, axes, keepdims=keepdims)", reduction(), REDUCED, x=SMALL),
    operator("ReduceL1(x, axes, keepdims=keepdims)", reduction(), REDUCED),
    operator("ReduceL2(x, axes, keepdims=keepdims)", reduction(), REDUCED, decides=True),
    operator("ReduceLogSum(x, axes, keepdims=keepdims)", reduction(), REDUCED, decides=True, x=POSITIVE),
    operator("ReduceLogSumExp(x, axes, keepdims=keepdims)", reduction(), REDUCED, decides=True, x=Domain(-8.0, 8.0)),
    operator("ReduceSumSquare(x, axes, keepdims=keepdims)", reduction(), REDUCED),
    operator("ReduceSum(x, keepdims=0)", reduction(over="all"), REDUCED, name="ReduceSum of all"),
    operator(
        "ReduceMax(x, keepdims=0)", reduction(over="all"), (*REDUCED, "int8", "uint8", "bool"), name="ReduceMax of all"
    ),
    operator(
        "ArgMax(x, axis=axis, keepdims=keepdims, select_last_index=last)",
        reduction(over="one", result="int64", least=2, attributes=_last_of_equals),
        (*FLOATING, "int64", "int32", "int8", "uint8"),
        decides=True,
    ),
    operator(
        "ArgMin(x, axis=axis, keepdims=keepdims, select_last_index=last)",
        reduction(over="one", result="int64", least=2, attributes=_last_of_equals),
        (*FLOATING, "int64", "int32", "int8", "uint8"),
        decides=True,
    ),
)

ALONG: tuple[Specification, ...] = (
    operator("Softmax(x, axis=axis)", along(least=2)),
    operator("LogSoftmax(x, axis=axis)", along(least=2)),
    operator("Hardmax(x, axis=axis)", along(least=2), HALF, decides=True),
    operator("LpNormalization(x, axis=axis, p=order)", along(least=2, attributes=_order)),
    operator(
        "CumSum(x, axis, exclusive=exclusive, reverse=backwards)",
        along(least=2, attributes=_way),
        (*FLOATING, "int64", "int32"),
    ),
    operator(
        "TopK(x, [k], axis=axis, largest=largest)",
        top(),
        (*FLOATING, "int64", "int32", "int16", "int8", "uint8"),
        decides=True,
    ),
)

PRODUCTS: tuple[Specification, ...] = (
    operator("MatMul(x, y)", matrix_product(), (*FLOATING, "int64", "int32", "uint32", "uint64")),
    operator("Gemm(x, y, z, alpha=alpha, beta=beta, transA=transposed, transB=other_transposed)", general_product()),
    operator(
        "Einsum(x, y, equation=equation)",
        einstein(("ij,jk->ik", "ij,kj->ik", "ij,ij->ij", "ij,ik->jk", "ij,j->i"), 2),
        (*FLOATING, "int64", "int32"),
    ),
    operator(
        "Einsum(x, y, equation=equation)",
        einstein(("bij,bjk->bik", "bij,bkj->bik", "bij,kj->bik", "bij,bj->bi"), 3),
        (*FLOATING, "int64", "int32"),
        name="Einsum of rank 3",
    ),
    operator(
        "Einsum(x, y, equation=equation)",
        einstein(("bhqd,bhkd->bhqk", "bhqk,bhkd->bhqd", "bqhd,bkhd->bhqk"), 4),
        (*FLOATING, "int64", "int32"),
        name="Einsum of rank 4",
    ),
    operator("Det(x)", determinant(), HALF),
)

TRANSFORMS: tuple[Specification, ...] = (
    operator("DFT(x, None, axis, inverse=inverse)", fourier()),
    operator("DFT(x, None, axis, onesided=1)", fourier(onesided=True), name="DFT onesided"),
    operator("STFT(x, step, window, length)", fourier_of_windows()),
)

OPERATORS = (*REDUCTIONS, *ALONG, *PRODUCTS, *TRANSFORMS)
