"""Suppositions about how an operator was misread, tried in a worker: an argument was ignored, operands exchanged."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from enum import StrEnum

from tautomer.adapters.protocols import WarmHost
from tautomer.checking.attempts import Bench
from tautomer.checking.causes.calls import Replay, SourceCall

_TASK = "tautomer.adapters.torch_programs.counterfactuals:try_arguments"


class Misreading(StrEnum):
    """How an operator's arguments were misread."""

    IGNORED = "default"
    EXCHANGED = "exchanged"


@dataclass(frozen=True, slots=True)
class Supposition:
    """What explains a deviation: with its arguments misread so, the operator gives what the target computes.

    Attributes:
        how: they were misread.
        arguments: their names.
    """

    how: Misreading
    arguments: tuple[str, ...]


def suppositions(
    bench: Bench,
    host: WarmHost,
    replay: Replay,
    asked: Sequence[tuple[SourceCall, int]],
    computed: Mapping[int, str],
) -> dict[str, Supposition]:
    """By name of a call, how its arguments were misread, where that explains what the target computes.

    Args:
        host: a process that has PyTorch.
        replay: the program's values.
        asked: calls of the decomposed program, each with an input set that shows the fault.
        computed: by input set, the file of what the target computes under the names of those calls.
    """
    answerable = [
        (call, index)
        for call, index in asked
        if index in computed and index < len(replay.values) and replay.values[index] is not None
    ]
    if not answerable:
        return {}
    tried = [
        {"call": call.as_fields(), "values": replay.values[index], "computed": computed[index]}
        for call, index in answerable
    ]
    attempt = bench.run(host, _TASK, {"tried": tried}, label="suppositions")
    return {
        answerable[event.fields["position"]][0].name: Supposition(
            Misreading(event.fields["how"]), tuple(event.fields["arguments"])
        )
        for event in attempt.events
        if event.name == "explained"
    }
