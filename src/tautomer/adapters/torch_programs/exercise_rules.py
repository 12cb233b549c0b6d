"""Which rule says what an ATen operator must be seen doing."""

from __future__ import annotations

from tautomer.adapters.torch_programs.arithmetic_rules import (
    bends,
    breaks_at,
    breaks_at_arguments,
    casts,
    divides,
    large,
    log_of_sum,
    normalises,
    powers,
    quadrants,
    replaces,
    rounds,
    saturates,
    shrink,
    signs,
    small,
    varies,
    zero_times,
)
from tautomer.adapters.torch_programs.choice_rules import (
    accumulates,
    attends,
    buckets,
    chooses,
    collides,
    collides_in_put,
    compares,
    fills,
    orders,
    outcome,
    picks_values,
    pools_maximum,
    ranks,
    reads,
    reads_by_tensors,
    recurs,
    reduces_by_choice,
    softmax,
)
from tautomer.adapters.torch_programs.obligations import Rule


def _table() -> dict[str, Rule]:
    groups: list[tuple[str, Rule]] = [
        ("relu leaky_relu prelu elu celu selu abs rrelu", breaks_at(0.0)),
        ("relu6", breaks_at(0.0, 6.0)),
        ("hardsigmoid hardswish", breaks_at(-3.0, 3.0)),
        ("clamp clip", breaks_at_arguments("min", "max")),
        ("clamp_min", breaks_at_arguments("min")),
        ("clamp_max", breaks_at_arguments("max")),
        ("hardtanh", breaks_at_arguments("min_val", "max_val")),
        ("threshold", breaks_at_arguments("threshold")),
        ("hardshrink softshrink", shrink),
        ("gelu silu mish", bends),
        ("sigmoid tanh", saturates),
        ("softplus log_sigmoid", large("self")),
        ("logaddexp logaddexp2 logsumexp logcumsumexp", log_of_sum),
        ("log1p expm1", small),
        ("where", chooses),
        ("masked_fill masked_select masked_scatter", fills),
        ("eq ne isnan isinf isfinite logical_and logical_or logical_xor logical_not any all", outcome),
        ("lt le gt ge", compares),
        ("maximum minimum fmax fmin", picks_values),
        ("argmax argmin", ranks),
        ("max min", reduces_by_choice),
        ("sort argsort topk", orders),
        ("cumsum cumprod cummax cummin", accumulates),
        ("softmax log_softmax softmax _log_softmax _safe_softmax", softmax),
        ("embedding", reads("indices")),
        ("gather index_select take", reads("index")),
        ("take_along_dim", reads("indices")),
        ("index", reads_by_tensors),
        ("scatter_add scatter_reduce index_add index_reduce", collides),
        ("index_put", collides_in_put),
        ("div floor_divide remainder fmod", divides),
        ("round floor ceil trunc frac", rounds),
        ("to _to_copy type_as", casts),
        ("scaled_dot_product_attention", attends),
        ("layer_norm group_norm instance_norm", normalises),
        ("var std var_mean std_mean", varies),
        ("max_pool1d max_pool2d max_pool3d max_pool2d_with_indices", pools_maximum),
        ("lstm gru rnn_tanh rnn_relu", recurs),
        ("nan_to_num", replaces),
        ("bucketize searchsorted", buckets),
        ("sign signbit copysign sgn", signs),
        ("atan2 arctan2", quadrants),
        ("xlogy special_xlogy", zero_times),
        ("pow", powers),
    ]
    return {name: rule for names, rule in groups for name in names.split()}


RULES = _table()
"""Operator's name without namespace, overload and trailing underscore -> its rule."""

MASK_USERS = frozenset({"where", "masked_fill", "masked_select", "masked_scatter", "scaled_dot_product_attention"})
"""Operators that report about their mask themselves, so that the comparison which made it need not."""
