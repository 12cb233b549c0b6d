"""The source's envelope knows that a product is rounded before an elementwise operator adds it."""

import pytest
import torch

from tautomer.adapters.torch_programs.capture import capture
from tautomer.adapters.torch_programs.lift import GraphRun
from tautomer.adapters.torch_programs.sampling import Envelope
from tautomer.adapters.torch_programs.trees import CallArguments

pytestmark = pytest.mark.needs("torch")

U = 2.0**-24
FORMS = {
    "add": lambda x, y, z: torch.add(x, y, alpha=1.397),
    "sub": lambda x, y, z: torch.sub(x, y, alpha=-1.397),
    "rsub": lambda x, y, z: torch.rsub(y, x, alpha=-1.397),
    "addcmul": lambda x, y, z: torch.addcmul(x, y, z, value=1.397),
    "addcdiv": lambda x, y, z: torch.addcdiv(x, y, 1 / z, value=1.397),
    "lerp": lambda x, y, z: torch.lerp(x, y, 1.397 * torch.ones(())),
}


def spread(function, x, y, z):
    captured = capture(function, CallArguments((x, y, z), {}))
    exact = GraphRun(captured.graph, lift=True).outputs(x, y, z)
    envelope = Envelope(captured, (x, y, z), exact, seed=0, samples=16)
    return next(iter(envelope.variance.values())).array.mean() ** 0.5


@pytest.mark.parametrize("name", FORMS)
def test_where_a_sum_cancels_the_rounding_of_its_term_remains(name):
    y, z = torch.linspace(1.0, 2.0, 64), torch.ones(64)
    x = 0.397 / 0.397 * y * (1.397 / 0.397) if name == "lerp" else -1.397 * y  # the sum is nearly zero
    found = spread(FORMS[name], x, y, z)
    assert 0.5 * U < found < 40 * U


def test_a_plain_sum_that_cancels_is_exact():
    y = torch.linspace(1.0, 2.0, 64)
    assert spread(lambda x, y, z: x + y, -y, y, y) == 0.0
