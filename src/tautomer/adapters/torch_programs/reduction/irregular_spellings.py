"""Public functions whose name or order of arguments an ATen operator's schema does not tell."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from typing import Any

_REDUCTIONS = {0: "none", 1: "mean", 2: "sum"}
_FULL = 2**63 - 1
"""Where a slice without an end ends."""

_MODES = {
    "nearest": "nearest",
    "nearest_exact": "nearest-exact",
    "linear": "linear",
    "bilinear": "bilinear",
    "bicubic": "bicubic",
    "trilinear": "trilinear",
}
_ATTRIBUTES = {"numpy_T": "T", "matrix_H": "H", "mT": "mT", "mH": "mH"}
_GRID = ({0: "bilinear", 1: "nearest", 2: "bicubic"}, {0: "zeros", 1: "border", 2: "reflection"})


def irregular(op: str, bound: dict[str, Any], text: Callable[[Any], str]) -> Iterator[str]:
    """Spellings to try before those that the operator's name suggests.

    Args:
        op: the operator's name without namespace and overload.
        bound: its arguments by the schema's names, defaults included.
        text: an argument as text.
    """
    found = re.fullmatch(r"_?upsample_([a-z_]+?)[123]d(_aa)?", op)
    if found and found.group(1) in _MODES:
        yield from _interpolate(_MODES[found.group(1)], bool(found.group(2)), bound, text)
    elif op == "slice":
        yield from _slice(bound, text)
    elif op == "select" and isinstance(bound.get("dim"), int):
        yield f"{text(bound['self'])}[{_colons(bound['dim'])}{text(bound['index'])}]"
    elif op == "index":
        shown = ", ".join(":" if one is None else text(one) for one in bound["indices"])
        yield f"{text(bound['self'])}[{shown}]"
    elif op in ("index_put", "_unsafe_index_put"):
        shown = ", ".join(map(text, bound["indices"]))
        tail = ", accumulate=True" if bound["accumulate"] else ""
        yield f"{text(bound['self'])}.index_put(({shown},), {text(bound['values'])}{tail})"
    elif op in ("batch_norm", "instance_norm"):
        yield from _running_norm(op, bound, text)
    elif op in ("group_norm", "layer_norm"):
        second = bound["num_groups"] if op == "group_norm" else bound["normalized_shape"]
        named = _keywords(bound, text, weight=None, bias=None, eps=1e-5)
        yield f"F.{op}({', '.join([text(bound['input']), text(second), *named])})"
    elif op == "embedding":
        named = _keywords(bound, text, padding_idx=-1, scale_grad_by_freq=False, sparse=False)
        yield f"F.embedding({', '.join([text(bound['indices']), text(bound['weight']), *named])})"
    elif op == "im2col":
        yield f"F.unfold({', '.join(_in_order(bound, text, 'self kernel_size dilation padding stride'))})"
    elif op == "col2im":
        yield f"F.fold({', '.join(_in_order(bound, text, 'self output_size kernel_size dilation padding stride'))})"
    elif op == "grid_sampler":
        mode, padding = (text(names[bound[key]]) for names, key in zip(_GRID, _GRID_KEYS, strict=True))
        yield (
            f"F.grid_sample({text(bound['input'])}, {text(bound['grid'])}, mode={mode}, padding_mode={padding}, "
            f"align_corners={bound['align_corners']})"
        )
    elif op in _ATTRIBUTES:
        yield f"{text(bound['self'])}.{_ATTRIBUTES[op]}"
    elif op == "log_sigmoid":
        yield f"F.logsigmoid({text(bound['self'])})"
    elif op == "nonzero_numpy":
        yield f"{text(bound['self'])}.nonzero(as_tuple=True)"
    elif op == "_local_scalar_dense":
        yield f"{text(bound['self'])}.item()"
    elif op in ("dropout", "alpha_dropout", "feature_dropout"):
        yield f"F.{op}({text(bound['input'])}, {text(bound['p'])}, training={bound['train']})"
    elif op in ("_to_copy", "to") and bound.get("dtype") is not None:
        yield f"{text(bound['self'])}.to({text(bound['dtype'])})"
        yield f'{text(bound["self"])}.to(device="cpu", dtype={text(bound["dtype"])})'
    elif isinstance(bound.get("reduction"), int):
        yield from _loss(op, bound, text)
    elif op == "clamp" and bound.get("min") is None:
        yield f"{text(bound['self'])}.clamp(max={text(bound['max'])})"
    elif op in ("lstm", "gru", "rnn_tanh", "rnn_relu") and "data" not in bound:
        yield f"torch.{op}({', '.join(text(one) for one in bound.values())})"


_GRID_KEYS = ("interpolation_mode", "padding_mode")


def _interpolate(mode: str, antialias: bool, bound: dict[str, Any], text: Callable[[Any], str]) -> Iterator[str]:
    source = bound.get("input", bound.get("self"))
    tail = [f"mode={text(mode)}"]
    if bound.get("align_corners"):
        tail.append("align_corners=True")
    if antialias:
        tail.append("antialias=True")
    if bound.get("output_size") is not None:
        size = text(bound["output_size"])
        yield f"F.interpolate({', '.join([text(source), f'size={size}', *tail])})"
    scales = bound.get("scale_factors")
    if scales is not None:
        short = scales[0] if len(set(scales)) == 1 else scales
        for factor in (short, scales):
            yield f"F.interpolate({', '.join([text(source), f'scale_factor={text(factor)}', *tail])})"


def _slice(bound: dict[str, Any], text: Callable[[Any], str]) -> Iterator[str]:
    dim, start, end, step = bound["dim"], bound["start"], bound["end"], bound["step"]
    begins = "" if start in (None, 0) else text(start)
    ends = "" if end is None or end == _FULL else text(end)
    steps = "" if step == 1 else f":{text(step)}"
    shown = f"{begins}:{ends}{steps}"
    if dim == 0:
        yield f"{text(bound['self'])}[{shown}]"
    yield f"{text(bound['self'])}[{_colons(dim)}{shown}]"


def _colons(dim: int) -> str:
    return ":, " * dim if dim >= 0 else "..., "


def _running_norm(op: str, bound: dict[str, Any], text: Callable[[Any], str]) -> Iterator[str]:
    head = [text(bound[key]) for key in ("input", "running_mean", "running_var")]
    tail = _keywords(bound, text, weight=None, bias=None)
    if op == "batch_norm":
        tail += _keywords(bound, text, training=False, momentum=0.1, eps=1e-5)
    else:
        tail += _keywords(bound, text, use_input_stats=True, momentum=0.1, eps=1e-5)
    yield f"F.{op}({', '.join([*head, *tail])})"


def _loss(op: str, bound: dict[str, Any], text: Callable[[Any], str]) -> Iterator[str]:
    name = {"cross_entropy_loss": "cross_entropy", "nll_loss_nd": "nll_loss"}.get(op, op)
    others = [(key, value) for key, value in bound.items() if key not in ("self", "target", "reduction")]
    head = [text(bound[key]) for key in ("self", "target") if key in bound]
    tail = [f"{key}={text(value)}" for key, value in others if value is not None]
    reduction = _REDUCTIONS.get(bound["reduction"])
    yield f"F.{name}({', '.join([*head, *tail, f'reduction={text(reduction)}'])})"
    if len(tail) > 0:
        yield f"F.{name}({', '.join([*head, f'reduction={text(reduction)}'])})"


def _keywords(bound: dict[str, Any], text: Callable[[Any], str], **defaults: Any) -> list[str]:
    """`name=value` for what is not at its default."""
    return [f"{key}={text(bound[key])}" for key, default in defaults.items() if bound[key] != default]


def _in_order(bound: dict[str, Any], text: Callable[[Any], str], names: str) -> list[str]:
    return [text(bound[name]) for name in names.split()]
