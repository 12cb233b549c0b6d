"""What an error says, without what may change while it stays the same error."""

from __future__ import annotations

import re

_PATH = re.compile(r"(?:[A-Za-z]:)?(?:[\\/][\w.+\- ]+){2,}")
_QUOTED = re.compile(r"'[^']*'|\"[^\"]*\"|`[^`]*`")
_NAMED = re.compile(r"\b(?:(?:parameter|input|output|node|value|tensor|initializer) |Node)\([\w./:-]+\)", re.IGNORECASE)
_GENERATED = re.compile(r"\b(?:(?:node|val)_[\w.]+|[A-Za-z]\w*?_\d+\b)")
"""Names that exporters give to what has none: `val_3`, `node_Add_12`, `getitem_1`."""

_NUMBER = re.compile(r"[-+]?(?:0x[0-9a-fA-F]+|\d+(?:\.\d+)?(?:[eE][-+]?\d+)?)")
_BRACKETED = re.compile(r"[\[({](?:#|None|,|\s|x|\.)*[\])}]")
_IN_BRACKETS = re.compile(r" \(NAME\)")
"""A name beside what it belongs to, which is left out where both are the same."""

_LONGEST = 160


def normalised(message: str) -> str:
    """The first line of an error without names, numbers, sizes and paths."""
    text = next(iter(message.strip().splitlines()), "")
    replaced = (
        (_PATH, "PATH"),
        (_QUOTED, "NAME"),
        (_NAMED, "NAME"),
        (_IN_BRACKETS, ""),
        (_GENERATED, "NAME"),
        (_NUMBER, "#"),
        (_BRACKETED, ""),
    )
    for pattern, replacement in replaced:
        text = pattern.sub(replacement, text)
    return " ".join(text.split())[:_LONGEST]
