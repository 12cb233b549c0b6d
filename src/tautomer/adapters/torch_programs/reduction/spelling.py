"""How a person would write the call of an ATen operator.

No table says what public function an operator has. Every spelling that its name and its schema suggest is tried: it is
run on the recorded values, PyTorch says what it was dispatched to, and it is taken if that is the same operator with
the same arguments. What has no such spelling stays `torch.ops.aten...`.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from typing import Any

import torch
from torch.fx.experimental.proxy_tensor import make_fx
from torch.utils import _pytree as pytree

from tautomer.adapters.torch_programs.lift import is_view
from tautomer.adapters.torch_programs.reduction.irregular_spellings import irregular
from tautomer.adapters.torch_programs.reduction.literals import number
from tautomer.adapters.torch_programs.reduction.program import Call, Ref, arguments

SCOPE = {"torch": torch, "F": torch.nn.functional}
"""What the text of a model module has in scope."""

_INFIX = {
    "add": "+", "sub": "-", "mul": "*", "div": "/", "floor_divide": "//", "remainder": "%", "pow": "**",
    "matmul": "@", "bitwise_and": "&", "bitwise_or": "|", "bitwise_xor": "^", "lt": "<", "le": "<=", "gt": ">",
    "ge": ">=", "eq": "==", "ne": "!=", "__lshift__": "<<", "__rshift__": ">>", "floordiv": "//", "mod": "%",
    "truediv": "/", "__and__": "&", "__or__": "|", "__xor__": "^", "and_": "&", "or_": "|", "xor": "^",
}  # fmt: skip
_PREFIX = {"neg": "-", "bitwise_not": "~", "not_": "not "}
_SPACES = {"linalg_": "torch.linalg.", "special_": "torch.special.", "fft_": "torch.fft."}
_METHODS = frozenset(
    "to type_as contiguous clone repeat masked_fill scatter scatter_add scatter_reduce gather index_select index_add "
    "index_copy index_fill index_put item new_zeros new_ones new_full new_empty fill any all".split()
)
"""What is mostly written as a method, besides views."""

_AS_THEY_ARE = ("device", "layout", "pin_memory", "cudnn_enabled", "cudnn_enable")
"""Arguments that say nothing on one CPU."""


class Speller:
    """Spells calls; remembers what it has verified."""

    def __init__(self) -> None:
        self._known: dict[Any, int] = {}

    def spell(self, call: Call, values: Mapping[str, Any], texts: Mapping[str, str]) -> str:
        """Python that makes this call.

        Args:
            call: of an ATen operator, or of Python arithmetic.
            values: of the program, by name.
            texts: how a value is written where it is not by its own name (`self.weight`).
        """

        def name(ref: str) -> str:
            return texts.get(ref, ref)

        if not isinstance(call.target, torch._ops.OpOverload) or call.operator.startswith("aten.sym_"):
            return _plain_python(call, name)
        key = _key(call, values)
        candidates = list(_candidates(call, name))
        if key in self._known:
            return candidates[self._known[key]]
        plain = list(_candidates(call, lambda ref: ref))
        chosen = next((index for index, text in enumerate(plain[:-1]) if dispatches_to(text, call, values)), -1)
        self._known[key] = chosen % len(candidates)
        return candidates[chosen]


def _key(call: Call, values: Mapping[str, Any]) -> Any:
    def describe(leaf: Any) -> str:
        if not isinstance(leaf, Ref):
            return f"{type(leaf).__name__} {leaf!r}"
        found = pytree.tree_map(
            lambda one: f"{one.dtype}/{tuple(one.shape)}" if isinstance(one, torch.Tensor) else repr(one),
            values[leaf.name],
        )
        return f"{leaf.name} {found}"

    described = call.with_arguments(describe)
    return call.operator, repr(described.args), repr(described.kwargs)


def dispatches_to(text: str, call: Call, values: Mapping[str, Any]) -> bool:
    """Whether evaluating `text` calls the same operator with the same arguments, and nothing else."""
    scope = {name: values[name] for name in dict.fromkeys(call.refs())}
    leaves, spec = pytree.tree_flatten(scope)
    positions = [index for index, leaf in enumerate(leaves) if isinstance(leaf, torch.Tensor)]

    def on_tensors(*tensors: torch.Tensor) -> Any:
        filled = list(leaves)
        for position, tensor in zip(positions, tensors, strict=True):
            filled[position] = tensor
        return eval(text, {**SCOPE, **pytree.tree_unflatten(filled, spec)})  # our own text

    try:
        with torch.no_grad():
            graph = make_fx(on_tensors, pre_dispatch=True)(*(leaves[index] for index in positions)).graph
    except Exception:  # a spelling that does not exist fails in every way there is
        return False
    given = dict(zip([node for node in graph.nodes if node.op == "placeholder"], positions, strict=True))
    calls = [
        node for node in graph.nodes if node.op == "call_function" and getattr(node.target, "__name__", "") != "getitem"
    ]
    if len(calls) != 1 or calls[0].target is not call.target or not _returns_all(graph, calls[0]):
        return False
    found = pytree.tree_map(
        lambda leaf: ("tensor", given[leaf]) if isinstance(leaf, torch.fx.Node) else leaf,
        (list(calls[0].args), dict(calls[0].kwargs)),
        is_leaf=lambda leaf: isinstance(leaf, torch.fx.Node),
    )
    wanted = pytree.tree_map(_numbered(leaves), arguments(call, scope))
    return _agree(_bound(call.target, *found), _bound(call.target, *wanted), call.target)


def _returns_all(graph: torch.fx.Graph, call: torch.fx.Node) -> bool:
    """Whether what the text gives is all that the operator gives, in its order."""
    output = next(node for node in graph.nodes if node.op == "output")
    given = pytree.tree_leaves(output.args)
    if given == [call]:
        return True
    several = all(isinstance(one, torch.fx.Node) and one.args[:1] == (call,) for one in given)
    result = call.meta.get("val")
    count = len(result) if isinstance(result, list | tuple) else 1
    return several and [one.args[1] for one in given] == list(range(count))


def _numbered(leaves: list[Any]) -> Callable[[Any], Any]:
    order = {id(leaf): index for index, leaf in enumerate(leaves) if isinstance(leaf, torch.Tensor)}
    return lambda leaf: ("tensor", order[id(leaf)]) if isinstance(leaf, torch.Tensor) else leaf


def _bound(target: Any, args: Any, kwargs: Any) -> dict[str, Any]:
    """Arguments by name, defaults included."""
    found = {}
    for index, argument in enumerate(target._schema.arguments):
        if index < len(args):
            found[argument.name] = args[index]
        elif argument.name in kwargs:
            found[argument.name] = kwargs[argument.name]
        else:
            found[argument.name] = argument.default_value
    return found


def _agree(found: dict[str, Any], wanted: dict[str, Any], target: Any) -> bool:
    types = {one.name: str(one.type) for one in target._schema.arguments}
    return all(
        name in _AS_THEY_ARE or _equal(found[name], wanted[name], exact="float" not in types[name]) for name in wanted
    )


def _equal(one: Any, other: Any, *, exact: bool) -> bool:
    if isinstance(one, list | tuple) and isinstance(other, list | tuple):
        return len(one) == len(other) and all(_equal(a, b, exact=exact) for a, b in zip(one, other, strict=True))
    if isinstance(one, float) and isinstance(other, float) and math.isnan(one):
        return math.isnan(other)
    return bool(one == other) and (not exact or isinstance(one, type(other)))


def text_of(value: Any, name: Callable[[str], str]) -> str:
    """An argument as text."""
    if isinstance(value, Ref):
        return name(value.name)
    if isinstance(value, list):
        return "[" + ", ".join(text_of(one, name) for one in value) + "]"
    if isinstance(value, tuple):
        return "(" + ", ".join(text_of(one, name) for one in value) + ("," if len(value) == 1 else "") + ")"
    if isinstance(value, slice):
        parts = [text_of(one, name) if one is not None else "" for one in (value.start, value.stop)]
        return ":".join(parts) + (f":{text_of(value.step, name)}" if value.step is not None else "")
    if isinstance(value, torch.device):
        return repr(str(value))
    if isinstance(value, str):
        return '"' + repr(value)[1:-1].replace('"', '\\"') + '"'
    if isinstance(value, int | float | complex) and not isinstance(value, bool):
        return number(value)
    return str(value)


def _operand(value: Any, name: Callable[[str], str]) -> str:
    text = text_of(value, name)
    return f"({text})" if text.startswith("-") else text


def _plain_python(call: Call, name: Callable[[str], str]) -> str:
    """Arithmetic on sizes, a choice among results, and what `torch.sym_*` is for ordinary numbers."""
    short = call.operator.rpartition(":")[2] if ":" in call.operator else call.operator.split(".")[1]
    values = [*call.args, *(one for _, one in call.kwargs)]
    if short == "sym_size":
        return f"{text_of(values[0], name)}.shape[{text_of(values[1], name)}]"
    if short == "sym_numel":
        return f"{text_of(values[0], name)}.numel()"
    if short in ("sym_stride", "sym_storage_offset"):
        asked = ", ".join(text_of(one, name) for one in values[1:])
        return f"{text_of(values[0], name)}.{short.removeprefix('sym_')}({asked})"
    if short == "getitem":
        return f"{text_of(values[0], name)}[{text_of(values[1], name)}]"
    if short in _INFIX and len(values) == 2:
        return f"{_operand(values[0], name)} {_INFIX[short]} {_operand(values[1], name)}"
    if short in _PREFIX and len(values) == 1:
        return f"{_PREFIX[short]}{_operand(values[0], name)}"
    module = call.operator.partition(":")[0]
    given = ", ".join(text_of(one, name) for one in values)
    return f"{short}({given})" if module == "builtins" else f"{module}.{short}({given})"


def _candidates(call: Call, name: Callable[[str], str]) -> Iterator[str]:
    """Spellings from the most to the least readable; the last one is always right."""
    target: Any = call.target
    schema = target._schema
    op = schema.name.rpartition("::")[2]
    bound = _bound(target, call.args, dict(call.kwargs))
    given = {
        one.name
        for index, one in enumerate(schema.arguments)
        if index < len(call.args) or one.name in dict(call.kwargs)
    }
    plain = [
        (one.name, bound[one.name], one.kwarg_only)
        for one in schema.arguments
        if one.name in given
        and one.name not in _AS_THEY_ARE
        and not (one.has_default_value() and _equal(bound[one.name], one.default_value, exact=True))
    ]
    yield from (text for text in irregular(op, bound, lambda one: text_of(one, name)))
    values = [value for _, value, _ in plain]
    if op in _INFIX and len(plain) == 2:
        yield f"{_operand(values[0], name)} {_INFIX[op]} {_operand(values[1], name)}"
    if op == "rsub" and len(plain) == 2:
        yield f"{_operand(values[1], name)} - {_operand(values[0], name)}"
    if op in _PREFIX and len(plain) == 1:
        yield f"{_PREFIX[op]}{_operand(values[0], name)}"
    yield from _by_name(target, plain, bound, name)
    args = [text_of(one, name) for one in call.args]
    kwargs = [f"{key}={text_of(one, name)}" for key, one in call.kwargs if key not in _AS_THEY_ARE]
    yield f"torch.ops.{call.operator}({', '.join([*args, *kwargs])})"


def _by_name(target: Any, plain: list[Any], bound: dict[str, Any], name: Callable[[str], str]) -> Iterator[str]:
    """The function or method of the same name, with its later arguments by keyword or by position."""
    schema = target._schema
    functions = _functions(schema.name.rpartition("::")[2], target)
    required = sum(1 for one in schema.arguments if not one.has_default_value() and not one.kwarg_only)
    positional = [one for one in schema.arguments if not one.kwarg_only]
    set_names = {one for one, _, _ in plain}
    last = max((index for index, one in enumerate(positional) if one.name in set_names), default=-1)
    in_order = [(one.name, bound[one.name]) for one in positional[: max(last + 1, required)]]
    keyword_only = [(one, value) for one, value, only in plain if only]
    tensors = sum(1 for one in positional[:required] if "Tensor" in str(one.type))
    if len(plain) == 1 and isinstance(bound[plain[0][0]], list) and "Tensor" in str(schema.arguments[0].type):
        yield from (f"{one}({', '.join(text_of(each, name) for each in plain[0][1])})" for one in functions)
    for function in functions:
        for shorten in (True, False):

            def text(value: Any, *, shorten: bool = shorten) -> str:
                return text_of(_short(value) if shorten else value, name)

            for leading in dict.fromkeys((max(required, 1), max(tensors, 1), len(in_order))):
                head = [text(value) for _, value in in_order[:leading]]
                later = [(one, value) for one, value in in_order[leading:] if one in set_names]
                tail = [f"{one}={text(value)}" for one, value in (*later, *keyword_only)]
                if function.startswith(".") and head:
                    yield f"{_receiver(head[0])}{function}({', '.join([*head[1:], *tail])})"
                elif not function.startswith("."):
                    yield f"{function}({', '.join([*head, *tail])})"


def _short(value: Any) -> Any:
    """One number for several equal ones."""
    if isinstance(value, list) and len(value) > 1 and all(isinstance(one, int) and one == value[0] for one in value):
        return value[0]
    return value


def _receiver(text: str) -> str:
    return text if text.replace("_", "a").replace(".", "a").isidentifier() else f"({text})"


def _functions(op: str, target: Any) -> list[str]:
    """Public functions and methods of an operator's name that there are."""
    found = []
    for prefix, space in _SPACES.items():
        if op.startswith(prefix) and hasattr(eval(space[:-1], SCOPE), op.removeprefix(prefix)):
            found.append(f"{space}{op.removeprefix(prefix)}")
    if not op.startswith("_"):
        if hasattr(torch.Tensor, op) and (op in _METHODS or is_view(target)):
            found.append(f".{op}")
        in_functional, in_torch = hasattr(torch.nn.functional, op), hasattr(torch, op)
        if in_functional and (not in_torch or op not in ("tanh", "sigmoid", "bilinear")):
            found.append(f"F.{op}")
        if in_torch:
            found.append(f"torch.{op}")
        if hasattr(torch.Tensor, op):
            found.append(f".{op}")
    return list(dict.fromkeys(found))
