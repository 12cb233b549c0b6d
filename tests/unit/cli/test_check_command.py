"""`tautomer check`: what it asks of the pipeline, where the report goes, and which exit status it ends with."""

import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from tautomer.errors import InternalError, MisuseError, NotInstalledError
from tautomer.model import CheckSettings, Keep, Limits, Outcome
from tautomer.model.report_json import decode

STATUSES = {
    Outcome.EQUIVALENT: 0,
    Outcome.DIVERGENT: 1,
    Outcome.FAILED: 1,
    Outcome.INCONCLUSIVE: 3,
    Outcome.NOT_RUN: 4,
}


def test_a_bare_check_asks_for_the_defaults(run, pipeline):
    run("check", "model.py")
    assert pipeline.calls == [(Path("model.py"), CheckSettings())]


def test_every_flag_reaches_the_pipeline(run, pipeline):
    run(
        *("check", "m.pt2", "--via", "torch.onnx", "--via", "torch.onnx-legacy", "--to", "onnx-reference"),
        *("--inputs", "samples", "--opset", "18", "--set", "optimize=false", "--timeout", "1.5", "--memory", "0.5"),
        *("--seed", "7", "--trust-pickle", "--run-dir", "runs", "--keep", "all"),
    )
    assert pipeline.settings == CheckSettings(
        via=("torch.onnx", "torch.onnx-legacy"),
        to=("onnx-reference",),
        inputs=Path("samples"),
        opset=18,
        options={"optimize": False},
        limits=Limits(timeout_s=1.5, memory_bytes=1 << 29),
        seed=7,
        trust_pickle=True,
        run_dir=Path("runs"),
        keep=Keep.ALL,
    )


def test_the_environment_and_the_project_file_are_consulted(run, pipeline, monkeypatch, tmp_path):
    monkeypatch.setenv("TAUTOMER_TIMEOUT", "5")
    (tmp_path / "pyproject.toml").write_text("[tool.tautomer]\nseed = 3\ntimeout = 9\n")
    run("check", "model.py")
    assert (pipeline.settings.limits.timeout_s, pipeline.settings.seed) == (5.0, 3)


@pytest.mark.parametrize("outcome", Outcome)
def test_the_exit_status_is_the_outcome(run, pipeline, outcome):
    pipeline.outcome = outcome
    status, _, _ = run("check", "model.py")
    assert status == STATUSES[outcome]


def test_the_report_goes_to_stdout_and_progress_to_stderr(run, pipeline):
    _, out, err = run("check", "model.py")
    assert "EQUIVALENT" in out
    assert "source" in err
    assert "source" not in out
    assert "EQUIVALENT" not in err


def test_the_place_of_the_run_is_told(run, pipeline, tmp_path):
    pipeline.kept_at = tmp_path / "r1"
    _, out, _ = run("check", "model.py")
    assert str(tmp_path / "r1") in out.replace("\n", "").replace(" ", "")


def test_json_on_stdout_is_all_there_is_on_stdout(run, pipeline, tmp_path):
    pipeline.outcome = Outcome.DIVERGENT
    pipeline.kept_at = tmp_path / "r1"
    status, out, err = run("check", "model.py", "--json", "-")
    assert status == 1
    assert decode(out).outcome is Outcome.DIVERGENT
    assert out.startswith("{")
    assert out.endswith("}\n")
    assert str(tmp_path / "r1") in err


def test_reports_are_written_where_they_were_asked_for(run, pipeline, tmp_path):
    _, out, err = run("check", "model.py", "--report", "out.html", "--json", "out.json")
    assert (tmp_path / "out.html").read_text().lower().startswith("<!doctype html>")
    assert decode((tmp_path / "out.json").read_bytes()).run_id in out
    assert "out.html" in err
    assert "out.json" in err


@pytest.mark.parametrize("flag", ["--report", "--json"])
def test_a_report_that_cannot_be_written_is_refused_before_any_work(run, pipeline, flag):
    status, _, err = run("check", "model.py", flag, "no/such/folder/out")
    assert status == 2
    assert err.startswith("TA140 ")
    assert pipeline.calls == []


def test_two_reports_in_one_file_are_refused_before_any_work(run, pipeline):
    status, _, err = run("check", "model.py", "--report", "out", "--json", "./out")
    assert status == 2
    assert err.startswith("TA144 ")
    assert pipeline.calls == []


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["--via", "tf2onnx,"], "TA106"),
        (["--opset", "0"], "TA107"),
        (["--opset", "1000"], "TA107"),
        (["--timeout", "0"], "TA108"),
        (["--timeout", "nan"], "TA108"),
        (["--memory", "-1"], "TA108"),
        (["--memory", "inf"], "TA108"),
        (["--keep", "some"], "TA103"),
        (["--seed", "-1"], "TA103"),
        (["--set", "optimize"], "TA101"),
        (["--set", "=1"], "TA101"),
        (["--opset", "many"], "TA101"),
        (["--powers"], "TA101"),
    ],
)
def test_a_wrong_argument_is_refused_with_its_code_and_names_the_flag(run, pipeline, arguments, code):
    status, out, err = run("check", "model.py", *arguments)
    assert status == 2
    assert out == ""
    assert err.startswith(f"{code} ")
    assert arguments[0] in err or code == "TA107"
    assert err.count("\n") == 1
    assert pipeline.calls == []


@pytest.mark.parametrize(
    ("error", "status"),
    [
        (MisuseError("TA110", "there is no file x.", "Name another."), 2),
        (NotInstalledError("TA102", "it is not installed.", "Install: pip install it"), 4),
    ],
)
def test_an_error_is_one_line_with_code_message_and_next_step(run, pipeline, error, status):
    pipeline.raises = error
    found, out, err = run("check", "model.py")
    assert (found, out) == (status, "")
    assert err.splitlines()[-1] == f"{error.code} {error.message} {error.next_step}"
    assert "Traceback" not in err


@pytest.mark.parametrize("error", [InternalError("TA901", "an adapter is wrong."), ZeroDivisionError("by zero")])
def test_a_defect_of_tautomer_shows_its_traceback_and_asks_for_a_report(run, pipeline, error):
    pipeline.raises = error
    status, out, err = run("check", "model.py")
    assert (status, out) == (70, "")
    assert "Traceback" in err
    assert ("TA901 an adapter" if isinstance(error, InternalError) else "TA900 unexpected ZeroDivisionError: by") in err
    assert "Please report it" in err


def test_a_broken_pipe_inside_the_pipeline_is_not_taken_for_one_of_stdout(run, pipeline):
    pipeline.raises = BrokenPipeError(32, "Broken pipe")
    status, _, err = run("check", "model.py")
    assert status == 70
    assert "TA900 unexpected BrokenPipeError" in err


def test_an_interrupt_ends_with_130_and_without_a_traceback(run, pipeline):
    pipeline.raises = KeyboardInterrupt()
    status, out, err = run("check", "model.py")
    assert (status, out) == (130, "")
    assert "Interrupted." in err
    assert "Traceback" not in err


@pytest.mark.parametrize("arguments", [[], ["--json", "-"]])
@pytest.mark.parametrize("redirection", ["stdout", "stdout and stderr"])
def test_a_reader_that_has_gone_ends_the_output_and_not_the_exit_status(arguments, redirection, tmp_path):
    script = textwrap.dedent(
        f"""
        import sys
        sys.path.insert(0, {str(Path(__file__).parent)!r})
        import tautomer.checking
        from conftest import Outcome, Pipeline, main
        tautomer.checking.run_check = Pipeline(Outcome.INCONCLUSIVE)
        sys.exit(main(["check", "model.py", "--report", "out.html", *{arguments!r}]))
        """
    )
    reader, writer = os.pipe()
    os.close(reader)
    try:
        stderr = writer if "stderr" in redirection else subprocess.PIPE
        done = subprocess.run(
            [sys.executable, "-c", script],
            check=False,
            stdout=writer,
            stderr=stderr,
            text=True,
            cwd=tmp_path,
            env={name: value for name, value in os.environ.items() if name != "PYTHONUNBUFFERED"},
        )
    finally:
        os.close(writer)
    assert done.returncode == 3
    assert "roken" not in (done.stderr or "")
    assert "Traceback" not in (done.stderr or "")
    assert (tmp_path / "out.html").is_file()


@pytest.mark.parametrize(
    ("arguments", "shown"),
    [
        (["chekc"], "no such command 'chekc'"),
        (["check"], "missing argument 'MODEL'"),
        (["check", "a.py", "b.py"], "b.py"),
    ],
)
def test_a_command_line_that_cannot_be_parsed_says_what_is_wrong_and_how_to_get_help(run, pipeline, arguments, shown):
    status, out, err = run(*arguments)
    assert (status, out) == (2, "")
    assert err.startswith("TA101 ")
    assert shown in err
    assert "--help" in err
    assert pipeline.calls == []


def test_help_names_every_exit_status(run):
    status, out, _ = run("check", "--help")
    assert status == 0
    assert "0 every pair equivalent" in out
    assert "130 interrupted" in " ".join(out.split())


def test_without_a_command_the_help_is_shown_as_misuse(run):
    status, out, err = run()
    assert (status, out) == (2, "")
    assert "Usage: tautomer" in err
