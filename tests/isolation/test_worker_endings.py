"""Every way a task can end is a value that says so."""

from __future__ import annotations

import signal

import pytest

from tautomer.model import Completed, Crashed, Hung, OutOfMemory, Refused


def test_a_task_that_returns_is_completed_with_its_result(run):
    attempt = run("echo", number=1, nested={"list": [None, True, "é"]})
    assert isinstance(attempt, Completed)
    assert attempt.result == {"number": 1, "nested": {"list": [None, True, "é"]}}
    assert attempt.resources.seconds > 0
    assert attempt.resources.peak_memory_bytes > 1 << 20


def test_a_segmentation_fault_is_a_crash_with_its_signal_its_log_and_the_events_before_it(run):
    attempt = run("segfault")
    assert isinstance(attempt, Crashed)
    assert (attempt.signal, attempt.exit_status) == ("SIGSEGV", None)
    assert [(event.name, event.fields) for event in attempt.events] == [("before", {"step": 1})]
    log = attempt.log.read_text()
    assert "printed before the crash" in log
    assert "in segfault" in log, "the Python stack of the crash is in the log"


@pytest.mark.parametrize("status", [0, 3])
def test_leaving_without_an_answer_is_a_crash_whatever_the_status(run, status):
    attempt = run("leave", status=status)
    assert isinstance(attempt, Crashed)
    assert (attempt.signal, attempt.exit_status) == (None, status)


def test_an_endless_loop_is_hung_and_its_log_shows_where(run):
    attempt = run("loop_forever", timeout_s=1.0)
    assert isinstance(attempt, Hung)
    assert attempt.timeout_s == 1.0
    assert "in loop_forever" in attempt.log.read_text()


def test_a_process_that_stops_itself_is_hung(run):
    assert isinstance(run("stop_itself", timeout_s=1.0), Hung)


def test_a_process_killed_from_elsewhere_is_a_crash_and_not_out_of_memory(run):
    attempt = run("kill_itself")
    assert isinstance(attempt, Crashed)
    assert attempt.signal == "SIGKILL"


def test_memory_that_grows_past_the_limit_ends_the_task(run):
    attempt = run("eat_memory_slowly", step_bytes=20 << 20, memory_bytes=300 << 20)
    assert isinstance(attempt, OutOfMemory)
    assert attempt.limit_bytes == 300 << 20
    assert attempt.resources.peak_memory_bytes > 250 << 20


def test_a_single_allocation_past_the_limit_fails_where_it_is_made_even_if_it_is_never_touched(run):
    attempt = run("ask_for_memory_and_leave_it", size_bytes=1 << 30, memory_bytes=300 << 20)
    assert isinstance(attempt, OutOfMemory)


def test_the_same_allocation_under_the_limit_is_no_failure(run):
    assert isinstance(run("ask_for_memory_and_leave_it", size_bytes=100 << 20, memory_bytes=300 << 20), Completed)


def test_memory_of_the_whole_process_tree_counts(run):
    attempt = run("eat_memory_in_children", count=4, size_bytes=100 << 20, memory_bytes=250 << 20)
    assert isinstance(attempt, OutOfMemory)


def test_pages_that_forked_processes_share_count_once(run):
    attempt = run("share_memory_with_children", count=6, size_bytes=100 << 20, memory_bytes=300 << 20)
    assert isinstance(attempt, Completed)
    assert 100 << 20 < attempt.resources.peak_memory_bytes < 200 << 20


@pytest.mark.parametrize("function", ["abort_like_bad_alloc", "raise_allocator_error"])
def test_an_allocator_that_gives_up_is_out_of_memory(run, function):
    assert isinstance(run(function), OutOfMemory)


def test_an_exception_is_refused_with_all_that_is_known_of_it(run):
    attempt = run("raise_error")
    assert isinstance(attempt, Refused)
    assert (attempt.error_type, attempt.message) == ("tiny_tasks.OwnError", "it broke")
    assert attempt.mro == ("tiny_tasks.OwnError", "ValueError", "Exception", "BaseException")
    assert attempt.attributes == {"node": "conv1", "cause": {"type": "KeyError", "message": "'key'"}}
    assert "in raise_error" in attempt.traceback
    assert attempt.traceback in attempt.log.read_text()


def test_a_syntax_error_tells_where_it_is(run):
    attempt = run("raise_syntax_error")
    assert isinstance(attempt, Refused)
    assert attempt.attributes["filename"] == "model.py"
    assert attempt.attributes["lineno"] == 1
    assert attempt.attributes["text"] == "def f(:\n"


def test_an_exception_without_a_text_is_refused_all_the_same(run):
    attempt = run("raise_unprintable")
    assert isinstance(attempt, Refused)
    assert attempt.message == "<its __str__ raised RuntimeError>"


def test_exiting_python_is_refused_and_not_a_result(run):
    attempt = run("exit_python", status=0)
    assert isinstance(attempt, Refused)
    assert (attempt.error_type, attempt.attributes["code"]) == ("SystemExit", 0)


def test_an_interrupt_inside_the_worker_is_refused(run):
    attempt = run("interrupt_itself")
    assert isinstance(attempt, Refused)
    assert attempt.error_type == "KeyboardInterrupt"


def test_a_result_that_is_not_json_is_refused(run):
    attempt = run("return_object")
    assert isinstance(attempt, Refused)
    assert attempt.error_type == "TypeError"


@pytest.mark.parametrize("function", ["tiny_tasks:no_such_function", "no_such_module:function"])
def test_a_function_that_does_not_exist_is_refused(run, function):
    assert isinstance(run(function), Refused)


def test_garbage_on_stdout_and_stderr_reaches_the_log_and_nothing_else(run):
    attempt = run("write_garbage")
    assert isinstance(attempt, Completed)
    log = attempt.log.read_bytes()
    assert bytes(range(256)) * 10 in log
    assert b"held by the C library" in log


def test_a_worker_that_closes_every_descriptor_still_answers(run):
    attempt = run("close_descriptors")
    assert isinstance(attempt, Completed)
    assert [event.name for event in attempt.events] == ["closed"]


def test_an_answer_of_an_earlier_attempt_in_the_folder_is_not_taken_for_this_one(pool, host, tmp_path):
    from tautomer.execution import Task
    from tautomer.model import Limits

    def submit(function, **arguments):
        return pool.submit(Task(host, f"tiny_tasks:{function}", arguments, "test"), Limits(60), folder=tmp_path)

    assert isinstance(submit("echo"), Completed)
    assert isinstance(submit("raise_error"), Refused)
    crash = submit("leave", status=0)
    assert isinstance(crash, Crashed)
    assert crash.log.read_text() == ""


def test_a_killed_host_is_a_crash_and_the_next_attempt_has_a_new_one(run):
    first = run("kill_host")
    assert isinstance(first, Crashed)
    assert first.signal == signal.SIGKILL.name
    assert isinstance(run("echo"), Completed)


def test_events_arrive_while_the_task_runs_and_in_order(run):
    names = []

    def on_event(event):
        names.append(event.name)
        if event.name == "small":
            assert event.fields["what"] == "little"

    attempt = run("measure", size_bytes=80 << 20, on_event=on_event)
    assert isinstance(attempt, Completed)
    assert names == ["small.begin", "small", "large.begin", "large"]
    assert [event.name for event in attempt.events] == names


def test_a_measured_block_has_a_peak_of_its_own_and_the_attempt_keeps_the_largest(run):
    attempt = run("measure", size_bytes=80 << 20)
    small, large = attempt.events[1], attempt.events[3]
    assert small.fields["also"] == 1
    assert small.fields["peak_memory_bytes"] < 80 << 20 <= large.fields["peak_memory_bytes"]
    assert large.fields["seconds"] > 0
    assert attempt.resources.peak_memory_bytes >= large.fields["peak_memory_bytes"]


def test_lines_in_the_events_file_that_are_no_events_are_passed_over(run):
    attempt = run("write_into_events")
    assert isinstance(attempt, Completed)
    assert [event.name for event in attempt.events] == ["valid"]
