"""What a check is asked to do."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from enum import StrEnum
from pathlib import Path
from typing import Any


class Keep(StrEnum):
    """Which runs keep their models, tensors and logs."""

    NONE = "none"
    FAILURES = "failures"
    ALL = "all"


@dataclass(frozen=True, slots=True)
class Limits:
    """What one attempt may use before it is ended: wall-clock seconds and bytes of memory."""

    timeout_s: float = 600.0
    memory_bytes: int = 16 << 30


@dataclass(frozen=True, slots=True, kw_only=True)
class CheckSettings:
    """Settings of one check; everything that repeats it besides the model and the environment.

    Attributes:
        via: names of converters, or of chains of them (`torch.onnx,onnxslim`); empty for the source's own.
        to: names of runtimes; empty for the default one of what the converters make.
        inputs: a file or a folder of samples that replaces the model's own run inputs; None for the model's own.
        opset: ONNX opset asked for; None for the converter's default.
        options: `--set KEY=VALUE` pairs handed to the converter.
        runtime_options: `--to-set KEY=VALUE` pairs handed to the runtimes.
        limits: for every attempt.
        seed: of every random generator.
        power: whether to seed faults into the converted model and measure the share that the check catches.
        search_inputs: whether to search for input sets that exercise more, and to compare on them too.
        trust_pickle: whether pickled files may be opened.
        run_dir: where runs are kept; None for `TAUTOMER_HOME` or `./.tautomer/runs`.
        keep: which runs keep their artefacts.
    """

    via: tuple[str, ...] = ()
    to: tuple[str, ...] = ()
    inputs: Path | None = None
    opset: int | None = None
    options: Mapping[str, Any] = field(default_factory=dict)
    runtime_options: Mapping[str, Any] = field(default_factory=dict)
    limits: Limits = field(default_factory=Limits)
    seed: int = 0
    power: bool = False
    search_inputs: bool = False
    trust_pickle: bool = False
    run_dir: Path | None = None
    keep: Keep = Keep.FAILURES
