"""A Python file that builds an ONNX model is checked, compared and refused as the .onnx file it stands for."""

from __future__ import annotations

import json

import pytest

from tautomer.adapters import registry
from tautomer.checking.sources import module_kind
from tautomer.model import ArtifactKind

pytestmark = pytest.mark.needs("onnxruntime", "onnx")

MODULE = '''
import numpy as np
from onnx import parser

def model():
    return parser.parse_model("""
        <ir_version: 10, opset_import: ["" : 20]>
        g (float[2, 3] a, float[3] b) => (float[2, 3] y) { s = Add(a, b) y = Tanh(s) }
    """)

def inputs():
    return np.linspace(-1, 1, 6, dtype="float32").reshape(2, 3), np.ones(3, "float32")

def run_inputs():
    return [{"b": np.zeros(3, "float32"), "a": np.ones((2, 3), "float32")}]
'''


def test_it_is_checked_on_its_own_inputs_under_its_own_name(command, write_module, tmp_path):
    said = command("check", write_module(MODULE, "sum.py"), "--json", tmp_path / "report.json")
    assert said.status == 0, said.stdout + said.stderr
    report = json.loads((tmp_path / "report.json").read_text())
    assert report["reports"][0]["model"] == "sum.py"
    assert report["settings"]["model"].endswith("sum.py")
    assert report["settings"]["source_is_onnx"]
    assert [one["name"] for one in report["reports"][0]["inputs"]] == [
        "000-inputs.safetensors",
        "001-run_inputs.safetensors",
    ]


@pytest.mark.parametrize(
    ("old", "new", "code"),
    [
        ("return parser.parse_model", "return str", "TA123"),
        ("def model", "def another", "TA121"),
        ("parser.parse_model(", "parser.parse_model(1, ", "TA124"),
        ("return np.linspace(-1, 1, 6", "return 1, np.linspace(-1, 1, 6", "TA125"),
        ('"b": np.zeros', '"c": np.zeros', "TA135"),
    ],
)
def test_what_it_does_not_give_is_misuse(command, write_module, old, new, code):
    assert old in MODULE
    said = command("check", write_module(MODULE.replace(old, new)))
    assert said.status == 2, said.stdout + said.stderr
    assert code in said.stderr


@pytest.mark.parametrize(
    ("text", "kind"),
    [
        ("import onnx", ArtifactKind.ONNX),
        ("import onnx, torch", ArtifactKind.MODEL_MODULE),
        ("import onnx, keras", ArtifactKind.TENSORFLOW_MODULE),
        ('import torch\nFRAMEWORK = "onnx"', ArtifactKind.ONNX),
    ],
)
def test_a_module_is_of_onnx_where_it_says_so_or_imports_no_other_framework(write_module, text, kind):
    assert registry.adapters()
    assert module_kind(write_module(text)) is kind
