"""Attempts do not see each other, and nothing survives them."""

from __future__ import annotations

import os
import signal
import socket
import subprocess
import sys
import threading
from pathlib import Path

import pytest
from tiny_hosts import FOLDER, is_gone, tiny_host, wait_until

from tautomer.errors import NotInstalledError
from tautomer.execution import HostSpec, Pool, Task
from tautomer.execution.host_process import HostProcess
from tautomer.model import Completed, Crashed, Hung, Limits, Refused


@pytest.mark.parametrize("function", ["leave_orphans", "leave_orphans_and_crash", "leave_orphans_and_hang"])
def test_no_process_that_a_task_started_survives_it(run, function):
    attempt = run(function, timeout_s=2.0 if function.endswith("hang") else 60.0)
    pids = attempt.events[0].fields["pids"]
    assert len(pids) == 4
    assert [pid for pid in pids if Path(f"/proc/{pid}").exists()] == []


def test_orphans_are_ended_even_if_their_host_was_killed(run):
    attempt = run("leave_orphans_and_kill_host")
    assert isinstance(attempt, Crashed)
    pids = attempt.events[0].fields["pids"]
    assert wait_until(lambda: all(map(is_gone, pids)))


def test_a_host_that_was_stopped_by_its_worker_is_replaced(run, monkeypatch):
    monkeypatch.setattr("tautomer.execution.pool._KILL_LIMIT_S", 0.5)
    assert isinstance(run("stop_host", timeout_s=0.5), Hung)
    assert isinstance(run("echo"), Completed)


def test_a_warm_host_serves_many_attempts_that_do_not_see_each_other(run):
    spec = tiny_host()
    attempts = [run("remember", spec=spec) for _ in range(3)]
    assert [attempt.result for attempt in attempts] == [1, 1, 1]
    surroundings = [run("tell_surroundings", spec=spec).result for _ in range(2)]
    assert surroundings[0]["host"] == surroundings[1]["host"]
    assert surroundings[0]["pid"] != surroundings[1]["pid"]


def test_a_host_that_is_not_fork_safe_serves_one_attempt(run):
    spec = tiny_host(fork_safe=False)
    hosts = [run("tell_surroundings", spec=spec).result["host"] for _ in range(2)]
    assert hosts[0] != hosts[1]
    assert wait_until(lambda: all(map(is_gone, hosts)))


def test_a_host_killed_between_attempts_is_replaced_without_a_failed_attempt(run):
    spec = tiny_host()
    host = run("tell_surroundings", spec=spec).result["host"]
    os.kill(host, signal.SIGKILL)
    again = run("tell_surroundings", spec=spec)
    assert isinstance(again, Completed)
    assert again.result["host"] != host


def test_a_worker_has_its_own_session_default_signals_no_input_and_no_stray_descriptor(run):
    seen = run("tell_surroundings").result
    assert seen["session"] == seen["pid"]
    assert seen["host_session"] == seen["host"], "the terminal's signals reach the supervisor alone"
    assert seen["sigint_default"]
    assert seen["stdin"] == ""
    assert seen["cwd"] == str(Path.cwd())
    assert len(seen["argv"]) == 1
    assert set(seen["descriptors"]) - {0, 1, 2} == {max(seen["descriptors"])}, "only the listing's own descriptor"
    assert seen["threads"] == 1


def test_a_worker_sees_only_the_standard_library_and_what_was_asked_for(run):
    seen = run("tell_surroundings").result
    foreign = {"numpy", "psutil", "msgspec", "onnx", "safetensors", "tautomer.execution", "tautomer.model"}
    assert foreign & set(seen["modules"]) == set()
    assert str(Path.cwd()) not in seen["path"]
    assert "" not in seen["path"]


def test_thread_settings_reach_the_worker_unchanged(run, monkeypatch):
    monkeypatch.setenv("OMP_NUM_THREADS", "3")
    assert run("tell_surroundings").result["environment"]["OMP_NUM_THREADS"] == "3"


def test_an_interpreter_without_this_package_can_be_a_host(pool, tmp_path):
    base = Path(getattr(sys, "_base_executable", sys.executable))
    if base == Path(sys.executable):
        pytest.skip("the tests do not run in a virtual environment")
    spec = tiny_host()
    foreign = type(spec)("foreign", spec.preload, python=base, environment=spec.environment)
    attempt = pool.submit(Task(foreign, "tiny_tasks:echo", {"a": 1}, "test"), Limits(60), folder=tmp_path)
    assert isinstance(attempt, Completed), attempt.log.read_text()


def test_an_interpreter_that_does_not_exist_is_not_installed(run, tmp_path):
    with pytest.raises(NotInstalledError, match="does not start"):
        run("echo", spec=HostSpec("foreign", python=tmp_path / "no-python"))


def test_fifty_attempts_leave_no_descriptor_and_no_process_behind(run, pool):
    spec = tiny_host()
    host = run("tell_surroundings", spec=spec).result["host"]
    before = len(os.listdir("/proc/self/fd"))  # noqa: PTH208
    for index in range(50):
        run("leave" if index % 5 == 0 else "echo", spec=spec, status=0)
    assert len(os.listdir("/proc/self/fd")) == before  # noqa: PTH208
    assert Path(f"/proc/{host}/task/{host}/children").read_text() == ""
    assert run("tell_surroundings", spec=spec).result["host"] == host
    pool.close()
    assert not Path(f"/proc/{host}").exists(), "ended and reaped"


def test_two_threads_may_submit_at_once(pool, tmp_path):
    spec = tiny_host()
    both_run = threading.Barrier(2, timeout=30)
    results = {}

    def submit(name):
        folder = tmp_path / name

        def on_event(event):
            both_run.wait()
            (folder / "go").touch()

        task = Task(spec, "tiny_tasks:emit_and_wait", {"name": name}, name)
        results[name] = pool.submit(task, Limits(60), folder=folder, on_event=on_event)

    threads = [threading.Thread(target=submit, args=(name,)) for name in ("left", "right")]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert {name: attempt.result for name, attempt in results.items()} == {"left": "left", "right": "right"}


def test_a_warm_host_outlives_the_thread_that_started_it(pool, tmp_path):
    hosts = []

    def submit():
        task = Task(tiny_host(), "tiny_tasks:tell_surroundings", {}, "test")
        hosts.append(pool.submit(task, Limits(60), folder=tmp_path).result["host"])

    for _ in range(2):
        thread = threading.Thread(target=submit)
        thread.start()
        thread.join()
    assert len(hosts) == 2
    assert hosts[0] == hosts[1]


def test_an_exception_in_the_listener_ends_the_worker(run):
    pids = []

    def on_event(event):
        pids.extend(event.fields.values())
        raise LookupError("listener")

    with pytest.raises(LookupError, match="listener"):
        run("sleep_forever", on_event=on_event)
    assert len(pids) == 2
    assert wait_until(lambda: all(map(is_gone, pids)))


def test_a_closed_pool_takes_no_task(tmp_path):
    pool = Pool()
    pool.close()
    with pytest.raises(ValueError, match="closed"):
        pool.submit(Task(tiny_host(), "tiny_tasks:echo", {}, "test"), Limits(60), folder=tmp_path)


def test_preloading_and_priming_happen_in_the_host_or_else_in_each_worker(run, host):
    spec = tiny_host(fork_safe=host.fork_safe, preload="tiny_preload", prime="tiny_preload:prime")
    seen = run("tiny_preload:tell", spec=spec).result
    assert seen["primed_by"] == [seen["host"] if host.fork_safe else seen["pid"]]


def test_what_a_preloaded_library_prints_disturbs_nothing(run, host):
    spec = tiny_host(fork_safe=host.fork_safe, preload="tiny_preload", TINY_PRELOAD="print")
    assert isinstance(run("tiny_preload:tell", spec=spec), Completed)


def test_a_missing_module_is_named(run, host):
    spec = tiny_host(fork_safe=host.fork_safe, preload="tiny_preload", TINY_PRELOAD="missing")
    with pytest.raises(NotInstalledError, match="'a_module_that_does_not_exist'") as raised:
        run("tiny_preload:tell", spec=spec)
    assert raised.value.code == "TA102"


def test_a_library_that_raises_while_it_is_imported_is_refused(run, host):
    spec = tiny_host(fork_safe=host.fork_safe, preload="tiny_preload", TINY_PRELOAD="raise")
    attempt = run("tiny_preload:tell", spec=spec)
    assert isinstance(attempt, Refused)
    assert (attempt.error_type, attempt.message) == ("ValueError", "half installed")
    assert "half installed" in attempt.log.read_text()
    assert "tiny_preload.py" in attempt.traceback


def test_a_prime_function_that_raises_is_refused(run, host):
    spec = tiny_host(fork_safe=host.fork_safe, preload="tiny_preload", prime="tiny_preload:fail_to_prime")
    attempt = run("tiny_preload:tell", spec=spec)
    assert isinstance(attempt, Refused)
    assert attempt.message == "cannot prime"


def test_a_library_that_crashes_while_it_is_imported_is_a_crash(run, host):
    spec = tiny_host(fork_safe=host.fork_safe, preload="tiny_preload", TINY_PRELOAD="segfault")
    attempt = run("tiny_preload:tell", spec=spec)
    assert isinstance(attempt, Crashed)
    assert attempt.signal == "SIGSEGV"
    assert "tiny_preload.py" in attempt.log.read_text()


def test_a_library_that_starts_a_thread_gets_a_fresh_process_for_every_attempt(run):
    spec = tiny_host(preload="tiny_preload", prime="tiny_preload:prime", TINY_PRELOAD="thread")
    seen = [run("tiny_preload:tell", spec=spec).result for _ in range(2)]
    assert [attempt["primed_by"] for attempt in seen] == [[seen[0]["pid"]], [seen[1]["pid"]]]


def _start_supervisor(preload, function, folder, **environment):
    return subprocess.Popen(
        [sys.executable, str(FOLDER / "supervisor_script.py"), preload, function, str(folder)],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, **environment},
        start_new_session=True,
    )


def test_a_killed_supervisor_leaves_no_process(tmp_path):
    with _start_supervisor("tiny_tasks", "tiny_tasks:leave_orphans_and_hang", tmp_path) as supervisor:
        words = supervisor.stdout.readline().replace("[", "").replace("]", "").replace(",", "").split()
        pids = [int(word) for word in words[1:]]
        assert words[0] == "orphans"
        assert len(pids) == 5, "four orphans and the host"
        supervisor.kill()
    assert wait_until(lambda: all(map(is_gone, pids)))


def test_a_supervisor_killed_while_its_host_imports_leaves_no_process(tmp_path):
    pid_file = tmp_path / "pid"
    variables = {"TINY_PRELOAD": "hang", "TINY_PID_FILE": str(pid_file)}
    with _start_supervisor("tiny_preload", "tiny_preload:tell", tmp_path / "run", **variables) as supervisor:
        assert wait_until(lambda: pid_file.exists() and pid_file.read_text().endswith("\n"))
        supervisor.kill()
    assert wait_until(lambda: is_gone(int(pid_file.read_text())))


def test_an_interrupt_ends_the_workers_and_reaches_the_caller(tmp_path):
    with _start_supervisor("tiny_tasks", "tiny_tasks:sleep_forever", tmp_path) as supervisor:
        name, *pids = supervisor.stdout.readline().split()
        assert name == "alive"
        os.killpg(supervisor.pid, signal.SIGINT)
        assert supervisor.stdout.readline() == "interrupted\n"
    assert supervisor.returncode == 0
    assert len(pids) == 2
    assert wait_until(lambda: all(is_gone(int(pid)) for pid in pids))


def test_an_end_that_is_told_in_one_breath_with_the_start_is_heard(tmp_path):
    """A worker may be over before the supervisor reads that it began."""
    host = HostProcess(tiny_host(), warm=True)
    try:
        assert wait_until(lambda: "ready" in host.receive(0.1))
        (tmp_path / "task.json").write_text('{"function": "tiny_tasks:echo", "arguments": {}}')
        host.send({"run": {"folder": str(tmp_path), "log": str(tmp_path / "log"), "cwd": "/", "memory_bytes": 1 << 30}})
        assert wait_until(lambda: b"ended" in host._control.recv(4096, socket.MSG_PEEK))
        os.kill(host.pid, signal.SIGTERM)
        assert wait_until(lambda: is_gone(host.pid))
        assert list(host.receive(0)) == ["started"]
        assert not host.closed, "not everything it sent has been received"
        assert list(host.receive(0)) == ["ended"]
        assert wait_until(lambda: host.receive(0) == {} and host.closed)
    finally:
        host.end()


def test_a_worker_dies_with_its_host(run):
    """The supervisor is in its listener meanwhile, so that it is not it who ends the worker."""
    seen = []

    def on_event(event):
        seen.append(event.fields)
        os.kill(event.fields["host"], signal.SIGKILL)
        assert wait_until(lambda: is_gone(event.fields["pid"]))

    assert isinstance(run("sleep_forever", on_event=on_event), Crashed)
    assert len(seen) == 1
