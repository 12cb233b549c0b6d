"""A model module without its author's names and values: identifiers hashed, comments gone, tensors resampled."""

from __future__ import annotations

import ast
import builtins
from collections.abc import Callable, Iterator
from functools import partial

import numpy as np

from tautomer.reduction.redacted_arrays import replace_arrays, stored_name
from tautomer.reduction.redacted_values import Resampling, is_of_graph, resampled

PROTOCOL = frozenset(
    {"Model", "model", "inputs", "run_inputs", "DYNAMIC_SHAPES", "SIGNATURE", "TRAIN", "TENSORS", "self", "forward"}
)
"""Names that a model module has by its rules."""

_INPUTS = frozenset({"inputs", "run_inputs"})
_RULED = frozenset({"register_buffer", "register_parameter", "add_module"})
_LABELS = frozenset({"container", "message", "error_msg", "metadata", "name"})
"""Arguments of operators that only say something to people, as do those that end with `_name`."""


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
    chosen = {name for name in _chosen_names(tree) if name not in kept and not name.startswith("__") and name != "_"}
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
        for one in _naming_texts(node):
            if one.value in chosen or stored_name(node) is not None:
                one.value = hashed(str(one.value))
        for one in _labels(node):
            one.value = hashed(str(one.value))
    return ast.unparse(ast.fix_missing_locations(tree)) + "\n"


def texts_of(text: str) -> list[str]:
    """Texts that a module gives to operators."""
    found = [
        one.value
        for node in ast.walk(ast.parse(text))
        if isinstance(node, ast.Call)
        for given in [*node.args, *(keyword.value for keyword in node.keywords)]
        for one in ast.walk(given)
        if isinstance(one, ast.Constant) and isinstance(one.value, str)
    ]
    return list(dict.fromkeys(found))


def stored_names(text: str) -> tuple[set[str], set[str]]:
    """Names of the tensors that a module reads from the file beside it: of weights, and of inputs."""
    weights: set[str] = set()
    inputs: set[str] = set()
    for part in ast.parse(text).body:
        found = inputs if _makes_inputs(part) else weights
        found.update(_stored(part))
    return weights, inputs


def resampled_module(text: str, *, weights: Resampling, inputs: Resampling, generator: np.random.Generator) -> str:
    """The module with the numbers in its tensors that are written out replaced."""
    tree = ast.parse(text)
    for part in tree.body:
        how = inputs if _makes_inputs(part) else weights
        replace_arrays(part, partial(resampled, how=how, generator=generator), of_graph=is_of_graph)
    return ast.unparse(ast.fix_missing_locations(tree)) + "\n"


def _makes_inputs(part: ast.stmt) -> bool:
    return isinstance(part, ast.FunctionDef) and part.name in _INPUTS


def _naming_texts(node: ast.AST) -> Iterator[ast.Constant]:
    """Texts that name a value: keys, and what a parameter is registered as; an operator's argument is none."""
    texts: list[ast.expr | None] = []
    if isinstance(node, ast.Dict):
        texts += node.keys
    elif isinstance(node, ast.Subscript):
        texts.append(node.slice)
    elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in _RULED:
        texts += node.args[:1]
    yield from (one for one in texts if isinstance(one, ast.Constant) and isinstance(one.value, str))


def _labels(node: ast.AST) -> Iterator[ast.Constant]:
    """Texts that an operator is given for people to read."""
    if isinstance(node, ast.keyword) and node.arg and (node.arg in _LABELS or node.arg.endswith("_name")):
        value = node.value
        if isinstance(value, ast.Constant) and isinstance(value.value, str) and value.value:
            yield value


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
        if not isinstance(node, ast.Subscript):
            yield from (str(one.value) for one in _naming_texts(node))
    yield from _stored(tree)


def _stored(tree: ast.AST) -> Iterator[str]:
    for node in ast.walk(tree):
        name = stored_name(node)
        if name is not None:
            yield name


def _is_self(node: ast.Attribute) -> bool:
    return isinstance(node.value, ast.Name) and node.value.id == "self"
