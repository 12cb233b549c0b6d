"""What a report says of differences that are no findings: the sign of zero, and denormals flushed to zero."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from tautomer.checking.verdicts import SourceTruth, Verdict, values_of
from tautomer.model import Tensor
from tautomer.numerics.policies import policy_notes


def policy_warnings(runtime: Sequence[Verdict], truth: SourceTruth, output_names: Mapping[str, str]) -> list[str]:
    """Sentences about the values of what is deployed, the runtime's last checkpoint; an output's first one counts.

    Args:
        runtime: checkpoints of the runtime, judged.
        truth: the source's answers.
        output_names: graph output -> the source's path.
    """
    if not runtime:
        return []
    said: dict[tuple[str, str], str] = {}
    for (precision, index), run in sorted(runtime[-1].record.runs.items()):
        if precision != "declared" or run.values is None or index >= len(truth.sets):
            continue
        for name, value in values_of(run.values).items():
            path = output_names.get(name, name)
            reference = truth.sets[index].get(path)
            if reference is None or not isinstance(value, Tensor):
                continue
            for policy, sentence in policy_notes(path, reference.declared, value).items():
                said.setdefault((path, policy), f"{sentence}, on input set {index}")
    return list(said.values())
