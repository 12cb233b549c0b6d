"""Ways in which a step of the software under test comes to no end of its own."""

from __future__ import annotations

import os
import signal
import time
from typing import Any, NoReturn


def die(*_: Any, **__: Any) -> NoReturn:
    """As a null pointer in native code does."""
    os.kill(os.getpid(), signal.SIGSEGV)
    raise AssertionError("SIGSEGV was ignored")


def abort(*_: Any, **__: Any) -> NoReturn:
    """As a failed assertion in native code does."""
    os.abort()


def leave(*_: Any, **__: Any) -> NoReturn:
    """As `exit(0)` in native code does: no answer, no complaint."""
    os._exit(0)


def take_all_memory(*_: Any, **__: Any) -> NoReturn:
    """As an expansion without a limit does."""
    import numpy as np

    taken = []
    while True:
        taken.append(np.ones(1 << 23))


def hang(*_: Any, **__: Any) -> NoReturn:
    """As a fixed-point loop that reaches no fixed point does."""
    while True:
        time.sleep(0.1)
