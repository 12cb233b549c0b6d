"""PyTorch's operators over axes, and its products."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tautomer.adapters.torch_programs.operators.entry import operator
from tautomer.synthesis import Domain, Draw, Specification, TensorType
from tautomer.synthesis.rules.products import dense, einstein, exact_product, matrix_product, outer_product
from tautomer.synthesis.rules.reductions import along, reduction, top
from tautomer.synthesis.tensor_types import FLOATS, NUMBERS

SINGLE = ("float32", "float64")
BROAD = (*SINGLE, "float16", "int64", "int32")
SORTED = (*SINGLE, "float16")
MULTIPLIED = (*FLOATS, "int64", "int32")
SMALL = Domain(-1.5, 1.5)


def _correction(draw: Draw, type_: TensorType) -> Mapping[str, Any]:
    return {"correction": draw.pick((0, 1))}


def _order(draw: Draw, type_: TensorType) -> Mapping[str, Any]:
    return {"order": draw.pick((1, 2, 3))}


REDUCTIONS: tuple[Specification, ...] = (
    operator("torch.sum(x, dim=axes, keepdim=keepdims)", reduction(least=0), FLOATS),
    operator(
        "torch.sum(x, dim=axes, keepdim=keepdims)",
        reduction(result="int64", least=0),
        ("int64", "int32", "bool"),
        name="torch.sum of integers",
    ),
    operator("torch.mean(x, dim=axes, keepdim=keepdims)", reduction()),
    operator("torch.amax(x, dim=axes, keepdim=keepdims)", reduction(), NUMBERS),
    operator("torch.amin(x, dim=axes, keepdim=keepdims)", reduction(), NUMBERS),
    operator("torch.logsumexp(x, dim=axes, keepdim=keepdims)", reduction()),
    operator("torch.prod(x, dim=axis, keepdim=keepdims)", reduction(over="one"), x=SMALL),
    operator("torch.any(x, dim=axis, keepdim=keepdims)", reduction(over="one", result="bool"), ("bool",)),
    operator("torch.all(x, dim=axis, keepdim=keepdims)", reduction(over="one", result="bool"), ("bool",)),
    operator(
        "torch.var(x, dim=axes, keepdim=keepdims, correction=correction)", reduction(least=2, attributes=_correction)
    ),
    operator(
        "torch.std(x, dim=axes, keepdim=keepdims, correction=correction)", reduction(least=2, attributes=_correction)
    ),
    operator(
        "torch.var_mean(x, dim=axes, keepdim=keepdims, correction=correction)",
        reduction(results=(None, None), least=2, attributes=_correction),
    ),
    operator(
        "torch.linalg.vector_norm(x, ord=order, dim=axes, keepdim=keepdims)",
        reduction(attributes=_order),
        graph="linalg_vector_norm",
    ),
    operator(
        "torch.argmax(x, dim=axis, keepdim=keepdims)",
        reduction(over="one", result="int64", least=2),
        BROAD,
        decides=True,
    ),
    operator(
        "torch.argmin(x, dim=axis, keepdim=keepdims)",
        reduction(over="one", result="int64", least=2),
        BROAD,
        decides=True,
    ),
    operator(
        "torch.max(x, dim=axis, keepdim=keepdims)",
        reduction(over="one", results=(None, "int64"), least=2),
        BROAD,
        name="torch.max along an axis",
        decides=True,
    ),
    operator(
        "torch.min(x, dim=axis, keepdim=keepdims)",
        reduction(over="one", results=(None, "int64"), least=2),
        BROAD,
        name="torch.min along an axis",
        decides=True,
    ),
    operator("torch.sum(x)", reduction(over="all"), FLOATS, name="torch.sum of all"),
    operator("torch.mean(x)", reduction(over="all"), name="torch.mean of all"),
    operator("torch.max(x)", reduction(over="all"), BROAD, name="torch.max of all"),
    operator(
        "torch.count_nonzero(x, dim=axis)",
        reduction(over="one", keepdims=False, result="int64"),
        ("int64", "int32", "bool"),
    ),
)

ALONG: tuple[Specification, ...] = (
    operator("F.softmax(x, dim=axis)", along(least=2)),
    operator("F.log_softmax(x, dim=axis)", along(least=2)),
    operator("F.softmin(x, dim=axis)", along(least=2), graph="softmax"),
    operator("F.normalize(x, p=2.0, dim=axis)", along(least=2), graph="div"),
    operator("torch.cumsum(x, dim=axis)", along()),
    operator(
        "torch.cumsum(x, dim=axis)", along(result="int64"), ("int64", "int32", "bool"), name="torch.cumsum of integers"
    ),
    operator("torch.cumprod(x, dim=axis)", along(), x=SMALL),
    operator("torch.logcumsumexp(x, dim=axis)", along(), FLOATS),
    operator("torch.cummax(x, dim=axis)", along(results=(None, "int64"), least=2), FLOATS, decides=True),
    operator(
        "torch.sort(x, dim=axis, descending=descending)",
        along(results=(None, "int64"), least=2, attributes=lambda draw, type_: {"descending": draw.chance(0.5)}),
        SORTED,
        decides=True,
    ),
    operator("torch.argsort(x, dim=axis)", along(result="int64", least=2), SORTED, decides=True),
    operator("torch.topk(x, k, dim=axis, largest=largest)", top(), SORTED, decides=True),
)

PRODUCTS: tuple[Specification, ...] = (
    operator("torch.matmul(x, y)", matrix_product(), MULTIPLIED),
    operator("torch.mm(x, y)", exact_product((2, 2)), MULTIPLIED),
    operator("torch.bmm(x, y)", exact_product((3, 3)), MULTIPLIED),
    operator("torch.mv(x, y)", exact_product((2, 1)), MULTIPLIED),
    operator("torch.dot(x, y)", exact_product((1, 1)), MULTIPLIED),
    operator("torch.outer(x, y)", outer_product(), MULTIPLIED),
    operator("torch.addmm(z, x, y)", exact_product((2, 2), third="z"), MULTIPLIED),
    operator("torch.baddbmm(z, x, y)", exact_product((3, 3), third="z"), MULTIPLIED),
    operator("F.linear(x, weight, bias)", dense(), MULTIPLIED),
    operator("F.linear(x, weight)", dense(bias=False), MULTIPLIED, name="F.linear without bias"),
    operator(
        "torch.einsum(equation, x, y)",
        einstein(("ij,jk->ik", "ij,kj->ik", "ij,ij->ij", "ij,ik->jk", "ij,j->i"), 2),
        MULTIPLIED,
    ),
    operator(
        "torch.einsum(equation, x, y)",
        einstein(("bij,bjk->bik", "bij,bkj->bik", "bij,kj->bik", "bij,bj->bi"), 3),
        MULTIPLIED,
        name="torch.einsum of rank 3",
    ),
    operator(
        "torch.einsum(equation, x, y)",
        einstein(("bhqd,bhkd->bhqk", "bhqk,bhkd->bhqd", "bqhd,bkhd->bhqk"), 4),
        MULTIPLIED,
        name="torch.einsum of rank 4",
    ),
)

OPERATORS = (*REDUCTIONS, *ALONG, *PRODUCTS)
