"""The same as `Subject`, as functions of a model, for callers that need one answer."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import onnx

from tautomer.adapters.onnx_files.mutants.site import Site
from tautomer.adapters.onnx_files.mutants.subject import Subject


def sites(model: onnx.ModelProto, folder: Path | None = None) -> Iterator[Site]:
    """Every fault at every place of a model, in the order of its nodes.

    Args:
        model: without its external data.
        folder: where external data lies; None where the model has none.
    """
    return Subject(model, folder).sites()


def apply(model: onnx.ModelProto, site: Site, folder: Path | None = None) -> onnx.ModelProto:
    """A new model with the fault of one of its sites. Changed weights are inside it, the others where they were."""
    return Subject(model, folder).mutant(site).model


def choose(model: onnx.ModelProto, count: int, seed: int, folder: Path | None = None) -> list[Site]:
    """At most `count` sites, spread evenly over kinds and over the depth of the graph (see `Subject.choose`)."""
    return Subject(model, folder).choose(count, seed)
