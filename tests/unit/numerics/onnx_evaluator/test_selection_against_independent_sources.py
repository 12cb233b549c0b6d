"""Reading, writing, ordering and rearranging by index against loops over Python lists, element by element."""

from __future__ import annotations

import itertools
import math
from typing import Any

import numpy as np
import onnx
import pytest
import torch
from evaluated_node import evaluate, random


def _indices(high: int, *shape: int) -> np.ndarray:
    """Indices from both ends, some of them equal."""
    return np.random.default_rng(high).integers(-high, high, shape)


# --- reading


@pytest.mark.parametrize("dtype", [np.int32, np.int64])
def test_gathers_read_from_either_end(dtype: Any) -> None:
    x = random(3, 4, 5)
    indices = _indices(4, 2, 3).astype(dtype)
    found = evaluate("Gather", x, indices, opset=13, axis=-2)
    for i, a, b, k in np.ndindex(3, 2, 3, 5):
        assert found[i, a, b, k] == x[i, int(indices[a, b]), k]
    assert evaluate("Gather", x, np.array(-1, dtype), opset=13, axis=1).tolist() == x[:, -1].tolist()
    assert evaluate("Gather", x, np.zeros((0, 2), dtype), opset=13, axis=1).shape == (3, 0, 2, 5)
    smaller = _indices(4, 2, 6, 3).astype(dtype)
    found = evaluate("GatherElements", x, smaller, opset=13, axis=1)
    for i, j, k in np.ndindex(2, 6, 3):
        assert found[i, j, k] == x[i, int(smaller[i, j, k]), k]


@pytest.mark.parametrize("batch", [0, 1, 2])
@pytest.mark.parametrize("depth", [1, 2])
def test_gather_nd_reads_slices_behind_its_batch_dimensions(batch: int, depth: int) -> None:
    x = random(2, 3, 4, 3)
    lead = x.shape[:batch]
    indices = np.stack([_indices(x.shape[batch + d], *lead, 5) for d in range(depth)], axis=-1)
    found = evaluate("GatherND", x, indices, opset=13, batch_dims=batch)
    for place in np.ndindex(*lead, 5):
        expected = x[place[:batch]][tuple(int(v) for v in indices[place])]
        assert np.array_equal(found[place], expected)
    empty = evaluate("GatherND", x, indices[..., :0, :], opset=13, batch_dims=batch)
    assert empty.shape == (*lead, 0, *x.shape[batch + depth :])


def test_one_hot_counts_negative_indices_from_the_end_and_leaves_others_off() -> None:
    indices, values = np.array([[0, -1, 3], [4, -5, 1]]), np.array([0.25, 7.0])
    for axis in (-1, 0, 1):
        found = np.moveaxis(evaluate("OneHot", indices, np.array(4), values, opset=11, axis=axis), axis, -1)
        for i, j in np.ndindex(2, 3):
            index = int(indices[i, j])
            hot = index + 4 if -4 <= index < 0 else index
            assert found[i, j].tolist() == [7.0 if hot == k else 0.25 for k in range(4)]


def test_compress_and_nonzero_keep_row_major_order() -> None:
    x = np.where(random(3, 4) > 0, random(3, 4), 0)
    found = evaluate("NonZero", x, opset=13)
    assert found.T.tolist() == [[i, j] for i, j in np.ndindex(3, 4) if x[i, j] != 0]
    assert evaluate("NonZero", np.array([np.nan, -0.0, 0.0, np.inf]), opset=13).tolist() == [[0, 3]]
    assert evaluate("NonZero", np.zeros((0, 3)), opset=13).shape == (2, 0)
    short = np.array([True, False, True])
    assert evaluate("Compress", x, short, opset=11, axis=-1).tolist() == x[:, [0, 2]].tolist()
    flat = x.reshape(-1).tolist()
    assert evaluate("Compress", x, short, opset=11).tolist() == [flat[0], flat[2]]


# --- writing

_COMBINE: dict[str, Any] = {
    "none": lambda old, new: new,
    "add": lambda old, new: old + new,
    "mul": lambda old, new: old * new,
    "max": max,
    "min": min,
}


@pytest.mark.parametrize("reduction", _COMBINE)
@pytest.mark.parametrize("axis", [0, 1, -1])
def test_scatter_elements_applies_repeated_indices_one_after_the_other(reduction: str, axis: int) -> None:
    x, updates = random(4, 5, 3), random(2, 4, 3, seed=1)
    indices = _indices(x.shape[axis], *updates.shape)
    if reduction == "none":
        # What several writes to one place give is left open: indices along a line are different here.
        indices = np.argsort(random(*x.shape, seed=2), axis=axis)[:2, :4, :3]
        indices = np.where(indices % 2 == 0, indices - x.shape[axis], indices)
    expected = x.copy()
    for place in np.ndindex(*updates.shape):
        target = list(place)
        target[axis] = int(indices[place])
        expected[tuple(target)] = _COMBINE[reduction](expected[tuple(target)], updates[place])
    found = evaluate("ScatterElements", x, indices, updates, opset=18, axis=axis, reduction=reduction)
    assert np.array_equal(found, expected)
    if reduction == "none":
        assert np.array_equal(evaluate("Scatter", x, indices, updates, opset=9, axis=axis), expected)


@pytest.mark.parametrize("reduction", _COMBINE)
@pytest.mark.parametrize("depth", [1, 2, 3])
def test_scatter_nd_writes_slices_and_reduces_repeated_ones(reduction: str, depth: int) -> None:
    x = random(4, 3, 2)
    if reduction == "none":
        places = list(np.ndindex(*x.shape[:depth]))
        indices = np.array([places[i] for i in np.random.default_rng(3).permutation(len(places))[:3]])
    else:
        indices = np.stack([_indices(x.shape[d], 6) for d in range(depth)], axis=-1)
    updates = random(len(indices), *x.shape[depth:], seed=1)
    expected = x.copy()
    for index, update in zip(indices.tolist(), updates, strict=True):
        for rest in np.ndindex(*x.shape[depth:]):
            place = (*index, *rest)
            expected[place] = _COMBINE[reduction](expected[place], update[rest] if rest else float(update))
    found = evaluate("ScatterND", x, indices, updates, opset=18, reduction=reduction)
    assert np.array_equal(found, expected)
    nothing = evaluate("ScatterND", x, indices[:0], updates[:0], opset=18, reduction=reduction)
    assert np.array_equal(nothing, x)


def test_tensor_scatter_writes_each_row_at_its_own_place_and_wraps_around() -> None:
    past, update = random(3, 2, 5, 4), random(3, 2, 2, 4, seed=1)
    starts = np.array([0, 3, 2])
    for mode, begin in (("linear", starts), ("circular", starts + 1)):
        expected = past.copy()
        for row, head, step in np.ndindex(3, 2, 2):
            expected[row, head, (int(begin[row]) + step) % 5] = update[row, head, step]
        assert np.array_equal(evaluate("TensorScatter", past, update, begin, opset=24, mode=mode), expected)


# --- ordering


@pytest.mark.parametrize("axis", [0, 1, -1])
@pytest.mark.parametrize("largest", [0, 1])
def test_top_k_gives_equal_elements_in_the_order_of_their_indices(axis: int, largest: int) -> None:
    x = np.random.default_rng(0).integers(-2, 3, (4, 6, 5)).astype(np.float64)
    values, indices = evaluate("TopK", x, np.array([3]), opset=11, outputs=2, axis=axis, largest=largest)
    lines = np.moveaxis(x, axis, -1).reshape(-1, x.shape[axis]).tolist()
    found = np.moveaxis(indices, axis, -1).reshape(-1, 3).tolist()
    for line, chosen in zip(lines, found, strict=True):
        assert chosen == sorted(range(len(line)), key=lambda i: (-line[i] if largest else line[i], i))[:3]
    assert np.array_equal(np.take_along_axis(x, indices, axis), values)


def test_top_k_of_infinities_of_everything_and_of_nothing() -> None:
    x = np.array([[np.inf, -np.inf, 0.0, np.inf]])
    values, indices = evaluate("TopK", x, np.array([4]), opset=11, outputs=2)
    assert values.tolist() == [[np.inf, np.inf, 0.0, -np.inf]]
    assert indices.tolist() == [[0, 3, 2, 1]]
    assert evaluate("TopK", x, np.array([0]), opset=11, outputs=2)[0].shape == (1, 0)
    assert evaluate("TopK", x[:0], np.array([2]), opset=11, outputs=2)[1].shape == (0, 2)


@pytest.mark.parametrize("ordered", [0, 1])
@pytest.mark.parametrize("axis", [None, 0, -1])
def test_unique_elements_come_with_their_places(axis: int | None, ordered: int) -> None:
    x = np.random.default_rng(3).integers(0, 3, (6, 2)).astype(np.float64)
    settings = {} if axis is None else {"axis": axis}
    values, first, inverse, counts = evaluate("Unique", x, opset=11, outputs=4, sorted=ordered, **settings)
    items = x.reshape(-1).tolist() if axis is None else [tuple(v) for v in np.moveaxis(x, axis, 0).tolist()]
    distinct = sorted(set(items)) if ordered else list(dict.fromkeys(items))
    expected = distinct if axis is None else np.moveaxis(np.array(distinct), 0, axis).tolist()
    assert values.tolist() == expected
    assert first.tolist() == [items.index(v) for v in distinct]
    assert inverse.tolist() == [distinct.index(v) for v in items]
    assert counts.tolist() == [items.count(v) for v in distinct]


# --- rearranging


@pytest.mark.parametrize("upper", [0, 1])
@pytest.mark.parametrize("offset", [None, 0, 1, -2, 7, -7])
def test_a_triangle_keeps_what_lies_on_its_side_of_a_diagonal(upper: int, offset: int | None) -> None:
    x = random(2, 3, 5)
    x[0, 1, 1] = np.nan
    k = offset or 0
    found = evaluate("Trilu", x, None if offset is None else np.array(offset), opset=14, upper=upper)
    function = torch.triu if upper else torch.tril
    np.testing.assert_array_equal(found, function(torch.from_numpy(x), k).numpy())
    assert evaluate("Trilu", x[:, :0], opset=14, upper=upper).shape == (2, 0, 5)


def test_depth_and_space_are_exchanged_as_the_schema_writes_it() -> None:
    x, block = random(2, 12, 3, 4), 2
    crd = evaluate("DepthToSpace", x, opset=13, blocksize=block, mode="CRD")
    assert np.array_equal(crd, torch.nn.functional.pixel_shuffle(torch.from_numpy(x), block).numpy())
    dcr = evaluate("DepthToSpace", x, opset=13, blocksize=block)
    for n, c, h, w, i, j in np.ndindex(2, 3, 3, 4, block, block):
        assert dcr[n, c, h * block + i, w * block + j] == x[n, (i * block + j) * 3 + c, h, w]
    assert np.array_equal(evaluate("SpaceToDepth", dcr, opset=13, blocksize=block), x)


@pytest.mark.parametrize(
    ("start", "limit", "delta"), [(1, 10, 3), (10, 1, -3), (5, 5, 1), (3, 1, 1), (-3, 4, 2), (0, -9, -3)]
)
def test_ranges_are_pythons_for_integers_and_counted_for_floats(start: int, limit: int, delta: int) -> None:
    given = [np.array(v) for v in (start, limit, delta)]
    assert evaluate("Range", *given, opset=11).tolist() == list(range(start, limit, delta))
    halves = [np.array(v / 2) for v in (start, limit, delta)]
    assert evaluate("Range", *halves, opset=11).tolist() == [v / 2 for v in range(start, limit, delta)]


def test_ones_lie_on_the_chosen_diagonal() -> None:
    x = np.zeros((3, 5), np.int32)
    for k in (-4, -1, 0, 2, 9):
        found = evaluate("EyeLike", x, opset=22, k=k, dtype=onnx.TensorProto.DOUBLE)
        assert found.dtype == np.float64
        assert found.tolist() == [[float(j - i == k) for j in range(5)] for i in range(3)]


@pytest.mark.parametrize("sizes", [(3, 8), (8, 3), (4, 5), (2, 7), (0, 5)])
def test_cropping_and_padding_keep_the_centre(sizes: tuple[int, int]) -> None:
    x = random(2, 5, 6)
    found = evaluate("CenterCropPad", x, np.array(sizes), opset=18, axes=[1, -1])
    expected = np.zeros((2, *sizes))
    for n, i, j in np.ndindex(2, *sizes):
        # Odd amounts put the smaller half in front.
        places = [
            at - (new - old) // 2 if new > old else at + (old - new) // 2
            for at, new, old in zip((i, j), sizes, (5, 6), strict=True)
        ]
        if 0 <= places[0] < 5 and 0 <= places[1] < 6:
            expected[n, i, j] = x[n, places[0], places[1]]
    assert np.array_equal(found, expected)


_MIRRORS: dict[str, Any] = {
    "edge": lambda i, n: min(max(i, 0), n - 1),
    "reflect": lambda i, n: (n - 1) - abs((i % (2 * n - 2)) - (n - 1)) if n > 1 else 0,
    "wrap": lambda i, n: i % n,
}


@pytest.mark.parametrize("mode", ["constant", *_MIRRORS])
@pytest.mark.parametrize("pads", [(2, 1, 3, 0), (-1, 2, 0, -2), (5, 0, 7, 4), (0, 0, 0, 0)])
def test_padding_reads_mirrored_wrapped_or_constant_elements(mode: str, pads: tuple[int, ...]) -> None:
    x = random(4, 5)
    found = evaluate("Pad", x, np.array(pads), np.array(2.5) if mode == "constant" else None, opset=19, mode=mode)
    # Negative pads remove first; what is then added mirrors what is left.
    kept = x[max(-pads[0], 0) : 4 - max(-pads[2], 0), max(-pads[1], 0) : 5 - max(-pads[3], 0)]
    low = [max(pads[0], 0), max(pads[1], 0)]
    shape = [4 + pads[0] + pads[2], 5 + pads[1] + pads[3]]
    assert list(found.shape) == shape
    for place in np.ndindex(*shape):
        at = [index - before for index, before in zip(place, low, strict=True)]
        inside = all(0 <= index < size for index, size in zip(at, kept.shape, strict=True))
        if mode == "constant":
            assert found[place] == (kept[tuple(at)] if inside else 2.5)
        else:
            assert (
                found[place]
                == kept[tuple(_MIRRORS[mode](index, size) for index, size in zip(at, kept.shape, strict=True))]
            )


def test_sequences_are_reversed_up_to_their_lengths() -> None:
    x, lengths = random(4, 3, 2), np.array([1, 4, 0])
    found = evaluate("ReverseSequence", x, lengths, opset=10, time_axis=0, batch_axis=1)
    for t, b in np.ndindex(4, 3):
        length = int(lengths[b])
        assert np.array_equal(found[t, b], x[length - 1 - t if t < length else t, b])


@pytest.mark.parametrize(
    ("starts", "ends", "axes", "steps"),
    [
        ([1], [2**63 - 1], [0], [2]),
        ([-1], [-(2**63)], [1], [-1]),
        ([4, -2], [-9, 9], [1, 0], [-2, 1]),
        ([9], [2], [1], [-3]),
        ([-9], [9], [0], [1]),
        ([2], [1], [0], [1]),
        ([0], [-6], [1], [-1]),
    ],
)
def test_slices_clamp_as_the_schema_says(starts: list[int], ends: list[int], axes: list[int], steps: list[int]) -> None:
    x = random(4, 5)
    found = evaluate("Slice", x, *(np.array(v, np.int64) for v in (starts, ends, axes, steps)), opset=13)
    kept = [list(range(4)), list(range(5))]
    for start, end, axis, step in zip(starts, ends, axes, steps, strict=True):
        size = x.shape[axis]
        first, last = (v + size if v < 0 else v for v in (start, end))
        low, high = (0, size) if step > 0 else (-1, size - 1)
        last = min(max(last, low), high)
        first = min(max(first, 0), size if step > 0 else size - 1)
        kept[axis] = list(range(first, last, step))
    assert found.tolist() == [[x[i, j] for j in kept[1]] for i in kept[0]]


def test_splitting_unevenly_leaves_the_rest_to_the_last_part() -> None:
    x = random(7, 2)
    parts = evaluate("Split", x, opset=18, outputs=3, num_outputs=3)
    assert [len(part) for part in parts] == [3, 3, 1]
    assert np.array_equal(np.concatenate(parts), x)
    sizes = evaluate("Split", x, np.array([0, 5, 2]), opset=18, outputs=3)
    assert [len(part) for part in sizes] == [0, 5, 2]


def test_tiles_repeat_whole_tensors() -> None:
    x = random(2, 3)
    found = evaluate("Tile", x, np.array([2, 3]), opset=13)
    assert found.tolist() == [[x[i % 2, j % 3] for j in range(9)] for i in range(4)]
    assert evaluate("Tile", x, np.array([0, 3]), opset=13).shape == (0, 9)
    assert math.prod(evaluate("Expand", x[:, :1], np.array([4, 1, 3]), opset=13).shape) == len(
        list(itertools.product(range(4), range(2), range(3)))
    )
