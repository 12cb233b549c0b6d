"""The scripts for maintainers: Python that runs by itself and says by its exit status whether the failure shows."""

from __future__ import annotations

import ast
import itertools

import numpy as np
import onnx
import onnx.parser
import pytest

from tautomer.adapters.tensor_file import write_values
from tautomer.model import Kind, Outcome, Stage, Tensor
from tautomer.reduction.reproduction import (
    GraphSource,
    Reproduction,
    run_script,
    script_of_graph,
    script_of_module,
    split_module,
)
from tautomer.reduction.writing import with_run_inputs

MODULE = '''"""Doc."""

from __future__ import annotations

import math

import torch


class Model(torch.nn.Module):
    def forward(self, x):
        return x * math.pi


def inputs():
    return (torch.ones(2),)


def run_inputs():
    return (torch.ones(3),)


DYNAMIC_SHAPES = ({0: torch.export.Dim.DYNAMIC},)
'''

SOUND = """
<ir_version: 8, opset_import: ["" : 18]>
g (float[3] x) => (float[3] y) { y = Neg (x) }
"""

ENDS = [
    (Outcome.DIVERGENT, Stage.RUNTIME_EXECUTION, Kind.SEMANTIC),
    (Outcome.FAILED, Stage.RUNTIME_LOAD, Kind.REFUSED),
    (Outcome.FAILED, Stage.RUNTIME_EXECUTION, Kind.CRASH),
    (Outcome.FAILED, Stage.VALIDATION, Kind.REFUSED),
    (Outcome.FAILED, Stage.NODE_CONVERSION, Kind.REFUSED),
    (Outcome.FAILED, Stage.NODE_CONVERSION, Kind.HANG),
]


def reproduction(end, runtime="onnxruntime", converter="torch.onnx", **more):
    outcome, stage, kind = end
    return Reproduction(
        title='It says "no" \\ here.',
        outcome=outcome,
        symptom_stage=stage,
        kind=kind,
        converter=converter,
        runtime=runtime,
        **more,
    )


def names_used_but_not_defined(text):
    tree = ast.parse(text)
    defined = set(dir(__builtins__)) | set(__builtins__) if isinstance(__builtins__, dict) else set(dir(__builtins__))
    defined |= {"__file__", "__name__"}
    for node in ast.walk(tree):
        if isinstance(node, ast.Import | ast.ImportFrom):
            defined |= {(one.asname or one.name).partition(".")[0] for one in node.names}
        elif isinstance(node, ast.FunctionDef | ast.ClassDef):
            defined.add(node.name)
        elif isinstance(node, ast.arg):
            defined.add(node.arg)
        elif isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store):
            defined.add(node.id)
        elif isinstance(node, ast.ExceptHandler) and node.name:
            defined.add(node.name)
    return {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)} - defined


@pytest.mark.parametrize(
    ("end", "runtime", "plain"),
    list(itertools.product(ENDS, ["onnxruntime", "openvino", "onnx-reference"], [True, False])),
)
def test_a_script_of_a_module_defines_all_it_uses(end, runtime, plain):
    text = script_of_module(reproduction(end, runtime), MODULE, plain=plain)
    assert names_used_but_not_defined(text) == set()
    assert "tautomer" not in text


@pytest.mark.parametrize(
    ("end", "runtime"), list(itertools.product(ENDS[:4], ["onnxruntime", "openvino", "onnx-reference"]))
)
def test_a_script_of_a_graph_defines_all_it_uses(end, runtime):
    source = GraphSource(None, [{"x": 'TENSORS["tensor0"]'}], "inputs.safetensors")
    text = script_of_graph(reproduction(end, runtime, converter=None), source)
    assert names_used_but_not_defined(text) == set()
    assert "tautomer" not in text


def test_settings_of_the_conversion_are_those_of_the_check():
    text = script_of_module(reproduction(ENDS[0], opset=20, options={"optimize": False}), MODULE, plain=True)
    assert "dynamo=True, verbose=False, optimize=False, opset_version=20, dynamic_shapes=DYNAMIC_SHAPES)" in text


@pytest.mark.needs("onnxruntime")
def test_settings_of_the_runtime_are_those_of_the_check(tmp_path):
    given = {
        "optimization": "basic",
        "disabled_optimizers": "ConstantFolding,CastElimination",
        "threads": 1,
        "prepacking": False,
        "denormal_as_zero": True,
        "memory_pattern": False,
        "session.use_env_allocators": False,
    }
    source = GraphSource(SOUND.strip(), [{"x": "np.array([1.0, -2.0, 0.0], dtype=np.float32)"}])
    text = script_of_graph(reproduction(ENDS[1], converter=None, runtime_options=given), source)
    for said in ("ORT_ENABLE_BASIC", "['ConstantFolding', 'CastElimination']", "intra_op_num_threads = 1"):
        assert said in text
    (tmp_path / "repro.py").write_text(text)
    assert run_script(tmp_path / "repro.py", 120).status == 0
    openvino = script_of_graph(
        reproduction(ENDS[1], "openvino", converter=None, runtime_options={"NUM_STREAMS": 1}), source
    )
    assert '{"INFERENCE_PRECISION_HINT": "f32", "NUM_STREAMS": 1}' in openvino


def test_future_imports_come_first_and_the_docstring_goes():
    future, body = split_module(MODULE)
    assert future == "from __future__ import annotations"
    assert "Doc." not in body
    assert "__future__" not in body


@pytest.mark.needs("onnxruntime")
@pytest.mark.parametrize(
    ("text", "end", "status"),
    [
        (SOUND, ENDS[0], 0),
        (SOUND, ENDS[1], 0),
        (SOUND, ENDS[2], 0),
        (SOUND, ENDS[3], 0),
        (SOUND.replace("Neg", "NoSuchOperator"), ENDS[1], 1),
        (SOUND.replace("float[3] y", "int64[3] y"), ENDS[3], 1),
        # It fails, and in another way than it should.
        (SOUND.replace("Neg", "NoSuchOperator"), ENDS[2], 2),
        (SOUND.replace("Neg", "NoSuchOperator"), (Outcome.FAILED, Stage.RUNTIME_EXECUTION, Kind.REFUSED), 2),
    ],
)
def test_a_script_exits_with_1_only_where_the_failure_shows(text, end, status, tmp_path):
    onnx.save_model(onnx.parser.parse_model(text), str(tmp_path / "model.onnx"))
    source = GraphSource(text.strip(), [{"x": "np.array([1.0, -2.0, 0.0], dtype=np.float32)"}])
    script = tmp_path / "repro.py"
    script.write_text(script_of_graph(reproduction(end, converter=None), source))
    ran = run_script(script, 120)
    assert ran.status == status, ran.output
    assert ran.shows_the_failure == (status == 1)


@pytest.mark.needs("openvino")
def test_a_script_loads_a_graph_into_openvino(tmp_path):
    source = GraphSource(SOUND.strip(), [{"x": "np.array([1.0, -2.0, 0.0], dtype=np.float32)"}])
    script = tmp_path / "repro.py"
    script.write_text(script_of_graph(reproduction(ENDS[0], "openvino", converter=None), source))
    ran = run_script(script, 120)
    assert ran.status == 0, ran.output


@pytest.mark.needs("onnxruntime")
def test_a_divergence_shows_beside_the_float64_evidence(tmp_path):
    # The script's runtime gets a graph that is another than the reference's: Neg where that has Abs.
    source = GraphSource(SOUND.strip(), [{"x": "np.array([1.0, -2.0, 0.0], dtype=np.float32)"}])
    text = script_of_graph(reproduction(ENDS[0], converter=None), source)
    faulty = text.replace("return session.run(None, feeds)", "return [abs(session.run(None, feeds)[0])]")
    script = tmp_path / "repro.py"
    script.write_text(faulty)
    ran = run_script(script, 120)
    assert ran.status == 1
    for part in ("DIFFERS", "expected, onnx.reference", "float64", "actual, onnxruntime"):
        assert part in ran.output


def test_inputs_that_a_check_derived_are_written_into_the_module(tmp_path):
    values = np.array([[1.5, np.nan], [-np.inf, -0.0]], np.float32)
    write_values(tmp_path / "inputs.safetensors", {"x": Tensor.of(values), "i": Tensor.of(np.zeros((0, 2), np.int64))})
    text = with_run_inputs("import torch\n", tmp_path / "inputs.safetensors")
    numbers = "torch.tensor([[1.5, torch.nan], [-torch.inf, -0.0]], dtype=torch.float32)"
    assert f"return ({numbers}, torch.tensor([], dtype=torch.int64).reshape((0, 2)),)" in text
    compile(text, "model.py", "exec")


def test_inputs_too_large_to_read_are_not_written_out(tmp_path):
    write_values(tmp_path / "inputs.safetensors", {"x": Tensor.of(np.zeros(1000))})
    assert with_run_inputs("import torch\n", tmp_path / "inputs.safetensors") is None
