"""Evidence about conversions of TensorFlow: origins beside the model, layouts, refused attributes, swallowed frames."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest
from onnx import TensorProto, helper

from tautomer.adapters.onnx_files.named_values import _in_another_layout
from tautomer.checking.attempts import plain_first_line
from tautomer.checking.causes.arguments import compare
from tautomer.checking.causes.calls import Argument, SourceCall
from tautomer.checking.causes.conversion_faults import is_namesake, of_set
from tautomer.checking.causes.exceptions import complaint_of
from tautomer.checking.causes.refusals import cause_of_refusal, written_so
from tautomer.checking.causes.responsible_sets import ResponsibleSet
from tautomer.checking.causes.target_nodes import read_nodes
from tautomer.checking.location import locate_named
from tautomer.checking.records import CheckpointRecord
from tautomer.checking.results import Conversion
from tautomer.checking.verdicts import Verdict
from tautomer.model import Cause, CauseCategory, Finding, Kind, Outcome, Refused, Resources, Stage, Symptom


def call(operator, *arguments):
    return SourceCall("node", operator, "model.py:3", "node", ((2, 3),), arguments)


def argument(name, value, default=None, *, type_="bool"):
    return Argument(name, type_, value, default is not None, default)


@pytest.fixture
def saved(tmp_path):
    """A file with a node and a branch, and what its converter wrote beside it."""
    inner = helper.make_graph(
        [helper.make_node("Erfc", ["x"], ["y"], name="inner")],
        "branch",
        [],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [2])],
    )
    nodes = [
        helper.make_node("Relu", ["a"], ["x"], name="relu"),
        helper.make_node("If", ["c"], ["z"], name="if", then_branch=inner, else_branch=inner),
    ]
    inputs = [
        helper.make_tensor_value_info("a", TensorProto.FLOAT, [2]),
        helper.make_tensor_value_info("c", TensorProto.BOOL, []),
    ]
    graph = helper.make_graph(nodes, "g", inputs, [helper.make_tensor_value_info("z", TensorProto.FLOAT, [2])])
    path = tmp_path / "model.onnx"
    path.write_bytes(helper.make_model(graph).SerializeToString())
    origins = tmp_path / "origins.json"
    origins.write_text(
        json.dumps(
            {
                "relu": {"node": "net/Relu", "operator": "Relu", "line": "model.py:7"},
                "inner": {"node": "cond/Erfc", "operator": "Erfc", "line": "model.py:9"},
            }
        )
    )
    record = CheckpointRecord("saved", Stage.EXPORT, path, facts={"origins": str(origins)})
    return Verdict(record)


def test_what_a_node_was_made_for_is_read_beside_the_model_also_inside_branches(saved):
    path, facts = saved.record.path, saved.record.facts
    assert read_nodes(path, facts)["relu"].source_name == "net/Relu"
    assert "inner" not in read_nodes(path, facts)
    assert read_nodes(path, facts, nested=True)["inner"].source_operator == "Erfc"
    assert read_nodes(path)["relu"].source_name is None


def test_a_node_that_an_error_names_is_located_in_the_users_file(saved):
    located = locate_named(saved, "relu")
    assert (located.source_node, located.source_line) == ("Relu", "model.py:7")


def test_a_value_with_its_channels_first_is_in_another_layout_and_one_with_other_numbers_is_not():
    image = np.random.default_rng(0).standard_normal((2, 3, 4, 5)).astype("f")
    assert _in_another_layout(image, np.moveaxis(image, -1, 1))
    assert not _in_another_layout(image, np.moveaxis(image, -1, 1) + 1)
    assert not _in_another_layout(image[0, 0], image[0, 0].T)


def test_camel_case_names_share_words_with_the_operators_of_onnx():
    pool = read_nodes_of("AveragePool")
    assert is_namesake(call("AvgPool"), pool)
    assert not is_namesake(call("MaxPool3D"), read_nodes_of("Relu"))


def read_nodes_of(op_type, **attributes):
    from tautomer.checking.causes.target_nodes import TargetNode

    return TargetNode("n", op_type, "", attributes, {}, ("n:0",), False, False, "node", None, None)


def test_how_corners_are_treated_is_one_attribute_for_onnx_and_two_for_tensorflow():
    resize = call("ResizeBicubic", argument("align_corners", True, False), argument("half_pixel_centers", False, False))
    same = read_nodes_of("Resize", coordinate_transformation_mode="align_corners")
    other = read_nodes_of("Resize", coordinate_transformation_mode="half_pixel")
    assert [one.name for one, _ in compare(resize, same).agreeing] == ["align_corners", "half_pixel_centers"]
    assert [one.name for one, _ in compare(resize, other).differing] == ["align_corners", "half_pixel_centers"]


def test_an_operator_put_in_the_place_of_its_namesake_is_the_converters_error_unless_it_ignores_an_argument():
    def category(source, node):
        found = ResponsibleSet((node,), source.operator, None, source, Kind.SEMANTIC, "off", ("v",), (0,), 1.0)
        return of_set(found, {})[0]

    assert category(call("ScatterNd"), read_nodes_of("ScatterND")) is CauseCategory.ALGORITHMIC_ERROR
    ignoring = call("AvgPool", argument("divisor", 3, 1, type_="int"))
    assert category(ignoring, read_nodes_of("AveragePool")) is CauseCategory.INCOMPATIBILITY


def refusal(stage=Stage.RUNTIME_LOAD):
    return Finding(
        outcome=Outcome.FAILED,
        symptom=Symptom.CRASH,
        stage=stage,
        symptom_stage=Stage.RUNTIME_LOAD,
        cause=Cause(category=CauseCategory.UNKNOWN, kind=Kind.REFUSED, evidence="refused"),
        message="refused",
        code="TA203",
    )


@pytest.mark.parametrize(
    ("check", "stage"),
    [
        ("(op_type:Relu, node name: relu): pads must not contain negative values", Stage.EXPORT),
        ("(op_type:If, node name: if): shapes differ", Stage.RUNTIME_LOAD),
        (None, Stage.RUNTIME_LOAD),
    ],
)
def test_a_node_that_onnx_refuses_as_the_runtime_does_was_written_wrongly(saved, check, stage):
    conversion = Conversion([saved], saved.record.path, {}, {}, [], None, full_check=check)
    nodes = read_nodes(saved.record.path)
    assert written_so(refusal(), nodes["relu"], conversion, lambda _: nodes).stage is stage


def test_a_value_that_no_attribute_may_have_is_the_converters_error():
    assert cause_of_refusal("Attribute pads must not contain negative values", None, None) == "algorithmic_error"


def test_of_an_error_in_user_code_the_last_line_is_what_was_raised():
    text = 'in user code:\n\n    File "model.py", line 3, in model  *\n        x.foo()\n\n    AttributeError: no foo\n'
    assert plain_first_line(text) == "no foo"
    assert plain_first_line("one\ntwo") == "one"


def test_a_mistake_in_tf2onnx_while_it_loads_is_its_own_and_a_node_that_tensorflow_names_is_found():
    frame = "  File \"/x/tf2onnx/convert.py\", line 529, in <listcomp>\n    names[out]\n    ~~~~~^^^^^\nKeyError: 'k'\n"
    attempt = Refused(Resources(1.0, 1), Path("log"), (), "builtins.KeyError", "'k'", frame, ("builtins.KeyError",))
    assert complaint_of(attempt, "model.py", Stage.LOAD_MODEL).category is CauseCategory.ALGORITHMIC_ERROR
    said = "Invalid argument: {{node net/conv}} has no kernel"
    attempt = Refused(Resources(1.0, 1), Path("log"), (), "tf.errors.InvalidArgumentError", said, "")
    assert complaint_of(attempt, "model.py", Stage.LOAD_MODEL).node == "net/conv"
