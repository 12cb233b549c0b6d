"""Tables as JSON: exact, versioned, readable; non-finite numbers are strings."""

from __future__ import annotations

import json
import math
from collections.abc import Mapping
from typing import Any

import numpy as np

from tautomer.errors import MisuseError
from tautomer.numerics.approximation_tables.table import ApproximationTable, Array, FunctionErrors, Validation

SCHEMA = "tautomer/approximation-table/1"


def encode_table(table: ApproximationTable) -> str:
    """The table as JSON text. Each cell is a list: its least argument, relative error in u, absolute error in u."""
    functions: dict[str, dict[str, Any]] = {}
    for (name, element), errors in sorted(table.functions.items()):
        functions.setdefault(name, {})[element] = errors_to_json(errors)
    validation = table.validation
    content = {
        "schema": SCHEMA,
        "runtime": table.runtime,
        "version": table.version,
        "processor": table.processor,
        "date": table.date,
        "seed": table.seed,
        "safety_factor": table.safety_factor,
        "validation": None
        if validation is None
        else {
            "seed": validation.seed,
            "samples": validation.samples,
            "above_measured": validation.above_measured,
            "above_bound": validation.above_bound,
            "largest_ratio": _to_json(validation.largest_ratio),
        },
        "refused": dict(sorted(table.refused.items())),
    }
    head = json.dumps(content, indent=1, allow_nan=False)[:-2]
    # One line an element type keeps a table of thousands of cells reviewable.
    lines = ",\n".join(
        f"  {json.dumps(name)}: {{\n"
        + ",\n".join(f"   {json.dumps(element)}: {json.dumps(one, allow_nan=False)}" for element, one in types.items())
        + "\n  }"
        for name, types in functions.items()
    )
    return f'{head},\n "functions": {{\n{lines}\n }}\n}}\n'


def decode_table(text: str, *, origin: str) -> ApproximationTable:
    """The table in a JSON text.

    Args:
        text: what `encode_table` made.
        origin: where it comes from, for the message.

    Raises:
        MisuseError: TA112 it is no table, or one of a schema that this version does not read.
    """
    try:
        content = json.loads(text)
        if content["schema"] != SCHEMA:
            raise ValueError(f"its schema is {content['schema']!r} where {SCHEMA!r} is read")
        functions = {
            (name, element): errors_from_json(one)
            for name, types in content["functions"].items()
            for element, one in types.items()
        }
        validation = content.get("validation")
        return ApproximationTable(
            content["runtime"],
            content["version"],
            content["processor"],
            content["date"],
            content["seed"],
            float(content["safety_factor"]),
            functions,
            content.get("refused", {}),
            None
            if validation is None
            else Validation(
                validation["seed"],
                validation["samples"],
                validation["above_measured"],
                validation["above_bound"],
                float(validation["largest_ratio"]),
            ),
        )
    except (KeyError, TypeError, ValueError) as error:
        raise MisuseError(
            "TA112",
            f"{origin} is no table of approximated functions: {type(error).__name__}: {error}.",
            "Write one with `tautomer calibrate RUNTIME --output FILE`.",
        ) from error


def errors_to_json(errors: FunctionErrors) -> dict[str, Any]:
    """One function's errors as JSON values; errors are rounded up to three digits."""
    return {
        "samples": errors.samples,
        "special_values": [[_to_json(item) for item in one] for one in errors.special_values],
        "cells": [
            [_to_json(low), _to_json(_rounded_up(relative)), _to_json(_rounded_up(absolute))]
            for low, relative, absolute in zip(errors.lower, errors.relative_u, errors.absolute_u, strict=True)
        ],
    }


def errors_from_json(stored: Mapping[str, Any]) -> FunctionErrors:
    """One function's errors from JSON values.

    Raises:
        ValueError: the cells are not ascending triples.
    """
    cells: Array = np.asarray([[float(item) for item in cell] for cell in stored["cells"]])
    if cells.ndim != 2 or cells.shape[1] != 3 or not (cells[:-1, 0] < cells[1:, 0]).all():
        raise ValueError("its cells are not ascending triples")
    special = tuple(
        (float(argument), float(found), float(expected)) for argument, found, expected in stored["special_values"]
    )
    return FunctionErrors(cells[:, 0], cells[:, 1], cells[:, 2], int(stored["samples"]), special)


def _rounded_up(value: float) -> float:
    """Three digits are enough for an error; rounded up it stays a bound."""
    value = float(value)
    if value == 0 or not math.isfinite(value):
        return value
    step = 10.0 ** (math.floor(math.log10(value)) - 2)
    return float(f"{math.ceil(value / step) * step:.3g}")


def _to_json(value: float) -> float | str:
    value = float(value)
    return value if math.isfinite(value) else str(value)
