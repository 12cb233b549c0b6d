"""Laws of fingerprints: the same in every layout, near for near tensors, and never the same for other tensors."""

from __future__ import annotations

import math

import numpy as np
from hypothesis import given, settings
from hypothesis import strategies as st

from tautomer.numerics.alignment import Aligner, SourceValue
from tautomer.numerics.fingerprints import FingerprintIndex, fingerprint

shapes = st.lists(st.integers(1, 5), min_size=1, max_size=4)
seeds = st.integers(0, 2**32 - 1)
NOISE = 1e-7


@st.composite
def tensors(draw):
    """Tensors as models have them: normal, positive, sparse, in large or small units."""
    generator = np.random.default_rng(draw(seeds))
    value = generator.standard_normal(draw(shapes))
    kind = draw(st.sampled_from(["normal", "exponential", "rectified", "squared"]))
    value = {"normal": value, "exponential": np.exp(3 * value), "rectified": np.maximum(value, 0), "squared": value**2}[
        kind
    ]
    return value * 10.0 ** draw(st.integers(-20, 20))


def reordered(value, random):
    """Some layout of a tensor: a permutation of its axes, then a reshape."""
    axes = list(range(value.ndim))
    random.shuffle(axes)
    moved = value.transpose(axes)
    divisors = [one for one in range(1, moved.size + 1) if moved.size % one == 0]
    return moved.reshape(random.choice(divisors), -1)


@given(tensors(), st.randoms(use_true_random=False))
def test_no_order_of_the_elements_changes_a_fingerprint(value, random):
    shuffled = value.reshape(-1)[random.sample(range(value.size), value.size)]
    assert fingerprint(value).admits(fingerprint(shuffled), 0.0)


@given(tensors(), seeds, st.sampled_from([1e-12, 1e-7, 1e-4]))
def test_no_change_within_a_distance_is_missed(value, seed, relative):
    """The bound holds for the worst change of a given size, so for those along single elements, too."""
    generator = np.random.default_rng(seed)
    change = generator.standard_normal(value.shape)
    if seed % 3 == 0:
        change = change * (np.abs(value) == np.abs(value).max())
    length = float(np.linalg.norm(change))
    if not length:
        return
    changed = value + change * (relative * float(np.linalg.norm(value)) / length)
    assert fingerprint(value).admits(fingerprint(changed), relative)


@given(shapes.filter(lambda shape: math.prod(shape) >= 4), seeds)
def test_other_tensors_are_never_taken_for_one(shape, seed):
    generator = np.random.default_rng(seed)
    values = {str(index): generator.standard_normal(shape) for index in range(12)}
    index = FingerprintIndex({name: fingerprint(value) for name, value in values.items()})
    for name, value in values.items():
        assert index.near(fingerprint(value), NOISE) == [name]
    assert index.near(fingerprint(generator.standard_normal(shape)), NOISE) == []


@settings(deadline=None, max_examples=60)
@given(st.lists(st.integers(2, 5), min_size=2, max_size=4), seeds, st.randoms(use_true_random=False))
def test_a_value_is_found_after_a_transposition_a_reshape_and_noise(shape, seed, random):
    generator = np.random.default_rng(seed)
    values = {
        name: SourceValue(name, "Add", None, (), generator.standard_normal(shape)) for name in ("a", "b", "c", "d")
    }
    name = random.choice(sorted(values))
    target = reordered(values[name].exact, random)
    noisy = target * (1 + NOISE * generator.uniform(-1, 1, target.shape))
    found = Aligner(values, relative=2 * NOISE).match("t", noisy)
    assert found is not None
    assert found.source == name
    arranged = found.layout.arranged(values[name].exact, noisy.shape)
    assert np.allclose(arranged, noisy, rtol=4 * NOISE, atol=0)


@given(tensors(), seeds)
def test_the_index_finds_what_admits_says(value, seed):
    generator = np.random.default_rng(seed)
    near = {str(k): fingerprint(value * (1 + 10.0**-k * generator.uniform(-1, 1))) for k in range(1, 12)}
    asked = fingerprint(value)
    found = FingerprintIndex(near).near(asked, 1e-6)
    assert [name for name, one in near.items() if asked.admits(one, 1e-6)] == found
