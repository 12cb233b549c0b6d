"""`tautomer doctor`: what a check would find on this machine, and what would keep it from working."""

from __future__ import annotations

import os
import platform
import re
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path

from tautomer.cli.settings import GIB, given_settings, run_folder
from tautomer.cli.streams import write_result
from tautomer.errors import NotInstalledError

_REQUIREMENT = re.compile(r"(?P<name>[A-Za-z0-9._-]+).*?(?:extra\s*==\s*['\"](?P<extra>[^'\"]+)['\"])?\s*$")
"""Distribution and extra of a requirement in a package's metadata.

Source: PyPA specifications, dependency specifiers (PEP 508): a name comes first, an extra stands in the marker.
"""

_DEVELOPMENT = "dev"
"""The extra for those who work on Tautomer; no check needs what it installs."""


@dataclass(frozen=True, slots=True)
class Row:
    """One fact about the machine; a problem is a fact that would keep a check from working."""

    name: str
    value: str
    problem: bool = False


def doctor() -> Callable[[], int]:
    """Say what this machine offers, and what would keep a check from working (exit status 1)."""
    return _run


def _run() -> int:
    rows = [*_machine(), _fork(), _proc(), _runs(), _adapters(), *_packages()]
    width = max(len(row.name) for row in rows)
    lines = [f"{'!' if row.problem else ' '} {row.name:{width}}  {row.value}\n" for row in rows]
    problems = [row.name for row in rows if row.problem]
    verdict = f"{len(problems)} marked '!': {', '.join(problems)}." if problems else "No problem found."
    write_result(f"{''.join(lines)}\n{verdict}\n")
    return 1 if problems else 0


def _machine() -> Iterator[Row]:
    import psutil

    memory = psutil.virtual_memory()
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    yield Row("python", f"{platform.python_version()} ({platform.python_implementation()}, {sys.executable})")
    yield Row("platform", platform.platform())
    yield Row("cores", str(cores))
    yield Row("memory", f"{memory.available / GIB:.1f} GiB available of {memory.total / GIB:.1f} GiB")


def _fork() -> Row:
    """Whether a child can be forked and answers: workers are forked children."""
    if not hasattr(os, "fork"):
        return Row("fork", "not offered by this system; workers need it. Use Linux, macOS or WSL.", problem=True)
    try:
        child = os.fork()
        if child == 0:
            os._exit(0)
        _, status = os.waitpid(child, 0)
    except OSError as error:
        return Row("fork", f"fails: {error.strerror or error}", problem=True)
    return Row("fork", "works" if status == 0 else f"a child ended with status {status}", problem=status != 0)


def _proc() -> Row:
    """Whether /proc tells of processes: the memory limit and the clean-up of workers read it on Linux."""
    if sys.platform != "linux":
        return Row("/proc", "not needed on this system")
    try:
        readable = bool(Path("/proc/self/statm").read_text().split())
    except OSError as error:
        return Row("/proc", f"cannot be read: {error.strerror or error}. Mount it.", problem=True)
    return Row("/proc", "works" if readable else "is empty. Mount it.", problem=not readable)


def _runs() -> Row:
    """Whether runs can be kept; nothing is left behind."""
    import tempfile

    from tautomer.execution import RunStore

    root = RunStore(run_folder(given_settings({}, os.environ, Path.cwd()))).root
    existing = next(folder for folder in (root, *root.parents) if folder.exists())
    try:
        with tempfile.TemporaryFile(dir=existing):
            return Row("run folder", f"{root} (writable)")
    except OSError as error:
        return Row(
            "run folder",
            f"{root} cannot be written: {error.strerror or error}. Name another with --run-dir or TAUTOMER_HOME.",
            problem=True,
        )


def _adapters() -> Row:
    """How many adapters are usable; where their entry points are missing nothing can be checked."""
    from tautomer.adapters.registry import adapters, require

    missing = []
    for adapter in adapters().values():
        try:
            require(adapter)
        except NotInstalledError:
            missing.append(adapter.name)
    if not adapters():
        return Row("adapters", "none is registered. Install tautomer again with pip.", problem=True)
    lacking = f"; not installed: {', '.join(sorted(missing))}" if missing else ""
    return Row("adapters", f"{len(adapters()) - len(missing)} of {len(adapters())} usable{lacking}")


def _packages() -> Iterator[Row]:
    """Versions of Tautomer and of every package that it, or one of its extras, asks for."""
    from importlib.metadata import PackageNotFoundError, requires, version

    yield Row("tautomer", version("tautomer"))
    for requirement in requires("tautomer") or []:
        match = _REQUIREMENT.match(requirement)
        if match is None or match["extra"] == _DEVELOPMENT:
            continue
        name, extra = match["name"], match["extra"]
        try:
            yield Row(name, version(name))
        except PackageNotFoundError:
            if extra is None:
                yield Row(name, f"not installed. Install: pip install '{name}'", problem=True)
            else:
                yield Row(name, f"not installed. Install: pip install 'tautomer[{extra}]'")
