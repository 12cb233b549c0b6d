"""What a set of inputs exercises of a program, and what it leaves unsaid."""

from __future__ import annotations

import pytest
import torch
import torch.nn.functional as F

from tautomer.adapters.torch_programs.capture import capture
from tautomer.adapters.torch_programs.exercise import observe, observe_sizes
from tautomer.adapters.torch_programs.second_size import DynamicDimension
from tautomer.adapters.torch_programs.trees import CallArguments
from tautomer.checking.exercise import not_exercised

pytestmark = pytest.mark.needs("torch")

T = torch.tensor
INF = float("inf")
NAN = float("nan")


def exercised(function, *tensors):
    return observe(capture(function, CallArguments(tuple(tensors), {})), tensors)


def lacking(function, *tensors, edges=True):
    """What one set does not exercise, without the operator's name and place."""
    said = not_exercised([exercised(function, *tensors).fields()], edges=edges)
    return [one.partition(": ")[2].partition(", at ")[0] for one in said]


LACKING = {
    "a relu that never clips": (F.relu, (T([1.0, 2.0]),), "no value lies below 0", (T([-1.0, 2.0]),)),
    "a relu that always clips": (F.relu, (T([-1.0, -2.0]),), "no value lies above 0", (T([-1.0, 2.0]),)),
    "an upper bound of a clamp": (
        lambda x: x.clamp(-1.0, 6.0),
        (T([-3.0, 2.0]),),
        "no value lies above 6",
        (T([-3.0, 7.0]),),
    ),
    "the inside of a clamp": (
        lambda x: x.clamp(-1.0, 6.0),
        (T([-3.0, 7.0, -9.0]),),
        "no value lies between -1 and 6",
        (T([-3.0, 7.0, 0.5]),),
    ),
    "a mask of a where": (
        lambda x, m: torch.where(m, x, -x),
        (T([1.0, 2.0]), T([True, True])),
        "its condition is never false",
        (T([1.0, 2.0]), T([True, False])),
    ),
    "a mask of a masked_fill": (
        lambda x, m: x.masked_fill(m, 0.5),
        (T([1.0, 2.0]), T([False, False])),
        "its mask is never true",
        (T([1.0, 2.0]), T([True, False])),
    ),
    "the places along an axis": (
        lambda x, i: torch.take_along_dim(x, i, 0),
        (T([1.0, 2.0, 3.0]), T([1, 1])),
        "it reads one place only",
        (T([1.0, 2.0, 3.0]), T([0, 2])),
    ),
    "a mask of an attention": (
        lambda q, m: F.scaled_dot_product_attention(q, q, q, m),
        (torch.randn(1, 1, 3, 4), torch.ones(3, 3, dtype=torch.bool)),
        "its mask hides nothing",
        (torch.randn(1, 1, 3, 4), torch.ones(3, 3).tril().bool()),
    ),
    "an additive mask of an attention": (
        lambda q, m: F.scaled_dot_product_attention(q, q, q, m),
        (torch.randn(1, 1, 3, 4), torch.zeros(3, 3)),
        "its mask hides nothing",
        (torch.randn(1, 1, 3, 4), torch.zeros(3, 3).masked_fill(torch.ones(3, 3).triu(1).bool(), -INF)),
    ),
    "a row that is masked entirely": (
        lambda q, m: F.scaled_dot_product_attention(q, q, q, m),
        (torch.randn(1, 1, 3, 4), torch.ones(3, 3).tril().bool()),
        "no row is hidden entirely",
        (torch.randn(1, 1, 3, 4), torch.ones(3, 3).tril(-1).bool()),
    ),
    "a comparison with one outcome": (
        lambda x: (x > 0).to(torch.int32),
        (T([1.0, 2.0]),),
        "it is never false",
        (T([1.0, -2.0]),),
    ),
    "the choice of an argmax": (
        lambda x: x.argmax(-1),
        (T([[3.0, 1.0], [5.0, 2.0]]),),
        "it always chooses the same position",
        (T([[3.0, 1.0], [1.0, 2.0]]),),
    ),
    "the ties of an argmax": (
        lambda x: x.argmax(-1),
        (T([[3.0, 1.0], [1.0, 2.0]]),),
        "no two candidates tie for the first place",
        (T([[3.0, 3.0], [1.0, 2.0]]),),
    ),
    "an argmin over one element": (
        lambda x: x.argmin(-1),
        (T([[3.0], [5.0]]),),
        "it chooses among one element",
        (T([[3.0, 1.0], [1.0, 2.0]]),),
    ),
    "an order that is given already": (
        lambda x: x.sort(-1).values,
        (T([1.0, 2.0, 3.0]),),
        "the order never changes",
        (T([3.0, 2.0, 1.0]),),
    ),
    "ties of a sort": (
        lambda x: x.sort(-1).indices,
        (T([3.0, 2.0, 1.0]),),
        "no two values tie",
        (T([3.0, 2.0, 2.0]),),
    ),
    "an embedding that reads one row": (
        F.embedding,
        (T([2, 2]), torch.randn(4, 3)),
        "it reads one place only",
        (T([2, 0]), torch.randn(4, 3)),
    ),
    "a scatter without collisions": (
        lambda x, i: torch.zeros(4).scatter_add(0, i, x),
        (T([1.0, 2.0]), T([0, 3])),
        "no two values meet at one index, so nothing is reduced",
        (T([1.0, 2.0]), T([3, 3])),
    ),
    "a softmax that is one-hot": (
        lambda x: x.softmax(-1),
        (T([[0.0, 500.0], [900.0, 0.0]]),),
        "every row puts all its weight on one element",
        (T([[0.0, 1.0], [900.0, 0.0]]),),
    ),
    "a softmax that is uniform": (
        lambda x: x.softmax(-1),
        (T([[2.0, 2.0], [7.0, 7.0]]),),
        "every row is uniform",
        (T([[2.0, 2.5], [7.0, 7.0]]),),
    ),
    "an integer division that is always exact": (
        lambda x, y: x // y,
        (T([4, 9]), T([2, -3])),
        "every quotient is a whole number",
        (T([4, 10]), T([2, -3])),
    ),
    "an integer division that float32 would do": (
        lambda x, y: x // y,
        (T([7, 10]), T([2, -3])),
        "no quotient goes wrong in float32",
        (T([2**24 + 1, 10]), T([1, -3])),
    ),
    "a remainder whose quotient does not round": (
        lambda x, y: x % y,
        (T([5.0]), T([3.0])),
        "no quotient rounds to a whole number that it is not",
        (T([1.0]), T([0.1])),
    ),
    "a rounding of whole numbers": (
        lambda x: x.round(),
        (T([1.0, -2.0]),),
        "every value is a whole number",
        (T([1.25, -2.0]),),
    ),
    "a rounding without halves": (
        lambda x: x.round(),
        (T([1.25, -2.0]),),
        "no value lies halfway between two whole numbers",
        (T([0.5, -2.0]),),
    ),
    "a cast of whole numbers": (
        lambda x: x.to(torch.int32),
        (T([1.0, -2.0]),),
        "every value is a whole number before the cast to integers",
        (T([1.7, -2.0]),),
    ),
    "a norm of centred rows": (
        lambda x: F.layer_norm(x, (4,)),
        (T([[1.0, -1.0, 2.0, -2.0]]),),
        "no mean is large against its deviation",
        (T([[1001.0, 999.0, 1002.0, 998.0]]),),
    ),
    "a logsigmoid of small values": (
        F.logsigmoid,
        (T([1.0, -1.0]),),
        "no value lies below -20",
        (T([1.0, -90.0]),),
    ),
    "the signs of zeros": (
        torch.signbit,
        (T([1.0, -1.0, 0.0]),),
        "no value is -0",
        (T([1.0, -1.0, -0.0]),),
    ),
    "a quadrant of atan2": (
        torch.atan2,
        (T([1.0, -1.0]), T([1.0, -1.0])),
        "no value has y +0 and x negative",
        (T([0.0, -1.0]), T([-1.0, -1.0])),
    ),
    "the branch of a cond": (
        lambda x: torch.cond(x.sum() > 0, lambda t: t + 1, lambda t: t * 2, (x,)),
        (T([1.0, 2.0]),),
        "its condition is never false",
        (T([-1.0, -2.0]),),
    ),
    "a product that is 0 everywhere": (
        lambda x, m: x + (1.0 - m) * -1e9,
        (T([1.0, 2.0]), T([1.0, 1.0])),
        "all its values are equal",
        (T([1.0, 2.0]), T([1.0, 0.0])),
    ),
    "a NaN that comes first": (
        lambda x: x.argmax(-1),
        (T([[NAN, 1.0, 2.0]]),),
        "a NaN is never behind other candidates",
        (T([[1.0, NAN, 2.0]]),),
    ),
    "a window of negative values": (
        lambda x: F.max_pool1d(x, 3, 1, 1),
        (T([[[1.0, 2.0, 3.0]]]),),
        "no window holds negative values only, so a border of zeros would go unseen",
        (T([[[-1.0, -2.0, 3.0]]]),),
    ),
    "the second step of an LSTM": (
        lambda x: torch.lstm(x, (torch.zeros(1, 2, 3),) * 2, WEIGHTS, True, 1, 0.0, False, False, True)[0],
        (torch.randn(2, 1, 4),),
        "it runs over one step",
        (torch.randn(2, 2, 4),),
    ),
}

WEIGHTS = [torch.randn(12, 4), torch.randn(12, 3), torch.randn(12), torch.randn(12)]


@pytest.mark.parametrize("name", LACKING)
def test_what_is_not_exercised_is_named_and_gone_once_it_is(name):
    function, without, sentence, exercising = LACKING[name]
    assert sentence in lacking(function, *without)
    assert sentence not in lacking(function, *exercising)


def test_what_one_set_exercises_counts_for_all():
    def clip(x):
        return F.relu(x)

    below, above = exercised(clip, T([-1.0, -2.0])), exercised(clip, T([1.0, 2.0]))
    together = not_exercised([below.fields(), above.fields()])
    assert not any("no value lies" in one for one in together)
    assert any("no value lies above 0" in one for one in not_exercised([below.fields()]))


def test_a_sentence_names_the_operator_the_line_and_how_often():
    class Twice(torch.nn.Module):
        def forward(self, x):
            for _ in range(2):
                x = F.relu(x + 1.0)
            return x

    [said] = not_exercised([exercised(Twice(), T([1.0, 2.0])).fields()])
    assert said.startswith("relu (test_exercise.py:")
    assert said.endswith("no value lies below 0, at 2 of the 2 places where the line runs it")


def test_an_ordinary_net_on_ordinary_inputs_leaves_nothing_but_edges():
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Conv2d(3, 4, 3, padding=1), torch.nn.ReLU(), torch.nn.MaxPool2d(2, padding=1))
    assert lacking(net, torch.randn(2, 3, 8, 8), edges=False) == []


def test_what_does_not_depend_on_the_inputs_is_not_asked_for():
    assert lacking(lambda x: x + F.relu(torch.ones(2)) + torch.zeros(2), T([1.0, 2.0])) == []


def test_what_only_python_looks_at_is_not_asked_for():
    def guarded(x):
        if (x > 100).any():
            return -x
        return x + 1.0

    assert lacking(guarded, T([1.0, 2.0])) == []


def test_values_written_into_a_buffer_count_as_values_of_the_inputs():
    def written(x):
        buffer = torch.zeros(4)
        buffer[:2] = x
        return F.relu(buffer)

    assert "no value lies below 0" in lacking(written, T([1.0, 2.0]))


def test_a_constant_is_named_where_it_begins_only():
    def constant(x, m):
        masked = x * m
        return (masked + 1.0).exp()

    said = not_exercised([exercised(constant, T([1.0, 2.0]), T([0.0, 0.0])).fields()])
    assert [one for one in said if "all its values are equal" in one] == [one for one in said if one.startswith("mul")]
    assert len(said) == 1


def test_an_output_that_never_changes_is_named():
    sets = [exercised(lambda x: x * 0.0, T([1.0, 2.0])).fields(), exercised(lambda x: x * 0.0, T([3.0, 4.0])).fields()]
    assert any("is the same on all 2 input sets" in one for one in not_exercised(sets))


def test_an_in_place_operator_is_judged_by_what_it_was_given():
    def in_place(x):
        y = x + 0.0
        F.relu(y, inplace=True)
        return y

    assert "no value lies below 0" not in lacking(in_place, T([-1.0, 2.0]))


def test_watching_does_not_change_the_answer_the_inputs_or_the_constants():
    class Writing(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.register_buffer("seen", torch.zeros(3))

        def forward(self, x):
            self.seen.add_(x)
            return x.relu_() + self.seen

    module, x = Writing(), T([-1.0, 2.0, 3.0])
    captured = capture(module, CallArguments((x,), {}))
    module.seen.zero_()
    [first], [second] = (list(observe(captured, [x]).values.values()) for _ in range(2))
    assert torch.equal(first, second)
    assert torch.equal(x, T([-1.0, 2.0, 3.0]))


def test_dynamic_sizes_that_never_vary_or_always_agree_are_named():
    batch = DynamicDimension("x", 0, "batch", 2, 1, 8)
    length = DynamicDimension("x", 1, "length", 2, 1, 8)
    [said] = [not_exercised([], observe_sizes([batch, length], [{"x": (2, 2)}, {"x": (3, 3)}]))]
    assert said == ["input 'x': its dynamic axis 0 has the size of axis 1 in every input set"]
    assert len(not_exercised([], observe_sizes([batch], [{"x": (1, 4)}]))) == 2
    assert not_exercised([], observe_sizes([batch, length], [{"x": (2, 2)}, {"x": (3, 4)}])) == []
