"""The user's own line in a stack trace that PyTorch or an exporter has kept as text."""

from __future__ import annotations

import re

_FRAME = re.compile(r'File "([^"]+)", line (\d+)')


def users_line(stack_trace: str) -> str | None:
    """`file.py:12` of the innermost frame that is neither PyTorch's nor of code that PyTorch has generated."""
    frames = _FRAME.findall(stack_trace)
    own = [(path, line) for path, line in frames if "-packages/torch/" not in path and not path.startswith("<")]
    return f"{own[-1][0].rsplit('/', 1)[-1]}:{own[-1][1]}" if own else None
