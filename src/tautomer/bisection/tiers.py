"""Which settings a bisection can change, in the order in which they are likely to help."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping, Sequence

from tautomer.adapters import registry
from tautomer.adapters.protocols import Adapter, AdapterKind
from tautomer.bisection.changes import OPSET, Change, Dimension, Where, dimensions, passes_first
from tautomer.bisection.trials import Baseline
from tautomer.checking.sources import SourceFile
from tautomer.errors import NotInstalledError
from tautomer.model import CheckSettings, Finding, Kind, Stage

RUNTIME_STAGES = (Stage.RUNTIME_LOAD, Stage.RUNTIME_OPTIMIZATION, Stage.RUNTIME_EXECUTION)

Tiers = list[list[Dimension]]
"""What is tried together; the next only where that does not help."""


def tiers(
    baseline: Baseline, source_file: SourceFile, settings: CheckSettings, *, everything: bool
) -> tuple[Tiers, Tiers]:
    """What can be changed, of the side that is to blame first: what acts at the stage at fault, and the rest.

    Args:
        settings: that fail, with one converter at most and one runtime.
        everything: whether to name settings of the runtime, too, where none of them can help.
    """
    finding = baseline.finding
    found: Tiers = [[], []]
    if settings.via:
        converter = registry.get(AdapterKind.CONVERTER, settings.via[0])
        current = {**settings.options, OPSET: settings.opset}
        current = {name: value for name, value in current.items() if value is not None}
        operators = (finding.location.source_node or "").split(" + ")
        found[0] = dimensions(converter, Where.OPTION, current, _listed(baseline, converter), operators)
        found[0] += _other_converters(source_file, converter)
    runtime = registry.get(AdapterKind.RUNTIME, settings.to[0])
    found[1] = dimensions(runtime, Where.RUNTIME_OPTION, settings.runtime_options, _listed(baseline, runtime))
    if finding.stage in (Stage.OPTIMIZATION, Stage.RUNTIME_OPTIMIZATION):
        found = [passes_first(tier) for tier in found]
    if finding.stage in RUNTIME_STAGES:
        found = found[::-1]
    elif _is_beyond_the_runtime(finding) and not everything:
        found = found[:1]
    likely = [[one for one in tier if one.is_likely(finding.stage)] for tier in found]
    return likely, [[one for one in tier if not one.is_likely(finding.stage)] for tier in found]


def _is_beyond_the_runtime(finding: Finding) -> bool:
    """Whether no setting of the runtime can mend it: it gets no model, or one that is another function."""
    return finding.symptom_stage not in RUNTIME_STAGES or finding.cause.kind is Kind.SEMANTIC


def _other_converters(source_file: SourceFile, converter: Adapter) -> list[Dimension]:
    found = []
    for (kind, name), other in sorted(registry.adapters().items()):
        if kind is not AdapterKind.CONVERTER or other.name == converter.name:
            continue
        if source_file.kind not in other.accepts or other.produces is not converter.produces:
            continue
        with contextlib.suppress(NotInstalledError):
            registry.require(other)
            found.append(Change(where=Where.CONVERTER, name="converter", value=name, about="the converter"))
    return [Dimension(changes=tuple(found))] if found else []


def _listed(baseline: Baseline, adapter: Adapter) -> Mapping[str, Sequence[str]]:
    return {lever: values for (task, lever), values in baseline.levers.items() if task == adapter.task}
