"""A model module without its author's names and values: identifiers hashed, comments gone, tensors resampled."""

from __future__ import annotations

import ast
import builtins
import math
from collections.abc import Callable, Iterator
from typing import Any

import numpy as np

from tautomer.reduction.redacted_values import Resampling, resampled

PROTOCOL = frozenset(
    {"Model", "model", "inputs", "run_inputs", "DYNAMIC_SHAPES", "SIGNATURE", "TRAIN", "TENSORS", "self", "forward"}
)
"""Names that a model module has by its rules."""

_INPUTS = frozenset({"inputs", "run_inputs"})
_RULED = frozenset({"register_buffer", "register_parameter", "add_module"})


def renamed_module(text: str, hashed: Callable[[str], str]) -> str:
    """The module with every name that its author chose replaced, and without comments and docstrings."""
    tree = ast.parse(text)
    imported = {
        (alias.asname or alias.name).partition(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for alias in node.names
    }
    kept = PROTOCOL | imported | set(dir(builtins))
    chosen = {name for name in _chosen_names(tree) if name not in kept and not name.startswith("__")}
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.ClassDef | ast.FunctionDef) and ast.get_docstring(node) is not None:
            node.body = node.body[1:] or [ast.Pass()]
        if isinstance(node, ast.Name) and node.id in chosen:
            node.id = hashed(node.id)
        elif isinstance(node, ast.arg) and node.arg in chosen:
            node.arg = hashed(node.arg)
        elif isinstance(node, ast.FunctionDef | ast.ClassDef) and node.name in chosen:
            node.name = hashed(node.name)
        elif isinstance(node, ast.Attribute) and _is_self(node) and node.attr in chosen:
            node.attr = hashed(node.attr)
        elif isinstance(node, ast.Constant) and isinstance(node.value, str) and node.value in chosen:
            node.value = hashed(node.value)
    return ast.unparse(ast.fix_missing_locations(tree)) + "\n"


def stored_names(text: str) -> tuple[set[str], set[str]]:
    """Names of the tensors that a module reads from the file beside it: of weights, and of inputs."""
    weights: set[str] = set()
    inputs: set[str] = set()
    for part in ast.parse(text).body:
        found = weights if isinstance(part, ast.ClassDef) else inputs
        found.update(_stored(part))
    return weights, inputs


def resampled_module(text: str, *, weights: Resampling, inputs: Resampling, generator: np.random.Generator) -> str:
    """The module with the numbers in its `torch.tensor` literals replaced."""
    tree = ast.parse(text)
    for part in tree.body:
        how = inputs if isinstance(part, ast.FunctionDef) and part.name in _INPUTS else weights
        for node in ast.walk(part):
            if _is_tensor_call(node):
                assert isinstance(node, ast.Call)
                node.args[0] = _resampled_literal(node.args[0], how, generator)
    return ast.unparse(ast.fix_missing_locations(tree)) + "\n"


def _chosen_names(tree: ast.Module) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.arg):
            yield node.arg
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            yield node.id
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            yield node.name
        elif isinstance(node, ast.Attribute) and isinstance(node.ctx, ast.Store) and _is_self(node):
            yield node.attr
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _RULED:
            yield from (
                one.value for one in node.args[:1] if isinstance(one, ast.Constant) and isinstance(one.value, str)
            )
        elif isinstance(node, ast.Dict):
            yield from (one.value for one in node.keys if isinstance(one, ast.Constant) and isinstance(one.value, str))
    yield from _stored(tree)


def _stored(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        if (
            isinstance(node, ast.Subscript)
            and isinstance(node.value, ast.Name)
            and node.value.id == "TENSORS"
            and isinstance(node.slice, ast.Constant)
            and isinstance(node.slice.value, str)
        ):
            yield node.slice.value


def _is_self(node: ast.Attribute) -> bool:
    return isinstance(node.value, ast.Name) and node.value.id == "self"


def _is_tensor_call(node: ast.AST) -> bool:
    return (
        isinstance(node, ast.Call)
        and isinstance(node.func, ast.Attribute)
        and node.func.attr == "tensor"
        and isinstance(node.func.value, ast.Name)
        and node.func.value.id == "torch"
        and bool(node.args)
    )


def _resampled_literal(node: ast.expr, how: Resampling, generator: np.random.Generator) -> ast.expr:
    """The same nesting around other numbers; what is no nest of numbers stays."""
    try:
        values = _evaluated(node)
        array = np.array(values)
    except (ValueError, TypeError):
        return node
    if array.dtype.kind not in "fiub":
        return node
    return ast.parse(_spelled(resampled(array, how, generator).tolist()), mode="eval").body


def _evaluated(node: ast.expr) -> Any:
    """The numbers of a literal.

    Raises:
        ValueError: it holds something else.
    """
    if isinstance(node, ast.List | ast.Tuple):
        return [_evaluated(one) for one in node.elts]
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_evaluated(node.operand)
    if isinstance(node, ast.Constant) and isinstance(node.value, bool | int | float):
        return node.value
    if isinstance(node, ast.Attribute) and node.attr in ("nan", "inf"):
        return math.nan if node.attr == "nan" else math.inf
    raise ValueError(ast.dump(node))


def _spelled(value: Any) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(map(_spelled, value)) + "]"
    if isinstance(value, float) and not math.isfinite(value):
        return "torch.nan" if math.isnan(value) else "torch.inf" if value > 0 else "-torch.inf"
    return repr(value)
