"""What a rewrite of an operator is, for every framework: a function of plain operations that computes the same."""

from __future__ import annotations

import dis
import inspect
import types
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

RewriteFunction = Callable[..., Any]
"""Takes what the operator takes; returns what it returns, or NotImplemented where the rewrite does not apply."""


@dataclass(frozen=True, slots=True)
class Rewrite:
    """A stable equivalent of one or several operators.

    Attributes:
        operators: the full name of each operator it replaces.
        function: of the operator's arguments, in plain functional tensor operations.
        bound_u: how far its result may lie from the operator's, in units of u times the scale that the tests of laws
            state for it (the result's own magnitude, or the sum of the magnitudes that were added); 0 is bitwise.
        note: what a person should know: where it does not apply, what it costs.
        source: where the formula comes from.
    """

    operators: tuple[str, ...]
    function: RewriteFunction
    bound_u: float
    note: str
    source: str

    @property
    def exactness(self) -> str:
        """The bound in words."""
        return "bitwise" if self.bound_u == 0 else f"within {self.bound_u:g} u"


class Table:
    """Rewrites by operator, each module of a framework's rewrites adding its own.

    Args:
        prefix: what full names of operators begin with.
    """

    def __init__(self, prefix: str = "") -> None:
        self._prefix = prefix
        self._rewrites: dict[str, Rewrite] = {}

    def rewrite(
        self, *operators: str, bound_u: float, source: str, note: str = ""
    ) -> Callable[[RewriteFunction], RewriteFunction]:
        """A decorator that enters a function under the operators it replaces.

        Args:
            operators: their names, without the prefix.
            bound_u: see `Rewrite`.
            source: where the formula comes from.
            note: what a person should know.
        """

        def enter(function: RewriteFunction) -> RewriteFunction:
            names = tuple(f"{self._prefix}{name}" for name in operators)
            one = Rewrite(names, function, bound_u, note, source)
            self._rewrites.update(dict.fromkeys(names, one))
            return function

        return enter

    def update(self, other: Table) -> None:
        """Take over the entries of another table."""
        self._rewrites.update(other._rewrites)

    @property
    def entries(self) -> Mapping[str, Rewrite]:
        """Rewrites by operator."""
        return self._rewrites


def described(table: Table, operators: list[str]) -> dict[str, str]:
    """How exact the entries of some operators are, what a person should know of them, and where they come from."""
    entries = [table.entries[one] for one in operators]
    return {
        "exactness": "; ".join(dict.fromkeys(entry.exactness for entry in entries)),
        "note": "; ".join(dict.fromkeys(entry.note for entry in entries if entry.note)),
        "source": "; ".join(dict.fromkeys(entry.source for entry in entries)),
    }


def code_of(*functions: RewriteFunction, package: str, framework: str) -> str:
    """The text of functions and of those of their package that they use, to be pasted into a model's module.

    What they use of other modules is imported by the text.

    Args:
        functions: rewrites.
        package: whose functions are copied into the text.
        framework: the import statement of the framework.
    """
    collected: dict[str, str] = {}
    imports: set[str] = set()
    for function in functions:
        _collect(function, package, collected, imports)
    imports.discard(framework)
    return "\n\n\n".join(["\n".join([framework, *sorted(imports)]), *collected.values()]) + "\n"


def _collect(function: RewriteFunction, package: str, collected: dict[str, str], imports: set[str]) -> None:
    """Enter the text of what a function uses, then its own."""
    if function.__name__ in collected:
        return
    collected[function.__name__] = ""  # it may use itself
    for name in _global_names(function.__code__):
        value = function.__globals__.get(name)
        if isinstance(value, types.FunctionType) and value.__module__.startswith(package):
            _collect(value, package, collected, imports)
        elif isinstance(value, types.FunctionType | type):
            imports.add(f"from {value.__module__} import {value.__name__}")
        elif isinstance(value, types.ModuleType):
            alias = "" if name == value.__name__ else f" as {name}"
            imports.add(f"import {value.__name__}{alias}")
    lines = inspect.getsource(function).splitlines()
    start = next(index for index, line in enumerate(lines) if line.startswith("def "))
    text = "\n".join(lines[start:])
    del collected[function.__name__]  # what it uses comes before it
    collected[function.__name__] = text
    if "Any" in text:
        imports.add("from typing import Any")


def _global_names(code: types.CodeType) -> list[str]:
    """Names that a function looks up in its module, in order, those of its nested functions included."""
    own = [str(one.argval) for one in dis.get_instructions(code) if one.opname == "LOAD_GLOBAL"]
    nested = [name for one in code.co_consts if isinstance(one, types.CodeType) for name in _global_names(one)]
    return list(dict.fromkeys([*own, *nested]))
