"""A source that differs from itself is found first, and the operator that does it is named."""

from __future__ import annotations

import textwrap

import numpy as np
import pytest

from tautomer.adapters.torch_programs.repeatability import variations
from tautomer.adapters.variation import Varies, differing, first_difference
from tautomer.errors import UserCodeError
from tautomer.model import Tensor

pytestmark = pytest.mark.needs("torch")


@pytest.fixture
def varies(tmp_path):
    """The ways in which a model, given as the body of its class and perhaps its inputs, differs from itself."""

    def run(body, inputs="torch.randn(2, 3)"):
        from tautomer.adapters.torch_programs.preparation import prepare

        path = tmp_path / "model.py"
        head = "import time\nimport torch\n\nCALLS = []\n\n\nclass Model(torch.nn.Module):\n"
        tail = f"\n\ndef inputs():\n    return ({inputs},)\n"
        path.write_text(head + textwrap.indent(textwrap.dedent(body), "    ") + tail)
        return variations(prepare({"path": str(path), "kind": "model_module", "seed": 0}))

    return run


SOUND = {
    "a plain operator": "def forward(self, x):\n    return x * 2 + 1",
    "a dictionary of outputs": "def forward(self, x):\n    return {'b': x, 'a': x + 1, 'none': None, 'n': 3}",
    "a NaN": "def forward(self, x):\n    return x / 0 * 0",
    "a sum of what meets at one index": """
        def forward(self, x):
            return torch.zeros(3).scatter_add(0, torch.arange(6) % 3, x.flatten())
        """,
    "an average over many terms": """
        def forward(self, x):
            y = x.repeat(500, 500)
            return (y @ y.T).mean()
        """,
    "a buffer that is filled before it is read": """
        def forward(self, x):
            y = torch.empty(2, 3)
            y.copy_(x)
            return y
        """,
    "a table that a first call fills": """
        def forward(self, x):
            if not hasattr(self, "table"):
                self.table = torch.arange(3.0)
            return x + self.table
        """,
    "a random number that no output depends on": "def forward(self, x):\n    torch.rand(3)\n    return x + 1",
}


@pytest.mark.parametrize("name", SOUND)
def test_a_source_that_repeats_itself_varies_with_nothing(varies, name):
    assert varies(SOUND[name]) == []


def test_a_random_number_is_told_from_nondeterminism(varies):
    [one] = varies("def forward(self, x):\n    y = x + 1\n    return y + torch.randn(3)")
    assert one.varies is Varies.WITH_SEED
    assert (one.operator, one.line) == ("randn", "model.py:10")
    assert one.outputs == ("output",)


def test_active_dropout_varies_with_the_seed(varies):
    [one] = varies("def forward(self, x):\n    return x, torch.nn.functional.dropout(x, 0.5, training=True)")
    assert one.varies is Varies.WITH_SEED
    assert one.outputs == ("1",)


def test_a_counter_in_a_buffer_is_state(varies):
    [one] = varies(
        """
        def __init__(self):
            super().__init__()
            self.register_buffer("calls", torch.zeros(()))

        def forward(self, x):
            self.calls += 1
            return x * self.calls
        """
    )
    assert one.varies is Varies.WITH_STATE
    assert one.operator == "add"
    assert "its arguments differ" in one.detail


def test_batch_norm_in_training_keeps_state(varies):
    body = """
        def __init__(self):
            super().__init__()
            self.norm = torch.nn.BatchNorm1d(3)

        def forward(self, x):
            self.norm.train()
            self.norm(x)
            self.norm.eval()
            return self.norm(x)
        """
    assert [one.varies for one in varies(body)] == [Varies.WITH_STATE]


def test_a_counter_outside_the_module_is_nondeterminism(varies):
    [one] = varies("def forward(self, x):\n    CALLS.append(1)\n    return (x + 1) * len(CALLS)")
    assert one.varies is Varies.ON_REPEAT
    assert (one.operator, one.line) == ("mul", "model.py:10")
    assert "its argument is" in one.detail


def test_the_time_of_day_is_nondeterminism(varies):
    [one] = varies("def forward(self, x):\n    return x + float(time.perf_counter_ns() % 1_000_003)")
    assert one.varies is Varies.ON_REPEAT
    assert one.operator == "add"


def test_another_operator_on_another_call_is_nondeterminism(varies):
    body = "def forward(self, x):\n    CALLS.append(1)\n    return x.sin() if len(CALLS) % 2 else x.cos()"
    [one] = varies(body)
    assert one.varies is Varies.ON_REPEAT
    assert {one.operator, one.detail.split()[0]} == {"sin", "cos"}


def test_a_random_generator_that_nobody_seeds_is_nondeterminism(varies):
    body = "def forward(self, x):\n    g = torch.Generator()\n    g.seed()\n    return x + torch.rand(3, generator=g)"
    [one] = varies(body)
    assert one.varies is Varies.ON_REPEAT
    assert one.operator == "rand"


@pytest.mark.parametrize("unwritten", ["torch.empty(2, 3)", "x.new_empty(2, 3)", "torch.empty_like(x)"])
def test_memory_that_nothing_has_written_is_found_whatever_lies_there(varies, unwritten):
    [one] = varies(f"def forward(self, x):\n    y = {unwritten}\n    y[0] = x[0]\n    return y")
    assert one.varies is Varies.WITH_MEMORY
    assert "memory that nothing has written" in str(one)


def test_several_ways_of_varying_are_all_named(varies):
    body = "def forward(self, x):\n    return x + torch.rand(3), x + torch.empty(3)"
    found = varies(body)
    assert [(one.varies, one.outputs) for one in found] == [(Varies.WITH_MEMORY, ("1",)), (Varies.WITH_SEED, ("0",))]


def test_only_the_outputs_that_change_are_named(varies):
    [one] = varies("def forward(self, x):\n    return {'still': x, 'moving': x * torch.rand(3)}")
    assert one.outputs == ("moving",)
    assert "'moving'" in str(one)
    assert one.fields()["message"] == str(one)


def test_a_model_that_raises_on_its_second_call_is_the_users_error(varies):
    with pytest.raises(UserCodeError):
        varies("def forward(self, x):\n    CALLS.append(1)\n    assert len(CALLS) < 2\n    return x")


def tensors(**values):
    return {name: Tensor.of(np.asarray(value)) for name, value in values.items()}


def test_equal_values_have_no_first_difference():
    nan = np.float32("nan")
    a = tensors(x=np.array([1.0, nan], np.float32), n=np.array([1, 2])) | {"scalar": float("nan"), "none": None}
    assert first_difference(a, dict(a)) is None
    assert differing(a, dict(a)) == ()


def test_the_first_difference_is_the_first_in_order():
    a = tensors(x=[1.0], y=[1.0, 2.0], z=[1.0])
    b = tensors(x=[1.0], y=[1.0, 2.5], z=[9.0])
    found = first_difference(a, b)
    assert (found.name, found.position) == ("y", 1)
    assert found.detail == "2.0 against 2.5 at [1], 1 of 2 elements differ"
    assert differing(a, b) == ("y", "z")


@pytest.mark.parametrize(
    ("one", "other"),
    [
        (np.float32(0.0), np.float32(-0.0)),
        (np.float32(1.0), np.float64(1.0)),
        (np.zeros((2, 1)), np.zeros((1, 2))),
        (np.float32("nan"), np.float32(1.0)),
        (np.array([True]), np.array([False])),
        (np.array(["a"]), np.array(["b"])),
    ],
)
def test_signs_of_zero_types_shapes_nans_booleans_and_texts_differ(one, other):
    assert first_difference(tensors(x=one), tensors(x=other)) is not None


def test_a_value_that_one_run_lacks_differs():
    a, b = tensors(x=[1.0], y=[1.0]), tensors(x=[1.0])
    assert first_difference(a, b).name == "y"
    assert first_difference(b, a).name == "y"
    assert differing(b, a) == ("y",)
    assert first_difference({"s": 1}, {"s": 1.0}) is not None
