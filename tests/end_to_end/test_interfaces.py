"""Inputs and outputs of every shape, type and structure; interfaces that were changed; sources of every kind."""

import numpy as np
import pytest
import torch
from small_models import HEAD, LINEAR

from tautomer.errors import InputsError
from tautomer.model import CauseCategory, Kind, Outcome, Stage, Symptom

pytestmark = pytest.mark.needs("torch", "torch.onnx", "onnxruntime")


def module(forward, inputs, *, arguments="x", more="", init=""):
    """The text of a model module: the lines of forward, and what inputs() returns."""
    lines = "\n".join(f"        {line}" for line in forward.strip().splitlines())
    begins = "\n".join(f"        {line}" for line in init.strip().splitlines())
    made = f"    def __init__(self):\n        super().__init__()\n{begins}\n\n" if init else ""
    return (
        f"{HEAD}class Model(torch.nn.Module):\n{made}    def forward(self, {arguments}):\n{lines}\n\n"
        f"def inputs():\n    return {inputs}\n\n{more}\n"
    )


@pytest.fixture
def equivalent(check):
    """Checks a model that must be equivalent; gives the report."""

    def run(model, **settings):
        report = check(model, **settings)
        assert report.outcome is Outcome.EQUIVALENT, (report.reason, [one.message for one in report.findings])
        assert (report.symptom, report.stage, report.cause, report.findings) == (None, None, None, [])
        return report

    return run


def paths(report, index=0):
    return [tensor["path"] for tensor in report.inputs[index].tensors]


# --- structure -------------------------------------------------------------------------------------------------------


def test_keyword_arguments_are_fed_by_name_in_any_order(equivalent):
    text = module("return a - 2 * b", "{'b': torch.ones(2), 'a': torch.zeros(2)}", arguments="a, b")
    assert sorted(paths(equivalent(text))) == ["a", "b"]


def test_a_keyword_argument_between_defaults_is_fed_to_its_own_parameter(equivalent):
    text = module(
        "return a + (b if b is not None else 0) + 3 * c",
        "{'a': torch.ones(2), 'c': torch.full((2,), 5.0)}",
        arguments="a, b=None, c=None",
    )
    assert paths(equivalent(text)) == ["a", "c"]


def test_a_dict_among_the_positional_arguments_is_flattened_by_path(equivalent):
    text = module(
        "return batch['ids'].float() + batch['deep']['mask'] * scale",
        "({'ids': torch.arange(3), 'deep': {'mask': torch.ones(3)}}, torch.tensor(2.0))",
        arguments="batch, scale",
    )
    assert set(paths(equivalent(text))) == {"batch.ids", "batch.deep.mask", "scale"}


def test_the_order_of_keys_in_a_dict_does_not_matter(equivalent):
    equivalent(module("return b['z'] - 2 * b['a']", "({'z': torch.ones(2), 'a': torch.zeros(2)},)", arguments="b"))


def test_variable_arguments_are_named_by_position(equivalent):
    text = module("return parts[0] - 2 * parts[1]", "(torch.ones(2), torch.zeros(2))", arguments="*parts")
    assert len(paths(equivalent(text))) == 2


def test_python_numbers_among_the_inputs_are_part_of_the_function(equivalent):
    equivalent(module("return x * n if flag else x", "(torch.ones(2), 3, True)", arguments="x, n, flag"))


def test_nested_outputs_with_none_are_compared_by_path(equivalent):
    forward = """
past = [(x * 2, None), (x * 3, x.long())]
return {'logits': x + 1, 'past': past, 'hidden': None}
"""
    equivalent(module(forward, "(torch.randn(2, 3),)"))


def test_a_wrong_nested_output_is_named_by_its_path(check):
    """The remainder of a fraction is one of the known wrong conversions (defects/torch/rem_float_prec.py)."""
    text = module(
        "return {'logits': x + 1, 'past': [(x, torch.remainder(x, 0.1))]}", "(torch.linspace(1e3, 1.7e3, 8192),)"
    )
    report = check(text)
    assert report.outcome is Outcome.DIVERGENT
    assert "'past.0.1'" in report.findings[0].message


def test_past_key_values_go_in_and_out(equivalent):
    forward = """
key = torch.cat([past[0][0], x], dim=1)
value = torch.cat([past[0][1], -x], dim=1)
return x @ key.transpose(1, 2) @ value, [(key, value)]
"""
    text = module(
        forward,
        "(torch.randn(1, 2, 4), [(torch.randn(1, 3, 4), torch.randn(1, 3, 4))])",
        arguments="x, past",
    )
    assert set(paths(equivalent(text))) == {"x", "past.0.0", "past.0.1"}


def test_a_dataclass_as_output_is_flattened(equivalent):
    more = """
import dataclasses
from torch.utils import _pytree

@dataclasses.dataclass
class Answer:
    first: torch.Tensor
    second: torch.Tensor

torch.export.register_dataclass(Answer)
"""
    equivalent(module("return Answer(x + 1, x * 2)", "(torch.ones(2),)", more=more))


def test_one_tensor_returned_under_two_names_stays_two_outputs(equivalent):
    equivalent(module("y = x + 1\nreturn y, y", "(torch.ones(2),)"))


def test_a_model_that_returns_its_input_is_the_identity(equivalent):
    equivalent(module("return x", "(torch.randn(3),)"))


def test_a_model_that_returns_a_constant_is_compared(equivalent):
    equivalent(module("return torch.arange(3) + x.shape[0]", "(torch.randn(3),)"))


def test_a_model_without_tensor_outputs_is_never_equivalent(check):
    """Nothing was compared, so nothing can be said to be the same."""
    report = check(module("return None", "(torch.ones(2),)"))
    assert report.outcome is Outcome.INCONCLUSIVE


@pytest.mark.needs("torch.onnx-legacy")
def test_a_python_number_among_the_outputs_is_not_lost_in_silence(check):
    """The newer exporter refuses it; the older one makes a tensor of it or drops it."""
    report = check(module("return x + 1, x.shape[0] * 2", "(torch.ones(3),)"), via=("torch.onnx-legacy",))
    told = [*report.warnings, report.reason or "", *(one.message for one in report.findings)]
    assert report.outcome is Outcome.EQUIVALENT or any(told)


def test_a_model_with_python_number_outputs_only_is_not_equivalent(check):
    assert check(module("return x.shape[0] * 2", "(torch.ones(3),)")).outcome is not Outcome.EQUIVALENT


def test_an_array_of_numpy_among_the_outputs_is_a_tensor_that_cannot_be_lifted(check):
    """It must not be taken for an output that the converter has invented."""
    report = check(module("return x.detach().numpy()", "(torch.ones(3),)"))
    assert report.outcome is Outcome.INCONCLUSIVE  # what leaves PyTorch cannot be computed in float64
    assert "no float64 value" in report.reason
    assert report.smallest_passing.atol == 0.0


# --- element types ---------------------------------------------------------------------------------------------------


def test_several_types_in_one_model(equivalent):
    equivalent(
        module(
            "return a + 1, b * 2, c - 1, d // 2, ~e",
            "(torch.randn(3), torch.randn(3).half(), torch.arange(3), torch.arange(3, dtype=torch.int32), "
            "torch.tensor([True, False, True]))",
            arguments="a, b, c, d, e",
        )
    )


@pytest.mark.parametrize("dtype", ["float64", "float16", "int8", "uint8", "int16"])
def test_a_model_of_one_other_type(equivalent, dtype):
    text = module("return x + x", f"(torch.arange(4).to(torch.{dtype}),)")
    assert equivalent(text).inputs[0].tensors[0]["dtype"] == dtype


@pytest.mark.parametrize("dtype", ["float64", "float16"])
def test_a_linear_layer_of_another_precision(equivalent, dtype):
    equivalent(
        module(
            "return self.linear(x)",
            f"(torch.randn(2, 8).to(torch.{dtype}),)",
            init=f"self.linear = torch.nn.Linear(8, 4).to(torch.{dtype})",
        )
    )


def test_a_bfloat16_model_is_judged_or_said_to_be_unjudged(check):
    """ONNX Runtime's CPU provider has few bfloat16 kernels: a refusal is a finding, silence would be wrong."""
    report = check(
        module(
            "return self.linear(x)",
            "(torch.randn(2, 8).bfloat16(),)",
            init="self.linear = torch.nn.Linear(8, 4).bfloat16()",
        )
    )
    assert report.inputs[0].tensors[0]["dtype"] == "bfloat16"
    if report.outcome is Outcome.FAILED:
        assert report.symptom_stage in (Stage.RUNTIME_LOAD, Stage.RUNTIME_OPTIMIZATION, Stage.RUNTIME_EXECUTION)
    else:
        assert report.outcome is Outcome.EQUIVALENT


def test_a_bfloat16_model_in_the_reference_runtime(check):
    report = check(module("return x + x", "(torch.randn(2, 8).bfloat16(),)"), to=("onnx-reference",))
    assert report.outcome is Outcome.EQUIVALENT


def test_a_complex_input_is_a_result_and_no_defect_of_ours(check):
    report = check(module("return torch.view_as_real(x * 2)", "(torch.ones(3, dtype=torch.complex64),)"))
    assert report.outcome in (Outcome.EQUIVALENT, Outcome.FAILED, Outcome.INCONCLUSIVE)


# --- values ----------------------------------------------------------------------------------------------------------


def test_a_scalar_tensor_goes_in_and_out(equivalent):
    report = equivalent(module("return x.sum() * y", "(torch.ones(3), torch.tensor(2.0))", arguments="x, y"))
    assert report.inputs[0].tensors[1]["shape"] == []


def test_empty_tensors_are_compared_by_shape(equivalent):
    equivalent(module("return x + 1, x.sum()", "(torch.zeros(0, 4),)"))


def test_an_empty_output_alone_is_equivalent_by_its_shape(equivalent):
    equivalent(module("return x[:, :0]", "(torch.ones(2, 4),)"))


@pytest.mark.parametrize("value", ["float('nan')", "float('inf')", "-float('inf')", "-0.0", "1e-45", "3.4e38"])
def test_special_values_among_the_inputs_are_carried_through(equivalent, value):
    equivalent(module("return x * 1, torch.relu(x)", f"(torch.tensor([1.0, {value}, -2.0]),)"))


def test_integers_at_the_ends_of_their_range_are_exact(equivalent):
    equivalent(module("return x - 1, x.abs()", "(torch.tensor([2**53 + 1, -2**53 - 1, 2**62]),)"))


def test_a_non_contiguous_input_is_compared_as_the_values_it_shows(equivalent):
    equivalent(module("return x + torch.arange(6.0).reshape(2, 3)", "(torch.arange(6.0).reshape(3, 2).t(),)"))


def test_an_input_that_forward_overwrites_is_given_fresh_to_every_run(equivalent):
    equivalent(module("y = x.clone()\ny += 1\nreturn y * x", "(torch.ones(3),)"))


def test_a_counter_in_a_buffer_starts_anew_for_every_run(equivalent):
    """Also for the captured programs, each of which has a buffer of its own."""
    text = module(
        "self.seen += 1\nreturn x + self.seen",
        "(torch.ones(3),)",
        init="self.register_buffer('seen', torch.zeros(1))",
    )
    report = equivalent(text)
    [warning] = report.warnings
    assert warning.startswith("the source keeps state")
    assert {one.outcome for one in report.checkpoints} == {Outcome.EQUIVALENT}


# --- inputs that the graph lost --------------------------------------------------------------------------------------


def test_an_unused_input_is_told_and_is_no_finding(equivalent):
    equivalent(module("return x + 1", "(torch.ones(2), torch.zeros(5))", arguments="x, unused"))


WRAPPER = """
import onnx
_export = torch.onnx.export

def _spoilt(model, args, f, **options):
    result = _export(model, args, f, **options)
    saved = onnx.load(f)
    spoil(saved)
    onnx.save(saved, f)
    return result

torch.onnx.export = _spoilt
"""
"""Stands for a converter that changes the interface when it saves."""


def spoilt(body, *, forward="return x - 2 * y, x * y", inputs="(torch.randn(3), torch.randn(3))", arguments="x, y"):
    lines = "\n".join(f"    {line}" for line in body.strip().splitlines())
    return module(
        forward, inputs, arguments=arguments, more=f"{WRAPPER}\ndef spoil(saved):\n    graph = saved.graph\n{lines}\n"
    )


BEFORE_THE_OUTPUT = """
name = graph.output[0].name
for node in graph.node:
    for index, made in enumerate(node.output):
        node.output[index] = 'inner' if made == name else made
"""
"""Makes room for one more node before the first output, which keeps its name."""


def test_an_input_that_vanished_is_a_finding(check):
    body = """
graph.initializer.append(onnx.numpy_helper.from_array(__import__('numpy').ones(3, 'float32'), 'y'))
del graph.input[1]
"""
    report = check(spoilt(body))
    assert report.outcome is not Outcome.EQUIVALENT
    assert report.cause.kind is Kind.INTERFACE
    assert "input 'y' vanished" in report.findings[0].message


def test_an_input_that_the_source_does_not_have_is_a_finding(check):
    body = "graph.input.append(onnx.helper.make_tensor_value_info('surplus', 1, [3]))"
    report = check(spoilt(body))
    assert report.outcome in (Outcome.DIVERGENT, Outcome.FAILED)
    assert any("'surplus'" in one.message for one in report.findings)


def test_inputs_in_another_order_are_fed_by_name_and_told(check):
    report = check(spoilt("first = graph.input.pop(0)\ngraph.input.append(first)"))
    assert report.outcome is Outcome.EQUIVALENT
    assert any("another order" in one for one in report.warnings)


def test_a_retyped_input_is_a_finding(check):
    body = """
graph.input[0].type.tensor_type.elem_type = onnx.TensorProto.DOUBLE
graph.input[0].name = 'wide'
graph.node.insert(0, onnx.helper.make_node('Cast', ['wide'], ['x'], to=1))
"""
    report = check(spoilt(body))
    assert report.outcome in (Outcome.DIVERGENT, Outcome.FAILED)
    assert report.cause.category is CauseCategory.TYPE_PROBLEM
    assert "float64" in report.findings[0].message


def test_swapped_inputs_of_one_shape_are_a_finding(check):
    """Fed by name, each gets what the other should have."""
    body = """
first, second = graph.input[0].name, graph.input[1].name
for node in graph.node:
    for index, name in enumerate(node.input):
        node.input[index] = {first: second, second: first}.get(name, name)
"""
    report = check(spoilt(body))
    assert (report.outcome, report.stage) == (Outcome.DIVERGENT, Stage.EXPORT)


def test_outputs_in_another_order_are_a_finding(check):
    """A caller who takes them by position, as the source gives them, gets the wrong ones."""
    report = check(spoilt("first = graph.output.pop(0)\ngraph.output.append(first)"))
    assert report.outcome is Outcome.DIVERGENT
    assert report.symptom is Symptom.WRONG_MODEL


def test_an_output_that_vanished_is_named(check):
    report = check(spoilt("del graph.output[1]"))
    assert report.outcome in (Outcome.DIVERGENT, Outcome.FAILED)
    assert any("vanished" in one.message for one in report.findings)
    assert report.stage is Stage.EXPORT


def test_a_surplus_output_is_named(check):
    body = """
graph.node.append(onnx.helper.make_node('Identity', ['x'], ['surplus']))
graph.output.append(onnx.helper.make_tensor_value_info('surplus', 1, [3]))
"""
    report = check(spoilt(body))
    assert report.outcome in (Outcome.DIVERGENT, Outcome.FAILED)
    assert any("'surplus'" in one.message for one in report.findings)


def test_renamed_outputs_are_compared_by_position(check):
    body = """
graph.node.append(onnx.helper.make_node('Identity', [graph.output[0].name], ['renamed']))
graph.output[0].name = 'renamed'
"""
    assert check(spoilt(body)).outcome is Outcome.EQUIVALENT


def test_an_output_that_the_saving_renamed_and_changed_is_blamed_on_the_saving(check):
    body = """
graph.node.append(onnx.helper.make_node('Neg', [graph.output[0].name], ['negated']))
graph.output[0].name = 'negated'
"""
    report = check(spoilt(body))
    assert (report.outcome, report.stage) == (Outcome.DIVERGENT, Stage.EXPORT)


@pytest.mark.parametrize(("target", "said"), [("DOUBLE", "float64"), ("FLOAT16", "float16")])
def test_a_retyped_output_is_a_type_problem(check, target, said):
    body = f"""
{BEFORE_THE_OUTPUT}
graph.node.append(onnx.helper.make_node('Cast', ['inner'], [name], to=onnx.TensorProto.{target}))
graph.output[0].type.tensor_type.elem_type = onnx.TensorProto.{target}
"""
    report = check(spoilt(body))
    assert (report.outcome, report.stage) == (Outcome.DIVERGENT, Stage.EXPORT)
    assert report.cause.category is CauseCategory.TYPE_PROBLEM
    assert said in report.findings[0].message


def test_a_reshaped_output_is_a_shape_problem(check):
    body = f"""
{BEFORE_THE_OUTPUT}
graph.initializer.append(onnx.numpy_helper.from_array(__import__('numpy').array([1, 3]), 'row'))
graph.node.append(onnx.helper.make_node('Reshape', ['inner', 'row'], [name]))
graph.output[0].CopyFrom(onnx.helper.make_tensor_value_info(name, 1, [1, 3]))
"""
    report = check(spoilt(body))
    assert (report.outcome, report.stage) == (Outcome.DIVERGENT, Stage.EXPORT)
    assert report.cause.category is CauseCategory.SHAPE_PROBLEM


def test_a_weight_that_the_saving_changed_is_blamed_on_the_saving(check):
    body = """
for node in graph.node:
    if node.op_type == 'Mul':
        node.op_type = 'Add'
"""
    report = check(spoilt(body))
    assert (report.outcome, report.stage) == (Outcome.DIVERGENT, Stage.EXPORT)


# --- dynamic dimensions ----------------------------------------------------------------------------------------------

DYNAMIC = {
    "dict of Dim": "{'x': {0: torch.export.Dim('n')}}",
    "dict with range": "{'x': {0: torch.export.Dim('n', min=2, max=64)}}",
    "tuple": "({0: torch.export.Dim('n')},)",
    "list per axis": "{'x': [torch.export.Dim('n'), None]}",
    "DYNAMIC": "{'x': {0: torch.export.Dim.DYNAMIC}}",
    "AUTO": "{'x': {0: torch.export.Dim.AUTO}}",
    "name": "{'x': {0: 'n'}}",
    "shape tuple": "{'x': ('n', torch.export.Dim.STATIC)}",
}


@pytest.mark.parametrize("form", DYNAMIC)
def test_dynamic_shapes_in_every_form_are_compared_on_a_second_size(equivalent, form):
    report = equivalent(module("return x * 2", "(torch.randn(3, 4),)", more=f"DYNAMIC_SHAPES = {DYNAMIC[form]}"))
    sizes = {one.tensors[0]["shape"][0] for one in report.inputs}
    assert len(sizes) > 1
    assert all(one.tensors[0]["shape"][1] == 4 for one in report.inputs)


def test_the_users_own_second_size_is_enough(equivalent):
    more = "DYNAMIC_SHAPES = {'x': {0: 'n'}}\ndef run_inputs():\n    return [(torch.randn(7, 4),)]"
    report = equivalent(module("return x * 2", "(torch.randn(3, 4),)", more=more))
    assert [one.tensors[0]["shape"][0] for one in report.inputs] == [3, 7]


def test_two_inputs_that_share_a_dimension_get_the_same_second_size(equivalent):
    more = "n = torch.export.Dim('n')\nDYNAMIC_SHAPES = {'x': {0: n}, 'y': {0: n}}"
    report = equivalent(module("return x + y", "(torch.randn(3, 2), torch.randn(3, 2))", arguments="x, y", more=more))
    for one in report.inputs:
        assert one.tensors[0]["shape"] == one.tensors[1]["shape"]


def test_a_derived_dimension_gets_a_size_it_may_have(equivalent):
    more = "n = torch.export.Dim('n', min=2, max=32)\nDYNAMIC_SHAPES = {'x': {0: 2 * n}}"
    report = equivalent(module("return x.reshape(-1, 2, 4) * 2", "(torch.randn(6, 4),)", more=more))
    assert len({one.tensors[0]["shape"][0] for one in report.inputs}) > 1
    assert all(one.tensors[0]["shape"][0] % 2 == 0 for one in report.inputs)


def test_dynamic_dimensions_in_a_nested_input(equivalent):
    text = module(
        "return batch['a'] + batch['b'][0]",
        "({'a': torch.randn(3, 2), 'b': [torch.randn(3, 2)]},)",
        arguments="batch",
        more="DYNAMIC_SHAPES = {'batch': {'a': {0: 'n'}, 'b': [{0: 'n'}]}}",
    )
    report = equivalent(text)
    assert len({one.tensors[0]["shape"][0] for one in report.inputs}) > 1


def frozen(*, run_inputs=""):
    """Declares a dimension that the saving then freezes at the size of the example."""
    body = "graph.input[0].CopyFrom(onnx.helper.make_tensor_value_info('x', 1, [3, 4]))"
    return (
        spoilt(body, forward="return x * 2", inputs="(torch.randn(3, 4),)", arguments="x")
        + f"\nDYNAMIC_SHAPES = {{'x': {{0: 'n'}}}}\n{run_inputs}\n"
    )


def test_a_frozen_dimension_is_named_with_its_size_and_what_shows_it(check):
    report = check(frozen(run_inputs="def run_inputs():\n    return [(torch.randn(7, 4),)]"))
    assert report.outcome in (Outcome.DIVERGENT, Outcome.FAILED)
    assert (report.stage, report.cause.category) == (Stage.EXPORT, CauseCategory.SHAPE_PROBLEM)
    message = report.findings[0].message
    assert "dimension 0 of input 'x'" in message
    assert "frozen at 3" in message
    assert "7" in message
    assert report.worst_input == 1


def test_a_frozen_dimension_is_shown_by_a_size_that_the_user_did_not_give(check):
    report = check(frozen())
    assert report.outcome in (Outcome.DIVERGENT, Outcome.FAILED)
    assert "frozen at 3" in report.findings[0].message
    assert len(report.inputs) > 1


def test_a_size_baked_in_behind_a_dynamic_interface_is_found_on_the_second_size(check):
    """The graph says that the dimension is dynamic; only running it with another size shows that it is not."""
    body = f"""
{BEFORE_THE_OUTPUT}
graph.initializer.append(onnx.numpy_helper.from_array(__import__('numpy').array([3, 4]), 'baked'))
graph.node.append(onnx.helper.make_node('Reshape', ['inner', 'baked'], [name]))
"""
    text = spoilt(body, forward="return x * 2", inputs="(torch.randn(3, 4),)", arguments="x")
    report = check(f"{text}\nDYNAMIC_SHAPES = {{'x': {{0: 'n'}}}}\n")
    assert report.outcome is Outcome.FAILED
    assert report.stage is Stage.EXPORT
    assert report.worst_input == 1


# --- train mode ------------------------------------------------------------------------------------------------------


def test_a_module_in_train_mode_is_checked_in_eval_mode_and_that_is_told(equivalent):
    text = """
        import torch

        def model():
            return torch.nn.Sequential(torch.nn.Linear(4, 4), torch.nn.Dropout(0.5)).train()

        def inputs():
            return (torch.randn(2, 4),)
    """
    assert any("train mode" in one for one in equivalent(text).warnings)


def test_dropout_that_ignores_the_mode_is_never_equivalent(check):
    report = check(module("return torch.nn.functional.dropout(x, 0.5, training=True)", "(torch.ones(64),)"))
    assert report.outcome is not Outcome.EQUIVALENT
    told = " ".join([report.reason or "", *report.warnings, *(one.message for one in report.findings)])
    assert "dropout" in told or "seed" in told


def test_a_default_of_functional_dropout_that_acts_is_told(check):
    """F.dropout trains by default: the most common way to leave a model in train mode."""
    report = check(module("return torch.nn.functional.dropout(x, 0.5)", "(torch.ones(64),)"))
    assert report.outcome is not Outcome.EQUIVALENT


def test_train_true_checks_a_deterministic_module_as_it_is(equivalent):
    equivalent(LINEAR + "\n    TRAIN = True\n")


def test_batch_norm_in_train_mode_uses_the_statistics_of_the_batch(check):
    report = check(
        module(
            "return self.norm(x)",
            "(torch.randn(8, 3) * 5 + 2,)",
            init="self.norm = torch.nn.BatchNorm1d(3)",
            more="TRAIN = True",
        )
    )
    assert report.outcome is not Outcome.INCONCLUSIVE
    if report.outcome is Outcome.DIVERGENT:
        assert report.cause.category is CauseCategory.API_MISUSE


# --- other sources ---------------------------------------------------------------------------------------------------


class Small(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(4, 3)

    def forward(self, x, y):
        return torch.relu(self.linear(x)), x.sum() + y


EXAMPLE = (torch.arange(8.0).reshape(2, 4), torch.tensor(1.0))


@pytest.mark.needs("exported-program")
def test_an_exported_program_is_checked_on_its_own_example(equivalent, tmp_path):
    path = tmp_path / "m.pt2"
    torch.export.save(torch.export.export(Small().eval(), EXAMPLE), path)
    report = equivalent(path)
    assert report.model == "m.pt2"
    assert len(paths(report)) == 2


@pytest.mark.needs("exported-program")
def test_inputs_of_an_exported_program_are_called_as_its_parameters(equivalent, tmp_path):
    path = tmp_path / "m.pt2"
    torch.export.save(torch.export.export(Small().eval(), EXAMPLE), path)
    assert paths(equivalent(path)) == ["x", "y"]


@pytest.mark.needs("exported-program")
def test_a_dynamic_exported_program_is_compared_on_another_size(equivalent, tmp_path):
    path = tmp_path / "m.pt2"
    program = torch.export.export(Small().eval(), EXAMPLE, dynamic_shapes={"x": {0: torch.export.Dim("n")}, "y": None})
    torch.export.save(program, path)
    assert len({tuple(one.tensors[0]["shape"]) for one in equivalent(path).inputs}) > 1


@pytest.mark.needs("exported-program")
def test_an_exported_program_with_keyword_arguments(equivalent, tmp_path):
    path = tmp_path / "m.pt2"
    torch.export.save(torch.export.export(Small().eval(), (), {"y": EXAMPLE[1], "x": EXAMPLE[0]}), path)
    equivalent(path)


@pytest.mark.needs("exported-program")
def test_an_exported_program_in_train_mode_is_told(check, tmp_path):
    path = tmp_path / "m.pt2"
    torch.export.save(torch.export.export(torch.nn.Dropout(0.5).train(), (torch.ones(64),)), path)
    report = check(path)
    assert report.outcome is not Outcome.EQUIVALENT
    told = " ".join([report.reason or "", *report.warnings, *(one.message for one in report.findings)])
    assert "train" in told


@pytest.mark.needs("torchscript", "torch.onnx-legacy")
@pytest.mark.parametrize("how", ["script", "trace"])
def test_a_torchscript_file_is_checked(equivalent, tmp_path, how):
    model = Small().eval()
    made = torch.jit.script(model) if how == "script" else torch.jit.trace(model, EXAMPLE)
    torch.jit.save(made, str(tmp_path / "m.pt"))
    np.savez(tmp_path / "x.npz", arr_0=EXAMPLE[0].numpy(), arr_1=EXAMPLE[1].numpy())
    report = equivalent(tmp_path / "m.pt", inputs=tmp_path / "x.npz")
    assert report.converter == "torch.onnx-legacy"


@pytest.mark.needs("torchscript", "torch.onnx-legacy")
def test_a_torchscript_file_in_train_mode_is_told(check, tmp_path):
    torch.jit.save(torch.jit.script(torch.nn.Dropout(0.5).train()), str(tmp_path / "m.pt"))
    np.save(tmp_path / "x.npy", np.ones(64, np.float32))
    report = check(tmp_path / "m.pt", inputs=tmp_path / "x.npy")
    assert any("train mode" in one for one in report.warnings)


def test_a_function_as_the_model(equivalent):
    equivalent(
        HEAD
        + "def model():\n    return lambda x, y: x @ y\n\n"
        + "def inputs():\n    return torch.randn(2, 3), torch.randn(3, 2)\n"
    )


def test_a_list_from_inputs_is_positional(equivalent):
    equivalent(module("return x - 2 * y", "[torch.ones(2), torch.zeros(2)]", arguments="x, y"))


def test_a_single_tensor_from_inputs_is_the_one_argument(equivalent):
    equivalent(module("return x * 2", "torch.ones(2)"))


def test_a_model_without_parameters_or_inputs_is_a_result(check):
    report = check(
        HEAD
        + "class Model(torch.nn.Module):\n    def forward(self):\n        return torch.arange(3.0) * 2\n\n"
        + "def inputs():\n    return ()\n"
    )
    assert report.outcome in (Outcome.EQUIVALENT, Outcome.FAILED, Outcome.INCONCLUSIVE)


def test_weights_from_a_file_beside_the_module(equivalent, tmp_path):
    torch.save({"weight": torch.full((3,), 2.5)}, tmp_path / "weights.pt")
    text = (
        HEAD
        + "import pathlib\n\nclass Model(torch.nn.Module):\n    def __init__(self):\n        super().__init__()\n"
        + "        loaded = torch.load(pathlib.Path(__file__).with_name('weights.pt'))\n"
        + "        self.weight = torch.nn.Parameter(loaded['weight'])\n\n"
        + "    def forward(self, x):\n        return x * self.weight\n\ndef inputs():\n    return (torch.ones(3),)\n"
    )
    equivalent(text)


# --- samples ---------------------------------------------------------------------------------------------------------


def save_sample(path, array):
    if path.suffix == ".npz":
        np.savez(path, x=array)
    elif path.suffix == ".npy":
        np.save(path, array)
    elif path.suffix == ".safetensors":
        from safetensors.numpy import save_file

        save_file({"x": array}, path)
    else:
        torch.save((torch.from_numpy(array),), path)


@pytest.mark.parametrize("name", ["s.npz", "s.npy", "s.safetensors", "s.pt"])
def test_samples_from_a_file_are_compared_on(equivalent, tmp_path, name):
    save_sample(tmp_path / name, np.full((5, 4), 2.0, np.float32))
    text = LINEAR + '\n    DYNAMIC_SHAPES = {"x": {0: "n"}}\n'
    report = equivalent(text, inputs=tmp_path / name)
    [one] = [one for one in report.inputs if name in (one.name, one.origin) or one.origin.endswith(name)]
    assert one.role == "compare"
    assert one.tensors[0]["shape"] == [5, 4]


def test_the_worst_sample_of_a_folder_is_named(check, tmp_path):
    folder = tmp_path / "samples"
    folder.mkdir()
    for name, scale in {"a.npy": 0.0, "b.npz": 1500.0, "c.safetensors": 0.0}.items():
        save_sample(folder / name, (np.linspace(0.05, 0.4, 8192) + scale).astype(np.float32))
    text = module("return torch.remainder(x, 0.1)", "(torch.zeros(8192),)")
    report = check(text, inputs=folder)
    assert report.outcome is Outcome.DIVERGENT
    assert [one.name for one in report.inputs][1:] == ["a.npy", "b.npz", "c.safetensors"]
    assert report.inputs[report.worst_input].name == "b.npz"


def test_a_sample_with_python_structure_from_a_pt_file(equivalent, tmp_path):
    torch.save({"batch": {"a": torch.ones(2), "b": torch.zeros(2)}}, tmp_path / "s.pt")
    text = module(
        "return batch['a'] - 2 * batch['b']", "({'a': torch.ones(2), 'b': torch.ones(2)},)", arguments="batch"
    )
    equivalent(text, inputs=tmp_path / "s.pt")


def test_a_sample_that_does_not_fit_is_misuse(checked, tmp_path):
    np.save(tmp_path / "s.npy", np.array(["text"]))
    with pytest.raises(InputsError):
        checked(LINEAR, inputs=tmp_path / "s.npy")


@pytest.mark.needs("exported-program", "torchscript")
@pytest.mark.parametrize("kind", ["pt2", "torchscript"])
def test_samples_with_names_fit_a_file_whose_arguments_have_these_names(equivalent, tmp_path, kind):
    model = Small().eval()
    if kind == "pt2":
        path = tmp_path / "m.pt2"
        torch.export.save(torch.export.export(model, EXAMPLE), path)
    else:
        path = tmp_path / "m.pt"
        torch.jit.save(torch.jit.script(model), str(path))
    np.savez(tmp_path / "s.npz", y=EXAMPLE[1].numpy(), x=EXAMPLE[0].numpy())
    equivalent(path, inputs=tmp_path / "s.npz")


@pytest.mark.parametrize(
    "sample",
    [
        "(torch.ones(3, dtype=torch.float64),)",
        "(torch.ones(3, dtype=torch.int64),)",
        "(5,)",
        "[(torch.ones(3), torch.ones(3))]",
    ],
    ids=["float64", "int64", "a number", "one more tensor"],
)
def test_run_inputs_of_other_types_than_the_example_are_misuse(checked, sample):
    """A graph has one type an input; a runtime that refuses another one has not failed."""
    more = f"def run_inputs():\n    return {sample}"
    text = module("return x * 2.5 + (0 if y is None else y)", "(torch.ones(3),)", arguments="x, y=None", more=more)
    with pytest.raises(InputsError):
        checked(text)


def test_run_inputs_of_a_size_that_was_not_declared_dynamic_are_no_failure_of_the_runtime(checked):
    more = "def run_inputs():\n    return [(torch.ones(4),)]"
    try:
        [report] = checked(module("return x * 2.5", "(torch.ones(3),)", more=more)).report.reports
    except InputsError:
        return
    said = " ".join([report.reason or "", *(one.message for one in report.findings)])
    assert "DYNAMIC_SHAPES" in said


def test_run_inputs_as_keywords_for_a_positional_example_are_the_same_arguments(equivalent):
    more = "def run_inputs():\n    return [{'x': torch.zeros(3)}]"
    assert equivalent(module("return x * 2.5", "(torch.ones(3),)", more=more)).warnings == []


# --- several converters and runtimes ---------------------------------------------------------------------------------


@pytest.mark.needs("torch.onnx-legacy", "onnx-reference")
def test_two_converters_and_two_runtimes_make_four_pairs(checked):
    done = checked(LINEAR, via=("torch.onnx", "torch.onnx-legacy"), to=("onnxruntime", "onnx-reference"))
    pairs = [(one.converter, one.runtime, one.outcome) for one in done.report.reports]
    assert pairs == [
        (converter, runtime, Outcome.EQUIVALENT)
        for converter in ("torch.onnx", "torch.onnx-legacy")
        for runtime in ("onnxruntime", "onnx-reference")
    ]


@pytest.mark.needs("torch.onnx-legacy")
def test_one_failing_converter_does_not_hide_the_other(checked):
    text = module("return x + int(torch.jit.is_tracing())", "(torch.ones(2),)")
    done = checked(text, via=("torch.onnx-legacy", "torch.onnx"))
    outcomes = {one.converter: one.outcome for one in done.report.reports}
    assert outcomes["torch.onnx-legacy"] is Outcome.DIVERGENT
    assert outcomes["torch.onnx"] is Outcome.EQUIVALENT
    assert done.report.exit_status == 1


def test_an_opset_that_the_converter_silently_replaces_is_told(check):
    report = check(LINEAR, opset=7)
    assert any("7" in one and "18" in one for one in report.warnings), report.warnings


@pytest.mark.parametrize("opset", [18, 20, 22])
def test_an_opset_that_the_converter_keeps_is_not_remarked(equivalent, opset):
    assert not any("opset" in one for one in equivalent(LINEAR, opset=opset).warnings)


def test_options_reach_the_converter(equivalent):
    report = equivalent(LINEAR, options={"optimize": False})
    assert "optimized" not in [one.name for one in report.checkpoints]
