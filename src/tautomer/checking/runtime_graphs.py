"""Which nodes a runtime's graph optimizations have changed: the graph they make is saved and judged like any other.

A session that optimizes shows nothing between its inputs and its outputs. But the runtime can save the graph that its
optimizations make of a model, and a converter does that: so a deviation that begins with them is sought in that graph,
as a further link of the conversion.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

from tautomer.adapters import registry
from tautomer.adapters.protocols import Adapter, AdapterKind, WarmHost
from tautomer.checking.attempts import Bench
from tautomer.checking.causes import explained_findings
from tautomer.checking.onnx_models import with_trace
from tautomer.checking.pipeline import convert
from tautomer.checking.progress import Listener
from tautomer.checking.results import Conversion, SourceResult
from tautomer.checking.sources import SourceFile
from tautomer.checking.verdicts import Verdict
from tautomer.model import CheckSettings, Finding, Location, Outcome, Stage


@dataclass(frozen=True, slots=True)
class SavedGraphs:
    """Finds nodes in the graph that a runtime makes of one model.

    Attributes:
        bench: runs the tasks.
        host: where ONNX files are evaluated.
        source_file: the model that was given.
        runtime: whose optimizations they are.
        settings: those of the check.
        listener: hears the progress.
    """

    bench: Bench
    host: WarmHost
    source_file: SourceFile
    runtime: Adapter
    settings: CheckSettings
    listener: Listener

    def located(
        self, findings: Sequence[Finding], conversion: Conversion, source: SourceResult, verdicts: Sequence[Verdict]
    ) -> list[Finding]:
        """The findings, those of the runtime's graph optimizations with the nodes that they changed, if any are found.

        Costs nothing where there is no such finding. What deviates only in layouts for the processor at hand is not
        found: such a graph holds operators that nothing but the runtime can compute.
        """
        if self.runtime.saves_graphs_with is None or conversion.graph is None or not any(map(_is_sought, findings)):
            return list(findings)
        saver = registry.get(AdapterKind.CONVERTER, self.runtime.saves_graphs_with)
        changed = [one for one in verdicts if one.stage is Stage.RUNTIME_OPTIMIZATION]
        found = self._in_saved_graph(saver, conversion, source, changed)
        if found is None:
            return list(findings)
        return [_with_nodes(one, found, self.runtime) if _is_sought(one) else one for one in findings]

    def _in_saved_graph(
        self, saver: Adapter, conversion: Conversion, source: SourceResult, changed: Sequence[Verdict]
    ) -> Finding | None:
        """The first finding of the conversion by the optimizations themselves that names a node."""
        spec: dict[str, Any] = {
            "path": str(conversion.model),
            "kind": str(conversion.kind),
            "seed": self.settings.seed,
            "inputs": [str(file) for file in source.inputs],
            "feeds": conversion.feeds,
            "output_names": conversion.output_names,
            "trust_pickle": False,
        }
        if not conversion.converted:
            source = with_trace(self.bench, self.source_file, source, None, seed=self.settings.seed)
        written = convert(
            self.bench,
            saver,
            spec=spec,
            source=source,
            settings=replace(self.settings, opset=None, options=_options(saver, self.settings.runtime_options)),
            listener=self.listener,
            before=conversion if conversion.converted else None,
            host=self.host,
        )
        if written.model is None:
            return None
        if conversion.converted:
            written.attempt = conversion.attempt  # the one whose beginning says what became of the source's operators
        found = explained_findings(self.bench, self.host, written, source, changed)
        own = (one for one in found if one.link in (None, saver.name) and one.outcome is Outcome.DIVERGENT)
        return next((one for one in own if one.location.nodes), None)


def _is_sought(finding: Finding) -> bool:
    return (
        finding.stage is Stage.RUNTIME_OPTIMIZATION
        and finding.outcome is Outcome.DIVERGENT
        and not finding.location.nodes
    )


def _options(saver: Adapter, asked: Mapping[str, Any]) -> dict[str, Any]:
    """The runtime's settings that the converter has as well, but for a level that makes no plain graph."""
    levers = {lever.name: lever for lever in saver.levers}
    return {
        name: value
        for name, value in asked.items()
        if name in levers and (not levers[name].values or value in levers[name].values)
    }


def _with_nodes(finding: Finding, found: Finding, runtime: Adapter) -> Finding:
    location = Location(
        nodes=found.location.nodes,
        op_types=found.location.op_types,
        source_node=found.location.source_node or finding.location.source_node,
        source_line=found.location.source_line or finding.location.source_line,
    )
    evidence = f"{finding.cause.evidence}; in the graph that {runtime.name} saves, {found.cause.evidence}"
    return replace(finding, location=location, cause=replace(finding.cause, evidence=evidence))
