"""`tautomer compare`: every kind of artefact against every kind, in either place, the same function and another."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
import torch

from tautomer.checking.comparison import run_comparison
from tautomer.model import CheckSettings, Limits, Outcome

pytestmark = [pytest.mark.slow, pytest.mark.needs("torch", "onnx", "onnxruntime")]

MODULE = """
import torch

class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        torch.manual_seed(0)
        self.first = torch.nn.Linear(8, 16)
        self.norm = torch.nn.LayerNorm(16, eps={eps})
        self.second = torch.nn.Linear(16, 4)

    def forward(self, x):
        return torch.sigmoid(self.second(self.norm(torch.relu(self.first(x)))))

def inputs():
    torch.manual_seed(3)
    return (torch.randn(5, 8),)
"""

KINDS = ("module", "pt2", "torchscript", "onnx")


@pytest.fixture(scope="module")
def artefacts(tmp_path_factory):
    """Path of each kind of file, for the model and for one whose normalization adds another epsilon; and samples."""
    folder = tmp_path_factory.mktemp("artefacts")
    found = {}
    for which, eps in (("right", "1e-5"), ("wrong", "1e-2")):
        path = folder / f"{which}.py"
        path.write_text(MODULE.format(eps=eps), "utf-8")
        namespace = {}
        exec(compile(path.read_text(), str(path), "exec"), namespace)
        model, inputs = namespace["Model"]().eval(), namespace["inputs"]()
        torch.export.save(torch.export.export(model, inputs), folder / f"{which}.pt2")
        torch.jit.trace(model, inputs).save(str(folder / f"{which}.ts"))
        torch.onnx.export(model, inputs, str(folder / f"{which}.onnx"), dynamo=True, verbose=False)
        suffixes = dict(zip(KINDS, (".py", ".pt2", ".ts", ".onnx"), strict=True))
        found |= {(which, kind): folder / f"{which}{suffix}" for kind, suffix in suffixes.items()}
        np.savez(folder / "sample.npz", x=inputs[0].numpy())
    return found, folder / "sample.npz"


@pytest.mark.parametrize(("reference", "judged"), list(itertools.product(KINDS, KINDS)))
def test_any_two_kinds_are_compared_and_the_normalization_that_differs_is_named(
    artefacts, pool, run_dir, reference, judged
):
    files, sample = artefacts
    settings = CheckSettings(run_dir=run_dir, limits=Limits(120.0, 4 << 30), inputs=sample)

    def compared(which):
        run = run_comparison(files["right", reference], files[which, judged], settings, runner=pool)
        return run.report.reports[0]

    same, other = compared("right"), compared("wrong")
    assert same.outcome is Outcome.EQUIVALENT, (same.reason, same.findings)
    assert other.outcome is Outcome.DIVERGENT
    [finding] = other.findings
    named = f"{finding.location.source_node} {finding.location.op_types} {finding.location.nodes}".lower()
    assert "norm" in named, named
