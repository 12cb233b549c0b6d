"""PyTorch programs in a worker: capture, float64, second sizes, state."""

from __future__ import annotations

import numpy as np
import pytest
import torch

from tautomer.adapters.torch_programs.capture import capture, training_operators
from tautomer.adapters.torch_programs.lift import GraphRun, NotLiftable
from tautomer.adapters.torch_programs.sampling import Envelope
from tautomer.adapters.torch_programs.second_size import dynamic_dimensions, not_varied, resized
from tautomer.adapters.torch_programs.state import ModuleState
from tautomer.adapters.torch_programs.trees import CallArguments, leaves_of

pytestmark = pytest.mark.needs("torch")


def lifted(function, *tensors):
    captured = capture(function, CallArguments(tuple(tensors), {}))
    [value, *_] = GraphRun(captured.graph, lift=True).outputs(*tensors)
    return value


def test_a_python_scalar_is_rounded_as_the_float32_kernel_rounds_it():
    value = lifted(lambda x: x * 0.1 + 1.1, torch.ones(3))
    assert value.dtype == torch.float64
    assert value[0].item() == float(np.float32(0.1)) + float(np.float32(1.1))


def test_a_default_epsilon_is_rounded_as_a_given_one():
    x = torch.randn(4, 8) * 1e-3
    norm = torch.nn.functional.layer_norm
    assert torch.equal(lifted(lambda t: norm(t, (8,)), x), lifted(lambda t: norm(t, (8,), eps=1e-5), x))


def test_an_explicit_cast_to_a_narrower_format_stays_part_of_the_function():
    x = torch.tensor([1.0 + 2.0**-20])
    assert lifted(lambda t: t.half().float(), x).item() == 1.0
    assert lifted(lambda t: t.double().float(), x).item() == x.double().item()


def test_a_large_integer_cast_to_float32_is_rounded():
    x = torch.tensor([2**24 + 1])
    assert lifted(lambda t: t.float(), x).item() == 2.0**24


def test_autocast_shows_its_casts():
    def under_autocast(t):
        with torch.autocast("cpu", torch.bfloat16):
            return (t @ t).float()

    x = torch.randn(8, 8)
    exact = x.bfloat16().double() @ x.bfloat16().double()
    assert torch.allclose(lifted(under_autocast, x), exact, rtol=2.0**-7)
    assert not torch.allclose(lifted(under_autocast, x), x.double() @ x.double(), rtol=1e-9)


def test_python_decisions_are_those_of_the_run():
    def branching(t):
        return t * 2 if t.sum() > 0 else t * 3

    assert lifted(branching, torch.tensor([-1.0])).item() == -3.0
    assert lifted(branching, torch.tensor([1.0])).item() == 2.0


def test_control_flow_operators_are_lifted():
    def with_cond(t):
        return torch.cond(t.sum() > 0, lambda a: a * 0.1, lambda a: a - 0.1, (t,))

    assert lifted(with_cond, torch.ones(2))[0].item() == float(np.float32(0.1))
    assert lifted(with_cond, -torch.ones(2))[0].item() == -1.0 - float(np.float32(0.1))


def test_recurrent_layers_and_attention_are_lifted_whole():
    torch.manual_seed(0)
    layer = torch.nn.LSTM(4, 5, batch_first=True)
    x = torch.randn(2, 3, 4)
    expected = torch.nn.LSTM(4, 5, batch_first=True).double()
    expected.load_state_dict({name: value.double() for name, value in layer.state_dict().items()})
    assert torch.allclose(lifted(lambda t: layer(t)[0], x), expected(x.double())[0], rtol=1e-12)


def test_bit_reinterpretation_is_named_as_not_liftable():
    captured = capture(lambda t: t.view(torch.int32), CallArguments((torch.ones(2),), {}))
    with pytest.raises(NotLiftable, match="reinterprets bits"):
        GraphRun(captured.graph, lift=True).outputs(torch.ones(2))


def test_the_envelope_of_values_that_are_only_moved_is_zero():
    x = torch.randn(6)
    captured = capture(lambda t: t.flip(0).reshape(2, 3).relu(), CallArguments((x,), {}))
    envelope = Envelope(captured, [x], GraphRun(captured.graph, lift=True).outputs(x), seed=0, samples=4)
    assert (
        not envelope.variance["output"].array.any()
        if "output" in envelope.variance
        else not envelope.variance["0"].array.any()
    )


def test_exact_inputs_do_not_excuse_a_pointwise_operator():
    """1 % 0.1 stands within u of a jump; the inputs are exact, so only the result's rounding is perturbed."""
    x, y = torch.tensor([1.0]), torch.tensor([0.1])
    captured = capture(torch.remainder, CallArguments((x, y), {}))
    envelope = Envelope(captured, [x, y], GraphRun(captured.graph, lift=True).outputs(x, y), seed=0, samples=8)
    [variance] = envelope.variance.values()
    assert 0 < np.sqrt(variance.array[0]) < 1e-7


def test_an_active_dropout_is_found_and_an_inactive_one_is_not():
    def dropping(train):
        return capture(lambda t: torch.nn.functional.dropout(t, 0.5, train), CallArguments((torch.ones(4),), {})).graph

    assert "dropout" in training_operators(dropping(True))[0]
    assert training_operators(dropping(False)) == []


def test_buffers_and_attributes_come_back():
    class Counter(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("seen", torch.zeros(1))
            self.calls = 0

        def forward(self, x):
            self.seen.add_(1)
            self.calls += 1
            self.cache = x
            return x + self.seen

    module = Counter()
    state = ModuleState.of(module)
    module(torch.ones(1))
    state.restore()
    assert module.seen.item() == 0.0
    assert module.calls == 0
    assert not hasattr(module, "cache")


def test_outputs_are_named_by_their_paths():
    leaves = leaves_of({"logits": torch.ones(1), "past": [{"key": torch.ones(2), "value": None}]})
    assert leaves.paths[:2] == ("logits", "past.0.key")
    assert list(leaves.tensors()) == ["logits", "past.0.key"]


def test_a_second_size_follows_the_symbols():
    batch, length = torch.export.Dim("batch"), torch.export.Dim("length", max=4)
    call = CallArguments((torch.zeros(2, 4), torch.zeros(2, 3)), {})
    shapes = ({0: batch, 1: length}, {0: batch})
    dimensions = dynamic_dimensions(call, shapes, ("a", "b")).dimensions
    assert [(one.path, one.axis, one.symbol) for one in dimensions] == [
        ("a", 0, "batch"),
        ("a", 1, "length"),
        ("b", 0, "batch"),
    ]
    other = resized(call, dimensions, double=False, paths=("a", "b"))
    assert [tuple(one.shape) for one in other.args] == [(3, 3), (3, 3)]
    assert not_varied(dimensions, [{"a": (2, 4), "b": (2, 3)}, {"a": (5, 4), "b": (5, 3)}]) == [dimensions[1]]


def test_a_function_that_is_approximated_over_its_range_is_perturbed_by_its_range():
    x = torch.tensor([-12.0])
    captured = capture(torch.sigmoid, CallArguments((x,), {}))
    envelope = Envelope(captured, [x], GraphRun(captured.graph, lift=True).outputs(x), seed=0, samples=8)
    [variance] = envelope.variance.values()
    assert 0.5 * 2.0**-24 < np.sqrt(variance.array[0]) < 8 * 2.0**-24
