"""The findings of a pair, each located and with its cause."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

from tautomer.adapters.protocols import WarmHost
from tautomer.checking.attempts import Bench, plain_first_line
from tautomer.checking.causes.calls import Deviation, Replay, SourceCall, replay, task_of
from tautomer.checking.causes.changes import changes_between, graph_before, narrowed, sound_before
from tautomer.checking.causes.conversion_faults import of_deviation, of_semantics, of_set, varying_sizes
from tautomer.checking.causes.failed_conversions import last_begun, of_end, of_exception
from tautomer.checking.causes.hidden_failures import of_conversion
from tautomer.checking.causes.refusals import cause_of_refusal, written_so
from tautomer.checking.causes.responsible_sets import (
    ResponsibleSet,
    TargetGraph,
    names_in,
    responsible_sets,
    sets_of_conversion,
    spans_of,
)
from tautomer.checking.causes.target_nodes import TargetNode, read_nodes
from tautomer.checking.findings import Suspect, suspects_of
from tautomer.checking.open_cases import with_open_cases
from tautomer.checking.results import Conversion, SourceResult
from tautomer.checking.verdicts import Verdict
from tautomer.errors import ModelFileError
from tautomer.model import (
    Cause,
    CauseCategory,
    Finding,
    Kind,
    Location,
    Outcome,
    Refused,
    Stage,
)

STATES_SHAPE = "states shape"
"""What the blame says where a graph's own statement about a shape is wrong (`blame.blame`)."""


def explained_findings(
    bench: Bench,
    host: WarmHost,
    conversion: Conversion,
    source: SourceResult,
    runtime: Sequence[Verdict],
) -> list[Finding]:
    """Everything that is wrong with one pair, most telling first, located and explained as far as evidence goes.

    Costs nothing where nothing is wrong; else one repetition of the conversion's beginning and, where values differ,
    one or two evaluations.

    Args:
        host: a warm host of the converter.
        conversion: the converter's checkpoints, judged.
        source: what the source answers.
        runtime: the runtime's checkpoints, judged.
    """
    assert source.truth is not None
    suspects = suspects_of(conversion, runtime, source.truth, source.facts.get("training_operators", ()))
    if not suspects:
        return []
    findings = with_open_cases(
        [one.finding for one in suspects],
        bench=bench,
        host=host,
        conversion=conversion,
        source=source,
        runtime=runtime,
    )
    cases: dict[str | None, _Case] = {}
    found: list[Finding] = []
    for suspect, finding in zip(suspects, findings, strict=True):
        # What later links of a chain made of a fault says less than what the link that has it first made.
        if finding.link not in cases:
            cases[finding.link] = _Case(bench, host, conversion.through(finding.link), source, runtime)
        found.extend(cases[finding.link].explained(replace(suspect, finding=finding)))
    return found


@dataclass(slots=True)
class _Case:
    """One pair whose findings are explained; what costs something is asked once."""

    bench: Bench
    host: WarmHost
    conversion: Conversion
    source: SourceResult
    runtime: Sequence[Verdict]
    _replays: list[Replay | None] = field(default_factory=list)
    _nodes: dict[str, dict[str, TargetNode]] = field(default_factory=dict)

    def replay(self) -> Replay | None:
        """The conversion's beginning, repeated."""
        if not self._replays:
            frozen = any(one.dimension is not None and not one.harmless for one in self.conversion.interface)
            self._replays.append(replay(self.bench, self.host, self.conversion, self.source, frozen=frozen))
        return self._replays[0]

    def nodes_of(self, verdict: Verdict | None) -> dict[str, TargetNode]:
        """The nodes of a checkpoint's graph; empty where it has none."""
        path = verdict.record.path if verdict is not None else None
        if path is None:
            return {}
        if str(path) not in self._nodes:
            try:
                self._nodes[str(path)] = read_nodes(path, verdict.record.facts if verdict is not None else None)
            except ModelFileError:  # an unreadable file is what the finding is about
                self._nodes[str(path)] = {}
        return self._nodes[str(path)]

    @property
    def _seen(self) -> bool:
        """Whether somebody has seen how the target was made of the source."""
        return self.conversion.converted and self.conversion.attempt is not None

    def explained(self, suspect: Suspect) -> list[Finding]:
        """The findings that a suspect comes to."""
        finding = suspect.finding
        if suspect.interface is not None:
            return [self._interface(suspect)]
        hidden = of_conversion(finding, self.conversion)
        if hidden:
            return hidden
        if self.conversion.model is None and suspect.blamed is suspect.surfaced:
            return [self._not_converted(finding)]
        if finding.outcome is Outcome.FAILED:
            return [self._refused(suspect)]
        if finding.cause.kind is Kind.INTERFACE and finding.cause.category is not CauseCategory.TYPE_PROBLEM:
            return [finding]
        if finding.cause.category is CauseCategory.UNDEFINED_BY_SPECIFICATION:
            return [self._with_source(finding, self.nodes_of(self._saved()))]
        if suspect.blamed is None:
            return [self._of_runtime(suspect)]
        return self._diverging(suspect)

    def _saved(self) -> Verdict | None:
        """The last checkpoint of the converter whose graph was judged."""
        steps = [one for one in self.conversion.verdicts if one.record.path is not None and one.record.runs]
        return steps[-1] if steps else None

    def _interface(self, suspect: Suspect) -> Finding:
        """A dimension that capture made static although torch.export itself refuses that: the refusal was swallowed."""
        finding = suspect.finding
        fault = suspect.interface
        if fault is None or fault.dimension is None or finding.stage is not Stage.LOAD_MODEL:
            return finding
        answer = self.replay()
        refusal = answer.refusal if answer is not None else None
        if refusal is None:
            return finding
        evidence = (
            f"torch.export, asked directly, refuses the declaration ({refusal['type']}: {refusal['message']}); the"
            f" exporter went on with the dimension static and said nothing: {fault.message}"
        )
        cause = replace(finding.cause, category=CauseCategory.INCORRECT_EXCEPTION_HANDLING, evidence=evidence)
        location = replace(finding.location, source_line=refusal["line"])
        return replace(
            finding, cause=cause, location=location, message=f"{fault.message}; {evidence.partition(';')[0]}"
        )

    def _not_converted(self, finding: Finding) -> Finding:
        attempt = self.conversion.attempt
        if isinstance(attempt, Refused):
            return of_exception(finding, attempt, self.replay(), self._model_file())
        begun = last_begun(attempt, "translating")
        if begun is None or finding.stage is not Stage.NODE_CONVERSION:
            return finding
        return of_end(finding, begun, self.replay())

    def _model_file(self) -> str:
        path = str(task_of(self.conversion.attempt).get("arguments", {}).get("spec", {}).get("path", ""))
        return path.rpartition("/")[2]

    def _refused(self, suspect: Suspect) -> Finding:
        finding = suspect.finding
        nodes = self.nodes_of(suspect.blamed) or self.nodes_of(self._saved())
        named = self._named_or_only(finding, nodes)
        node = nodes.get(named[0]) if named else None
        answer = self.replay() if node is not None else None
        given_wrongly = self._given_wrongly(suspect, named) if answer is not None else None
        if given_wrongly is not None:
            return given_wrongly
        call = None
        if answer is not None and node is not None and node.source_name is not None:
            call = answer.named(node.source_name, "decomposed", "captured")
        if node is not None:
            location = Location(
                nodes=named,
                op_types=[node.op_type],
                source_node=node.source_operator,
                source_line=node.line or finding.location.source_line,
            )
            finding = replace(written_so(finding, node, self.conversion, self.nodes_of), location=location)
        if finding.cause.kind is not Kind.REFUSED or finding.cause.category is CauseCategory.TYPE_PROBLEM:
            return self._with_sentence(finding, call, node)
        said = f"{finding.message} {finding.cause.evidence}"
        category = cause_of_refusal(said, call, node)
        if category is CauseCategory.UNKNOWN:
            category = finding.cause.category
        return self._with_sentence(replace(finding, cause=replace(finding.cause, category=category)), call, node)

    def _given_wrongly(self, suspect: Suspect, named: Sequence[str]) -> Finding | None:
        """The finding where a node is refused for what it is given: an earlier node made something else of it."""
        finding, saved = suspect.finding, self._saved()
        if finding.symptom_stage is not Stage.RUNTIME_EXECUTION or saved is None:
            return None
        sets = responsible_sets(self.bench, self.host, saved, self.source, self.replay())
        earlier = next((one for one in sets if one.exact and not {*named} & {node.name for node in one.nodes}), None)
        if earlier is None:
            return None
        found = self._of_set(suspect, earlier)
        cause = replace(found.cause, kind=finding.cause.kind)
        return replace(found, cause=cause, message=finding.message)

    def _named_or_only(self, finding: Finding, nodes: Mapping[str, TargetNode]) -> list[str]:
        """The node that an error names; where it names an operator, or a value, the only node that fits."""
        named = [name for name in finding.location.nodes if name in nodes]
        if named:
            return named
        types = finding.location.op_types
        fitting = [name for name, one in nodes.items() if one.op_type in types]
        if not fitting:
            words = set(finding.message.replace("'", " ").replace("(", " ").replace(")", " ").replace(":", " ").split())
            fitting = [name for name, one in nodes.items() if name in words or words & set(one.outputs)]
            fitting = fitting or [name for name, one in nodes.items() if one.op_type in words]
        return fitting if len(fitting) == 1 else []

    def _with_sentence(self, finding: Finding, call: SourceCall | None, node: TargetNode | None) -> Finding:
        """The evidence, beginning with what became what."""
        if node is None or (call is None and node.source_operator is None):
            return finding
        evidence = finding.cause.evidence
        explained = of_semantics(call, node, plain_first_line(evidence)) if call is not None and node.computes else None
        if explained is not None and explained[0] is finding.cause.category:
            sentence = explained[1]
        else:
            name = call.text() if call is not None else str(node.source_operator)
            sentence = f"{name} became {node.text()}: {evidence}"
        return replace(finding, cause=replace(finding.cause, evidence=sentence))

    def _with_source(self, finding: Finding, nodes: Mapping[str, TargetNode]) -> Finding:
        located = finding.location
        node = next((nodes[name] for name in located.nodes if name in nodes), None)
        if node is None or located.source_node is not None:
            return finding
        location = replace(located, source_node=node.source_operator, source_line=node.line)
        return replace(finding, location=location)

    def _of_runtime(self, suspect: Suspect) -> Finding:
        """A deviation that begins in the runtime: a kernel off its bound, or what its graph optimizations changed."""
        finding = self._with_source(suspect.finding, self.nodes_of(self._saved()))
        kernels = [fault for verdict in self.runtime for fault in verdict.record.node_faults]
        changed = finding.stage is Stage.RUNTIME_OPTIMIZATION
        if finding.cause.category is not CauseCategory.UNKNOWN or not (kernels or changed):
            return finding
        evidence = finding.cause.evidence
        if changed and not kernels:
            evidence = (
                f"the runtime's graph optimizations change the function: the same file is right without; {evidence}"
            )
        return replace(
            finding, cause=replace(finding.cause, category=CauseCategory.ALGORITHMIC_ERROR, evidence=evidence)
        )

    def _diverging(self, suspect: Suspect) -> list[Finding]:
        """One finding for each independent fault of the conversion."""
        finding, blamed = suspect.finding, suspect.blamed
        assert blamed is not None
        if finding.cause.category is CauseCategory.API_MISUSE:
            return [finding]
        saved = self._saved()
        answer = self.replay()
        deviations = list(answer.deviations) if answer is not None else []
        decomposed = {name for one in deviations for name in one.nodes}
        sets = sets_of_conversion(self.bench, self.host, self.source, answer, blamed=blamed, saved=saved)
        sets = self._narrowed(sets, blamed, answer)
        sets = [one for one in sets if not decomposed & {node.source_name for node in one.nodes}]
        # Two values that are wrong by the same nodes are symptoms of one fault.
        sets = list({frozenset(node.name for node in one.nodes): one for one in reversed(sets)}.values())[::-1]
        found = [self._of_deviation(finding, one) for one in deviations]
        found.extend(self._of_set(suspect, one) for one in sets)
        if not found:
            return [self._with_contradiction(suspect)]
        # What is mirrored speaks of the output; the others speak of themselves.
        said = finding.message.partition("; ")[0]
        first = found[0]
        return [replace(first, message=f"{said}; {first.cause.evidence}"), *found[1:]]

    def _narrowed(self, sets: list[ResponsibleSet], blamed: Verdict, answer: Replay | None) -> list[ResponsibleSet]:
        """Where a pass is at fault, only what it changed."""
        before = sound_before(self.conversion.verdicts, blamed)
        if before is not None:
            return self._changed(sets, before, blamed, answer)
        # Beside a fault that was there already, a pass has made another.
        found: list[ResponsibleSet] = []
        for one in sets:
            first = self._first_with(one, blamed) or blamed
            is_later = first is not blamed and first.stage is Stage.OPTIMIZATION
            earlier = graph_before(self.conversion.verdicts, first) if is_later else None
            found.extend(self._changed([one], earlier, first, answer) if earlier is not None else [one])
        return found

    def _changed(
        self, sets: list[ResponsibleSet], before: Verdict, faulty: Verdict, answer: Replay | None
    ) -> list[ResponsibleSet]:
        changes = changes_between(self.bench, self.host, before, faulty, self.source)
        graph, earlier = (TargetGraph(self.nodes_of(one), answer) for one in (faulty, before))
        return narrowed(sets, changes, graph, earlier, spans_of(faulty.record))

    def _of_deviation(self, finding: Finding, one: Deviation) -> Finding:
        category, evidence = of_deviation(one)
        nodes = [node for node in self.nodes_of(self._saved()).values() if node.source_name in one.nodes]
        return replace(
            finding,
            stage=Stage.NODE_CONVERSION,
            cause=Cause(category=category, kind=Kind.SEMANTIC, evidence=evidence),
            location=Location(
                nodes=[node.name for node in nodes],
                op_types=list(dict.fromkeys(node.op_type for node in nodes)),
                source_node=one.call.operator,
                source_line=one.call.line,
            ),
            message=f"{one.call.operator}: {one.said}, on input set {one.inputs[0]}; {evidence}",
        )

    def _of_set(self, suspect: Suspect, one: ResponsibleSet) -> Finding:
        finding, blamed = suspect.finding, suspect.blamed
        category, evidence = of_set(one, varying_sizes(self.source), seen=self._seen)
        first = self._first_with(one, blamed) or blamed
        stage, how = finding.stage, suspect.how
        if first is not None and first is not blamed:
            stage, how = first.stage, f"'{first.name}' is the first checkpoint that has it"
        elif STATES_SHAPE in how:
            category = CauseCategory.SHAPE_PROBLEM
        if finding.cause.category is CauseCategory.TYPE_PROBLEM:
            category = finding.cause.category
        if stage is Stage.OPTIMIZATION:
            if category is CauseCategory.INCOMPATIBILITY:
                category = CauseCategory.ALGORITHMIC_ERROR  # what was optimized was right
            evidence = f"after optimization, {evidence}"
        evidence = f"{evidence}; {how}"
        return replace(
            finding,
            stage=stage,
            cause=Cause(category=category, kind=one.kind, evidence=evidence),
            location=Location(
                nodes=names_in(self.nodes_of(self._saved()), one.nodes),
                op_types=list(dict.fromkeys(node.op_type for node in one.nodes)),
                source_node=one.operator,
                source_line=one.line,
            ),
            message=f"{one.said}, on input set {one.inputs[0]}; {evidence}",
        )

    def _first_with(self, one: ResponsibleSet, blamed: Verdict | None) -> Verdict | None:
        """The first checkpoint of which a fragment of the same operator was found faulty; None for the blamed one.

        A captured program is not judged by fragments: what deviates there as a whole is in all that is made of it.
        """
        captured = blamed is not None and blamed.stage is Stage.LOAD_MODEL and not blamed.record.fragments
        if captured:
            return None
        faults = {verdict.name: verdict.fragment_faults() for verdict in self.conversion.verdicts}
        every = [fault for found in faults.values() for fault in found]
        # A value that was compared by name shows in the fragments that it lies in.
        around = {fault.value for fault in every if {node.name for node in one.nodes} & {*fault.nodes}}
        values = around if one.exact else {*one.values}
        places = set() if one.exact else {(one.operator, one.line)}
        # Passes rename values, and what a node was made for may be less than what its fragment spans.
        places |= {(fault.operator, fault.line) for fault in every if fault.value in values}
        for verdict in self.conversion.verdicts:
            if any(fault.value in values or (fault.operator, fault.line) in places for fault in faults[verdict.name]):
                return verdict
        return None

    def _with_contradiction(self, suspect: Suspect) -> Finding:
        """A deviation that no operator was found for: where the graph states a shape wrongly, that is its cause."""
        finding = suspect.finding
        if STATES_SHAPE in suspect.how and finding.cause.category is CauseCategory.UNKNOWN:
            return replace(finding, cause=replace(finding.cause, category=CauseCategory.SHAPE_PROBLEM))
        return finding
