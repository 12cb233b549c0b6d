"""Convert a TensorFlow source with some of its operators rewritten, by the converter `tf2onnx` and its settings."""

from __future__ import annotations

from typing import Any

from tautomer.adapters.converters.tf2onnx_converter import converting, versions
from tautomer.adapters.converters.tf2onnx_levers import ConversionLevers, check_options, without_levers
from tautomer.adapters.tf_programs.rewrites.candidates import Target, choice, said_of
from tautomer.adapters.worker_api import Channel

OPTION = "rewrite"
"""Under which name the settings of the conversion carry what to rewrite: `method`, `operator`, `line`."""


class NothingToRewriteError(Exception):
    """No operator of the frozen graph is one that this rewrite applies to."""


def convert(
    channel: Channel, *, spec: dict[str, Any], settings: dict[str, Any], expected: dict[str, Any]
) -> dict[str, Any]:
    """As `tautomer.adapters.converters.tf2onnx_converter:convert`, of the source's graph with operators rewritten.

    Whatever the source is, what is converted is a function, through `tf2onnx.convert.from_function`. Emits `rewritten`
    with `operators`, `nodes`, `operations`, `code`, `exactness`, `note` and `source` of what replaced what.

    Raises:
        NothingToRewriteError: the rewrite applies to no operator of the graph.
        NotFreezable: the source has no graph without variables.
        DoesNotApply: a rewrite that was begun cannot be carried through.
        Exception: whatever tf2onnx raises.
    """
    from tf2onnx import convert as tool

    options = dict(settings.get("options", {}))
    target = Target(**options.pop(OPTION))
    check_options(options)
    with converting(channel, spec, expected, ConversionLevers.of(options)) as (prepared, path):
        function = _rewritten(channel, prepared, target)
        tool.from_function(
            function,
            input_signature=prepared.signature,
            opset=settings.get("opset"),
            output_path=str(path),
            **without_levers(options),
        )
    return versions()


def _rewritten(channel: Channel, prepared: Any, target: Target) -> Any:
    """The source's function with its target rewritten."""
    from tautomer.adapters.tf_programs.rewrites.freezing import functional_graph
    from tautomer.adapters.tf_programs.rewrites.splice import spliced

    graph = functional_graph(prepared)
    made = spliced(graph, choice(graph, target), prepared.signature)
    if not made.replaced:
        raise NothingToRewriteError(f"{target.method} applies to no {target.operator or 'operator'} of the graph")
    channel.emit(
        "rewritten",
        operators=sorted({one.operator for one in made.replaced}),
        nodes=[one.name for one in made.replaced],
        operations=sum(one.operations for one in made.replaced),
        **said_of(graph, made.replaced),
    )
    return made.function
