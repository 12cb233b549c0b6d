"""Expressions are written with what their names stand for."""

from tautomer.synthesis import DtypeName, Reference, spelled
from tautomer.synthesis.tensor_types import Subscript


def plain(value):
    return f"torch.{value}" if isinstance(value, DtypeName) else None


def test_names_are_replaced_and_keywords_stay():
    bound = {"x": Reference("v0"), "axis": -1, "keepdims": True}
    assert spelled("torch.sum(x, dim=axis, keepdim=keepdims)", bound, plain) == "torch.sum(v0, dim=-1, keepdim=True)"


def test_a_name_within_another_is_left_alone():
    assert spelled("x.max(xx, x)", {"x": Reference("v7")}, plain) == "v7.max(xx, v7)"


def test_lists_of_tensors_are_lists_and_tuples_are_tuples():
    bound = {"tensors": (Reference("v0"), Reference("x1")), "sizes": (3,)}
    assert spelled("f(tensors, sizes)", bound, plain) == "f([v0, x1], (3,))"


def test_dtypes_are_written_as_the_framework_does():
    assert (
        spelled("x.to(dtype)", {"x": Reference("v0"), "dtype": DtypeName("float16")}, plain) == "v0.to(torch.float16)"
    )


def test_subscripts_are_written_between_brackets():
    where = Subscript((slice(None), slice(1, 5, 2), 3))
    assert spelled("x[where]", {"x": Reference("v0"), "where": where}, plain) == "v0[:, 1:5:2, 3]"
