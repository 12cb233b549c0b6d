"""What an adapter says of itself: all the main process needs, since the adapter's code runs only in workers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum

from tautomer.errors import InternalError
from tautomer.model import ArtifactKind, Stage


class AdapterKind(StrEnum):
    """The three seams."""

    SOURCE = "source"
    CONVERTER = "converter"
    RUNTIME = "runtime"


@dataclass(frozen=True, slots=True)
class WarmHost:
    """The process an adapter's workers are forked from.

    Attributes:
        name: adapters with the same name share one process.
        preload: modules it imports.
        prime: `module:function` it calls once; must start no thread.
        fork_safe: whether it can be forked after that.
        environment: variables it needs.
    """

    name: str
    preload: tuple[str, ...]
    prime: str | None = None
    fork_safe: bool = True
    # numpy's BLAS starts its threads on import, and a process with threads cannot be forked.
    environment: Mapping[str, str] = field(default_factory=lambda: {"OPENBLAS_NUM_THREADS": "1"}, hash=False)


@dataclass(frozen=True, slots=True)
class AdapterCheckpoint:
    """A checkpoint that an adapter makes.

    Attributes:
        name: unique in the adapter.
        stage: that it shows.
        level: for a runtime, the optimization level it runs at.
        in_between: run only where the source is what the runtime takes, so that levels are all there is to compare.
    """

    name: str
    stage: Stage
    level: str | None = None
    in_between: bool = False


@dataclass(frozen=True, slots=True)
class Adapter:
    """One source, converter or runtime.

    Attributes:
        name: as users write it (`torch.onnx`).
        kind: which seam it implements.
        task: `module:function` of its worker task. A source's is `reference`, a converter's `convert`, a runtime's
            `run`; their arguments and events are those of the adapters of those names in this package.
        host: where the task runs.
        requires: top-level modules that must be installed.
        extra: the extra of this package that installs them.
        accepts: what it takes: artefact kinds.
        produces: what a converter's last checkpoint is.
        checkpoints: in the order they appear.
        float64: whether it can compute in float64.
        default_converter: for a source, the converter used when none is named; None where there is none.
        node_task: for a runtime that shows the values between its nodes, `module:function` of the task that judges each
            node on them; None where they are not visible.
    """

    name: str
    kind: AdapterKind
    task: str
    host: WarmHost
    requires: tuple[str, ...]
    extra: str
    accepts: tuple[ArtifactKind, ...]
    produces: ArtifactKind | None = None
    checkpoints: tuple[AdapterCheckpoint, ...] = ()
    float64: bool = False
    default_converter: str | None = None
    node_task: str | None = None

    def __post_init__(self) -> None:
        """Refuse a description that contradicts itself.

        Raises:
            InternalError: naming the adapter and the contradiction.
        """
        wrong = None
        names = [checkpoint.name for checkpoint in self.checkpoints]
        if ":" not in self.task:
            wrong = f"its task {self.task!r} is not of the form module:function"
        elif len(set(names)) != len(names):
            wrong = "two of its checkpoints have the same name"
        elif self.kind is AdapterKind.CONVERTER and (not names or self.produces is None):
            wrong = "a converter states its checkpoints and what it produces"
        elif self.kind is AdapterKind.RUNTIME and any(one.level is None for one in self.checkpoints):
            wrong = "a runtime states the optimization level of each checkpoint"
        elif not self.accepts:
            wrong = "it accepts nothing"
        elif list(self.checkpoints) != sorted(self.checkpoints, key=lambda one: list(Stage).index(one.stage)):
            wrong = "its checkpoints are not in the order of the stages"
        if wrong:
            raise InternalError("TA901", f"adapter {self.name!r} is refused: {wrong}.")
