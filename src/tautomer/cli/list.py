"""`tautomer list`: which sources, converters and runtimes there are, and which of them are installed."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING

from tautomer.cli.streams import write_result
from tautomer.errors import NotInstalledError

if TYPE_CHECKING:
    from tautomer.adapters.protocols import Adapter

_INSTALLED = "installed"


def list_adapters() -> Callable[[], int]:
    """Name the sources, converters and runtimes, and say which are installed."""
    return _run


def _run() -> int:
    write_result("".join(f"{line}\n" for line in _lines()))
    return 0


def _lines() -> Iterator[str]:
    from tautomer.adapters.protocols import AdapterKind
    from tautomer.adapters.registry import adapters

    width = max((len(name) for _, name in adapters()), default=0)
    for kind in AdapterKind:
        yield f"{kind.capitalize()}s"
        of_kind = sorted((adapter for one, adapter in adapters().items() if one[0] is kind), key=lambda one: one.name)
        for adapter in of_kind:
            takes = ", ".join(one.replace("_", " ") for one in adapter.accepts)
            gives = f" -> {adapter.produces.replace('_', ' ')}" if adapter.produces else ""
            yield f"  {adapter.name:{width}}  {_installed(adapter)}  (takes {takes}{gives})"
        if not of_kind:
            yield "  none"


def _installed(adapter: Adapter) -> str:
    """`installed`, or what to do about it."""
    from tautomer.adapters.registry import require

    try:
        require(adapter)
    except NotInstalledError as error:
        install = (error.next_step or "").removeprefix("Install: ")
        return f"not installed: {install}" if install else "not installed"
    return _INSTALLED
