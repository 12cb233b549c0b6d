"""What a check comes to does not depend on what was checked before, beside it, or killed in the middle of it."""

import json
import os
import signal
import subprocess
import textwrap
import time

import psutil
import pytest
from small_models import LINEAR, command_line, left_in

from tautomer.checking import run_check
from tautomer.errors import MisuseError
from tautomer.execution import Pool
from tautomer.model import CheckSettings, Limits

pytestmark = pytest.mark.needs("torch", "torch.onnx", "onnxruntime")

GRU = """
    import torch

    class Model(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.gru = torch.nn.GRU(4, 6, batch_first=True)

        def forward(self, x):
            return self.gru(x)[0]

    def inputs():
        return (torch.randn(2, 5, 4),)

    DYNAMIC_SHAPES = {"x": {0: "batch", 1: "length"}}
"""

CONV = """
    import torch

    def model():
        return torch.nn.Sequential(
            torch.nn.Conv2d(1, 4, 3),
            torch.nn.BatchNorm2d(4),
            torch.nn.ReLU(),
            torch.nn.Flatten(),
            torch.nn.Linear(144, 3),
        ).eval()

    def inputs():
        return (torch.randn(2, 1, 8, 8),)
"""

DEFECT = """
    import torch

    class Model(torch.nn.Module):
        def forward(self, x):
            return torch.remainder(x, 0.1)

    def inputs():
        return (torch.linspace(1e3, 1.7e3, 8192),)
"""

MODELS = {
    "gru": GRU,
    "gru again": GRU.replace("6, batch", "7, batch"),
    "lstm": GRU.replace("nn.GRU", "nn.LSTM"),
    "conv": CONV,
    "linear": LINEAR,
    "defect": DEFECT,
    "crashing": LINEAR.replace("return torch.relu", "__import__('ctypes').string_at(0); return torch.relu"),
    "raising": LINEAR.replace("return torch.relu", "return torch.rely"),
}

ORDERS = [
    ["gru", "gru again", "gru", "crashing", "gru again", "lstm", "defect", "raising", "conv", "linear"],
    ["linear", "defect", "conv", "lstm", "raising", "gru again", "crashing", "gru", "linear"],
]


def summary(path, runs, runner):
    """All that a check says of a model, without what may differ: times, memory, paths and ids."""
    settings = CheckSettings(run_dir=runs, limits=Limits(timeout_s=120.0, memory_bytes=4 << 30))
    try:
        reports = run_check(path, settings, runner=runner).report.reports
    except MisuseError as error:
        return f"{error.code} {error.message}"
    return [
        {
            "outcome": report.outcome,
            "stages": (report.stage, report.symptom_stage),
            "symptom": report.symptom,
            "cause": report.cause and (report.cause.category, report.cause.kind),
            "location": report.location,
            "reason": report.reason,
            "codes": [finding.code for finding in report.findings],
            "warnings": report.warnings,
            "inputs": [one.tensors for one in report.inputs],
            "differences": [one.max_abs_difference for one in report.inputs],
            "checkpoints": [
                (one.name, one.outcome, one.semantic_residual_u, one.rounding_ratio, one.stability_rho)
                for one in report.checkpoints
            ],
        }
        for report in reports
    ]


@pytest.fixture(scope="module")
def paths(tmp_path_factory):
    folder = tmp_path_factory.mktemp("models")
    for name, text in MODELS.items():
        # All in files of the same name, as somebody who works on one model would have them.
        (folder / name).mkdir()
        (folder / name / "model.py").write_text(textwrap.dedent(text))
    return {name: folder / name / "model.py" for name in MODELS}


@pytest.fixture(scope="module")
def alone(paths, tmp_path_factory):
    """What each model comes to in processes that have never seen another one."""
    runs = tmp_path_factory.mktemp("alone")
    found = {}
    for name, path in paths.items():
        with Pool() as fresh:
            found[name] = summary(path, runs, fresh)
    return found


@pytest.mark.slow
@pytest.mark.parametrize("order", ORDERS, ids=["trap first", "trap last"])
def test_warm_workers_come_to_what_fresh_processes_come_to(order, paths, alone, pool, tmp_path):
    for position, name in enumerate(order):
        assert summary(paths[name], tmp_path / "runs", pool) == alone[name], f"{name} at {position} of {order}"


@pytest.mark.slow
def test_the_models_are_what_the_comparison_needs(alone):
    """Were all outcomes alike, their equality would prove little."""
    outcomes = {name: found if isinstance(found, str) else str(found[0]["outcome"]) for name, found in alone.items()}
    assert outcomes.pop("raising").startswith("TA126")
    assert outcomes == {
        "gru": "equivalent",
        "gru again": "equivalent",
        "lstm": "equivalent",
        "conv": "equivalent",
        "linear": "equivalent",
        "defect": "divergent",
        "crashing": "failed",
    }


def test_a_dynamic_recurrent_net_exports_twice_in_a_row(paths, pool, tmp_path):
    """In one process the second export fails on what the first one cached."""
    first, second = (summary(paths[name], tmp_path / "runs", pool) for name in ("gru", "gru again"))
    assert [str(one[0]["outcome"]) for one in (first, second)] == ["equivalent", "equivalent"]


def test_a_file_that_changes_between_two_checks_is_read_anew(check, tmp_path):
    """Same size and, to the second, the same time: a cache of its bytecode would not notice."""
    path = tmp_path / "model.py"
    text = textwrap.dedent(LINEAR)
    path.write_text(text)
    os.utime(path, (1e9, 1e9))
    assert check(path).inputs[0].tensors[0]["shape"] == [2, 4]
    path.write_text(text.replace("randn(2, 4)", "randn(3, 4)"))
    os.utime(path, (1e9, 1e9))
    assert check(path).inputs[0].tensors[0]["shape"] == [3, 4]


# --- killed, and beside another --------------------------------------------------------------------------------------


def wait_for(condition, limit_s=120.0):
    until = time.monotonic() + limit_s
    while time.monotonic() < until:
        found = condition()
        if found:
            return found
        time.sleep(0.05)
    raise AssertionError("it did not come to that in time")


@pytest.mark.slow
@pytest.mark.parametrize("number", [signal.SIGKILL, signal.SIGTERM, signal.SIGINT])
def test_a_check_that_is_killed_leaves_no_process_and_the_next_one_sweeps(
    number, write_module, run_dir, tmp_path, check
):
    started = tmp_path / "started"
    path = write_module(
        LINEAR.replace(
            "return torch.relu", f"open({str(started)!r}, 'w'); __import__('time').sleep(1000); return torch.relu"
        ),
        "sleeping.py",
    )
    process = subprocess.Popen(
        command_line("check", path, "--run-dir", run_dir), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    wait_for(started.exists)
    family = psutil.Process(process.pid).children(recursive=True)
    assert len(family) >= 2  # a host and the worker
    process.send_signal(number)
    _, stderr = process.communicate(timeout=60)
    wait_for(lambda: not any(one.is_running() and one.status() != psutil.STATUS_ZOMBIE for one in family), 30.0)
    if number == signal.SIGINT:
        assert process.returncode == 130
        assert "Traceback" not in stderr
        assert left_in(run_dir) == []
    check(LINEAR)
    assert not [name for name in left_in(run_dir) if name.endswith(".partial")]


@pytest.mark.slow
def test_two_commands_at_once_share_a_folder_of_runs(write_module, run_dir):
    sound, defect = write_module(LINEAR, "sound.py"), write_module(DEFECT, "defect.py")
    processes = [
        subprocess.Popen(
            command_line("check", path, "--run-dir", run_dir, "--keep", "all", "--json", "-"),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        for path in (sound, defect)
    ]
    ended = [process.communicate(timeout=300) for process in processes]
    assert [process.returncode for process in processes] == [0, 1], [stderr for _, stderr in ended]
    documents = [json.loads(stdout) for stdout, _ in ended]
    assert [one["reports"][0]["model"] for one in documents] == ["sound.py", "defect.py"]
    assert left_in(run_dir) == sorted(one["run_id"] for one in documents)
    for one in documents:
        assert json.loads((run_dir / one["run_id"] / "report.json").read_bytes())["run_id"] == one["run_id"]
