"""An error's text without what changes from model to model."""

from __future__ import annotations

import pytest

from tautomer.model.failure_text import normalised

SAME = {
    "names": (
        "Node (node_Floor_12) has input type tensor(int64) of input parameter (val_3)",
        "Node (floor) has input type tensor(int64) of input parameter (x)",
    ),
    "names in quotes": ("no kernel for node 'a'", 'no kernel for node "encoder.layer.0"'),
    "generated names": ("cannot broadcast getitem_1 to val_7", "cannot broadcast mul_32 to val_2"),
    "sizes": ("shape [2,3,4] is not (2, 3)", "shape [7] is not (1,)"),
    "numbers": ("index 12 exceeds -0x1F", "index 3 exceeds 1.5e-7"),
    "paths": ("cannot open /tmp/a b/model.onnx", "cannot open /home/me/other/x.onnx"),
    "further lines": ("it failed\nat 1", "it failed\nbecause of that"),
}


@pytest.mark.parametrize("what", SAME)
def test_an_error_stays_the_same_under_other(what):
    one, other = SAME[what]
    assert one != other
    assert normalised(one) == normalised(other) != ""


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("no kernel for Floor", "no kernel for Ceil"),
        ("type tensor(int64) is not allowed", "type tensor(float) is not allowed"),
        ("element_wise_ops: division by zero", "element_wise_ops: overflow"),
    ],
)
def test_what_an_error_is_about_is_kept(one, other):
    assert normalised(one) != normalised(other)


def test_a_long_text_is_cut_and_an_empty_one_stays_empty():
    assert len(normalised("word " * 100)) <= 160
    assert normalised("") == normalised("\n") == ""
