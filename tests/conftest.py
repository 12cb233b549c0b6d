"""The marker `needs`, and the ledger that shows which adapters a run has really tested.

A suite that skips what is not installed can be green and prove nothing. So for the adapters that `make test` installs
nothing is skipped: a missing module fails the test, a skipped test fails the run, and with `--require-adapters` (the
whole suite) so does an adapter that no test has exercised.
"""

from __future__ import annotations

import importlib.util
import os
from collections import Counter

import pytest
from hypothesis import settings

pytest_plugins = ["pytester"]

# The same examples in every run: a red suite must mean that a change broke something. HYPOTHESIS_PROFILE=default draws
# others each time.
settings.register_profile("repeatable", derandomize=True)
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "repeatable"))

# TensorFlow 2.21 writes beyond its result where several threads multiply batches of matrices by one column that is
# broadcast over them (`tf.linalg.matvec(ones(3, 1, 8, 2), ones(2))` in a loop, under MALLOC_CHECK_=3). The task that
# grows models runs one thread; tests that grow TensorFlow's operators in their own process would die of it at times.
os.environ.setdefault("TF_NUM_INTRAOP_THREADS", "1")

REQUIRED = {
    "torch": ("torch", "onnxscript"),
    "exported-program": ("torch", "onnxscript"),
    "torchscript": ("torch", "onnxscript"),
    "onnx": ("onnx",),
    "torch.onnx": ("torch", "onnxscript"),
    "torch.onnx-legacy": ("torch", "onnxscript"),
    "onnxruntime": ("onnxruntime",),
    "onnx-reference": ("onnx",),
    "openvino": ("openvino",),
    "tensorflow": ("tensorflow",),
    "saved-model": ("tensorflow",),
    "keras": ("tensorflow",),
    "tf2onnx": ("tensorflow", "tf2onnx"),
    "keras.onnx": ("tensorflow", "tf2onnx"),
    "ort-offline": ("onnxruntime",),
    "onnxslim": ("onnxslim",),
    "tf.lite": ("tensorflow",),
    "litert": ("ai_edge_litert",),
    "tflite": ("ai_edge_litert",),
}
"""Adapters that `make test` installs and must test, and the modules they need. Not taken from the registry: an adapter
that has dropped out of it would drop out of this list as well."""

COLUMNS = ("passed", "failed", "skipped", "xfailed")

_LACKING = pytest.StashKey[list[str]]()


def needed(item: pytest.Item) -> list[str]:
    """Names in the `needs` markers of a test; a name is a required adapter's, or a module's."""
    return list(dict.fromkeys(name for marker in item.iter_markers("needs") for name in marker.args))


def is_missing(module: str) -> bool:
    return importlib.util.find_spec(module) is None


class Ledger:
    """Counts the outcomes of tests by adapter."""

    def __init__(self, *, whole_suite: bool) -> None:
        self.whole_suite = whole_suite
        self.outcomes: dict[tuple[str, str], str] = {}

    def pytest_runtest_logreport(self, report):
        if report.failed:
            outcome = "failed"
        elif report.skipped:
            outcome = "xfailed" if hasattr(report, "wasxfail") else "skipped"
        elif report.when == "call":
            outcome = "passed"
        else:
            return
        # The report of a worker that died, which xdist makes, carries none.
        for name in getattr(report, "adapters", ()):
            if self.outcomes.get((name, report.nodeid)) != "failed":
                self.outcomes[name, report.nodeid] = outcome

    def counts(self) -> dict[str, Counter]:
        table: dict[str, Counter] = {name: Counter() for name in REQUIRED} if self.whole_suite else {}
        for (name, _), outcome in self.outcomes.items():
            table.setdefault(name, Counter())[outcome] += 1
        return table

    def complaints(self) -> list[str]:
        """Why this run does not prove what it seems to."""
        found = []
        for name, counts in self.counts().items():
            if name in REQUIRED and counts["skipped"]:
                found.append(f"adapter '{name}' is required here, but tests of it were skipped: {counts['skipped']}")
            if name in REQUIRED and self.whole_suite and not counts["passed"]:
                found.append(f"adapter '{name}' is required here, but no test of it has passed")
        return found

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session):
        if session.exitstatus == pytest.ExitCode.OK and self.complaints():
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter):
        table = self.counts()
        if not table:
            return
        width = max(map(len, ["adapter", *table]))
        terminalreporter.section("adapters tested")
        terminalreporter.write_line("  ".join([f"{'adapter':{width}}", *(f"{column:>7}" for column in COLUMNS)]))
        for name in sorted(table):
            terminalreporter.write_line(
                "  ".join([f"{name:{width}}", *(f"{table[name][column]:>7}" for column in COLUMNS)])
            )
        for complaint in self.complaints():
            terminalreporter.write_line(f"FAILED {complaint}", red=True)


def pytest_addoption(parser):
    parser.addoption(
        "--require-adapters",
        action="store_true",
        help="fail unless a test of each adapter that `make test` installs has passed (for runs of the whole suite)",
    )


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item):
    """Let the report carry the adapters that it counts for: it may be made in another process than the ledger's."""
    report = yield
    # A test skipped for want of one framework says nothing about the others that it names.
    report.adapters = item.stash.get(_LACKING, None) or needed(item)
    return report


def pytest_configure(config):
    if not config.option.collectonly and not hasattr(config, "workerinput"):
        config.pluginmanager.register(Ledger(whole_suite=config.getoption("--require-adapters")), "adapter-ledger")


def pytest_runtest_setup(item):
    lacking = {name: [one for one in REQUIRED.get(name, (name,)) if is_missing(one)] for name in needed(item)}
    for name, modules in lacking.items():
        if modules and name in REQUIRED:
            pytest.fail(f"adapter '{name}' is required here, but there is no module '{modules[0]}'", pytrace=False)
    item.stash[_LACKING] = [name for name, modules in lacking.items() if modules]
    if item.stash[_LACKING]:
        pytest.skip(f"not installed: {', '.join(item.stash[_LACKING])}")
