"""What the steps of a check hand to one another: the source's answers, and one conversion with its verdicts."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from tautomer.checking.interface import InterfaceFault
from tautomer.checking.verdicts import SourceTruth, Verdict
from tautomer.model import ArtifactKind, Attempt


@dataclass(frozen=True, slots=True)
class SourceResult:
    """The source as its worker reported it.

    Attributes:
        truth: what it answers; None where the worker did not come to an end.
        facts: notes, digests, dynamic dimensions, scalars and constants of the source.
        inputs: files of input values, one an input set.
        attempt: how the worker ended.
    """

    truth: SourceTruth | None
    facts: Mapping[str, Any]
    inputs: tuple[Path, ...]
    attempt: Attempt


@dataclass(slots=True)
class Conversion:
    """What one converter made of the source.

    Attributes:
        verdicts: of its checkpoints in order, the checker's last.
        model: the file a runtime gets; None where there is none.
        kind: what that file is.
        feeds: graph input -> source path.
        output_names: graph output -> source path.
        interface: differences of interfaces.
        attempt: how the worker ended; None where nothing was converted.
        converted: False where the source itself is what runtimes take.
        opset, opset_asked: what the file has, and what was asked for.
        full_check: the message of the checker's shape inference where only that refused.
        links: names of the converters it went through, in order.
    """

    verdicts: list[Verdict]
    model: Path | None
    feeds: dict[str, str]
    output_names: dict[str, str]
    interface: list[InterfaceFault]
    attempt: Attempt | None
    full_check: str | None = None
    converted: bool = True
    opset: int | None = None
    opset_asked: int | None = None
    kind: ArtifactKind = ArtifactKind.ONNX
    links: tuple[str, ...] = ()

    @property
    def graph(self) -> Path | None:
        """The model where it is an ONNX file: what can be evaluated."""
        return self.model if self.kind is ArtifactKind.ONNX else None

    def through(self, link: str | None) -> Conversion:
        """The conversion as one link of a chain has left it to the next; itself where it names the last, or none."""
        if link not in self.links[:-1]:
            return self
        last = max(index for index, verdict in enumerate(self.verdicts) if verdict.record.link == link)
        return replace(self, verdicts=self.verdicts[: last + 1])
