"""PyTorch's operators as specified: never refused, of the types that are said, written as they were grown."""

import collections
import itertools

import pytest

from tautomer.adapters.torch_programs.operators import OPERATORS
from tautomer.synthesis import Growth, Request
from tautomer.synthesis.choosing import Weighted
from tautomer.synthesis.runs import OTHER, RESIZED, WRITTEN
from tautomer.synthesis.tensor_types import FLOATS

pytestmark = pytest.mark.needs("torch")

HEALTH = {"vacuous", "amplifies", "near a tie", "too large", "not finite"}


class Only(Weighted):
    """One operator first, then any."""

    def __init__(self, specification):
        super().__init__(OPERATORS)
        self.first = specification
        self.grown = 0

    def choose(self, draw):
        return super().choose(draw) if self.grown else self.first

    def kept(self, operator, tails):
        self.grown += 1


@pytest.fixture(scope="module")
def kernels():
    import torch

    from tautomer.adapters.torch_programs.kernels import TorchKernels

    torch.set_num_threads(1)
    return TorchKernels()


def first_nodes(specification, kernels, dtype, seeds):
    """Models of one operator, for a dtype of its first operand, and why nodes were refused."""
    refused = collections.Counter()
    programs = []
    for seed in seeds:
        growth = Growth(kernels, Only(specification), Request(nodes=1, dtypes={dtype: 1.0}, dynamic=0.3), seed)
        programs.append(growth.grow())
        refused.update(growth.refused)
    return [one for one in programs if one is not None], refused


def test_there_are_more_than_two_hundred_operators_with_names_of_their_own():
    names = [one.name for one in OPERATORS]
    assert len(set(names)) == len(names) > 200


@pytest.mark.parametrize("specification", OPERATORS, ids=lambda one: one.name)
def test_an_operator_is_never_refused_and_has_the_types_its_rule_says(specification, kernels):
    grown = 0
    for dtype in specification.dtypes:
        programs, refused = first_nodes(specification, kernels, dtype, range(4))
        wrong = [reason for _, reason in refused if reason not in HEALTH]
        assert not wrong, (dtype, wrong)
        for program in programs:
            (node,) = program.nodes
            first = program.type_of(node.operands()[0]) if node.operands() else None
            anchor = node.bindings.get(specification.rule.anchor)
            rank = program.type_of(anchor.name).rank if anchor is not None else first.rank
            possible = specification.rule.results(dtype, rank)
            assert {(one.dtype, one.rank) for one in node.types} <= possible
        grown += len(programs)
    assert grown, "it was never grown"


@pytest.fixture(scope="module")
def models(kernels):
    """Models of several sizes, dtypes and shapes, with what grew them."""
    found = []
    requests = [
        Request(nodes=12, dynamic=0.4),
        Request(nodes=25, empty=0.5, ones=0.4),
        Request(nodes=8, dtypes=dict.fromkeys((*FLOATS, "int64", "int32", "uint8", "bool"), 1.0)),
    ]
    for seed, request in zip(range(45), itertools.cycle(requests), strict=False):
        growth = Growth(kernels, Weighted(OPERATORS), request, seed)
        program = growth.grow()
        if program is not None:
            found.append((growth, program))
    assert len(found) > 40
    return found


def test_a_written_model_gives_bitwise_what_it_was_grown_with(models):
    import torch

    from tautomer.adapters.torch_programs.generated_module import module_text

    resized = 0
    for growth, program in models:
        namespace = {}
        exec(compile(module_text(program), "model", "exec"), namespace)
        model = namespace["Model"]()
        sets = [namespace["inputs"](), *namespace["run_inputs"]()]
        assert len(sets) == (3 if "DYNAMIC_SHAPES" in namespace else 2)
        resized += len(sets) == 3
        for run, inputs in zip((WRITTEN, OTHER, RESIZED), sets, strict=False):
            with torch.no_grad():
                outputs = model(*inputs)
            outputs = outputs if isinstance(outputs, tuple) else (outputs,)
            for name, output in zip(program.outputs, outputs, strict=True):
                assert torch.equal(output, growth.value(name, run)), (program.seed, name)
    assert resized > 3


def test_outputs_are_finite_and_vary_with_the_inputs(models):
    import torch

    for growth, program in models:
        moved = 0
        for name in program.outputs:
            first, other = growth.value(name, WRITTEN), growth.value(name, OTHER)
            assert torch.isfinite(first.double()).all()
            moved += not torch.equal(first, other)
        empty = sum(program.type_of(name).is_empty for name in program.outputs)
        assert moved == len(program.outputs) - empty > 0


def test_the_same_seed_writes_the_same_bytes(kernels):
    from tautomer.adapters.torch_programs.generated_module import module_text

    def text(seed):
        return module_text(Growth(kernels, Weighted(OPERATORS), Request(nodes=15, dynamic=0.5), seed).grow())

    for seed in range(5):
        assert text(seed) == text(seed)
    assert text(0) != text(1)


def _called(target):
    """A node's target as coverage calls it."""
    import torch

    if isinstance(target, torch._ops.HigherOrderOperator):
        return f"higher_order.{target.name()}"
    return str(target).rpartition(".")[0]


def test_the_graph_of_torch_export_calls_operators_as_the_table_says(models):
    import torch

    from tautomer.adapters.torch_programs.generated_module import module_text

    checked = 0
    for _, program in models[:24]:
        namespace = {}
        exec(compile(module_text(program), "model", "exec"), namespace)
        exported = torch.export.export(namespace["Model"](), namespace["inputs"](), strict=False)
        called = {_called(node.target) for node in exported.graph.nodes if node.op == "call_function"}
        for node in program.nodes:
            assert node.graph_operator in called, node.operator
            checked += 1
    assert checked > 200
