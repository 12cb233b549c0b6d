"""The JSON report: the versioned document of a check, `tautomer/check/1` (docs/reference/json-report.md)."""

from __future__ import annotations

import dataclasses
import functools
import math
import os
import types
import typing
from typing import Any

import numpy as np

from tautomer.errors import MisuseError
from tautomer.model.reports import SCHEMA, CheckReport

NON_FINITE = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}
"""How numbers are spelled that JSON has no notation for."""


def encode(report: object) -> bytes:
    """A report of dataclasses as indented UTF-8 JSON ending in a newline; the same always gives the same bytes.

    Field names are those of `tautomer.model`. Numbers that are not finite become the strings `nan`, `inf` and
    `-inf`; a lone surrogate, which UTF-8 cannot hold (undecodable bytes in a file name), becomes its escape.
    """
    import msgspec

    plain = msgspec.to_builtins(report, str_keys=True, enc_hook=_plain)
    return msgspec.json.format(msgspec.json.encode(_writable(plain)), indent=2) + b"\n"


def decode(data: bytes | str) -> CheckReport:
    """The report in a document that `encode`, of this or of another version of Tautomer, has written.

    Fields it does not know are ignored and fields added since the document was written get their defaults.
    Strings for non-finite numbers are read back where the schema has a number; inside the free-form objects
    (`environment`, `settings`, `tensors`, `undecided`) they stay strings.

    Raises:
        MisuseError: TA160 the document has another schema or none; TA161 it is not JSON or breaks its schema.
    """
    import msgspec

    try:
        document = msgspec.json.decode(data)
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise MisuseError("TA161", f"the report is not JSON: {error}.", "Write it again with --json.") from error
    schema = document.get("schema") if isinstance(document, dict) else None
    if schema != SCHEMA:
        found = f"its schema is {schema!r}" if isinstance(schema, str) else "it names no schema"
        raise MisuseError(
            "TA160",
            f"the document is not a report this version reads: {found}, expected '{SCHEMA}'.",
            "Read it with the version of Tautomer that wrote it, or run the check again.",
        )
    try:
        return msgspec.convert(_readable(document, CheckReport), CheckReport)
    except msgspec.ValidationError as error:
        raise MisuseError("TA161", f"the report breaks its schema: {error}.", "Write it again with --json.") from error


def _plain(value: Any) -> Any:
    """A JSON value for what may stand in a free-form object beside JSON values."""
    if isinstance(value, os.PathLike):
        return os.fspath(value)
    if isinstance(value, np.generic):
        return value.item()
    raise NotImplementedError(f"a report cannot hold a {type(value).__name__}")


def _writable(value: Any) -> Any:
    """`value` with non-finite numbers and text that UTF-8 cannot hold spelled out."""
    if isinstance(value, float):
        return value if math.isfinite(value) else str(value)
    if isinstance(value, str):
        return value.encode("utf-8", "backslashreplace").decode("utf-8")
    if isinstance(value, dict):
        return {_writable(key): _writable(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_writable(item) for item in value]
    return value


def _readable(value: Any, declared: Any) -> Any:
    """`value` with the strings of non-finite numbers made numbers wherever the type `declared` has a float."""
    if isinstance(value, str):
        return NON_FINITE.get(value, value) if float in (declared, *_alternatives(declared)) else value
    for alternative in _alternatives(declared):
        if isinstance(value, list) and typing.get_origin(alternative) is list:
            (item_type,) = typing.get_args(alternative)
            return [_readable(item, item_type) for item in value]
        if isinstance(value, dict) and isinstance(alternative, type) and dataclasses.is_dataclass(alternative):
            fields = _field_types(alternative)
            return {key: _readable(item, fields.get(key, Any)) for key, item in value.items()}
    return value


def _alternatives(declared: Any) -> tuple[Any, ...]:
    return typing.get_args(declared) if isinstance(declared, types.UnionType) else (declared,)


@functools.cache
def _field_types(declared: type) -> dict[str, Any]:
    return typing.get_type_hints(declared)
