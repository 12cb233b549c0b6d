"""The search for input sets that exercise more: what it may change, what it keeps, and that it repeats itself."""

from __future__ import annotations

import textwrap

import pytest
import torch

from tautomer.adapters.tensor_file import write_values
from tautomer.adapters.torch_programs.capture import capture
from tautomer.adapters.torch_programs.input_candidates import RECIPES, InputRole, Role, roles_of
from tautomer.adapters.torch_programs.input_search import search
from tautomer.adapters.torch_programs.loading import InputSet
from tautomer.adapters.torch_programs.preparation import prepare, with_sets
from tautomer.adapters.torch_programs.trees import CallArguments
from tautomer.errors import InternalError

pytestmark = pytest.mark.needs("torch")


@pytest.fixture
def prepared(tmp_path):
    """A program from the body of its class and the text of its inputs."""

    def make(body, inputs, more="", **spec):
        path = tmp_path / "model.py"
        head = "import torch\nimport torch.nn.functional as F\n\n\nclass Model(torch.nn.Module):\n"
        tail = f"\n\ndef inputs():\n    return ({inputs},)\n\n\n{textwrap.dedent(more)}\n"
        path.write_text(head + textwrap.indent(textwrap.dedent(body), "    ") + tail)
        return prepare({"path": str(path), "kind": "model_module", "seed": 0, **spec})

    return make


@pytest.fixture
def found(prepared):
    """What the search adds."""

    def run(body, inputs, more="", **options):
        return search(prepared(body, inputs, more), {}, **options)

    return run


def said(sets):
    return [clause for one in sets for clause in one.adds]


def tensors(one):
    return [*one.call.args, *one.call.kwargs.values()]


def roles(function, *given):
    return [one.role for one in roles_of(capture(function, CallArguments(given, {})).graph, [given])]


EMBEDDING = """
    def __init__(self):
        super().__init__()
        self.table = torch.nn.Embedding(50, 4)

    def forward(self, ids):
        return self.table(ids)
    """


def test_a_token_id_stays_a_row_of_its_embedding(found):
    sets = found(EMBEDDING, "torch.tensor([[3, 3, 3]])")
    assert any("it reads one place only" in clause for clause in said(sets))
    for one in sets:
        [ids] = tensors(one)
        assert ids.dtype == torch.int64
        assert int(ids.min()) >= 0
        assert int(ids.max()) < 50


def test_an_index_into_values_stays_within_what_was_seen(found):
    sets = found("def forward(self, x, i):\n    return x.gather(0, i)", "torch.randn(9), torch.tensor([2, 4, 3])")
    assert sets
    assert all(2 <= int(value) <= 4 for one in sets for value in tensors(one)[1])


def test_a_number_that_python_reads_is_left_alone(found):
    sets = found("def forward(self, x, n):\n    return x[: n.item()] * 2", "torch.randn(9), torch.tensor(4)")
    assert sets
    assert all(int(tensors(one)[1]) == 4 for one in sets)


def test_roles_are_read_from_values_and_from_the_graph():
    table = torch.randn(5, 3)
    x, ids, mask = torch.randn(2, 3), torch.tensor([0, 1, 1]), torch.ones(2, 3, dtype=torch.int64)
    additive = torch.zeros(2, 3).masked_fill(torch.tensor([True, False, False]), float("-inf"))
    assert roles(lambda a, b: table[b] + a.sum(), x, ids + 1) == [Role.NUMBERS, Role.INDEX]
    assert roles(lambda a, b: looked_up(b, table) + a.sum(), x, ids) == [Role.NUMBERS, Role.INDEX]
    assert roles(lambda a, b: a * b, x, mask) == [Role.NUMBERS, Role.MASK]
    assert roles(lambda a, b: a.masked_fill(b, 0), x, mask.bool()) == [Role.NUMBERS, Role.MASK]
    assert roles(lambda a, b: a + b, x, additive) == [Role.NUMBERS, Role.ADDITIVE_MASK]
    assert roles(lambda a, b: a * b, x, mask + 4) == [Role.NUMBERS, Role.INTEGERS]
    assert roles(lambda a, b: a * int(b), x, torch.tensor(7)) == [Role.NUMBERS, Role.STEERING]
    assert roles(lambda a, b: a + b, x, torch.zeros(2, 3)) == [Role.NUMBERS, Role.NUMBERS]


def looked_up(index, table):
    return torch.nn.functional.embedding(index, table)


@pytest.mark.parametrize("recipe", RECIPES, ids=lambda one: one.name)
@pytest.mark.parametrize(
    "dtype", [torch.float32, torch.float16, torch.bfloat16, torch.float64, torch.int64, torch.bool]
)
def test_a_recipe_keeps_type_and_shape_and_repeats_itself(recipe, dtype):
    x = (torch.randn(3, 4) * 3).to(dtype)
    for role in Role:
        of_floats, of_booleans = role in (Role.NUMBERS, Role.ADDITIVE_MASK), role is Role.MASK
        if of_floats != dtype.is_floating_point or (dtype is torch.bool and not of_booleans):
            continue

        def once(role=role):
            return recipe.change(InputRole(role, 0, 3), x, torch.Generator().manual_seed(5))

        first, second = once(), once()
        assert (first is None) == (second is None)
        if first is not None:
            assert (first.dtype, first.shape) == (x.dtype, x.shape)
            assert torch.equal(first, second)
            assert not first.is_floating_point() or bool(first.isfinite().all())


def test_a_recipe_leaves_the_users_tensors_as_they_are(prepared):
    program = prepared(
        "def forward(self, x, m):\n    return x.masked_fill_(m, 0)", "torch.randn(4, 4), torch.ones(4, 4) > 2"
    )
    before = [one.clone() for one in program.tensors(0)]
    search(program, {})
    assert all(torch.equal(one, other) for one, other in zip(before, program.tensors(0), strict=True))


def test_the_same_seed_finds_the_same_sets(prepared):
    body, inputs = "def forward(self, x, y):\n    return torch.atan2(x, y)", "torch.randn(8), torch.randn(8)"
    first, second = (search(prepared(body, inputs), {}, seed=3) for _ in range(2))
    assert [one.adds for one in first] == [one.adds for one in second]
    for one, other in zip(first, second, strict=True):
        assert all(torch.equal(a, b) for a, b in zip(tensors(one), tensors(other), strict=True))


def test_no_more_sets_are_added_than_asked_for(found):
    body, inputs = "def forward(self, x, y):\n    return torch.atan2(x, y)", "torch.randn(8), torch.randn(8)"
    assert len(found(body, inputs)) == 4
    assert len(found(body, inputs, limit=1)) == 1
    assert found(body, inputs, limit=0) == []


def test_the_first_set_added_adds_most(found):
    every = found("def forward(self, x, y):\n    return torch.atan2(x, y)", "torch.randn(8), torch.randn(8)")
    assert any("so far no value has y +0 and x negative" in clause for clause in every[0].adds)
    assert len(every[0].adds) >= len(every[-1].adds)


FINDS = {
    "a clip that never acts": (
        "def forward(self, x):\n    return x.clamp(-5, 6)",
        "torch.rand(8)",
        {"so far no value lies below -5", "so far no value lies above 6"},
    ),
    "a mask that hides nothing": (
        "def forward(self, q, m):\n    return F.scaled_dot_product_attention(q, q, q, m)",
        "torch.randn(1, 2, 4, 8), torch.ones(4, 4, dtype=torch.bool)",
        {"so far no row is hidden entirely", "so far its mask hides nothing"},
    ),
    "an integer division at 2**24": (
        "def forward(self, x, y):\n    return x // y",
        "torch.randint(1, 100, (8,)), torch.randint(1, 9, (8,))",
        {"so far no quotient goes wrong in float32"},
    ),
    "a norm far from zero": (
        "def forward(self, x):\n    return F.layer_norm(x, (8,))",
        "torch.randn(4, 8)",
        {"so far no mean is large"},
    ),
    "ties": (
        "def forward(self, x):\n    return x.argmax(-1)",
        "torch.randn(4, 8)",
        {"so far no two candidates tie"},
    ),
    "logsigmoid far out": (
        "def forward(self, x):\n    return F.logsigmoid(x)",
        "torch.randn(8)",
        {"so far no value lies below -20"},
    ),
    "signed zeros": ("def forward(self, x):\n    return torch.signbit(x)", "torch.randn(8)", {"so far no value is -0"}),
    "halves": ("def forward(self, x):\n    return x.round()", "torch.randn(8)", {"so far no value lies halfway"}),
}


@pytest.mark.parametrize("name", FINDS)
def test_what_no_set_exercised_is_found(found, name):
    body, inputs, clauses = FINDS[name]
    every = said(found(body, inputs))
    for clause in clauses:
        assert any(clause in one for one in every), (clause, every)


def test_what_the_users_own_sets_exercise_is_not_added_again(found):
    body = "def forward(self, x):\n    return F.relu(x)"
    assert any("relu" in one for one in said(found(body, "torch.rand(8) + 1")))
    more = "def run_inputs(): return (-torch.rand(8),)"
    assert not any("relu" in one for one in said(found(body, "torch.rand(8) + 1", more)))


def test_a_set_that_the_model_refuses_is_dropped(found):
    body = """
        def forward(self, x):
            if bool((x < 0).any()):
                raise ValueError("no negative values")
            return F.relu(x)
        """
    sets = found(body, "torch.rand(8) + 1")
    assert sets
    assert all(float(tensors(one)[0].min()) >= 0 for one in sets)


def test_a_set_with_no_finite_answer_is_dropped(found):
    sets = found("def forward(self, x):\n    return (x - 1e30).sqrt() + x.sqrt()", "torch.rand(8) * 1e35 + 1e31")
    for one in sets:
        [x] = tensors(one)
        assert bool(((x - 1e30).sqrt() + x.sqrt()).isfinite().any())


def test_an_answer_that_stays_finite_is_preferred(found):
    sets = found("def forward(self, x):\n    return (x * x).sum() + F.relu(x)", "torch.rand(8) + 1", limit=2)
    assert all(bool(torch.isfinite((x * x).sum())) for one in sets for x in tensors(one))


def test_a_loop_that_would_not_end_is_cut_off(found):
    body = """
        def forward(self, x):
            while bool((x < 10).any()):
                x = x + 1
            return x
        """
    assert isinstance(found(body, "torch.rand(4) + 8"), list)


def test_another_way_through_the_program_is_watched_as_it_goes(found):
    body = """
        def forward(self, x):
            if bool((x < 0).any()):
                return F.hardtanh(x)
            return x * 1.0
        """
    assert any(clause.startswith("hardtanh") for clause in said(found(body, "torch.rand(8) + 1")))


def test_a_dynamic_size_is_tried_at_1(found):
    more = "DYNAMIC_SHAPES = ({0: torch.export.Dim('n')},)"
    assert "axis 0 of 'x' has size 1" in said(
        found("def forward(self, x):\n    return x + 1", "torch.randn(3, 2)", more)
    )
    bounded = "DYNAMIC_SHAPES = ({0: torch.export.Dim('n', min=2, max=9)},)"
    sets = found("def forward(self, x):\n    return x + 1", "torch.randn(3, 2)", bounded)
    assert all(tensors(one)[0].shape == (3, 2) for one in sets)


def test_nested_inputs_and_python_values_keep_their_structure(found):
    body = "def forward(self, pair, scale):\n    return F.relu(pair['a']) * scale + pair['b'][0]"
    sets = found(body, "{'a': torch.rand(4) + 1, 'b': [torch.rand(4)]}, 2.0")
    assert sets
    for one in sets:
        pair, scale = one.call.args
        assert scale == 2.0
        assert pair["a"].shape == pair["b"][0].shape == (4,)


def test_sets_cross_to_another_worker_by_file(prepared, tmp_path):
    body = "def forward(self, x, m):\n    return F.relu(x).masked_fill(m, 0)"
    inputs = "torch.rand(2, 4).bfloat16() + 1, torch.zeros(2, 4) > 1"
    program = prepared(body, inputs)
    sets = search(program, {})
    more = with_sets(program, [InputSet(one.name, one.origin, one.call) for one in sets])
    entries = []
    for index in range(1, len(more.program.input_sets)):
        file = tmp_path / f"inputs-{index}.safetensors"
        write_values(file, more.leaves(index).tensors())
        one = more.program.input_sets[index]
        entries.append({"name": one.name, "origin": one.origin, "file": str(file)})
    again = prepared(body, inputs, added_inputs=entries)
    assert [one.name for one in again.program.input_sets] == [one.name for one in more.program.input_sets]
    for index in range(len(entries) + 1):
        for one, other in zip(more.tensors(index), again.tensors(index), strict=True):
            assert one.dtype == other.dtype
            assert torch.equal(one, other)


def test_a_file_that_holds_other_inputs_is_our_own_bug(prepared, tmp_path):
    file = tmp_path / "other.safetensors"
    write_values(file, {"y": 1})
    entry = {"name": "other", "origin": "elsewhere", "file": str(file)}
    with pytest.raises(InternalError):
        prepared("def forward(self, x):\n    return x", "torch.rand(2)", added_inputs=[entry])
