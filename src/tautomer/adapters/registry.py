"""Find adapters: this package's, and those that other packages offer through the entry point `tautomer.adapters`."""

from __future__ import annotations

import functools
import importlib.util
from collections.abc import Mapping
from importlib.metadata import entry_points

from tautomer.adapters.protocols import Adapter, AdapterKind
from tautomer.errors import InternalError, MisuseError, NotInstalledError

GROUP = "tautomer.adapters"


@functools.cache
def adapters() -> Mapping[tuple[AdapterKind, str], Adapter]:
    """Every registered adapter by kind and name.

    Raises:
        InternalError: an entry point is not an adapter, or two have the same kind and name.
    """
    found: dict[tuple[AdapterKind, str], Adapter] = {}
    for entry in entry_points(group=GROUP):
        adapter = entry.load()
        if not isinstance(adapter, Adapter):
            raise InternalError(
                "TA902",
                f"entry point {entry.value!r} of group {GROUP!r} is not an Adapter but {type(adapter).__name__}.",
            )
        key = (adapter.kind, adapter.name)
        if key in found:
            raise InternalError(
                "TA903", f"two adapters are called {adapter.name!r}; the second comes from {entry.value!r}."
            )
        found[key] = adapter
    return found


def names(kind: AdapterKind) -> list[str]:
    """Names of the adapters of one kind."""
    return sorted(name for one, name in adapters() if one is kind)


def get(kind: AdapterKind, name: str) -> Adapter:
    """The adapter of that name.

    Raises:
        MisuseError: there is none.
    """
    adapter = adapters().get((kind, name))
    if adapter is None:
        raise MisuseError("TA105", f"there is no {kind} called {name!r}.", f"Known: {', '.join(names(kind))}.")
    return adapter


def require(adapter: Adapter) -> None:
    """Check that what the adapter needs is installed, without importing it.

    Raises:
        NotInstalledError: with the pip line.
    """
    for module in adapter.requires:
        if importlib.util.find_spec(module) is None:
            raise NotInstalledError(
                "TA102",
                f"{adapter.kind} '{adapter.name}' is not installed (not_run): there is no module '{module}'.",
                f"Install: pip install 'tautomer[{adapter.extra}]'",
            )
