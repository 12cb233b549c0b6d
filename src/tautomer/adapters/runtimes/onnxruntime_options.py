"""Settings of an ONNX Runtime session that a check can be run with, and which of its optimizers act on a model.

Source: `SessionOptions` of ONNX Runtime's Python API and `onnxruntime_session_options_config_keys.h`.
"""

from __future__ import annotations

import contextlib
import os
import re
import tempfile
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any

from tautomer.adapters.protocols import Lever
from tautomer.adapters.worker_api import Channel
from tautomer.errors import MisuseError
from tautomer.model import Stage

LEVELS = {
    "disabled": "ORT_DISABLE_ALL",
    "basic": "ORT_ENABLE_BASIC",
    "extended": "ORT_ENABLE_EXTENDED",
    "layout": "ORT_ENABLE_LAYOUT",
    "all": "ORT_ENABLE_ALL",
}
"""Our names of the optimization levels, lowest first, and ONNX Runtime's."""

_RULES = {
    "Level1_RuleBasedTransformer": tuple(
        "EliminateIdentity EliminateSlice UnsqueezeElimination EliminateDropout ExpandElimination CastElimination"
        " PreShapeNodeElimination NoopElimination DivMulFusion FuseReluClip GemmSumFusion GemmTransposeFusion"
        " NotWhereFusion ConvAddFusion ConvMulFusion ConvBNFusion Pad_Fusion MatMul_BatchNormalization_Fusion"
        " LabelEncoderFusion CastChainElimination".split()
    ),
    "Level2_RuleBasedTransformer": ("ClipQuantRewrite", "ReluQuantRewrite", "GemmTransposeFusion"),
}
"""Rules that one transformer applies and that can be disabled by themselves.

Source: ONNX Runtime, core/optimizer/graph_transformer_utils.cc, `GenerateRewriteRules`.
"""

_OPTIMIZED = (Stage.RUNTIME_LOAD, Stage.RUNTIME_OPTIMIZATION, Stage.RUNTIME_EXECUTION)
_EXECUTED = (Stage.RUNTIME_EXECUTION,)

LEVERS = (
    Lever(
        "optimization",
        "the highest level of graph optimization",
        ("extended", "basic", "disabled"),
        "all",
        in_order=True,
        acts_at=_OPTIMIZED,
    ),
    Lever(
        "disabled_optimizers",
        "graph transformers left out",
        takes_list=True,
        listed_by="list_optimizers",
        screened_by=("optimization", "disabled"),
        parts=_RULES,
        acts_at=_OPTIMIZED,
    ),
    Lever("threads", "threads of one operator", (1, 2), 0, acts_at=_EXECUTED),
    Lever("prepacking", "whether constant weights are packed for the kernels", (False,), True, acts_at=_EXECUTED),
    Lever("denormal_as_zero", "whether subnormal numbers are taken for zero", (True,), False, acts_at=_EXECUTED),
    Lever("memory_pattern", "whether buffers are planned in advance", (False,), True, acts_at=_EXECUTED),
)

_BOOLEANS = ("prepacking", "denormal_as_zero", "memory_pattern", "list_optimizers")
_TAKES: Mapping[str, Callable[[Any], bool]] = {
    "optimization": lambda value: value in LEVELS,
    "threads": lambda value: isinstance(value, int) and not isinstance(value, bool) and value >= 0,
    **dict.fromkeys(_BOOLEANS, lambda value: isinstance(value, bool)),
}
_ACTED = re.compile(r"GraphTransformer (\S+) modified: 1\b")


@dataclass(frozen=True, slots=True)
class SessionSettings:
    """How sessions are to be made.

    Attributes:
        optimization: the highest level; a checkpoint at a higher one is run at this one.
        disabled_optimizers: names of transformers and rules that are left out.
        threads: of one operator; 0 for ONNX Runtime's choice.
        list_optimizers: whether to say which transformers change the model.
        entries: session configuration entries (`session.disable_prepacking`).
    """

    optimization: str = "all"
    disabled_optimizers: tuple[str, ...] = ()
    threads: int = 0
    prepacking: bool = True
    denormal_as_zero: bool = False
    memory_pattern: bool = True
    list_optimizers: bool = False
    entries: Mapping[str, str] = field(default_factory=dict)

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> SessionSettings:
        """The settings that `--to-set` gave; a key with a dot is a session configuration entry.

        Raises:
            MisuseError: TA101 there is no such setting, or no such value.
        """
        given: dict[str, Any] = {"entries": {}}
        for name, value in options.items():
            if "." in name:
                given["entries"][name] = str(int(value)) if isinstance(value, bool) else str(value)
            elif name == "disabled_optimizers":
                given[name] = _names(name, value)
            elif name not in _TAKES:
                raise MisuseError("TA101", f"--to-set {name}: onnxruntime has no such setting here.", _KNOWN)
            elif not _TAKES[name](value):
                raise MisuseError("TA101", f"--to-set {name}: {value!r} is no value of it.", _KNOWN)
            else:
                given[name] = value
        return cls(**given)

    def level(self, asked: str) -> str:
        """The level that a session is made at where `asked` is what the checkpoint is about."""
        order = list(LEVELS)
        return min(asked, self.optimization, key=order.index)

    def session_options(self, level: str) -> Any:
        """New session options at a level."""
        import onnxruntime

        made = onnxruntime.SessionOptions()
        levels = onnxruntime.GraphOptimizationLevel
        made.graph_optimization_level = getattr(levels, LEVELS[self.level(level)])
        made.log_severity_level = 3
        if self.threads:
            made.intra_op_num_threads = self.threads
        if not self.memory_pattern:
            made.enable_mem_pattern = False
        if not self.prepacking:
            made.add_session_config_entry("session.disable_prepacking", "1")
        if self.denormal_as_zero:
            made.add_session_config_entry("session.set_denormal_as_zero", "1")
        for name, value in self.entries.items():
            made.add_session_config_entry(name, value)
        return made

    def session(self, model: str, options: Any) -> Any:
        """A session on the CPU, with the optimizers that are left out left out."""
        import onnxruntime

        left_out = {"disabled_optimizers": list(self.disabled_optimizers)} if self.disabled_optimizers else {}
        return onnxruntime.InferenceSession(model, options, providers=["CPUExecutionProvider"], **left_out)


_KNOWN = (
    "Known: optimization (disabled, basic, extended, layout, all), disabled_optimizers (names with commas), threads,"
    " prepacking, denormal_as_zero, memory_pattern (true or false), and any session configuration entry, such as"
    " session.use_env_allocators=1."
)


def _names(name: str, value: Any) -> tuple[str, ...]:
    if isinstance(value, str):
        return tuple(part.strip() for part in value.split(",") if part.strip())
    if isinstance(value, list | tuple) and all(isinstance(one, str) for one in value):
        return tuple(value)
    raise MisuseError("TA101", f"--to-set {name}: {value!r} is no list of names.", f"Write --to-set {name}=A,B.")


def report_optimizers(channel: Channel, model: str, settings: SessionSettings) -> None:
    """Emit a `lever` event with the transformers that change this model, in the order in which they first do.

    They are read from what a session logs while it is made.
    """
    options = settings.session_options("all")
    options.log_severity_level = 1
    with tempfile.TemporaryFile(dir=channel.folder) as log, _stderr_into(log.fileno()):
        with contextlib.suppress(Exception):  # a model that cannot be loaded is the check's to report
            settings.session(model, options)
        log.seek(0)
        text = log.read().decode("utf-8", "replace")
    acted = list(dict.fromkeys(_ACTED.findall(text)))
    channel.emit("lever", lever="disabled_optimizers", values=acted)


@contextlib.contextmanager
def _stderr_into(descriptor: int) -> Iterator[None]:
    """Lead everything that this process writes to stderr into a file for a while, whatever language writes it."""
    kept = os.dup(2)
    os.dup2(descriptor, 2)
    try:
        yield
    finally:
        os.dup2(kept, 2)
        os.close(kept)
