"""What the source called: operators with their arguments, as a worker read them from the captured programs."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import Any

from tautomer.adapters.protocols import WarmHost
from tautomer.adapters.tf_host import TENSORFLOW_HOST
from tautomer.checking.attempts import Bench
from tautomer.checking.causes.target_nodes import ABSENT, read_nodes
from tautomer.checking.results import Conversion, SourceResult
from tautomer.model import Attempt, Completed

_TASK = "tautomer.adapters.torch_programs.conversion_replay:replay_conversion"

_EXPORTS = {
    "tautomer.adapters.converters.torch_onnx:convert": True,
    "tautomer.adapters.converters.torch_onnx_legacy:convert": False,
}
"""Conversions that can be repeated, and whether they go through torch.export."""

_TF2ONNX = "tautomer.adapters.converters.tf2onnx_replay:replay_conversion"
_THROUGH_TF2ONNX = frozenset(
    {
        "tautomer.adapters.converters.tf2onnx_converter:convert",
        "tautomer.adapters.converters.keras_onnx:convert",
    }
)
"""Conversions whose graphs tf2onnx translated."""

_ROLES = {"frozen": "captured", "grappler": "decomposed"}
"""What the checkpoints of those stand for in a replay: what was captured, and what was translated."""

_TORCH_SOURCE = "tautomer.adapters.sources.torch_source:reference"
_ONNX_SOURCE = "tautomer.adapters.sources.onnx_source:reference"


@dataclass(frozen=True, slots=True)
class Argument:
    """One argument of a call: its name and type in the operator's schema, what it is, and what it is by default."""

    name: str
    type: str
    value: Any
    has_default: bool
    default: Any

    @property
    def is_default(self) -> bool:
        """Whether it has a default and is that."""
        return self.has_default and self.value == self.default

    @property
    def is_value(self) -> bool:
        """Whether it is no tensor but something a graph's attribute could hold: a number that stands for one, too."""
        number = isinstance(self.value, bool | int | float)
        return (number or "Tensor" not in self.type) and not _mentions_node(self.value)

    def text(self) -> str:
        """`reduce='mean'`."""
        return f"{self.name}={self.value!r}"


def _mentions_node(value: Any) -> bool:
    if isinstance(value, list):
        return any(_mentions_node(one) for one in value)
    return isinstance(value, dict)


@dataclass(frozen=True, slots=True)
class SourceCall:
    """One call of an operator.

    Attributes:
        name: of its node.
        operator: `aten.avg_pool2d.default`.
        line: `file.py:12`.
        origin: the node of the captured program that it was made from.
        shapes: of its results; symbolic sizes are text.
        arguments: in the schema's order.
    """

    name: str
    operator: str
    line: str | None
    origin: str | None
    shapes: tuple[tuple[int | str, ...], ...]
    arguments: tuple[Argument, ...]

    @classmethod
    def of(cls, fields: Mapping[str, Any]) -> SourceCall:
        """A call from a worker's description."""
        return cls(
            fields["name"],
            fields["operator"],
            fields["line"],
            fields["origin"],
            tuple(tuple(one["shape"]) for one in fields["results"]),
            tuple(Argument(**one) for one in fields["arguments"]),
        )

    @property
    def short_name(self) -> str:
        """`avg_pool2d` of `aten.avg_pool2d.default`."""
        parts = self.operator.split(".")
        return parts[1] if len(parts) > 1 else self.operator

    @property
    def is_tensorflow(self) -> bool:
        """Whether the operator is one of TensorFlow's, whose names have no namespace."""
        return "." not in self.operator and self.origin is not None

    def as_fields(self) -> dict[str, Any]:
        """The call as a worker is told of it."""
        return {
            "name": self.name,
            "operator": self.operator,
            "arguments": [asdict(argument) for argument in self.arguments],
        }

    def text(self, *names: str) -> str:
        """The call with the named arguments, or with those that are not at their defaults."""
        shown = [one for one in self.arguments if (one.name in names if names else one.is_value and not one.is_default)]
        return f"{self.short_name}({', '.join(one.text() for one in shown)})"


@dataclass(frozen=True, slots=True)
class Deviation:
    """An operator whose decomposition is another function.

    Attributes:
        call: in the captured program.
        said: how the values differ.
        nodes: of the decomposed program, that it became.
        inputs: the input sets that show it.
        sound_at_that_size: whether it is right when the program is captured with the first such set and static sizes;
            None where that was not asked.
    """

    call: SourceCall
    said: str
    nodes: tuple[str, ...]
    inputs: tuple[int, ...]
    sound_at_that_size: bool | None


@dataclass(frozen=True, slots=True)
class Replay:
    """A conversion's beginning, repeated.

    Attributes:
        programs: calls of the source as it ran (`traced`), of the `captured` and the `decomposed` program.
        values: by input set, the file of the decomposed program's values; None where there is none.
        deviations: operators whose decomposition is wrong.
        refusal: what torch.export says where it is asked directly: `type`, `message`, `line`.
        can_be_called_again: whether operators can be called with other arguments to see what explains a fault.
        layouts_change: whether values of the target may have their axes in another order than the program's.
    """

    programs: Mapping[str, tuple[SourceCall, ...]] = field(default_factory=dict)
    values: tuple[str | None, ...] = ()
    deviations: tuple[Deviation, ...] = ()
    refusal: Mapping[str, Any] | None = None
    can_be_called_again: bool = True
    layouts_change: bool = False

    def named(self, name: str, *programs: str) -> SourceCall | None:
        """The call whose node has this name, in the first of the programs that has one."""
        return next((one for key in programs for one in self.programs.get(key, ()) if one.name == name), None)

    def at(self, operator: str, line: str | None) -> SourceCall | None:
        """The call of an operator on a line; of one of the same name where the overload is another."""
        for key in ("decomposed", "captured", "traced"):
            calls = [one for one in self.programs.get(key, ()) if line is None or one.line == line]
            same = [one for one in calls if one.operator == operator]
            found = same or [one for one in calls if one.operator.split(".")[:2] == operator.split(".")[:2]]
            if found:
                return found[0]
        return None

    def captured_of(self, call: SourceCall) -> SourceCall | None:
        """The call of the captured program that a call was made from."""
        return self.named(call.origin, "captured") if call.origin is not None else None


def replay(
    bench: Bench, host: WarmHost, conversion: Conversion, source: SourceResult, *, frozen: bool
) -> Replay | None:
    """Repeat the beginning of a conversion; where there was none, describe the source alone. None where neither can be.

    Args:
        host: a warm host of the converter, or one that can run the source.
        source: what the source answered.
        frozen: whether a dimension that was declared dynamic is static in what was captured.
    """
    task = task_of(conversion.attempt)
    if task.get("function") in _THROUGH_TF2ONNX:
        return _tensorflow_replay(bench, conversion, task["arguments"]["spec"])
    exports = _EXPORTS.get(str(task.get("function")))
    if exports is None:
        task, exports = task_of(source.attempt), False
        if task.get("function") == _ONNX_SOURCE:
            return Replay({"traced": calls_of_nodes(Path(task["arguments"]["spec"]["path"]))})
        if task.get("function") != _TORCH_SOURCE:
            return None
    arguments = task["arguments"]
    settings = arguments.get("settings", {})
    attempt = bench.run(
        host,
        _TASK,
        {"spec": arguments["spec"], "settings": settings, "exports": exports, "frozen": frozen},
        label="replay",
    )
    if not isinstance(attempt, Completed):
        return None
    answer = attempt.result
    return Replay(
        _programs(answer["programs"]),
        tuple(answer["values"]),
        tuple(_deviation(one) for one in answer["deviations"]),
        answer["refusal"],
    )


def _programs(file: str) -> dict[str, tuple[SourceCall, ...]]:
    programs = json.loads(Path(file).read_text("utf-8"))
    return {name: tuple(SourceCall.of(one) for one in calls) for name, calls in programs.items()}


def _tensorflow_replay(bench: Bench, conversion: Conversion, spec: Mapping[str, Any]) -> Replay | None:
    """What tf2onnx froze and translated, as far as it came; None where it did not come so far."""
    facts = {verdict.name: verdict.record.facts for verdict in conversion.verdicts}
    programs = {
        role: {"graph_def": facts[name]["graph_def"], "inputs": facts[name]["graph_inputs"]}
        for name, role in _ROLES.items()
        if facts.get(name, {}).get("graph_def")
    }
    if not programs:
        return None
    named = facts.get("raw", {})
    attempt = bench.run(
        TENSORFLOW_HOST,
        _TF2ONNX,
        {
            "spec": dict(spec),
            "programs": programs,
            "meanings": named.get("meanings"),
            "origins": named.get("origins"),
        },
        label="replay",
    )
    if not isinstance(attempt, Completed):
        return None
    return Replay(
        _programs(attempt.result["programs"]),
        tuple(attempt.result["values"]),
        can_be_called_again=False,
        layouts_change=True,
    )


def _deviation(fields: Mapping[str, Any]) -> Deviation:
    nodes: Sequence[str] = fields["nodes"]
    return Deviation(SourceCall.of(fields), fields["said"], tuple(nodes), tuple(fields["inputs"]), fields["static"])


def calls_of_nodes(model: Path) -> tuple[SourceCall, ...]:
    """The nodes of an .onnx source as calls: attributes and small constant inputs are their arguments."""
    return tuple(
        SourceCall(
            output,
            node.op_type,
            node.line,
            None,
            (),
            tuple(
                Argument(name, type(value).__name__, value, name in node.unset, node.unset.get(name))
                for name, value in {**node.unset, **node.parameters}.items()
                if value != ABSENT
            ),
        )
        for node in read_nodes(model).values()
        for output in node.outputs
    )


def task_of(attempt: Attempt | None) -> Mapping[str, Any]:
    """A task as its worker was given it: it says how to repeat it. Empty where there is none."""
    from tautomer.adapters.worker_api import TASK_FILE

    path = attempt.log.parent / TASK_FILE if attempt is not None else None
    if path is None or not path.exists():
        return {}
    task: Mapping[str, Any] = json.loads(path.read_text("utf-8"))
    return task
