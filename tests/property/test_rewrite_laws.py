"""Every rewrite of the table against the operator it replaces, far from the values that defects were found with."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from rewrite_examples import Draw, operator_of
from rewrite_laws import LAWS

from tautomer.adapters.torch_programs.rewrites.table import TABLE

pytestmark = pytest.mark.needs("torch")


def deviation_u(expected: torch.Tensor, given_: torch.Tensor, scale: Any, least: float) -> float:
    """The largest difference in units of u times the scale; infinite where types, shapes or special values differ."""
    if expected.dtype != given_.dtype or expected.shape != given_.shape:
        return math.inf
    if not expected.dtype.is_floating_point:
        return 0.0 if torch.equal(expected, given_) else math.inf
    limits = torch.finfo(expected.dtype)
    a, b = expected.double(), given_.double()
    if not torch.equal(a.isnan(), b.isnan()):
        return math.inf
    same = (a == b) | a.isnan()
    # A result within rounding of the largest number may be either side of overflow.
    edge = limits.max * (1 - 8 * limits.eps)
    same |= (a.abs() >= edge) & (b.abs() >= edge) & (torch.sign(a) == torch.sign(b))
    apart = torch.where(same, torch.zeros_like(a), (a - b).abs())
    apart = torch.clamp(apart - least * limits.tiny, min=0)
    wide = torch.as_tensor(scale, dtype=torch.float64).expand(a.shape) if scale is not None else a.abs()
    wide = torch.clamp(wide, min=limits.tiny)  # subnormal numbers are as far apart as the smallest normal ones
    ratio = torch.where(apart == 0, torch.zeros_like(apart), apart / (limits.eps / 2 * wide))
    return float(ratio.max()) if ratio.numel() else 0.0


CASES = [(name, dtype) for name in TABLE.entries for dtype in (LAWS[name.removeprefix("aten.")].dtypes)]


@pytest.mark.parametrize(("name", "dtype"), CASES, ids=lambda one: str(one).replace("torch.", "").replace("aten.", ""))
@pytest.mark.filterwarnings("ignore:.*degrees of freedom")
@settings(max_examples=25, deadline=None)
@given(seed=st.integers(0, 2**32 - 1))
def test_a_rewrite_computes_what_its_operator_computes(name, dtype, seed):
    entry, law = TABLE.entries[name], LAWS[name.removeprefix("aten.")]
    args, kwargs = law.make(Draw(seed, dtype))
    expected = operator_of(name)(*args, **kwargs)
    found = entry.function(*args, **kwargs)
    if found is NotImplemented:
        assert any(isinstance(one, torch.Tensor) and one.numel() == 0 for one in args), (
            "it applies to what is tried here"
        )
        return
    several = isinstance(expected, tuple)
    for wanted, got in zip(expected if several else [expected], found if several else [found], strict=True):
        scale = law.scale(wanted, *args, **kwargs) if law.scale is not None else None
        assert deviation_u(wanted, got, scale, law.least) <= entry.bound_u


def test_every_rewrite_has_a_law_and_there_are_more_than_sixty_operators():
    names = {name.removeprefix("aten.") for name in TABLE.entries}
    assert names == set(LAWS)
    assert len({name.split(".")[0] for name in names}) >= 60
