"""Sources that quantize on their way: what differs comes in steps, and how many there are is judged over the tensor."""

from __future__ import annotations

import numpy as np

from tautomer.model import Tensor
from tautomer.numerics.judge import Reference, judge_declared

STEP = np.float32(0.0273)
RUNS = 8


def reference(*, flips_a_run, size=4096, decides=True):
    """A quantized output; each of its perturbed runs is one step off in some elements, as the seed has it."""
    generator = np.random.default_rng(0)
    exact = (generator.integers(-127, 128, size) * np.float64(STEP)).round(12)
    square = np.square(4 * 2.0**-24 * exact) / 3
    for _ in range(RUNS):
        off = generator.choice(size, flips_a_run, replace=False)
        square[off] += float(STEP) ** 2 / RUNS
    return Reference("y", Tensor.of(exact.astype(np.float32)), exact, square, decides=decides)


def target(source, flips, steps=1):
    """The source's answer with so many elements that many steps off, other ones than in the perturbed runs."""
    values = source.declared.array.copy()
    off = np.random.default_rng(1).choice(values.size, flips, replace=False)
    values[off] += steps * STEP
    return Tensor.of(values)


def test_as_many_flips_as_the_perturbed_runs_have_are_no_fault():
    source = reference(flips_a_run=20)
    for flips in (0, 1, 20, 40):
        assert not judge_declared(source, target(source, flips)).rounding_fault


def test_many_times_as_many_are_one_although_each_is_a_single_step():
    source = reference(flips_a_run=2)
    judgement = judge_declared(source, target(source, 400))
    assert judgement.rounding_fault


def test_a_difference_of_many_steps_is_a_fault_in_a_single_element():
    source = reference(flips_a_run=20)
    assert not judge_declared(source, target(source, 1, steps=1)).rounding_fault
    assert judge_declared(source, target(source, 1, steps=12)).rounding_fault


def test_a_flip_where_no_perturbed_run_flips_anything_is_a_fault():
    source = reference(flips_a_run=0)
    assert judge_declared(source, target(source, 1)).rounding_fault


def test_a_step_is_as_large_for_a_small_element_only_where_the_source_decides():
    def small_element_off_by_a_step(decides):
        source = reference(flips_a_run=20, decides=decides)
        never_flipped = source.variance < float(STEP) ** 2 / 100
        one = np.flatnonzero(never_flipped & (np.abs(source.exact) < 2 * STEP) & (source.exact != 0))[0]
        values = source.declared.array.copy()
        values[one] += STEP
        return judge_declared(source, Tensor.of(values))

    assert not small_element_off_by_a_step(decides=True).rounding_fault
    assert small_element_off_by_a_step(decides=False).rounding_fault
