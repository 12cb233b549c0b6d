"""The tables that come with the package, and the one to use for a runtime of some version."""

from __future__ import annotations

import functools
import re
from dataclasses import replace
from importlib import resources

from tautomer.numerics.approximation_tables.storage import decode_table
from tautomer.numerics.approximation_tables.table import ApproximationTable

_NUMBERS = re.compile(r"\d+")


@functools.cache
def shipped_tables() -> tuple[ApproximationTable, ...]:
    """Every table in the package, by runtime and version."""
    folder = resources.files(__package__)
    files = sorted(
        (entry for entry in folder.iterdir() if entry.name.endswith(".json")), key=lambda entry: str(entry.name)
    )
    tables = [decode_table(file.read_text("utf-8"), origin=str(file)) for file in files]
    return tuple(sorted(tables, key=lambda table: (table.runtime, _key(table.version))))


def table_for(runtime: str, version: str) -> ApproximationTable | None:
    """The shipped table of a runtime: of this version, else of the nearest one; None where there is none.

    The nearest is the newest of those that are not newer, else the oldest. A table of another version says so in its
    `note`.
    """
    tables = [table for table in shipped_tables() if table.runtime == runtime]
    if not tables:
        return None
    for table in tables:
        if table.version == version:
            return table
    older = [table for table in tables if _key(table.version) <= _key(version)]
    return replace((older or tables)[-1 if older else 0], asked_version=version)


def _key(version: str) -> tuple[int, ...]:
    """Numbers of a version, for its order: `2026.4.0-1234-abc` -> (2026, 4, 0)."""
    return tuple(int(number) for number in _NUMBERS.findall(version.partition("-")[0]))
