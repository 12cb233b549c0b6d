"""Laws of the judge: what must hold for any values."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from tautomer.model import Tensor
from tautomer.numerics.judge import MAX_LIMIT, Reference, judge_declared, judge_exact
from tautomer.numerics.strict import Strictness, strict_differences
from tautomer.numerics.tolerance import smallest_passing

U = 2.0**-24
VALUES = st.floats(-1e6, 1e6, width=32).filter(lambda x: x == 0 or abs(x) > 1e-6)
FLOATS = arrays.arrays(np.float32, arrays.array_shapes(max_dims=3, max_side=5), elements=VALUES)
ANY_FLOATS = arrays.arrays(np.float32, arrays.array_shapes(max_dims=2, max_side=4), elements=st.floats(width=32))


def reference(values: np.ndarray, spread_u: float = 2.0) -> Reference:
    exact = values.astype(np.float64)
    return Reference("y", Tensor.of(values), exact, np.square(spread_u * U * np.maximum(np.abs(exact), 1e-3)))


@given(FLOATS)
def test_the_source_itself_is_never_at_fault(values):
    one = reference(values)
    assert not judge_declared(one, Tensor.of(values.copy())).faulty
    judged = judge_exact(one, values.astype(np.float64))
    assert judged.semantic_residual_u == 0.0
    assert not judged.faulty


@given(FLOATS, st.data())
def test_one_element_far_outside_the_envelope_is_a_fault_wherever_it_is(values, data):
    index = tuple(data.draw(st.integers(0, size - 1)) for size in values.shape)
    changed = values.copy()
    changed[index] += np.float32(0.01 * max(abs(float(changed[index])), 1.0))
    assert judge_declared(reference(values), Tensor.of(changed)).rounding_fault


@given(FLOATS, st.data())
def test_a_difference_of_functions_of_a_hundredth_of_a_rounding_is_a_fault(values, data):
    index = tuple(data.draw(st.integers(0, size - 1)) for size in values.shape)
    exact = values.astype(np.float64)
    exact[index] += 0.05 * U * max(abs(exact[index]), 1e-2)
    assert judge_exact(reference(values), exact).semantic_fault


@given(FLOATS)
def test_rounding_noise_of_float64_is_no_difference_of_functions(values):
    exact = values.astype(np.float64)
    assert not judge_exact(reference(values), exact * (1 + 2.0**-51)).semantic_fault


@given(FLOATS, st.floats(2.0**-6, 2.0**6))
def test_scaling_by_a_power_of_two_changes_no_verdict(values, factor):
    factor = 2.0 ** round(np.log2(factor))
    target = (values.astype(np.float64) * (1 + 3 * U)).astype(np.float32)
    scaled = Reference(
        "y", Tensor.of((values * factor).astype(np.float32)), values * factor, reference(values).variance * factor**2
    )
    one = judge_declared(reference(values), Tensor.of(target)).rounding_ratio
    other = judge_declared(scaled, Tensor.of((target * factor).astype(np.float32))).rounding_ratio
    assert one == pytest.approx(other, rel=1e-6, abs=1e-12)


@given(FLOATS)
def test_a_target_as_inaccurate_as_the_source_is_not_at_fault(values):
    """The source's own error, mirrored: gelu's tail errs by thousands of u in every kernel."""
    error = np.float32(MAX_LIMIT * 50 * U) * np.abs(values)
    source = (values + error).astype(np.float32)
    one = Reference("y", Tensor.of(source), values.astype(np.float64), reference(values).variance)
    assert not judge_declared(one, Tensor.of((values - error).astype(np.float32))).rounding_fault


@given(ANY_FLOATS, ANY_FLOATS)
@settings(max_examples=200)
def test_non_finite_values_must_stand_at_the_same_places(source, target):
    kinds = {one.kind for one in strict_differences("y", Tensor.of(source), Tensor.of(target))}
    if source.shape != target.shape:
        assert kinds == {Strictness.SHAPE}
        return
    same = (np.isfinite(source) & np.isfinite(target)) | (np.isnan(source) & np.isnan(target)) | (source == target)
    assert (Strictness.RANGE in kinds) == bool((~same & ~np.isfinite(target)).any())
    assert (Strictness.SOURCE_RANGE in kinds) == bool((~same & np.isfinite(target)).any())


@given(arrays.arrays(np.int64, 5), arrays.arrays(np.int64, 5), arrays.arrays(bool, 5))
def test_integers_differ_or_hang_on_the_sources_rounding(source, target, flips):
    found = strict_differences("y", Tensor.of(source), Tensor.of(target), flips)
    differs = source != target
    assert bool(found) == bool(differs.any())
    if found:
        assert found[0].undecided == int((differs & flips).sum())


@given(FLOATS, FLOATS)
def test_the_smallest_tolerances_pass_and_nothing_smaller_does(source, other):
    if source.shape != other.shape:
        other = source * np.float32(1.25)
    found = smallest_passing([(Tensor.of(source), Tensor.of(other))])
    s, t = source.astype(np.float64), other.astype(np.float64)
    assert np.all(np.abs(t - s) <= found.atol)
    if found.atol:
        assert not np.all(np.abs(t - s) <= np.nextafter(found.atol, 0.0))
    if found.rtol is not None:
        assert np.all(np.abs(t - s) <= found.rtol * np.abs(s) * (1 + 1e-15))
        if found.rtol:
            assert not np.all(np.abs(t - s) <= found.rtol * (1 - 1e-12) * np.abs(s))
