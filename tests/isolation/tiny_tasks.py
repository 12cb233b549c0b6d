"""Tasks that misbehave, for workers that import nothing but the standard library."""

from __future__ import annotations

import ctypes
import mmap
import os
import signal
import subprocess
import sys
import time
from pathlib import Path


def echo(channel, **arguments):
    return arguments


def segfault(channel):
    channel.emit("before", step=1)
    print("printed before the crash")
    ctypes.string_at(0)


def leave(channel, status):
    os._exit(status)


def leave_after_emitting(channel):
    channel.emit("alive", pid=os.getpid())
    os._exit(3)


def loop_forever(channel):
    while True:
        pass


def sleep_forever(channel):
    channel.emit("alive", pid=os.getpid(), host=os.getppid())
    time.sleep(1e6)


def stop_itself(channel):
    os.kill(os.getpid(), signal.SIGSTOP)
    time.sleep(1e6)


def eat_memory_slowly(channel, step_bytes):
    hoard = []
    while True:
        hoard.append(bytearray(step_bytes))
        hoard[-1][::4096] = b"x" * len(hoard[-1][::4096])
        time.sleep(0.02)


def ask_for_memory_and_leave_it(channel, size_bytes):
    return len(mmap.mmap(-1, size_bytes, flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS))


def eat_memory_in_children(channel, count, size_bytes):
    for _ in range(count):
        if os.fork() == 0:
            hoard = bytearray(size_bytes)
            hoard[::4096] = b"x" * len(hoard[::4096])
            time.sleep(1e6)
    time.sleep(1e6)


def share_memory_with_children(channel, count, size_bytes):
    """Children that only share what their parent holds."""
    hoard = bytearray(size_bytes)
    hoard[::4096] = b"x" * len(hoard[::4096])
    for _ in range(count):
        if os.fork() == 0:
            time.sleep(1e6)
    time.sleep(0.5)
    return "done"


def abort_like_bad_alloc(channel):
    os.write(2, b"terminate called after throwing an instance of 'std::bad_alloc'\n")
    os.abort()


def raise_allocator_error(channel):
    raise RuntimeError("[enforce fail] DefaultCPUAllocator: can't allocate memory: you tried to allocate 99 bytes.")


_STDOUT_BUFFER = ctypes.create_string_buffer(1 << 12)


def write_garbage(channel):
    os.write(1, bytes(range(256)) * 10)
    os.write(2, b'{"ended": {"status": 0}}\n\xff\xfe')
    print("\ud800 unprintable")
    library = ctypes.CDLL(None)
    library.setvbuf(ctypes.c_void_p.in_dll(library, "stdout"), _STDOUT_BUFFER, 0, len(_STDOUT_BUFFER))
    library.printf(b"held by the C library")
    return "survived"


class OwnError(ValueError):
    def __init__(self, message, node):
        super().__init__(message)
        self.node = node
        self.unserialisable = object()


def raise_error(channel):
    try:
        {}["key"]
    except KeyError as error:
        raise OwnError("it broke", node="conv1") from error


class Unprintable(Exception):
    def __str__(self):
        raise RuntimeError("no text")


def raise_unprintable(channel):
    raise Unprintable


def raise_syntax_error(channel):
    compile("def f(:\n", "model.py", "exec")


def exit_python(channel, status):
    sys.exit(status)


def interrupt_itself(channel):
    os.kill(os.getpid(), signal.SIGINT)
    time.sleep(10)


def kill_itself(channel):
    os.kill(os.getpid(), signal.SIGKILL)


def kill_host(channel):
    os.kill(os.getppid(), signal.SIGKILL)
    time.sleep(1e6)


def stop_host(channel):
    os.kill(os.getppid(), signal.SIGSTOP)
    time.sleep(1e6)


def leave_orphans(channel):
    """A daemon (double fork, own session), a plain child, a zombie, and a started program."""
    pids = []
    reading, writing = os.pipe()
    if os.fork() == 0:
        os.setsid()
        if os.fork() == 0:
            os.write(writing, b"%d\n" % os.getpid())
            time.sleep(1e6)
        os._exit(0)
    pids.append(int(os.read(reading, 100)))
    child = os.fork()
    if child == 0:
        signal.signal(signal.SIGTERM, signal.SIG_IGN)
        time.sleep(1e6)
    pids.append(child)
    child = os.fork()
    if child == 0:
        os._exit(0)
    pids.append(child)
    pids.append(subprocess.Popen(["sleep", "1000000"], start_new_session=True).pid)
    channel.emit("orphans", pids=pids, host=os.getppid())
    return pids


def leave_orphans_and_crash(channel):
    leave_orphans(channel)
    ctypes.string_at(0)


def leave_orphans_and_hang(channel):
    leave_orphans(channel)
    time.sleep(1e6)


def leave_orphans_and_kill_host(channel):
    leave_orphans(channel)
    time.sleep(0.5)
    kill_host(channel)


def close_descriptors(channel):
    os.closerange(0, 4096)
    channel.emit("closed")
    return "still here"


def tell_surroundings(channel):
    return {
        "cwd": str(Path.cwd()),
        "stdin": sys.stdin.read(),
        "argv": sys.argv,
        "pid": os.getpid(),
        "session": os.getsid(0),
        "host_session": os.getsid(os.getppid()),
        "host": os.getppid(),
        "path": sys.path,
        "modules": sorted(sys.modules),
        "sigint_default": signal.getsignal(signal.SIGINT) is signal.default_int_handler,
        "descriptors": sorted(int(entry.name) for entry in Path("/proc/self/fd").iterdir()),
        "environment": dict(os.environ),
        "threads": len(list(Path("/proc/self/task").iterdir())),
    }


_SEEN = []


def remember(channel):
    _SEEN.append("attempt")
    return len(_SEEN)


def return_object(channel):
    return object()


def emit_and_wait(channel, name):
    channel.emit("first", name=name)
    while not (channel.folder / "go").exists():
        time.sleep(0.01)
    return name


def measure(channel, size_bytes):
    hoard = bytearray(size_bytes)
    hoard[::4096] = b"x" * len(hoard[::4096])
    del hoard
    with channel.measure("small", what="little") as more:
        more["also"] = 1
    with channel.measure("large"):
        hoard = bytearray(size_bytes)
        hoard[::4096] = b"x" * len(hoard[::4096])


def write_into_events(channel):
    with (channel.folder / "events.jsonl").open("ab") as file:
        file.write(b"not json\n[]\n{}\n\xff\n")
    channel.emit("valid")
