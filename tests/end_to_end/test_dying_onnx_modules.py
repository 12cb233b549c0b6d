"""A module of ONNX that takes its process down is a result of a check, as one of PyTorch is."""

from __future__ import annotations

import json

import pytest

from tautomer.cli import main

pytestmark = pytest.mark.needs("onnx", "onnxruntime")

MODULE = """
import os
from onnx import parser

{on_import}

def model():
    {in_model}
    return parser.parse_model('<ir_version: 10, opset_import: ["" : 20]> g (float[2] x) => (float[2] y) {{ y = Exp (x) }}')

def inputs():
    {in_inputs}
    return None
"""  # noqa: E501

PLACES = ("on_import", "in_model", "in_inputs")


def reported(arguments, capsys):
    """Exit status and the only pair's report."""
    status = main([*arguments, "--json", "-"])
    [report] = json.loads(capsys.readouterr().out)["reports"]
    return status, report


@pytest.mark.parametrize(
    ("command", "place", "death", "said"),
    [
        ("check", "on_import", "os._exit(0)", "exit status 0"),
        ("check", "in_model", "exec('while True: pass')", "did not end"),
        ("check", "in_inputs", "os.kill(os.getpid(), 9)", "SIGKILL"),
        ("compare", "in_model", "os.abort()", "SIGABRT"),
    ],
)
def test_a_module_that_dies_fails_at_load_model(command, place, death, said, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "dying.py"
    path.write_text(MODULE.format(**{one: death if one == place else "pass" for one in PLACES}), "utf-8")
    models = [str(path)] if command == "check" else [str(path), str(path)]

    status, report = reported([command, *models, "--timeout", "3"], capsys)

    assert status == 1
    assert (report["outcome"], report["stage"], report["symptom_stage"]) == ("failed", "load_model", "load_model")
    assert report["findings"][0]["code"] == "TA204"
    assert said in report["findings"][0]["message"]
    assert report["model"] == "dying.py"


def test_a_module_that_raises_is_misuse(tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "raising.py").write_text(
        MODULE.format(on_import="pass", in_model="raise RuntimeError('no')", in_inputs="pass"), "utf-8"
    )
    assert main(["check", "raising.py"]) == 2
    assert "TA124" in capsys.readouterr().err
