"""Lists of tensors that loops fill, as what they are while their sizes are known: so many tensors.

Source: TensorFlow 2.21, `core/kernels/list_kernels.h`: an element that was never set is zeros of the element's shape.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import tensorflow as tf

from tautomer.adapters.rewrite_rules import RewriteFunction

UNROLLED_STEPS = 256
"""The most elements of a list that are written out."""


@dataclass(frozen=True, slots=True)
class TensorList:
    """The value of a list in a graph.

    Attributes:
        items: its elements; None for one that was not set.
    """

    items: tuple[Any, ...]


def _whole(number: Any) -> int | None:
    value = tf.get_static_value(number)
    return None if value is None else int(value)


def _zeros(element_shape: Any, items: Sequence[Any], dtype: Any) -> Any:
    """What an element that was not set holds; NotImplemented where its shape is not known."""
    known = [one.shape for one in items if one is not None]
    wanted = tf.get_static_value(element_shape)
    shape = None if wanted is None or wanted.ndim == 0 else tf.TensorShape([None if n < 0 else int(n) for n in wanted])
    if shape is None or not shape.is_fully_defined():
        shape = next((one for one in known if one.is_fully_defined()), None)
    return NotImplemented if shape is None else tf.zeros(shape, dtype)


def _reserve(element_shape: Any, num_elements: Any, *, element_dtype: Any, shape_type: Any = None) -> Any:
    count = _whole(num_elements)
    if count is None or not 0 <= count <= UNROLLED_STEPS:
        return NotImplemented
    return TensorList((None,) * count)


def _empty(element_shape: Any, max_num_elements: Any, *, element_dtype: Any, shape_type: Any = None) -> Any:
    return TensorList(())


def _from_tensor(tensor: Any, element_shape: Any, *, shape_type: Any = None) -> Any:
    if tensor.shape.rank is None or tensor.shape[0] is None or tensor.shape[0] > UNROLLED_STEPS:
        return NotImplemented
    return TensorList(tuple(tensor[at] for at in range(tensor.shape[0])))


def _set_item(input_handle: Any, index: Any, item: Any, *, resize_if_index_out_of_bounds: bool = False) -> Any:
    place = _whole(index)
    if place is None or not 0 <= place < UNROLLED_STEPS:
        return NotImplemented
    items = list(input_handle.items)
    if place >= len(items):
        if not resize_if_index_out_of_bounds:
            return NotImplemented
        items += [None] * (place + 1 - len(items))
    items[place] = item
    return TensorList(tuple(items))


def _get_item(input_handle: Any, index: Any, element_shape: Any, *, element_dtype: Any) -> Any:
    place = _whole(index)
    if place is None or not 0 <= place < len(input_handle.items):
        return NotImplemented
    item = input_handle.items[place]
    return item if item is not None else _zeros(element_shape, input_handle.items, element_dtype)


def _stack(input_handle: Any, element_shape: Any, *, element_dtype: Any, num_elements: int = -1) -> Any:
    items = [
        one if one is not None else _zeros(element_shape, input_handle.items, element_dtype)
        for one in input_handle.items
    ]
    if not items or any(one is NotImplemented for one in items):
        return NotImplemented
    return tf.stack(items)


def _length(input_handle: Any) -> Any:
    return tf.constant(len(input_handle.items), tf.int32)


def _resize(input_handle: Any, size: Any) -> Any:
    count = _whole(size)
    if count is None or count > UNROLLED_STEPS:
        return NotImplemented
    items = input_handle.items[:count]
    return TensorList((*items, *[None] * (count - len(items))))


def _push_back(input_handle: Any, tensor: Any) -> Any:
    return TensorList((*input_handle.items, tensor))


def _pop_back(input_handle: Any, element_shape: Any, *, element_dtype: Any) -> Any:
    if not input_handle.items:
        return NotImplemented
    item = input_handle.items[-1]
    if item is None:
        item = _zeros(element_shape, input_handle.items, element_dtype)
    return NotImplemented if item is NotImplemented else (TensorList(input_handle.items[:-1]), item)


LIST_FUNCTIONS: dict[str, RewriteFunction] = {
    "EmptyTensorList": _empty,
    "TensorListFromTensor": _from_tensor,
    "TensorListGetItem": _get_item,
    "TensorListLength": _length,
    "TensorListPopBack": _pop_back,
    "TensorListPushBack": _push_back,
    "TensorListReserve": _reserve,
    "TensorListResize": _resize,
    "TensorListSetItem": _set_item,
    "TensorListStack": _stack,
}
"""By operator on a list what computes it on a `TensorList`; NotImplemented where sizes or places are not known."""

BEGINS_LIST = frozenset({"EmptyTensorList", "TensorListFromTensor", "TensorListReserve"})
"""Operators that make a list of what is none."""
