"""`tautomer coverage` and `tautomer sequences` on models of the three frameworks, real conversions and bad input."""

from __future__ import annotations

import json

import onnx
import pytest

from tautomer.cli import main
from tautomer.coverage import coverage_of
from tautomer.coverage.reading import read_models
from tautomer.model import Limits

pytestmark = [pytest.mark.slow, pytest.mark.needs("onnx", "onnxruntime")]

TORCH = """
import torch

class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.conv = torch.nn.Conv2d(3, 4, 3)

    def forward(self, x, flag):
        y = self.conv(x).relu_()
        with torch.no_grad():
            a, b = torch.split(y, 2, dim=1)
        z = torch.cond(flag.sum() > 0, lambda u, v: (u + v).tanh(), lambda u, v: u * v, (a, b))
        values, places = z.max(dim=1)
        return places, torch.cat([a, b, a], 1), values

def inputs():
    return torch.randn(1, 3, 6, 6), torch.ones(1)
"""

TENSORFLOW = """
import tensorflow as tf

WEIGHT = tf.Variable(tf.ones((3, 4)))

def model(x):
    y = tf.matmul(x, WEIGHT)
    y = tf.while_loop(lambda i, y: i < 3, lambda i, y: (i + 1, tf.nn.relu(y)), (tf.constant(0), y))[1]
    a, b = tf.split(y, 2, axis=1)
    return tf.concat([a, b, a], 1)

SIGNATURE = [tf.TensorSpec((None, 3), tf.float32, "x")]

def inputs():
    return (tf.ones((2, 3)),)
"""

ONNX_MODULE = """
from onnx import parser

def model():
    return parser.parse_model('''
        <ir_version: 9, opset_import: ["" : 20]>
        g (float[1, 1, 3, 3] x) => (float[1, 1, 1, 1] y) {
            n = Neg (x)
            y = Conv (x, n)
        }''')

def inputs():
    return ()
"""

ERF_OF_DOUBLE = "r = Relu (x) e = Erf (r) y = Neg (e)"  # which ONNX Runtime has no kernel for
SAME_WITHOUT = "r = Relu (x) y = Neg (r)"


@pytest.fixture
def save(tmp_path):
    """Saves an ONNX file of a double vector through these nodes."""

    def saved(name, nodes):
        path = tmp_path / name
        path.parent.mkdir(exist_ok=True)
        text = f'<ir_version: 9, opset_import: ["" : 20]> g (double[3] x) => (double[3] y) {{ {nodes} }}'
        onnx.save(onnx.parser.parse_model(text), str(path))
        return path

    return saved


@pytest.mark.needs("torch", "tensorflow")
def test_programs_are_read_before_they_are_converted(write_module, tmp_path, run_dir, pool):
    write_module(TORCH, "a.py")
    write_module(TENSORFLOW, "b.py")
    write_module("def inputs(): ...", "conftest.py")

    read = read_models([str(tmp_path)], runner=pool, limits=Limits(120.0, 8 << 30), run_dir=run_dir)

    torch_model, tensorflow_model = (one.architecture for one in read.models)
    assert (torch_model.framework, tensorflow_model.framework) == ("torch", "tensorflow")
    assert not torch_model.notes
    found = coverage_of(torch_model).items
    assert "aten.conv2d 0>0 aten.relu 0>0 aten.split" in found["sequences_3"]
    assert "aten.split 0>0 aten.add 0>0 aten.tanh 0>5 higher_order.cond 0>0 aten.max" in found["sequences_5"]
    assert "aten.cat(0:float32[4] x3+) dim=1" in found["typed_operators"]
    assert "aten.max -> 0 output | 1 output" in found["fan_out"]
    found = coverage_of(tensorflow_model).items
    assert "MatMul 0>0 Relu" in found["sequences_2"]
    assert "StatelessWhile 0>1 Split 0>0 ConcatV2" in found["sequences_3"]
    assert "Identity" not in found["operators"]
    assert tensorflow_model.inputs[0].shape == (None, 3)
    assert list(run_dir.glob("[!.]*")) == []


def test_coverage_is_a_share_with_an_exit_status(save, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save("own/a.onnx", SAME_WITHOUT)
    save("other/a.onnx", ERF_OF_DOUBLE)
    save("other/b.onnx", SAME_WITHOUT)
    arguments = ["coverage", "own", "--against", "other", "--json", "-", "--report", "page.html"]

    assert main(arguments) == 0
    report = json.loads(capsys.readouterr().out)
    kinds = {one["kind"]: one for one in report["kinds"]}
    assert (kinds["operators"]["inside"], kinds["operators"]["of"]) == (2, 3)
    assert kinds["operators"]["missing"] == [{"item": "Erf", "models": 1}]
    assert kinds["sequences_2"]["share"] == pytest.approx(1 / 3)
    assert [one["name"] for one in report["additions"]] == ["a.onnx"]
    assert "<polyline" not in (tmp_path / "page.html").read_text()  # one model makes no curve

    assert main([*arguments, "--fail-under", "operators=0.6"]) == 0
    assert main([*arguments, "--fail-under", "operators=0.7"]) == 1
    (tmp_path / "other" / "broken.onnx").write_bytes(b"no model")
    assert main([*arguments, "--fail-under", "operators=0.6"]) == 3
    capsys.readouterr()
    assert main(["coverage", "own", "other", "--report", "page.html"]) == 0
    assert "not read: " in capsys.readouterr().out
    assert "<polyline" in (tmp_path / "page.html").read_text()


def test_a_module_that_builds_an_onnx_model_is_read_like_its_file(pool, tmp_path):
    text = '<ir_version: 10, opset_import: ["" : 20]> g (float[2] x) => (float[2] y) { r = Relu (x) y = Exp (r) }'
    for name, first in (("good", "pass"), ("bad", "import os; os._exit(3)")):
        lines = ("from onnx import parser", "def model():", f"    {first}", f"    return parser.parse_model({text!r})")
        lines = (*lines, "def inputs():", "    return ([0.5, 1.0],)")
        (tmp_path / f"{name}.py").write_text("\n".join(lines), "utf-8")

    read = read_models([str(tmp_path)], runner=pool, limits=Limits())

    [model] = read.models
    assert [node.operator for node in model.architecture.nodes] == ["Relu", "Exp"]
    assert model.path == tmp_path / "good.py"
    assert list(read.unread) == [str(tmp_path / "bad.py")]


def test_the_universe_may_be_what_rules_make_feasible(save, write_module, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save("own/a.onnx", ERF_OF_DOUBLE)
    write_module(ONNX_MODULE, "own/b.py")
    arguments = ["coverage", "own", "--against", "feasible:onnx", "--against", "own", "--json", "-", "--show", "3"]

    assert main([*arguments, "--report", "page.html"]) == 0
    report = json.loads(capsys.readouterr().out)
    kinds = {one["kind"]: one for one in report["kinds"]}
    assert (report["universe"], report["feasible"], len(report["models"])) == ("own", "feasible:onnx", 2)
    assert kinds["sequences_2"]["share"] == 1
    # The rules of Conv make its weight themselves: a sequence that leads there is outside.
    assert (kinds["sequences_2"]["covered"], kinds["sequences_2"]["feasible"]["inside"]) == (3, 2)
    assert kinds["sequences_2"]["feasible"]["of"] > 10_000 < kinds["sequences_3"]["feasible"]["of"]
    assert kinds["typed_operators"]["feasible"] is None
    assert "Share of it" in (tmp_path / "page.html").read_text()


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["coverage", "nowhere"], "TA110"),
        (["coverage", "empty"], "TA190"),
        (["coverage", "broken.onnx"], "TA115"),
        (["coverage", "a.onnx", "--fail-under", "0.5"], "TA193"),
        (["coverage", "a.onnx", "--against", "a.onnx", "--fail-under", "50"], "TA193"),
        (["coverage", "a.onnx", "--against", "feasible:jax"], "TA198"),
        (["coverage", "a.onnx", "--against", "feasible:onnx", "--against", "feasible:torch"], "TA198"),
        (["coverage", "a.onnx", "--against", "feasible:onnx", "--fail-under", "fan_in=0.1"], "TA193"),
        (["sequences", "--failing", "a.onnx", "--passing", "a.onnx"], "TA196"),
        (["sequences", "--failing", "a.onnx", "--passing", "b.onnx", "--method", "other"], "TA195"),
        (["sequences", "--failing", "a.onnx", "--passing", "b.onnx", "--max-length", "1"], "TA195"),
        (["sequences", "--failing", "a.onnx", "--passing", "b.onnx", "--method", "published", "--check"], "TA195"),
    ],
)
def test_misuse_has_a_code_and_status_2(arguments, code, save, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save("a.onnx", SAME_WITHOUT)
    save("b.onnx", ERF_OF_DOUBLE)
    (tmp_path / "empty").mkdir()
    (tmp_path / "broken.onnx").write_bytes(b"no model")

    assert main(arguments) == 2
    assert code in capsys.readouterr().err


def test_what_fails_alone_is_told_from_what_goes_with_failure(save, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save("failing/a.onnx", ERF_OF_DOUBLE)
    save("failing/b.onnx", f"t = Sin (x) u = Tanh (t) {ERF_OF_DOUBLE.replace('(x)', '(u)')}")
    save("passing/a.onnx", SAME_WITHOUT)
    save("passing/b.onnx", "t = Sin (x) y = Relu (t)")

    status = main(["sequences", "--failing", "failing", "--passing", "passing", "--check", "--json", "-"])

    report = json.loads(capsys.readouterr().out)
    verdicts = {one["item"]: one["verdict"] for one in report["direct_tests"]}
    assert status == 1
    assert verdicts == {"Erf": "causes the failure alone", "Tanh": "does not fail alone"}
    assert report["exact"]["only_failing"]["reduced"] == 0
    assert report["exact"]["operators"][0]["item"] == "Erf"


def test_the_published_procedure_is_a_method(save, tmp_path, capsys, monkeypatch):
    monkeypatch.chdir(tmp_path)
    save("failing/a.onnx", ERF_OF_DOUBLE)
    save("failing/b.onnx", ERF_OF_DOUBLE)
    save("passing/a.onnx", SAME_WITHOUT)

    assert main(["sequences", "--failing", "failing", "--passing", "passing", "--method", "published"]) == 0
    assert "Relu > Erf > Neg" in capsys.readouterr().out
