"""Rewrites of TensorFlow operators: how they are entered, and the text of those that are given to people.

The function of a rewrite takes what `tf.raw_ops` takes of its operator, by the same names, so that the one can be
called in the other's place: input tensors (a list where the operator takes several under one name), and attributes but
for the element types and numbers that its inputs tell. A function that control flow calls comes as a Python function of
a list of tensors that returns a list.
"""

from __future__ import annotations

from typing import Any

from tautomer.adapters import rewrite_rules
from tautomer.adapters.rewrite_rules import RewriteFunction, Table

__all__ = ["Table", "code_of", "static"]


def code_of(*functions: RewriteFunction) -> str:
    """The text of functions and of those of this package that they use, to be pasted into a model's module."""
    package = __name__.rpartition(".")[0]
    return rewrite_rules.code_of(*functions, package=package, framework="import tensorflow as tf")


def static(shape: Any) -> Any:
    """The sizes of a tensor's shape; None where one of them is only known when it runs."""
    return list(shape.as_list()) if shape.is_fully_defined() else None
