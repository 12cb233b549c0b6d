"""What an environment holds, asked inside it: a worker that answers shows that its host starts there."""

from __future__ import annotations

from importlib.metadata import PackageNotFoundError, version

from tautomer.adapters.worker_api import Channel

TASK = "tautomer.execution.environment_probe:installed"


def installed(channel: Channel, *, packages: list[str]) -> dict[str, str | None]:
    """Versions of packages as this process sees them; None for those that are missing."""
    del channel
    found: dict[str, str | None] = {}
    for name in packages:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = None
    return found
