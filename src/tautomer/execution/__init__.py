"""Supervised workers and the store of runs."""

from tautomer.execution.pool import Pool
from tautomer.execution.runs import RunFolder, RunStore
from tautomer.execution.workers import HostSpec, Runner, Task

__all__ = ["HostSpec", "Pool", "RunFolder", "RunStore", "Runner", "Task"]
