"""The ledger of adapters: what it counts, and when it fails a run that would be green."""

from pathlib import Path

import pytest

LEDGER = Path(__file__).parents[1] / "conftest.py"


@pytest.fixture
def run(pytester):
    """Runs tests under a copy of the suite's conftest; one that needs a module gets it, or does not."""
    pytester.makeini("[pytest]\nmarkers =\n    needs(framework): .\n")

    def run(tests, *arguments, missing=()):
        hide = f"\n\ndef is_missing(module):\n    return module in {tuple(missing)!r}\n"
        pytester.makeconftest(LEDGER.read_text().replace('pytest_plugins = ["pytester"]', "") + hide)
        pytester.makepyfile(f"import pytest\n\n{tests}")
        return pytester.runpytest_inprocess("-p", "no:hypothesispytest", *arguments)

    return run


PASSING = """
@pytest.mark.needs("torch.onnx", "onnxruntime")
def test_both():
    pass

@pytest.mark.needs("onnxruntime")
def test_one():
    pass
"""


def test_tests_are_counted_for_every_adapter_they_need(run):
    result = run(PASSING)
    assert result.ret == 0
    result.stdout.fnmatch_lines(["onnxruntime * 2 * 0 * 0 * 0", "torch.onnx * 1 * 0 * 0 * 0"])


def test_tests_that_run_in_other_processes_are_counted(run):
    result = run(PASSING, "-n", "2")
    assert result.ret == 0
    result.stdout.fnmatch_lines(["onnxruntime * 2 * 0 * 0 * 0", "torch.onnx * 1 * 0 * 0 * 0"])


def test_the_ledger_stands_before_the_closing_line_of_pytest(run):
    lines = run(PASSING).outlines
    assert any("adapters tested" in line for line in lines[:-1])
    assert "2 passed" in lines[-1]


def test_a_run_without_marked_tests_has_no_ledger(run):
    result = run("def test_plain():\n    pass\n")
    assert result.ret == 0
    result.stdout.no_fnmatch_line("*adapters tested*")


def test_a_missing_module_of_a_required_adapter_fails_the_test(run):
    result = run(PASSING, missing=["onnxruntime"])
    result.assert_outcomes(errors=2)
    result.stdout.fnmatch_lines(["*adapter 'onnxruntime' is required here, but there is no module 'onnxruntime'*"])
    result.stdout.fnmatch_lines(["onnxruntime * 0 * 2 * 0 * 0"])


def test_a_missing_framework_that_is_not_required_skips_the_test_with_its_name(run):
    result = run('@pytest.mark.needs("iree")\ndef test_it():\n    pass\n', "-rs", missing=["iree"])
    assert result.ret == 0
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(["*not installed: iree*"])


def test_a_skip_for_want_of_an_optional_framework_is_not_held_against_a_required_adapter(run):
    tests = PASSING + '@pytest.mark.needs("torch.onnx", "iree")\ndef test_three():\n    pass\n'
    result = run(tests, missing=["iree"])
    assert result.ret == 0
    result.stdout.fnmatch_lines(["iree * 0 * 0 * 1 * 0", "torch.onnx * 1 * 0 * 0 * 0"])


def test_a_skipped_test_of_a_required_adapter_fails_the_run(run):
    tests = PASSING + '@pytest.mark.needs("torch.onnx")\ndef test_later():\n    pytest.skip("not today")\n'
    result = run(tests)
    result.assert_outcomes(passed=2, skipped=1)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["FAILED adapter 'torch.onnx' * skipped: 1"])


def test_an_expected_failure_is_told_apart_from_a_skip(run):
    tests = (
        PASSING + '@pytest.mark.needs("torch.onnx")\n@pytest.mark.xfail(reason="known")\ndef test_x():\n    assert 0\n'
    )
    result = run(tests)
    assert result.ret == 0
    result.stdout.fnmatch_lines(["torch.onnx * 1 * 0 * 0 * 1"])


def test_a_failure_in_teardown_counts_as_a_failure(run):
    tests = """
@pytest.fixture
def broken():
    yield
    raise RuntimeError

@pytest.mark.needs("onnx")
def test_it(broken):
    pass
"""
    result = run(tests)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["onnx * 0 * 1 * 0 * 0"])


def test_a_run_of_the_whole_suite_fails_where_an_adapter_was_never_tested(run):
    result = run(PASSING, "--require-adapters")
    result.assert_outcomes(passed=2)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["FAILED adapter 'torch.onnx-legacy' is required here, but no test of it has passed"])
    result.stdout.no_fnmatch_line("FAILED adapter 'torch.onnx' *")


def test_a_process_that_dies_under_a_test_is_named_and_costs_no_other_test(run):
    tests = PASSING + "import os\n\n\ndef test_dies():\n    os._exit(3)\n"
    result = run(tests, "-n", "1")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(["*crashed while running*test_dies*", "onnxruntime * 2 * 0 * 0 * 0"])
