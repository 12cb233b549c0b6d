"""Runs are complete or absent, and can be named."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tautomer.errors import MisuseError, OutputPathError
from tautomer.execution import RunStore


@pytest.fixture
def store(tmp_path):
    return RunStore(tmp_path / "runs")


def finished(store, *, keep=True):
    run = store.create("model.py")
    run.file("report.json").write_text("{}")
    return run.finish(keep=keep)


def names_in(folder):
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.is_file())


def test_a_run_appears_under_its_id_only_when_it_is_finished(store):
    run = store.create("model.py")
    assert re.fullmatch(r"\d{8}T\d{9}Z-[0-9a-f]{6}", run.id)
    assert store.ids() == []
    assert run.path.is_dir()
    assert not run.final_path.exists()
    run.file("report.json").write_text("{}")
    assert run.finish(keep=True) == run.final_path == store.root / run.id
    assert store.ids() == [run.id]
    assert not run.path.exists()


def test_a_finished_run_keeps_everything_or_only_reports_and_logs(store):
    folders = []
    for keep in (True, False):
        run = store.create("model.py")
        attempt = run.attempt("torch.onnx")
        for path in (run.file("report.json"), run.file("models/a.onnx"), attempt / "log.txt", attempt / "events.jsonl"):
            path.write_text("content")
        folders.append(run.finish(keep=keep))
    everything = ["models/a.onnx", "report.json", "run.json", "torch.onnx/events.jsonl", "torch.onnx/log.txt"]
    assert names_in(folders[0]) == everything
    assert names_in(folders[1]) == ["report.json", "run.json", "torch.onnx/log.txt"]
    assert not (folders[1] / "models").exists()
    assert json.loads((folders[1] / "run.json").read_text())["label"] == "model.py"


def test_attempts_have_folders_of_their_own_whatever_their_names(store):
    run = store.create("model.py")
    folders = [run.attempt(name) for name in ("export", "export", "../../etc/x y", "..", "")]
    assert len(set(folders)) == 5
    assert all(folder.parent == run.path and folder.is_dir() for folder in folders)
    assert [folder.name for folder in folders[:2]] == ["export", "export-2"]


def test_a_path_inside_a_run_is_known_before_the_run_is_finished(store):
    run = store.create("model.py")
    log = run.attempt("export") / "log.txt"
    log.write_text("text")
    run.finish(keep=True)
    assert run.final(log).read_text() == "text"
    assert run.final(Path("/elsewhere")) == Path("/elsewhere")


def test_an_abandoned_run_leaves_nothing(store):
    run = store.create("model.py")
    run.file("models/a.onnx").write_text("x")
    run.abandon()
    assert list(store.root.glob(".*.partial")) == []
    with pytest.raises(LookupError), store.create("model.py"):
        raise LookupError
    assert list(store.root.glob(".*.partial")) == []
    assert store.ids() == []


def test_a_finished_run_is_not_abandoned_at_the_end_of_its_context(store):
    with store.create("model.py") as run:
        run.finish(keep=True)
    assert run.final_path.is_dir()


def test_the_run_of_a_killed_process_is_swept_and_that_of_a_living_one_is_not(store):
    script = (
        "import sys, time; from pathlib import Path; from tautomer.execution import RunStore\n"
        "run = RunStore(Path(sys.argv[1])).create('x'); print(run.path, flush=True); time.sleep(600)"
    )
    with subprocess.Popen([sys.executable, "-c", script, store.root], stdout=subprocess.PIPE, text=True) as other:
        partial = Path(other.stdout.readline().strip())
        store.create("while the other lives").abandon()
        assert partial.is_dir()
        os.kill(other.pid, signal.SIGKILL)
    own = store.create("after its death")
    assert not partial.exists()
    assert own.path.is_dir()
    store.create("a second run of this process")
    assert own.path.is_dir()


def test_ids_sort_by_time(store):
    ids = [finished(store).name for _ in range(5)]
    stamps = [run_id.partition("-")[0] for run_id in ids]
    assert stamps == sorted(stamps)


def test_a_run_is_named_by_id_prefix_path_or_last(store, tmp_path, monkeypatch):
    for run_id in ("20260101T000000000Z-aaaaaa", "20260102T000000000Z-bbbbbb"):
        finished(store).rename(store.root / run_id)
    older, newer = (store.root / run_id for run_id in store.ids())
    assert store.resolve("last") == newer
    assert store.resolve(older.name) == older
    assert store.resolve("20260101") == older
    assert store.resolve(str(older)) == older
    monkeypatch.chdir(tmp_path)
    assert store.resolve(f"runs/{newer.name}") == newer


@pytest.mark.parametrize(("text", "code"), [("2026", "TA151"), ("2025", "TA150"), ("", "TA150"), (".lock", "TA150")])
def test_a_name_for_no_run_or_for_several_is_misuse(store, text, code):
    for run_id in ("20260101T000000000Z-aaaaaa", "20260102T000000000Z-bbbbbb"):
        finished(store).rename(store.root / run_id)
    with pytest.raises(MisuseError) as raised:
        store.resolve(text)
    assert raised.value.code == code


def test_the_last_of_no_runs_is_misuse(store):
    with pytest.raises(MisuseError, match="no run"):
        store.resolve("last")
    assert not store.root.exists(), "looking for a run makes no folder"


def test_the_root_is_the_argument_then_the_environment_then_the_working_directory(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("TAUTOMER_HOME", raising=False)
    assert RunStore().root == tmp_path / ".tautomer" / "runs"
    monkeypatch.setenv("TAUTOMER_HOME", str(tmp_path / "home"))
    assert RunStore().root == tmp_path / "home" / "runs"
    assert RunStore(Path("given")).root == tmp_path / "given"


def test_a_root_that_cannot_be_written_is_refused_with_the_reason(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(OutputPathError, match=r"runs cannot be kept in .*file/runs.*--run-dir"):
        RunStore(tmp_path / "file" / "runs").create("model.py")
