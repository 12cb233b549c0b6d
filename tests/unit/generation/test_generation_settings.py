"""What is asked of generated models is checked before anything is started."""

import pytest

from tautomer.errors import MisuseError
from tautomer.generation import (
    GenerationSettings,
    chosen_operators,
    dtypes_from,
    frameworks,
    nodes_from,
    operator_table,
)
from tautomer.synthesis.tensor_types import ALL


def test_a_number_of_nodes_is_one_or_an_interval():
    assert nodes_from("10") == (10, 10)
    assert nodes_from("5-20") == (5, 20)


@pytest.mark.parametrize("text", ["", "x", "5-", "-5", "5.5", "1-2-3"])
def test_anything_else_is_no_number_of_nodes(text):
    with pytest.raises(MisuseError, match="TA165"):
        nodes_from(text)


@pytest.mark.parametrize(
    "wrong",
    [{"nodes": (0, 3)}, {"nodes": (5, 4)}, {"nodes": (1, 10**6)}, {"count": 0}, {"dynamic": 1.5}, {"empty": -0.1}],
)
def test_what_cannot_be_is_refused_by_its_option(wrong):
    with pytest.raises(MisuseError, match="TA165 --"):
        GenerationSettings(**wrong)


def test_dtypes_are_known_ones_and_the_first_is_likeliest():
    assert dtypes_from(["float16", "int8"]) == {"float16": 2.0, "int8": 1.0}
    with pytest.raises(MisuseError, match="float8"):
        dtypes_from(["float8"])
    assert set(dtypes_from(list(ALL))) == set(ALL)


def test_operators_are_named_by_patterns_of_their_name_or_the_graphs():
    assert chosen_operators("torch", ["torch.add"]) == ("torch.add",)
    assert "F.conv2d" in chosen_operators("torch", ["aten.conv*"])
    every = chosen_operators("torch", ["*"])
    assert len(every) == len(operator_table("torch"))
    assert set(every) - set(chosen_operators("torch", ["*"], ["torch.hypot", "aten.fmax"])) == {
        "torch.hypot",
        "torch.fmax",
    }


def test_a_pattern_that_names_nothing_is_refused():
    with pytest.raises(MisuseError, match="TA167"):
        chosen_operators("torch", ["torch.nothing"])
    with pytest.raises(MisuseError, match="TA167"):
        chosen_operators("torch", ["torch.add"], ["torch.*"])


def test_a_framework_that_nothing_is_generated_for_is_refused():
    assert "torch" in frameworks()
    with pytest.raises(MisuseError, match="TA166"):
        operator_table("caffe")


def test_only_models_for_onnx_take_quantized_numbers_by_default():
    asked = {one: GenerationSettings(framework=one).request()["dtypes"] for one in ("torch", "tensorflow", "onnx")}
    assert set(asked["onnx"]) - set(asked["torch"]) == {"uint8", "int8"}
    assert asked["torch"] == asked["tensorflow"]
    assert GenerationSettings(framework="onnx", dtypes={"bool": 1.0}).request()["dtypes"] == {"bool": 1.0}
