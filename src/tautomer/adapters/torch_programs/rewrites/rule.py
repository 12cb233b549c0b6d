"""Rewrites of ATen operators: how they are entered, and the text of those that are given to people."""

from __future__ import annotations

import functools

from tautomer.adapters import rewrite_rules
from tautomer.adapters.rewrite_rules import RewriteFunction

Table = functools.partial(rewrite_rules.Table, prefix="aten.")
"""An empty table; operators are entered as `name.overload`."""


def code_of(*functions: RewriteFunction) -> str:
    """The text of functions and of those of this package that they use, to be pasted into a model's module."""
    return rewrite_rules.code_of(*functions, package=__name__.rpartition(".")[0], framework="import torch")
