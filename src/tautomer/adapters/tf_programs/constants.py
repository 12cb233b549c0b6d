"""The numbers and tensors a graph holds, by which constants that a converter folded are told from the source's own."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import tensorflow as tf

from tautomer.adapters.onnx_files.fingerprint import fingerprint
from tautomer.adapters.tf_programs.lifting import LIFTED


def own_constants(graph_def: Any) -> tuple[set[float], set[str]]:
    """Every single number as float32 holds it, and fingerprints of the floating tensors, of a graph and its functions.

    Numbers are those of tensors with one element and of attributes (an epsilon, a slope).
    """
    scalars: set[float] = set()
    fingerprints: set[str] = set()
    for node in _nodes(graph_def):
        for attribute in node.attr.values():
            kind = attribute.WhichOneof("value")
            if kind in ("f", "i"):
                scalars.add(float(np.float32(getattr(attribute, kind))))
        if node.op != "Const":
            continue
        dtype = tf.as_dtype(node.attr["dtype"].type)
        if dtype in LIFTED or dtype == tf.float64 or dtype.is_integer:
            array = tf.make_ndarray(node.attr["value"].tensor)
            with np.errstate(all="ignore"):
                single = np.asarray(array.real, np.float32)
            if single.size == 1:
                scalars.add(float(single.reshape(-1)[0]))
            if not dtype.is_integer:
                fingerprints.add(fingerprint(single))
    return scalars, fingerprints


def _nodes(graph_def: Any) -> Iterator[Any]:
    yield from graph_def.node
    for function in graph_def.library.function:
        yield from function.node_def
