"""One warm pool for all end-to-end tests, and ways to check: the function, the command in-process, the command."""

from __future__ import annotations

import os
import subprocess
import textwrap
from dataclasses import dataclass
from pathlib import Path

import pytest
from small_models import command_line

from tautomer.checking import run_check
from tautomer.checking.comparison import run_comparison
from tautomer.execution import Pool
from tautomer.model import CheckSettings, Limits


@dataclass(frozen=True)
class Said:
    """What a command line came to."""

    status: int
    stdout: str
    stderr: str


@pytest.fixture(scope="session", autouse=True)
def bytecode_is_written():
    """As it is for most people: a variable of the machine that runs the tests must not hide what a cache does."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("PYTHONDONTWRITEBYTECODE", raising=False)
        yield


@pytest.fixture(scope="session")
def pool(bytecode_is_written):
    with Pool() as running:
        yield running


@pytest.fixture
def write_module(tmp_path):
    """Writes a model module from its text."""

    def write(text, name="model.py"):
        path = tmp_path / name
        path.write_text(textwrap.dedent(text))
        return path

    return write


@pytest.fixture
def run_dir(tmp_path):
    """Where the runs of this test go."""
    return tmp_path / "runs"


@pytest.fixture
def checked(pool, run_dir, write_module):
    """Checks a model, given as a path or as the text of a module, with every setting a keyword."""

    def run(model, *, timeout_s=120.0, memory_bytes=4 << 30, **settings):
        path = model if isinstance(model, Path) else write_module(model)
        settings = CheckSettings(run_dir=run_dir, limits=Limits(timeout_s, memory_bytes), **settings)
        return run_check(path, settings, runner=pool)

    return run


@pytest.fixture
def check(checked):
    """Checks a model through one converter into one runtime and gives the report of the pair."""

    def run(model, **settings):
        [report] = checked(model, **settings).report.reports
        return report

    return run


@pytest.fixture
def command(pool, run_dir, tmp_path, monkeypatch, capsys):
    """Runs a command line in this process on the warm pool, in an empty working directory."""

    class Borrowed:
        def __enter__(self):
            return pool

        def __exit__(self, *ended):
            pass

    from tautomer.cli import main

    def run(*arguments):
        folder = tmp_path / "working-directory"
        folder.mkdir(exist_ok=True)
        monkeypatch.chdir(folder)
        for checks in (run_check, run_comparison):
            monkeypatch.setitem(checks.__globals__, "Pool", Borrowed)
        capsys.readouterr()
        status = main([str(one) for one in arguments] + ["--run-dir", str(run_dir)])
        return Said(status, *capsys.readouterr())

    return run


@pytest.fixture
def process(tmp_path, run_dir):
    """Runs the command in a process of its own."""

    def run(*arguments, environment=None):
        folder = tmp_path / "working-directory"
        folder.mkdir(exist_ok=True)
        ended = subprocess.run(
            command_line(*arguments, "--run-dir", run_dir),
            cwd=folder,
            env={**os.environ, **(environment or {})},
            capture_output=True,
            text=True,
            timeout=300,
            check=False,
        )
        return Said(ended.returncode, ended.stdout, ended.stderr)

    return run
