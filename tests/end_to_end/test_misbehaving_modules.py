"""Modules that die, hang, eat memory or interfere with their process: a result with a log, never our traceback."""

import textwrap
import time
from pathlib import Path

import psutil
import pytest
from small_models import LINEAR, left_in

from tautomer.errors import MisuseError
from tautomer.model import Kind, Outcome, Stage, Symptom

pytestmark = pytest.mark.needs("torch", "torch.onnx", "onnxruntime")

DEATHS = {
    "reads address 0": ("import ctypes; ctypes.string_at(0)", "SIGSEGV"),
    "aborts": ("import os; os.abort()", "SIGABRT"),
    "is killed": ("import os; os.kill(os.getpid(), 9)", "SIGKILL"),
    "terminates itself": ("import os, signal; os.kill(os.getpid(), signal.SIGTERM)", "SIGTERM"),
    "has a broken pipe": ("import os, signal; signal.signal(13, signal.SIG_DFL); os.kill(os.getpid(), 13)", "SIGPIPE"),
    "exits with 3": ("import os; os._exit(3)", "exit status 3"),
    "exits with 0": ("import os; os._exit(0)", "exit status 0"),
}

PLACES = ("import", "model()", "inputs()", "forward")


def module_that(statement, place, *, condition="True"):
    """A sound module with one more statement in one place."""
    at = {one: statement if one == place else "pass" for one in PLACES}
    return textwrap.dedent(f"""
        import torch

        {at["import"]}

        class Net(torch.nn.Module):
            def forward(self, x):
                if {condition}:
                    {at["forward"]}
                return x * 2

        def model():
            {at["model()"]}
            return Net()

        def inputs():
            {at["inputs()"]}
            return (torch.ones(3),)
    """)


def logged(report, checked):
    """The text of the log that a report names, which must lie in the run that was kept."""
    path = Path(report.log)
    assert checked.kept_at is not None
    assert path.is_relative_to(checked.kept_at)
    return path.read_text(errors="replace")


@pytest.fixture
def failed_to_load(checked):
    """Checks a module that must come to `failed` at load_model; gives the report."""

    def run(text, *, kind=Kind.CRASH, symptom=Symptom.CRASH, **settings):
        done = checked(text, **settings)
        assert done.report.exit_status == 1
        [report] = done.report.reports
        assert (report.outcome, report.symptom) == (Outcome.FAILED, symptom)
        assert (report.stage, report.symptom_stage) == (Stage.LOAD_MODEL, Stage.LOAD_MODEL)
        assert report.cause is not None
        assert report.cause.kind is kind
        assert report.findings[0].code == "TA204"
        assert report.checkpoints == [] or report.checkpoints[0].outcome is not Outcome.EQUIVALENT
        logged(report, done)
        return report

    return run


@pytest.mark.parametrize("death", DEATHS)
def test_a_module_that_dies_on_import_is_reported_with_how_it_died(failed_to_load, death):
    statement, said = DEATHS[death]
    assert said in failed_to_load(module_that(statement, "import")).findings[0].message


@pytest.mark.parametrize("place", PLACES[1:])
def test_a_module_that_dies_elsewhere_is_reported_alike(failed_to_load, place):
    report = failed_to_load(module_that(DEATHS["reads address 0"][0], place))
    assert "SIGSEGV" in report.findings[0].message


def test_a_log_of_a_dead_module_holds_what_it_wrote(checked):
    done = checked(module_that("print('last words', flush=True); import os; os._exit(3)", "forward"))
    assert "last words" in logged(done.report.reports[0], done)


@pytest.mark.parametrize("place", ["import", "forward"])
@pytest.mark.parametrize(
    "statement",
    ["while True: pass", "import time; time.sleep(1000)"],
    ids=["computes", "sleeps"],
)
def test_a_module_that_never_ends_is_a_hang(failed_to_load, place, statement):
    text = module_that(f"exec({statement!r})", place)
    report = failed_to_load(text, kind=Kind.HANG, symptom=Symptom.HANG, timeout_s=3)
    assert "3 s" in report.findings[0].message


def test_a_module_that_ignores_every_signal_it_can_is_ended_all_the_same(failed_to_load):
    statement = "import signal, time; [signal.signal(s, signal.SIG_IGN) for s in (1, 2, 13, 14, 15)]; time.sleep(1000)"
    failed_to_load(module_that(statement, "import"), kind=Kind.HANG, symptom=Symptom.HANG, timeout_s=3)


@pytest.mark.parametrize("place", ["import", "forward"])
def test_a_module_that_eats_memory_is_told_from_a_crash(failed_to_load, place):
    statement = "kept = [b'x' * (64 << 20) for _ in range(100)]"
    report = failed_to_load(module_that(statement, place), kind=Kind.OUT_OF_MEMORY, memory_bytes=2 << 30)
    assert "2 GiB" in report.findings[0].message


def test_an_allocation_that_no_machine_can_serve_is_exhausted_memory_too(failed_to_load):
    failed_to_load(module_that("torch.empty(1 << 60)", "forward"), kind=Kind.OUT_OF_MEMORY)


# --- what a module may do to its process without harm to the check ---------------------------------------------------

HARMLESS = {
    "prints binary garbage": "import os; os.write(1, bytes(range(256)) * 40); os.write(2, b'\\xff\\xfe' * 999)",
    "prints what looks like ours": 'print(\'{"ended": {"status": 0}}\', flush=True)',
    "closes its streams": "import os; os.close(1); os.close(2)",
    "has no stdout": "import sys; sys.stdout = None; sys.stderr = None",
    "leaves a thread": "import threading, time; threading.Thread(target=time.sleep, args=(1000,)).start()",
    "changes its folder": "import os; os.chdir('/')",
    "removes its folder": "import os, tempfile; d = tempfile.mkdtemp(); os.chdir(d); os.rmdir(d)",
    "replaces print": "import builtins; builtins.print = None",
    "leaves an atexit that kills": "import atexit, os; atexit.register(lambda: os.kill(os.getpid(), 11))",
    "leaves an atexit that hangs": "import atexit, time; atexit.register(lambda: time.sleep(1000))",
    "reseeds everything": "import random, numpy, torch; random.seed(1); numpy.random.seed(1); torch.manual_seed(1)",
    "changes the default dtype in inputs": "torch.set_default_dtype(torch.float64)",
    "sets a trace function": "import sys; sys.settrace(lambda *ignored: None)",
    "lowers the recursion limit": "import sys; sys.setrecursionlimit(600)",
    "disables the collector": "import gc; gc.disable(); gc.set_threshold(0)",
    "logs everything": "import logging; logging.basicConfig(level=1)",
}


@pytest.mark.parametrize("habit", HARMLESS)
def test_a_habit_of_the_module_does_not_change_the_outcome(checked, habit):
    done = checked(module_that(HARMLESS[habit], "import"), timeout_s=60)
    [report] = done.report.reports
    assert report.outcome is Outcome.EQUIVALENT, report.findings


def test_what_a_module_prints_stays_out_of_our_output(command, write_module):
    text = module_that("import os; os.write(1, b'\\xff\\x00noise\\n'); print('more noise', flush=True)", "forward")
    said = command("check", write_module(text), "--json", "-")
    assert said.status == 0
    assert "noise" not in said.stdout + said.stderr
    assert said.stdout.startswith("{")


VANDALISM = {
    "builtins": "import builtins; builtins.open = None; builtins.len = None",
    "the framework": "torch.nn.functional.relu = None; torch.relu = None; torch.onnx.export = None",
    "our modules": "import sys; [sys.modules.pop(name) for name in list(sys.modules) if name.startswith('tautomer')]",
    "its descriptors": "import os; os.closerange(3, 256)",
}


@pytest.mark.parametrize("target", VANDALISM)
def test_what_one_module_does_to_its_process_does_not_reach_the_next(command, write_module, target):
    """What comes of the vandal itself is its own affair, as long as it is no defect of ours."""
    said = command("check", write_module(module_that(VANDALISM[target], "model()"), "vandal.py"))
    assert said.status in (0, 1, 2, 3), said.stderr
    said = command("check", write_module(LINEAR))
    assert said.status == 0, said.stdout + said.stderr


def test_a_module_that_needs_a_file_it_has_deleted_is_misuse(checked, tmp_path):
    weights = tmp_path / "weights.txt"
    weights.write_text("3.0")
    text = module_that(f"import pathlib; p = pathlib.Path({str(weights)!r}); p.read_text(); p.unlink()", "model()")
    with pytest.raises(MisuseError) as caught:
        checked(text)
    assert caught.value.code == "TA124"
    assert "FileNotFoundError" in str(caught.value)


# --- nothing is left running -----------------------------------------------------------------------------------------

ORPHAN = """
import os, sys, time
def leave():
    child = os.fork()
    if child == 0:
        os.setsid()
        grandchild = os.fork()
        if grandchild == 0:
            with open({pids!r}, "a") as file:
                file.write(f"{{os.getpid()}}\\\\n")
            time.sleep(1000)
        os._exit(0)
    os.waitpid(child, 0)
    while not os.path.exists({pids!r}):
        time.sleep(0.01)
leave()
"""


@pytest.mark.parametrize("end", ["pass", "os._exit(3)", "time.sleep(1000)"], ids=["returns", "dies", "hangs"])
def test_no_process_of_a_module_outlives_its_attempt(checked, tmp_path, end):
    pids = tmp_path / "pids"
    text = "import torch\n" + ORPHAN.format(pids=str(pids)).replace("\\\\n", "\\n") + module_that(end, "import")
    done = checked(text, timeout_s=20 if end != "time.sleep(1000)" else 4)
    [report] = done.report.reports
    assert report.outcome is (Outcome.EQUIVALENT if end == "pass" else Outcome.FAILED)
    started = [int(line) for line in pids.read_text().split()]
    assert started
    until = time.monotonic() + 10
    while (alive := [one for one in started if psutil.pid_exists(one)]) and time.monotonic() < until:
        time.sleep(0.1)
    assert alive == []
    assert [one for one in psutil.Process().children(recursive=True) if one.status() == psutil.STATUS_ZOMBIE] == []


def test_the_command_survives_a_crashing_module(process, write_module, run_dir):
    said = process("check", write_module(module_that(DEATHS["reads address 0"][0], "forward")))
    assert said.status == 1
    assert "Traceback" not in said.stderr
    assert "FAILED" in said.stdout
    assert "SIGSEGV" in said.stdout
    assert len(left_in(run_dir)) == 1


# --- misbehaving only while being exported ---------------------------------------------------------------------------

EXPORTING = ["torch.onnx.is_in_onnx_export()", "torch.compiler.is_exporting()"]


@pytest.mark.parametrize("condition", EXPORTING)
def test_a_module_that_dies_only_when_exported_fails_at_load_model(failed_to_load, condition):
    report = failed_to_load(module_that("import ctypes; ctypes.string_at(0)", "forward", condition=condition))
    assert "SIGSEGV" in report.findings[0].message
    assert "capturing" in report.findings[0].message
    assert report.checkpoints[0].name == "captured"
    assert report.checkpoints[0].outcome is Outcome.FAILED


@pytest.mark.parametrize("condition", EXPORTING)
def test_a_module_that_hangs_only_when_exported_fails_at_load_model(failed_to_load, condition):
    report = failed_to_load(
        module_that("import time; time.sleep(1000)", "forward", condition=condition),
        kind=Kind.HANG,
        symptom=Symptom.HANG,
        timeout_s=8,
    )
    assert "capturing" in report.findings[0].message


def test_a_module_that_raises_only_when_exported_is_refused_by_the_converter(check):
    report = check(module_that("raise ValueError('not for export')", "forward", condition=EXPORTING[1]))
    assert (report.outcome, report.stage) == (Outcome.FAILED, Stage.LOAD_MODEL)
    assert report.cause.kind is Kind.REFUSED
    assert "not for export" in report.findings[0].message


def test_a_module_that_the_exporter_can_trace_by_its_other_strategy_is_equivalent(check):
    """Non-strict tracing meets the exception, strict tracing takes the branch for eager mode: the graph is right."""
    report = check(module_that("raise ValueError('not for export')", "forward", condition=EXPORTING[0]))
    assert report.outcome is Outcome.EQUIVALENT


@pytest.mark.parametrize("condition", EXPORTING)
def test_a_module_that_is_another_function_when_exported_diverges_at_load_model(check, condition):
    report = check(module_that("x = x + 1", "forward", condition=condition))
    assert (report.outcome, report.stage, report.symptom) == (Outcome.DIVERGENT, Stage.LOAD_MODEL, Symptom.WRONG_MODEL)
