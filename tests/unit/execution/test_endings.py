"""What an exit status, a log and the kernel's counters mean together."""

from __future__ import annotations

import json
import signal

import pytest

from tautomer.execution import HostSpec, Task
from tautomer.execution.endings import EndedFor, attempt_from, signal_name
from tautomer.model import Completed, Crashed, Hung, Limits, OutOfMemory, Refused, Resources

TASK = Task(HostSpec("framework"), "module:function", {}, "test")
MEMORY_ERROR = {
    "phase": "task",
    "error_type": "numpy._core._exceptions._ArrayMemoryError",
    "message": "Unable to allocate 8 GiB",
    "mro": ["numpy._core._exceptions._ArrayMemoryError", "MemoryError", "Exception", "BaseException"],
    "attributes": {},
    "traceback": "",
}


def ended(folder, status, *, ended_for=None, kernel_killed=False):
    return attempt_from(
        task=TASK,
        limits=Limits(5.0, 1000),
        folder=folder,
        status=status,
        ended_for=ended_for,
        kernel_killed=kernel_killed,
        resources=Resources(1.0, 10),
        events=(),
    )


@pytest.mark.parametrize(
    ("ended_for", "kernel_killed", "expected"),
    [
        (None, False, Crashed),
        (None, True, OutOfMemory),
        (EndedFor.TIME, False, Hung),
        (EndedFor.TIME, True, Hung),
        (EndedFor.MEMORY, False, OutOfMemory),
    ],
)
def test_who_sent_the_kill_signal_decides_what_it_means(tmp_path, ended_for, kernel_killed, expected):
    attempt = ended(tmp_path, -signal.SIGKILL, ended_for=ended_for, kernel_killed=kernel_killed)
    assert isinstance(attempt, expected)


def test_a_kill_for_memory_elsewhere_does_not_excuse_another_signal(tmp_path):
    attempt = ended(tmp_path, -signal.SIGSEGV, kernel_killed=True)
    assert isinstance(attempt, Crashed)
    assert attempt.signal == "SIGSEGV"


def test_a_task_that_ended_by_itself_just_before_it_was_killed_keeps_its_answer(tmp_path):
    (tmp_path / "result.json").write_text('{"result": 7}')
    attempt = ended(tmp_path, 0, ended_for=EndedFor.TIME)
    assert isinstance(attempt, Completed)
    assert attempt.result == 7


def test_a_result_does_not_hide_a_crash_after_it(tmp_path):
    (tmp_path / "result.json").write_text('{"result": 7}')
    assert isinstance(ended(tmp_path, -signal.SIGSEGV), Crashed)


def test_a_memory_error_of_a_library_is_out_of_memory(tmp_path):
    (tmp_path / "error.json").write_text(json.dumps(MEMORY_ERROR))
    assert isinstance(ended(tmp_path, 0), OutOfMemory)


def test_a_memory_error_that_another_exception_covers_is_out_of_memory(tmp_path):
    covered = {
        **MEMORY_ERROR,
        "mro": ["RuntimeError", "Exception", "BaseException"],
        "message": "export failed",
        "attributes": {"cause": {"type": "MemoryError", "message": ""}},
    }
    (tmp_path / "error.json").write_text(json.dumps(covered))
    assert isinstance(ended(tmp_path, 0), OutOfMemory)


def test_a_missing_module_in_the_task_itself_is_refused_and_not_an_installation_matter(tmp_path):
    missing = {
        **MEMORY_ERROR,
        "mro": ["ModuleNotFoundError", "ImportError", "Exception", "BaseException"],
        "message": "No module named 'x'",
        "attributes": {"name": "x"},
    }
    (tmp_path / "error.json").write_text(json.dumps(missing))
    assert isinstance(ended(tmp_path, 0), Refused)


def test_an_abort_is_out_of_memory_only_where_the_allocator_said_so(tmp_path):
    assert isinstance(ended(tmp_path, -signal.SIGABRT), Crashed)
    (tmp_path / "log.txt").write_text("x" * 100_000 + "terminate called ... what():  std::bad_alloc\n")
    assert isinstance(ended(tmp_path, -signal.SIGABRT), OutOfMemory)


def test_signals_have_names_also_where_the_library_knows_none():
    assert signal_name(11) == "SIGSEGV"
    assert signal_name(signal.SIGRTMIN + 3) == f"signal {signal.SIGRTMIN + 3}"


def test_host_specs_are_keys_and_differ_by_their_environment():
    plain, other = HostSpec("a"), HostSpec("a", environment={"X": "1"})
    assert len({plain: 1, other: 2, HostSpec("a"): 3}) == 2
