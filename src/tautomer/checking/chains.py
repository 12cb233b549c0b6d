"""A chain of converters: each takes what the one before made, and each is judged against the source."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

from tautomer.adapters.protocols import Adapter
from tautomer.checking.attempts import Bench
from tautomer.checking.pipeline import convert
from tautomer.checking.progress import Listener
from tautomer.checking.results import Conversion, SourceResult
from tautomer.model import CheckSettings, Completed


def convert_through(
    bench: Bench,
    links: Sequence[Adapter],
    *,
    spec: Mapping[str, Any],
    source: SourceResult,
    settings: CheckSettings,
    listener: Listener,
) -> Conversion:
    """Run converters one after the other; the chain ends where one of them makes nothing.

    The first gets the source's `spec`. A further one gets the model of the link before as its `path` and `kind`, the
    source's input values as `inputs`, and what the model's inputs and outputs stand for: `feeds`, input of the model ->
    path of the source, and `output_names`, output of the model -> path of the source.

    Args:
        links: the converters, in order; one is a plain conversion.
        settings: the opset is asked of the first converter; options as `options_of` deals them out.

    Returns:
        The conversion by the last link that was run: the checkpoints of all links, and the interface of its model.
    """
    names = [one.name for one in links]

    def own(name: str) -> CheckSettings:
        opset = settings.opset if name == names[0] else None
        return replace(settings, opset=opset, options=options_of(settings.options, name, names))

    made = convert(bench, links[0], spec=spec, source=source, settings=own(names[0]), listener=listener)
    for link in links[1:]:
        if made.model is None:
            return replace(made, links=tuple(names))
        before, asked = made, made.opset_asked
        handed_on = {
            "path": str(before.model),
            "kind": str(before.kind),
            "seed": settings.seed,
            "inputs": [str(file) for file in source.inputs],
            "feeds": before.feeds,
            "output_names": before.output_names,
            "trust_pickle": False,
        }
        made = convert(
            bench,
            link,
            spec=handed_on,
            source=source,
            settings=own(link.name),
            listener=listener,
            before=before,
            host=links[0].evaluation_host,
        )
        made.opset_asked = asked
        if made.model is not None and isinstance(made.attempt, Completed):
            made.attempt = before.attempt  # the one whose beginning says what became of the source's operators
    return replace(made, links=tuple(names))


def options_of(options: Mapping[str, Any], name: str, names: Sequence[str]) -> dict[str, Any]:
    """The options of one link: in a chain `LINK.KEY` is for that link, and what names none of them for the first."""
    if len(names) == 1:
        return dict(options)
    prefixes = {one: f"{one}." for one in names}
    addressed = {key: one for key in options for one, prefix in prefixes.items() if key.startswith(prefix)}
    return {
        key.removeprefix(prefixes[name]): value
        for key, value in options.items()
        if addressed.get(key, names[0]) == name
    }
