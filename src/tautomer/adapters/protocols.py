"""What an adapter says of itself: all the main process needs, since the adapter's code runs only in workers."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Any

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
class Lever:
    """A setting of an adapter that a bisection may turn.

    A converter takes it as `--set NAME=VALUE`, a runtime as `--to-set NAME=VALUE`; a converter's `opset` is `--opset`.
    Where `values` depend on the model, the adapter's task says them in a `lever` event: `lever`, the name, and
    `values`.

    Attributes:
        name: the key of the setting.
        about: what the setting decides, as a noun phrase.
        values: JSON values to try in the default's place, the one to prefer first.
        default: what holds where the setting is not given.
        in_order: whether the values are steps of a scale, so that the first that helps is the smallest change.
        takes_list: whether the setting is a list, of which `values` are possible elements.
        listed_by: an option that makes the task emit the `lever` event; None where it always does, or never.
        screened_by: another lever and its value that does at once what the values of this one do in parts: unless
            that changes how the model fails, no value of this one is tried.
        parts: by value of a list, the values that together do the same.
        acts_at: stages that it changes; empty where that can be any. What fails at another stage is unlikely to be
            mended by it.
    """

    name: str
    about: str
    values: tuple[Any, ...] = ()
    default: Any = None
    in_order: bool = False
    takes_list: bool = False
    listed_by: str | None = None
    screened_by: tuple[str, Any] | None = None
    parts: Mapping[str, tuple[str, ...]] = field(default_factory=dict, hash=False)
    acts_at: tuple[Stage, ...] = ()


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
        levers: settings that a bisection may turn, the likeliest to help first.
        evaluated_in: where ONNX checkpoints of it are evaluated, if not in its own process.
        reduced_by: for a source, the module of the tasks that cut its programs and make them smaller (`extract`,
            `shrink`, `calls`, `part`, `candidates`); None where it cannot be reduced.
        generated_by: for a source, the module of the task that makes up models for it (`generate`) and of the list of
            its operators (`operators`); None where there are none.
        mutates: for a source, whether the module that makes up models in its process changes its models (`mutate`).
        saves_graphs_with: for a runtime, the converter that saves the graph which its optimizations make of a model;
            None where there is none.
        architecture_task: for a source, `module:function` of the task that reads a model's operators and the data flow
            between them (`tautomer.model.architecture`), given its `spec`; None where that is not visible.
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
    levers: tuple[Lever, ...] = ()
    evaluated_in: WarmHost | None = None
    reduced_by: str | None = None
    generated_by: str | None = None
    mutates: bool = False
    architecture_task: str | None = None
    saves_graphs_with: str | None = None

    @property
    def evaluation_host(self) -> WarmHost:
        """The process in which ONNX files are evaluated and judged operator by operator."""
        return self.evaluated_in or self.host

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
        elif len({lever.name for lever in self.levers}) != len(self.levers):
            wrong = "two of its levers have the same name"
        elif not self.accepts:
            wrong = "it accepts nothing"
        elif list(self.checkpoints) != sorted(self.checkpoints, key=lambda one: list(Stage).index(one.stage)):
            wrong = "its checkpoints are not in the order of the stages"
        if wrong:
            raise InternalError("TA901", f"adapter {self.name!r} is refused: {wrong}.")
