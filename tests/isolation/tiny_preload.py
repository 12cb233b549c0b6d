"""Modules' worth of preloading behaviours, chosen by the variable TINY_PRELOAD."""

import ctypes
import importlib
import os
import sys
import threading
import time

ACTION = os.environ.get("TINY_PRELOAD", "")

if ACTION == "print":
    print('{"ready": {"threads": 1, "spared": []}}')
    os.write(1, b"\x00\xff raw bytes\n")
elif ACTION == "segfault":
    ctypes.string_at(0)
elif ACTION == "missing":
    importlib.import_module("a_module_that_does_not_exist")
elif ACTION == "raise":
    raise ValueError("half installed")
elif ACTION == "exit":
    sys.exit(5)
elif ACTION == "thread":
    threading.Thread(target=time.sleep, args=(1e6,), daemon=True).start()
elif ACTION == "hang":
    print(os.getpid(), file=open(os.environ["TINY_PID_FILE"], "w"), flush=True)  # noqa: PTH123, SIM115
    time.sleep(1e6)

PRIMED = []


def prime():
    PRIMED.append(os.getpid())


def fail_to_prime():
    raise RuntimeError("cannot prime")


def tell(channel):
    return {"primed_by": PRIMED, "host": os.getppid(), "pid": os.getpid()}
