"""TensorFlow's operators over axes: reductions, scans, softmaxes, searches, losses."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tautomer.adapters.tf_programs.operator_table.entry import (
    ANY,
    BITS,
    FLOATS,
    NUMBERS,
    SINGLE,
    WIDE,
    operator,
)
from tautomer.synthesis import Domain, Draw, DtypeName, Specification, TensorType
from tautomer.synthesis.rules.elementwise import broadcasting
from tautomer.synthesis.rules.reductions import along, reduction, top
from tautomer.synthesis.rules.scores import against_classes, against_distributions

BROAD = (*SINGLE, "int64", "int32")
SMALL = Domain(-1.5, 1.5)
PROBABILITIES = Domain(0.0, 1.0)


def _order(draw: Draw, type_: TensorType) -> Mapping[str, Any]:
    return {"order": draw.pick((1, 2, 3))}


def _cumulative(draw: Draw, type_: TensorType) -> Mapping[str, Any]:
    return {"exclusive": draw.chance(0.3), "reverse": draw.chance(0.4)}


REDUCTIONS: tuple[Specification, ...] = (
    operator("tf.reduce_sum(x, axis=axes, keepdims=keepdims)", "Sum", reduction(least=0), NUMBERS),
    operator("tf.reduce_mean(x, axis=axes, keepdims=keepdims)", "Mean", reduction(), NUMBERS),
    operator("tf.reduce_max(x, axis=axes, keepdims=keepdims)", "Max", reduction(), NUMBERS),
    operator("tf.reduce_min(x, axis=axes, keepdims=keepdims)", "Min", reduction(), NUMBERS),
    operator("tf.reduce_prod(x, axis=axes, keepdims=keepdims)", "Prod", reduction(), NUMBERS, x=SMALL),
    operator("tf.reduce_any(x, axis=axes, keepdims=keepdims)", "Any", reduction(), ("bool",)),
    operator("tf.reduce_all(x, axis=axes, keepdims=keepdims)", "All", reduction(), ("bool",)),
    operator("tf.reduce_logsumexp(x, axis=axes, keepdims=keepdims)", "Log", reduction()),
    operator("tf.math.reduce_variance(x, axis=axes, keepdims=keepdims)", "Mean", reduction(least=2)),
    operator("tf.math.reduce_std(x, axis=axes, keepdims=keepdims)", "Sqrt", reduction(least=2)),
    operator("tf.math.reduce_euclidean_norm(x, axis=axes, keepdims=keepdims)", "EuclideanNorm", reduction(), NUMBERS),
    operator(
        "tf.norm(x, ord=order, axis=axis, keepdims=keepdims)", "Sum", reduction(over="one", attributes=_order), FLOATS
    ),
    operator("tf.nn.moments(x, axes=axes, keepdims=keepdims)", "Mean", reduction(results=(None, None), least=2), WIDE),
    operator(
        "tf.argmax(x, axis=axis, output_type=dtype)",
        "ArgMax",
        reduction(
            over="one", result="int64", least=2, keepdims=False, attributes=lambda *_: {"dtype": DtypeName("int64")}
        ),
        ANY,
        decides=True,
    ),
    operator(
        "tf.argmin(x, axis=axis, output_type=dtype)",
        "ArgMin",
        reduction(
            over="one", result="int32", least=2, keepdims=False, attributes=lambda *_: {"dtype": DtypeName("int32")}
        ),
        ANY,
        decides=True,
    ),
    operator(
        "tf.math.count_nonzero(x, axis=axes, keepdims=keepdims)",
        "Sum",
        reduction(result="int64"),
        BITS,
    ),
    operator("tf.reduce_sum(x)", "Sum", reduction(over="all"), NUMBERS, name="tf.reduce_sum of all"),
    operator("tf.reduce_mean(x)", "Mean", reduction(over="all"), NUMBERS, name="tf.reduce_mean of all"),
    operator("tf.reduce_max(x)", "Max", reduction(over="all"), NUMBERS, name="tf.reduce_max of all"),
    operator("tf.nn.l2_loss(x)", "L2Loss", reduction(over="all"), FLOATS),
)

ALONG: tuple[Specification, ...] = (
    operator("tf.nn.softmax(x, axis=axis)", "Softmax", along(least=2)),
    operator("tf.nn.log_softmax(x, axis=axis)", "LogSoftmax", along(least=2)),
    operator("tf.math.l2_normalize(x, axis=axis)", "Rsqrt", along(least=2)),
    operator(
        "tf.cumsum(x, axis, exclusive=exclusive, reverse=reverse)", "Cumsum", along(attributes=_cumulative), NUMBERS
    ),
    operator(
        "tf.math.cumprod(x, axis, exclusive=exclusive, reverse=reverse)",
        "Cumprod",
        along(attributes=_cumulative),
        NUMBERS,
        x=SMALL,
    ),
    operator("tf.math.cumulative_logsumexp(x, axis)", "CumulativeLogsumexp", along(), SINGLE),
    operator(
        "tf.sort(x, axis=axis, direction=direction)",
        "TopKV2",
        along(least=2, attributes=lambda draw, _: {"direction": draw.pick(("ASCENDING", "DESCENDING"))}),
        NUMBERS,
    ),
    operator(
        "tf.argsort(x, axis=axis, direction=direction)",
        "TopKV2",
        along(
            result="int32", least=2, attributes=lambda draw, _: {"direction": draw.pick(("ASCENDING", "DESCENDING"))}
        ),
        NUMBERS,
        decides=True,
    ),
    operator("tf.math.top_k(x, k=k)", "TopKV2", top("int32", last=True), NUMBERS, decides=True),
    operator("tf.keras.activations.softmax(x, axis=axis)", "Softmax", along(least=2), FLOATS),
    operator("tf.keras.activations.sparsemax(x)", "TopKV2", along(least=2, last=True, fixed=True, ranks=(2,)), SINGLE),
)

LOSSES: tuple[Specification, ...] = (
    operator(
        "tf.nn.softmax_cross_entropy_with_logits(labels, x)",
        "SoftmaxCrossEntropyWithLogits",
        against_distributions((2, 3)),
        FLOATS,
        labels=PROBABILITIES,
    ),
    operator(
        "tf.nn.sparse_softmax_cross_entropy_with_logits(labels, x)",
        "SparseSoftmaxCrossEntropyWithLogits",
        against_classes(only=(2, 3)),
        FLOATS,
    ),
    operator(
        "tf.nn.sigmoid_cross_entropy_with_logits(labels, x)",
        "Log1p",
        broadcasting("labels", same_shape=True),
        FLOATS,
        labels=PROBABILITIES,
    ),
    operator("tf.nn.log_poisson_loss(y, x)", "Exp", broadcasting("y", same_shape=True), FLOATS, x=Domain(-3, 3)),
    operator(
        "tf.math.in_top_k(labels, x, k)",
        "InTopKV2",
        against_classes(result="bool", attribute="k", only=(2,)),
        ("float32",),
        decides=True,
    ),
)

OPERATORS = (*REDUCTIONS, *ALONG, *LOSSES)
