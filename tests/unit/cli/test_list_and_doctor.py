"""`tautomer list` and `tautomer doctor`: what is there, what is missing, and what to do about it."""

import importlib.metadata
import os
import re
from pathlib import Path

import pytest

from tautomer.adapters import registry
from tautomer.adapters.protocols import Adapter, AdapterCheckpoint, AdapterKind, WarmHost
from tautomer.model import ArtifactKind, Stage


def adapter(name, requires):
    return Adapter(
        name=name,
        kind=AdapterKind.RUNTIME,
        task="somewhere:run",
        host=WarmHost(name, ()),
        requires=requires,
        extra=f"{name}-extra",
        accepts=(ArtifactKind.ONNX,),
        checkpoints=(AdapterCheckpoint(name, Stage.RUNTIME_LOAD, "all"),),
    )


@pytest.fixture
def two_runtimes(monkeypatch):
    found = {(one.kind, one.name): one for one in (adapter("here", ("json",)), adapter("away", ("no_such_module",)))}
    monkeypatch.setattr(registry, "adapters", lambda: found)


def row(out, name):
    (line,) = [line for line in out.splitlines() if re.match(rf"[ !] {re.escape(name)}  ", line)]
    return line


def test_every_registered_adapter_is_listed_below_its_kind(run):
    status, out, _ = run("list")
    assert status == 0
    _, sources, converters, runtimes = re.split(r"^(?:Sources|Converters|Runtimes)$", out, flags=re.MULTILINE)
    for kind, listed in zip(AdapterKind, (sources, converters, runtimes), strict=True):
        assert [line.split()[0] for line in listed.splitlines() if line] == (registry.names(kind) or ["none"])


def test_what_is_not_installed_is_listed_with_its_pip_line(run, two_runtimes):
    _, out, _ = run("list")
    lines = {line.split()[0]: line for line in out.splitlines()}
    assert " installed " in lines["here"]
    assert "not installed: pip install 'tautomer[away-extra]'" in lines["away"]


def test_the_doctor_finds_nothing_wrong_here_and_names_the_versions(run):
    status, out, _ = run("doctor")
    assert status == 0, out
    assert "No problem found." in out
    assert importlib.metadata.version("numpy") in row(out, "numpy")
    assert str(len(os.sched_getaffinity(0))) in row(out, "cores")


def test_the_doctor_leaves_nothing_behind(run, tmp_path):
    run("doctor")
    assert list(tmp_path.iterdir()) == []


def test_the_doctor_looks_at_the_run_folder_that_a_check_would_use(run, monkeypatch, tmp_path):
    monkeypatch.setenv("TAUTOMER_RUN_DIR", "elsewhere")
    _, out, _ = run("doctor")
    assert str(tmp_path / "elsewhere") in row(out, "run folder")


def test_a_run_folder_whose_name_is_no_text_is_shown_with_escapes(run, monkeypatch):
    monkeypatch.setenv("TAUTOMER_RUN_DIR", "caf\udce9")
    status, out, _ = run("doctor")
    assert status == 0
    assert "caf\\udce9" in row(out, "run folder")


def test_a_run_folder_below_a_file_is_a_problem(run, monkeypatch, tmp_path):
    (tmp_path / "file").touch()
    monkeypatch.setenv("TAUTOMER_RUN_DIR", str(tmp_path / "file" / "runs"))
    status, out, _ = run("doctor")
    assert status == 1
    assert row(out, "run folder").startswith("! ")
    assert "1 marked '!': run folder." in out


def test_a_system_without_fork_is_a_problem(run, monkeypatch):
    monkeypatch.delattr(os, "fork")
    status, out, _ = run("doctor")
    assert status == 1
    assert row(out, "fork").startswith("! ")


def test_a_fork_that_is_refused_is_a_problem(run, monkeypatch):
    def refused():
        raise OSError(11, "Resource temporarily unavailable")

    monkeypatch.setattr(os, "fork", refused)
    status, out, _ = run("doctor")
    assert status == 1
    assert "Resource temporarily unavailable" in row(out, "fork")


def test_an_unreadable_proc_is_a_problem(run, monkeypatch):
    read = Path.read_text

    def unreadable(path, *arguments, **options):
        if path == Path("/proc/self/statm"):
            raise PermissionError(13, "Permission denied")
        return read(path, *arguments, **options)

    monkeypatch.setattr(Path, "read_text", unreadable)
    status, out, _ = run("doctor")
    assert status == 1
    assert "Permission denied" in row(out, "/proc")


def test_no_adapters_at_all_is_a_problem(run, monkeypatch):
    monkeypatch.setattr(registry, "adapters", dict)
    status, out, _ = run("doctor")
    assert status == 1
    assert row(out, "adapters").startswith("! ")


def test_adapters_that_are_not_installed_are_named_but_are_no_problem(run, two_runtimes):
    status, out, _ = run("doctor")
    assert status == 0
    assert "1 of 2 usable; not installed: away" in row(out, "adapters")


def test_a_missing_dependency_is_a_problem_and_a_missing_extra_is_not(run, monkeypatch):
    version = importlib.metadata.version

    def without(name):
        if name in ("jinja2", "torch"):
            raise importlib.metadata.PackageNotFoundError(name)
        return version(name)

    monkeypatch.setattr(importlib.metadata, "version", without)
    status, out, _ = run("doctor")
    assert status == 1
    assert row(out, "jinja2").startswith("! ")
    assert row(out, "torch").startswith("  ")
    assert "pip install 'tautomer[torch]'" in row(out, "torch")
    assert "1 marked '!': jinja2." in out
