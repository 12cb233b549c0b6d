"""`tautomer reduce` on failures of tf2onnx: how small, whether proven, and what the script shows."""

from __future__ import annotations

import pytest

from tautomer.execution import Pool
from tautomer.model import CheckSettings, Keep
from tautomer.model.report_json import decode
from tautomer.reduction import Request, reduce

pytestmark = [pytest.mark.needs("tensorflow", "tf2onnx", "onnxruntime"), pytest.mark.slow]

RESIZED = """
import numpy as np
import tensorflow as tf

rng = np.random.default_rng(0)
W = rng.standard_normal((3, 3, 3, 4)).astype("f")


def model(customer_x):
    x = tf.nn.relu(tf.nn.conv2d(customer_x, W, 1, "SAME", name="customer_filter"))
    return tf.image.resize(x, (3, 4), method="area")


def inputs():
    return (rng.standard_normal((1, 5, 7, 3)).astype("f"),)
"""
"""Area resizing becomes nearest-neighbour resizing."""

BANDED = """
import numpy as np
import tensorflow as tf


class CustomerLayer(tf.Module):
    def __init__(self):
        super().__init__(name="customer_module")
        self.customer_weight = tf.Variable(np.eye(4, dtype="f"), name="customer_variable")

    def __call__(self, customer_x, customer_flag):
        def customer_then():
            return tf.linalg.band_part(customer_x + self.customer_weight, 0, 1, name="customer_band") * 3.25

        def customer_else():
            return tf.math.log(customer_x)

        return tf.cond(customer_flag, customer_then, customer_else)


def model():
    return CustomerLayer()


def inputs():
    x = np.arange(16, dtype="f").reshape(4, 4) / 7
    x[3, 1] = np.inf
    return x, np.bool_(True)
"""
"""A band of a matrix is multiplied by a mask, which makes NaN of infinity, in a branch that reads a variable."""


class Silent:
    """Hears a reduction and says nothing."""

    def stage(self, name, detail=""):
        """A step begins."""

    def done(self, name, seconds, outcome=None):
        """A step has ended."""


@pytest.fixture(scope="module")
def redacted(tmp_path_factory):
    """Reduces and redacts a module, within so many attempts; gives what that came to."""
    with Pool() as pool:

        def ask(text, max_attempts):
            folder = tmp_path_factory.mktemp("redacted")
            path = folder / "customer_model.py"
            path.write_text(text)
            settings = CheckSettings(via=("tf2onnx",), run_dir=folder / "runs", keep=Keep.NONE)
            out = folder / "customer_out"
            request = Request(subject=str(path), settings=settings, out=out, redact=True, max_attempts=max_attempts)
            return reduce(request, hearer=Silent(), runner=pool)

        yield ask


@pytest.mark.parametrize(
    ("text", "operator", "max_attempts"), [(RESIZED, "ResizeArea", 500), (BANDED, "MatrixBandPart", 30)]
)
def test_the_operator_at_fault_is_left_shown_by_public_packages_and_names_nothing(
    redacted, text, operator, max_attempts
):
    reduction = redacted(text, max_attempts)
    assert reduction.proven
    assert reduction.script is not None
    assert reduction.script.shows_the_failure
    assert reduction.tracker == "tf2onnx"
    module = (reduction.folder / "model.py").read_text()
    assert module.count("tf.raw_ops.") == module.count(f"tf.raw_ops.{operator}(") == 1
    report = decode((reduction.folder / "recheck.json").read_bytes()).reports[0]
    assert (report.outcome, report.findings[0].location.source_node) == ("divergent", operator)
    for file in reduction.folder.iterdir():
        content = file.read_bytes()
        assert not any(secret in content for secret in (b"customer", str(reduction.folder.parent).encode())), file.name
    assert operator in (reduction.folder / "redaction.md").read_text()
    issue = (reduction.folder / "issue.md").read_text()
    assert "TensorFlow in float64" in issue
    assert "PyTorch" not in issue
