"""Environments made by real pip from a wheel built here, so that no index is needed."""

import json
import os
import signal
import socket
import subprocess

import pytest
from small_models import command_line
from tiny_wheels import PACKAGE, build_wheel, only_from

from tautomer.cli import main
from tautomer.execution import HostSpec, Pool, Task
from tautomer.execution.environment_probe import TASK
from tautomer.execution.environments import BrokenEnvironment, EnvironmentStore, last_words
from tautomer.model import Completed, Limits


@pytest.fixture
def wheels(tmp_path, monkeypatch):
    """A folder of wheels that is all pip may look at."""
    return only_from(tmp_path / "wheels", monkeypatch)


@pytest.fixture
def store(tmp_path, monkeypatch):
    monkeypatch.setenv("TAUTOMER_HOME", str(tmp_path / "home"))
    return EnvironmentStore()


@pytest.mark.slow
def test_an_environment_adds_its_packages_to_the_current_one_and_a_worker_runs_in_it(wheels, store, tmp_path):
    build_wheel(wheels, "1.0")
    build_wheel(wheels, "2.0")
    made = store.create("one", [f"{PACKAGE}==1.0"])
    assert made.packages == {PACKAGE: "1.0"}
    said = f"import numpy, {PACKAGE}; print({PACKAGE}.VERSION, numpy.__version__)"
    shown = subprocess.run([made.interpreter, "-c", said], capture_output=True, text=True, check=True).stdout.split()
    import numpy as np

    assert shown == ["1.0", np.__version__]
    assert made.size_bytes() < 4 << 20, "the packages below are not copied"
    with Pool() as pool:
        task = Task(
            HostSpec("bare", python=made.interpreter), TASK, {"packages": [PACKAGE, "numpy", "no-such"]}, "probe"
        )
        attempt = pool.submit(task, Limits(60.0), folder=tmp_path / "attempt")
    assert isinstance(attempt, Completed), attempt
    assert attempt.result == {PACKAGE: "1.0", "numpy": np.__version__, "no-such": None}
    # A later release in the environment hides an earlier one below it, and is what is found again by its name.
    assert store.create("one", [f"{PACKAGE}==1.0"]) == made
    assert store.get("one") == made


def test_an_environment_that_pip_cannot_make_is_a_result_and_leaves_nothing(wheels, store):
    build_wheel(wheels, "1.0")
    broken = store.create("none", [f"{PACKAGE}==9.9"])
    assert isinstance(broken, BrokenEnvironment)
    assert "No matching distribution found" in broken.said
    assert store.names() == []
    assert not (store.root / "none").exists()


def creating(name, **variables):
    return subprocess.Popen(
        command_line("env", "create", name, "--with", f"{PACKAGE}==1.0"),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, **variables},
    )


@pytest.mark.slow
def test_two_processes_that_make_the_same_environment_make_it_once(wheels, store):
    build_wheel(wheels, "1.0")
    both = [creating("same") for _ in range(2)]
    said = [one.communicate(timeout=120) for one in both]
    assert [one.returncode for one in both] == [0, 0], said
    assert len({out for out, _ in said}) == 1
    assert store.names() == ["same"]


@pytest.mark.slow
@pytest.mark.parametrize(("how", "status"), [(signal.SIGINT, 130), (signal.SIGKILL, -signal.SIGKILL)])
def test_a_creation_that_is_ended_leaves_nothing_that_counts_and_can_be_made_again(wheels, store, how, status):
    build_wheel(wheels, "1.0")
    with socket.create_server(("127.0.0.1", 0)) as silent:  # an index that never answers
        address = f"http://127.0.0.1:{silent.getsockname()[1]}/"
        process = creating("one", PIP_FIND_LINKS=address, PIP_RETRIES="0")
        silent.settimeout(60)
        asking, _ = silent.accept()
        process.send_signal(how)
        _, said = process.communicate(timeout=60)
        assert process.returncode == status, said
        assert store.names() == []
        if how is signal.SIGINT:
            assert not (store.root / "one").exists()
        asking.close()  # where pip still runs, it ends now
    assert store.create("one", [f"{PACKAGE}==1.0"]).packages == {PACKAGE: "1.0"}


def test_environments_are_created_listed_and_removed_by_commands(wheels, store, capsys, monkeypatch):
    build_wheel(wheels, "1.0")
    monkeypatch.delenv("PIP_FIND_LINKS")
    assert main(["env", "create", "mine", "--with", f"{PACKAGE}==1.0"]) == 2
    assert "TA186" in capsys.readouterr().err
    assert main(["env", "create", "mine", "--with", f"{PACKAGE}==1.0", "--find-links", str(wheels)]) == 0
    assert f"{PACKAGE} 1.0" in capsys.readouterr().out
    assert main(["env", "list", "--json"]) == 0
    [listed] = json.loads(capsys.readouterr().out)["environments"]
    assert (listed["name"], listed["packages"]) == ("mine", {PACKAGE: "1.0"})
    assert main(["env", "create", "mine", "--with", f"{PACKAGE}==2.0"]) == 2
    assert "TA188" in capsys.readouterr().err
    assert main(["env", "remove", "mine"]) == 0
    assert main(["env", "remove", "mine"]) == 2
    assert "TA184" in capsys.readouterr().err
    assert store.names() == []


@pytest.mark.parametrize(
    ("name", "requirements", "code"),
    [
        ("../up", ["x==1"], "TA185"),
        ("", ["x==1"], "TA185"),
        ("ok", ["--index-url=x"], "TA186"),
        ("ok", [], "TA186"),
    ],
)
def test_what_cannot_be_an_environment_is_refused_before_pip_runs(store, capsys, name, requirements, code):
    flags = [part for one in requirements for part in ("--with", one)]
    assert main(["env", "create", *flags, "--", name]) == 2
    assert code in capsys.readouterr().err


def test_the_last_words_of_pip_are_its_errors_without_a_hundred_releases():
    every = ", ".join(f"0.{number}" for number in range(100))
    said = last_words(f"Collecting x\nERROR: no version (from versions: {every})\nERROR: nothing found\nnotice\n")
    assert said == "ERROR: no version (from versions: ..., 0.95, 0.96, 0.97, 0.98, 0.99) ERROR: nothing found"
    assert last_words("one\n\ntwo\n") == "one two"
