"""Arrays in the text of a model module, PyTorch's and TensorFlow's: found, and other values written in their place."""

from __future__ import annotations

import ast
import math
from collections.abc import Callable, Mapping
from typing import Any

import ml_dtypes
import numpy as np

from tautomer.adapters.tf_programs.reduction.array_text import array_text, evaluated, nested_text, type_text

Replace = Callable[[Any], Any]
"""Gives another array of the same shape and type."""

_COUNTING = frozenset({"zeros", "ones", "arange"})
"""Arrays that numpy makes by a rule: the text says no recorded value."""

_DEFAULT_TYPES = {"f": np.float32, "i": np.int32, "b": np.bool_, "S": object, "U": object}
"""What `tf.constant` makes of Python's numbers and texts."""


def replace_arrays(part: ast.AST, replace: Replace, *, of_graph: Callable[[Any], bool]) -> None:
    """Replace the values of each array that a part of a module spells out; arrays that numpy makes by a rule stay.

    Args:
        of_graph: whether an array that TensorFlow's graph holds is one of its sizes, axes and indices, which stay.
    """
    _Replacing(replace, of_graph).visit(part)


def stored_types(text: str) -> Mapping[str, Any]:
    """Types of the tensors that the file beside a module keeps as their bits, by name in that file."""
    found = {}
    for node in ast.walk(ast.parse(text)):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "view":
            name = stored_name(node.func.value)
            if name is not None and node.args:
                found[name] = np.dtype(_computed(node.args[0]))
    return found


def stored_name(node: ast.AST) -> str | None:
    """The key of `TENSORS["key"]`; None for any other expression."""
    if isinstance(node, ast.Subscript) and isinstance(node.value, ast.Name) and node.value.id == "TENSORS":
        key = node.slice
        return key.value if isinstance(key, ast.Constant) and isinstance(key.value, str) else None
    return None


class _Replacing(ast.NodeTransformer):
    """Writes other values."""

    def __init__(self, replace: Replace, of_graph: Callable[[Any], bool]) -> None:
        self._replace = replace
        self._of_graph = of_graph
        self._runs = False

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        before, self._runs = self._runs, node.name == "forward"
        self.generic_visit(node)
        self._runs = before
        return node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        root, name = _root(node), _called(node)
        if root == "torch" and name == "tensor" and node.args:
            node.args[0] = self._of_torch(node.args[0])
        elif root == "torch" and name == "full" and len(node.args) > 1 and not self._runs:
            node.args[1] = self._of_torch(node.args[1])
        elif root == "tf" and name == "constant" and node.args:
            node.args[0] = self._of_constant(node)
        elif root == "np":
            return self._of_numpy(node, self._replace)
        else:
            self.generic_visit(node)
        return node

    def _of_torch(self, node: ast.expr) -> ast.expr:
        """The same nesting around other numbers; what is no nest of numbers stays."""
        try:
            array = np.array(_numbers(node))
        except (ValueError, TypeError):
            return node
        return node if array.dtype.kind not in "fiub" else _parsed(_torch_text(self._replace(array).tolist()))

    def _of_constant(self, node: ast.Call) -> ast.expr:
        """What `tf.constant` is given, with other values where these are no part of the graph."""

        def replaced(array: Any) -> Any:
            return array if self._of_graph(array) else self._replace(array)

        first, *more = node.args
        if isinstance(first, ast.Call) and _root(first) == "np":
            return self._of_numpy(first, replaced)
        try:
            values = np.array(_computed(first))
            dtype = _type_named(more[0]) if more else np.dtype(_DEFAULT_TYPES[values.dtype.kind])
        except (NameError, ValueError, TypeError, KeyError):
            return first  # not written out: it stands in the file beside the module
        array = values.astype(dtype)
        other = replaced(array)
        return first if other is array else _parsed(nested_text(other))

    def _of_numpy(self, node: ast.Call, replace: Replace) -> ast.expr:
        if _innermost(node) in _COUNTING:
            return node
        try:
            array = np.asarray(_computed(node))
        except (NameError, ValueError, TypeError, AttributeError):
            return node
        if _called(node) == "full" and array.size:
            one = array.reshape(-1)[:1]
            other = replace(one)
            other = array if other is one else np.full(array.shape, other[0], array.dtype)
        else:
            other = replace(array)
        if other is array:
            return node
        return _parsed(array_text(other) or f"np.array({nested_text(other)}, {type_text(other.dtype.name)})")


def _root(node: ast.AST) -> str | None:
    """The name that a chain of attributes and calls begins with."""
    while isinstance(node, ast.Attribute | ast.Call):
        node = node.func if isinstance(node, ast.Call) else node.value
    return node.id if isinstance(node, ast.Name) else None


def _called(node: ast.Call) -> str | None:
    return node.func.attr if isinstance(node.func, ast.Attribute) else None


def _innermost(node: ast.AST) -> str | None:
    """The first function of a chain of calls: `arange` of `np.arange(6).reshape(2, 3)`."""
    name = None
    while isinstance(node, ast.Attribute | ast.Call):
        name = _called(node) if isinstance(node, ast.Call) else name
        node = node.func if isinstance(node, ast.Call) else node.value
    return name


def _type_named(node: ast.expr) -> Any:
    """The type that `tf.float16` names."""
    name = node.attr if isinstance(node, ast.Attribute) else ""
    return np.dtype(object if name == "string" else getattr(ml_dtypes, name, None) or name)


def _computed(node: ast.expr) -> Any:
    return evaluated(ast.unparse(node))


def _parsed(text: str) -> ast.expr:
    return ast.parse(text, mode="eval").body


def _numbers(node: ast.expr) -> Any:
    """The numbers of PyTorch's literals.

    Raises:
        ValueError: it holds something else.
    """
    if isinstance(node, ast.List | ast.Tuple):
        return [_numbers(one) for one in node.elts]
    if isinstance(node, ast.UnaryOp) and isinstance(node.op, ast.USub):
        return -_numbers(node.operand)
    if isinstance(node, ast.Constant) and isinstance(node.value, bool | int | float):
        return node.value
    if isinstance(node, ast.Attribute) and node.attr in ("nan", "inf"):
        return math.nan if node.attr == "nan" else math.inf
    raise ValueError(ast.dump(node))


def _torch_text(value: Any) -> str:
    if isinstance(value, list):
        return "[" + ", ".join(map(_torch_text, value)) + "]"
    if isinstance(value, float) and not math.isfinite(value):
        return "torch.nan" if math.isnan(value) else "torch.inf" if value > 0 else "-torch.inf"
    return repr(value)
