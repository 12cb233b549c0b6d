"""TensorFlow's products and its operators on matrices."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tautomer.adapters.tf_programs.operator_table.entry import (
    ANY,
    FLOATS,
    NUMBERS,
    SINGLE,
    WIDE,
    operator,
)
from tautomer.synthesis import Domain, Draw, DtypeName, Specification, TensorType
from tautomer.synthesis.dims import second_size
from tautomer.synthesis.rules.arrangement import diagonal, diagonal_matrix
from tautomer.synthesis.rules.blocks import attention
from tautomer.synthesis.rules.elementwise import elementwise
from tautomer.synthesis.rules.matrices import (
    contracted,
    cross_product,
    matrix_vector_product,
    solved,
    square_matrices,
    transposable_product,
    with_diagonal,
)
from tautomer.synthesis.rules.products import dense, einstein, exact_product
from tautomer.synthesis.rules.refined import derived, is_static, of_ranks, where
from tautomer.synthesis.rules.shapes import FROM_2

DEFINITE = "tf.matmul(x, x, transpose_b=True) + tf.eye(size, dtype=dtype)"
"""Positive definite whatever x is, and well conditioned where x is moderate."""

MODERATE = Domain(-4.0, 4.0)


def _identity(bound: Mapping[str, Any], type_: TensorType) -> Mapping[str, Any]:
    return {"size": int(type_.shape[-1]), "dtype": DtypeName(type_.dtype)}


def _band(draw: Draw, type_: TensorType) -> Mapping[str, Any]:
    rows, columns = (min(2, int(size), second_size(size)) for size in type_.shape[-2:])
    return {"lower": draw.between(-1, rows), "upper": draw.between(-1, columns)}


PRODUCTS: tuple[Specification, ...] = (
    operator("tf.matmul(x, y)", "MatMul", exact_product((2, 2)), WIDE),
    operator(
        "tf.matmul(x, y, transpose_a=turn_x, transpose_b=turn_y)",
        "MatMul",
        of_ranks(transposable_product(), 2),
        WIDE,
        name="tf.matmul transposed",
    ),
    operator(
        "tf.matmul(x, y, transpose_a=turn_x, transpose_b=turn_y)",
        "BatchMatMulV2",
        of_ranks(transposable_product(), 3, 4),
        (*WIDE, "int16"),
        name="tf.matmul of batches",
    ),
    operator("tf.linalg.matvec(x, y)", "MatMul", of_ranks(matrix_vector_product(), 2), WIDE),
    operator(
        "tf.linalg.matvec(x, y)",
        "BatchMatMulV2",
        of_ranks(matrix_vector_product(), 3, 4),
        (*WIDE, "int16"),
        name="tf.linalg.matvec of batches",
    ),
    operator("tf.tensordot(x, y, axes=1)", "MatMul", contracted(), WIDE),
    operator("tf.tensordot(x, y, axes=2)", "MatMul", contracted(axes=2), WIDE, name="tf.tensordot of two axes"),
    operator(
        "tf.nn.bias_add(tf.matmul(x, weight), bias)",
        "MatMul",
        of_ranks(dense(transposed=False), 2),
        WIDE,
        name="dense",
    ),
    operator(
        "tf.einsum(equation, x, y)",
        "Einsum",
        einstein(("ij,jk->ik", "ij,kj->ik", "ij,ij->ij", "ij,ik->jk", "ij,j->i"), 2),
        WIDE,
    ),
    operator(
        "tf.einsum(equation, x, y)",
        "Einsum",
        einstein(("bij,bjk->bik", "bij,bkj->bik", "bij,kj->bik", "bij,bj->bi"), 3),
        WIDE,
        name="tf.einsum of rank 3",
    ),
    operator(
        "tf.einsum(equation, x, y)",
        "Einsum",
        einstein(("bhqd,bhkd->bhqk", "bhqk,bhkd->bhqd", "bqhd,bkhd->bhqk"), 4),
        WIDE,
        name="tf.einsum of rank 4",
    ),
    operator(
        "tf.matmul(tf.nn.softmax(tf.matmul(x, key, transpose_b=True)), value)",
        "BatchMatMulV2",
        attention(),
        FLOATS,
        name="attention",
    ),
)

MATRICES: tuple[Specification, ...] = (
    operator("tf.linalg.det(x)", "MatrixDeterminant", square_matrices(scalar=True), SINGLE),
    operator(f"tf.linalg.inv({DEFINITE})", "MatrixInverse", derived(square_matrices(), _identity), SINGLE, x=MODERATE),
    operator(f"tf.linalg.solve({DEFINITE}, y)", "MatrixSolve", derived(solved(), _identity), SINGLE, x=MODERATE),
    operator(f"tf.linalg.cholesky({DEFINITE})", "Cholesky", derived(square_matrices(), _identity), SINGLE, x=MODERATE),
    operator("tf.linalg.trace(x)", "MatrixDiagPartV3", where(square_matrices(scalar=True), is_static), NUMBERS),
    operator("tf.linalg.cross(x, y)", "Cross", cross_product(), NUMBERS),
    operator("tf.linalg.diag(x)", "MatrixDiagV3", diagonal_matrix(), ANY),
    operator("tf.linalg.diag_part(x)", "MatrixDiagPartV3", diagonal(), ANY),
    operator("tf.linalg.set_diag(x, y)", "MatrixSetDiagV3", with_diagonal(), ANY),
    operator(
        "tf.linalg.band_part(x, lower, upper)",
        "MatrixBandPart",
        elementwise(attributes=_band, ranks=FROM_2),
        ANY,
    ),
)

OPERATORS = (*PRODUCTS, *MATRICES)
