"""Isolated virtual environments that add a few pinned packages to the one Tautomer runs in.

An environment is a thin layer: its own site-packages come first on the path, those of the interpreter that made it come
after. So it costs the packages that differ, not another copy of a framework.
"""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import re
import shutil
import signal
import site
import subprocess
import sys
import time
import venv
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass, field
from datetime import UTC, datetime
from importlib.metadata import distributions
from pathlib import Path

from tautomer.errors import MisuseError, OutputPathError

RECORD_FILE = "environment.json"
_LAYER_FILE = "zz_tautomer_base.pth"  # read last, so that what the layer itself brings comes first
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._+-]{0,99}")
_PIP_LIMIT_S = 1800.0
_LAST_LINES = 6
_VERSIONS = re.compile(r"\(from versions: ([^)]*)\)")


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """An environment that can be used.

    Attributes:
        name: unique in the store.
        path: its folder.
        requirements: what was asked for, as pip takes it.
        packages: name and version of everything in its own layer.
        base: the interpreter's prefix below it.
        python: version of the interpreter.
        created: UTC time.
        seconds: that creating it took.
    """

    name: str
    path: Path
    requirements: tuple[str, ...]
    packages: dict[str, str] = field(hash=False)
    base: str
    python: str
    created: str
    seconds: float

    @property
    def interpreter(self) -> Path:
        """The interpreter to run in it."""
        return self.path / "bin" / "python"

    def size_bytes(self) -> int:
        """What its own files take on disk."""
        return sum(one.lstat().st_size for one in self.path.rglob("*") if not one.is_dir())


@dataclass(frozen=True, slots=True, kw_only=True)
class BrokenEnvironment:
    """An environment that could not be made.

    Attributes:
        name: as asked for.
        requirements: what was to be installed.
        said: the last words of pip.
    """

    name: str
    requirements: tuple[str, ...]
    said: str


class EnvironmentStore:
    """Environments under one folder: `$TAUTOMER_HOME/environments`, else `./.tautomer/environments`."""

    def __init__(self, root: Path | None = None) -> None:
        home = os.environ.get("TAUTOMER_HOME")
        default = Path(home or ".tautomer") / "environments"
        self.root = (root or default).expanduser().absolute()

    def names(self) -> list[str]:
        """Names of the environments that can be used."""
        if not self.root.is_dir():
            return []
        return sorted(one.parent.name for one in self.root.glob(f"*/{RECORD_FILE}"))

    def get(self, name: str) -> Environment | None:
        """The environment of that name, or None."""
        try:
            fields = json.loads((self.root / _checked(name) / RECORD_FILE).read_text("utf-8"))
            return Environment(**{**fields, "path": self.root / name, "requirements": tuple(fields["requirements"])})
        except (FileNotFoundError, NotADirectoryError):
            return None
        except (ValueError, TypeError, KeyError) as error:
            raise MisuseError(
                "TA187",
                f"the record of environment '{name}' cannot be read: {error}.",
                f"Run `tautomer env remove {name}` and create it again.",
            ) from error

    def create(
        self, name: str, requirements: Sequence[str], *, find_links: Path | None = None
    ) -> Environment | BrokenEnvironment:
        """The environment with these packages: the one there is, where it was made from the same, else a new one.

        Args:
            name: letters, digits and `._+-`.
            requirements: as pip takes them (`onnxscript==0.6.0`, a wheel's path). pip's own settings hold.
            find_links: a folder of wheels that pip looks into, too.

        Raises:
            MisuseError: TA185 the name cannot be one; TA186 a requirement is none, or there are none; TA188 another
                environment has this name; TA189 pip is missing.
            OutputPathError: the store cannot be written.
        """
        wanted = tuple(_requirement(one) for one in requirements)
        if not wanted:
            raise MisuseError("TA186", "an environment without packages is the current one.", "Name some with --with.")
        path = self.root / _checked(name)
        try:
            self.root.mkdir(parents=True, exist_ok=True)
            (self.root / ".gitignore").write_text("*\n")
            with _locked(self.root / f".{name}.lock") as lock:
                found = self.get(name)
                if found is not None and found.requirements == wanted and _is_of_here(found):
                    return found
                if found is not None and found.requirements != wanted:
                    raise MisuseError(
                        "TA188",
                        f"environment '{name}' was made with {', '.join(found.requirements)}.",
                        f"Take another name, or run `tautomer env remove {name}` first.",
                    )
                shutil.rmtree(path, ignore_errors=True)  # half made, or by another interpreter
                return _built(name, path, wanted, find_links=find_links, lock=lock)
        except OSError as error:
            raise OutputPathError(
                "TA140",
                f"environments cannot be kept in {self.root}: {error.strerror or error}.",
                "Name a folder that can be written with TAUTOMER_HOME.",
            ) from error

    def remove(self, name: str) -> None:
        """Remove an environment.

        Raises:
            MisuseError: TA184 there is none.
        """
        path = self.root / _checked(name)
        if path.is_dir():
            lock = self.root / f".{name}.lock"
            with _locked(lock):
                there_is = path.is_dir()  # another process may have removed it meanwhile
                (path / RECORD_FILE).unlink(missing_ok=True)  # first, so that no half of it can be used
                shutil.rmtree(path, ignore_errors=True)
                lock.unlink(missing_ok=True)
            if there_is:
                return
        known = ", ".join(self.names()) or "none"
        raise MisuseError("TA184", f"there is no environment '{name}' in {self.root}.", f"There are: {known}.")


def _built(
    name: str, path: Path, requirements: tuple[str, ...], *, find_links: Path | None, lock: int
) -> Environment | BrokenEnvironment:
    began = time.monotonic()
    done = False
    try:
        venv.EnvBuilder(with_pip=False, symlinks=True).create(path)
        packages_folder = next(iter(path.glob("lib/python*/site-packages")))
        lines = [f"import site; site.addsitedir({folder!r})" for folder in base_folders()]
        (packages_folder / _LAYER_FILE).write_text("\n".join(lines) + "\n", "utf-8")
        said = _installed(path / "bin" / "python", requirements, find_links=find_links, lock=lock)
        if said is not None:
            return BrokenEnvironment(name=name, requirements=requirements, said=said)
        found = {one.metadata["Name"]: one.version for one in distributions(path=[str(packages_folder)])}
        environment = Environment(
            name=name,
            path=path,
            requirements=requirements,
            packages=dict(sorted(found.items())),
            base=sys.prefix,
            python=_version(),
            created=f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
            seconds=round(time.monotonic() - began, 3),
        )
        fields = asdict(environment) | {"path": str(path)}
        partial = path / f".{RECORD_FILE}"
        partial.write_text(json.dumps(fields, indent=2), "utf-8")
        partial.replace(path / RECORD_FILE)  # an environment exists once this file does
        done = True
        return environment
    finally:
        if not done:
            shutil.rmtree(path, ignore_errors=True)


def base_folders() -> list[str]:
    """The folders with packages that this process imports from, in order."""
    known = {*site.getsitepackages(), site.getusersitepackages()}
    return [one for one in sys.path if one in known or Path(one).name in ("site-packages", "dist-packages")]


def _installed(python: Path, requirements: Sequence[str], *, find_links: Path | None, lock: int) -> str | None:
    """Install with the current pip into the interpreter; None where it went well, else pip's last words.

    Args:
        lock: the descriptor that holds the environment's lock. pip inherits it: where this process is killed, nobody
            else makes the environment before that pip has ended.

    Raises:
        MisuseError: TA189 there is no pip.
    """
    command = [sys.executable, "-m", "pip", "--python", str(python), "--no-input", "--disable-pip-version-check"]
    command += ["install", "--no-warn-script-location", "--progress-bar", "off"]
    command += [] if find_links is None else ["--find-links", str(find_links)]
    command += requirements
    process = subprocess.Popen(
        command,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        start_new_session=True,
        pass_fds=(lock,),
        # A user's PYTHONPATH would hide what is installed here.
        env={name: value for name, value in os.environ.items() if name != "PYTHONPATH"},
    )
    try:
        output, _ = process.communicate(timeout=_PIP_LIMIT_S)
    except subprocess.TimeoutExpired:
        return f"pip did not end within {_PIP_LIMIT_S:g} s"
    finally:
        if process.poll() is None:
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.wait()
    text = output.decode("utf-8", "replace")
    if process.returncode == 0:
        return None
    if "No module named pip" in text:
        raise MisuseError("TA189", f"{sys.executable} has no pip.", "Run `python -m ensurepip` first.")
    return last_words(text)


def last_words(text: str) -> str:
    """What pip complained about last: its errors, else the end of what it wrote."""
    lines = [_VERSIONS.sub(_last_versions, line.strip()) for line in text.splitlines() if line.strip()]
    errors = [line for line in lines if line.startswith("ERROR:")]
    return " ".join((errors or lines)[-_LAST_LINES:]) or "pip said nothing"


def _last_versions(found: re.Match[str]) -> str:
    """Pip lists every release there ever was; the last ones say enough."""
    every = found.group(1).split(", ")
    return f"(from versions: {', '.join(['...', *every[-5:]] if len(every) > 5 else every)})"


def _version() -> str:
    return ".".join(map(str, sys.version_info[:3]))


def _is_of_here(environment: Environment) -> bool:
    """Whether an environment is a layer over what this process runs in."""
    return environment.base == sys.prefix and environment.python == _version() and environment.interpreter.exists()


def _checked(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise MisuseError("TA185", f"{name!r} cannot name an environment.", "Use letters, digits and ._+- only.")
    return name


def _requirement(text: str) -> str:
    if not text.strip() or text.strip().startswith("-"):
        raise MisuseError("TA186", f"{text!r} is no requirement.", "Write for example onnxscript==0.6.0.")
    return text.strip()


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[int]:
    """Hold the lock of a file; gives its descriptor."""
    while True:
        descriptor = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o666)
        try:
            fcntl.flock(descriptor, fcntl.LOCK_EX)
            if _is_same_file(descriptor, path):  # else whoever held it has removed it, and the next one makes another
                yield descriptor
                return
        finally:
            os.close(descriptor)


def _is_same_file(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), path.stat())
    except FileNotFoundError:
        return False
