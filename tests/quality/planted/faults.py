"""What a planted fault is: where it acts, on which model, and what a check must say of it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum, auto
from pathlib import Path
from typing import Any

from tautomer.model import CheckSettings, Limits, Outcome, Stage

MODELS = Path(__file__).parent / "models"
SHORT_LIMIT_S = 6.0
"""Of attempts that a fault makes hang: several times what the slowest sound attempt of these models takes."""

MEMORY_BYTES = 2 << 30
"""Of each attempt: several times what a sound one takes."""


class Where(Enum):
    """In which worker a fault is planted."""

    SOURCE_AND_CONVERTER = auto()
    CONVERTER = auto()
    CHECKER = auto()
    RUNTIME = auto()
    NOWHERE = auto()
    """A defect of the installed packages: nothing is planted."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fault:
    """One fault.

    Attributes:
        name: unique; a valid identifier.
        stage: the stage it is planted in.
        symptom_stage: the stage at which it must surface.
        outcome: what the check must come to.
        model: file in `models/`.
        plant: breaks the software in the worker's process; is never undone, the process ends with its task.
        where: the worker it is planted in.
        converter, opset, timeout_s: settings of the check.
        misjudged: why the product names another stage today; None where it names the right one.
    """

    name: str
    stage: Stage
    symptom_stage: Stage
    outcome: Outcome
    model: str
    plant: Callable[[], None] | None
    where: Where
    converter: str = "torch.onnx"
    opset: int | None = None
    timeout_s: float = 120.0
    misjudged: str | None = None

    @property
    def framework(self) -> str:
        """The source's adapter."""
        return "tensorflow" if self.converter == "tf2onnx" else "torch"

    @property
    def path(self) -> Path:
        """The model module."""
        return MODELS / self.model

    def settings(self, run_dir: Path) -> CheckSettings:
        """Settings of the check that is to find it."""
        return CheckSettings(
            via=(self.converter,),
            opset=self.opset,
            limits=Limits(timeout_s=self.timeout_s, memory_bytes=MEMORY_BYTES),
            run_dir=run_dir,
        )


def divergent(stage: Stage, plant: Callable[[], None] | None, model: str, where: Where, **more: Any) -> Fault:
    """A fault that lets the model run and compute another function: it surfaces when the model is run."""
    return _fault(stage, plant, model, where, outcome=Outcome.DIVERGENT, default=Stage.RUNTIME_EXECUTION, **more)


def failed(stage: Stage, plant: Callable[[], None] | None, model: str, where: Where, **more: Any) -> Fault:
    """A fault that ends in a crash, a hang or a refusal: in its own stage, unless `symptom_stage` says otherwise."""
    return _fault(stage, plant, model, where, outcome=Outcome.FAILED, default=stage, **more)


def _fault(
    stage: Stage,
    plant: Callable[[], None] | None,
    model: str,
    where: Where,
    *,
    outcome: Outcome,
    default: Stage,
    symptom_stage: Stage | None = None,
    name: str | None = None,
    **more: Any,
) -> Fault:
    given = name or (plant.__name__ if plant is not None else None)
    if given is None:
        raise ValueError("a fault that plants nothing needs a name")
    return Fault(
        name=given,
        stage=stage,
        symptom_stage=symptom_stage or default,
        outcome=outcome,
        model=model,
        plant=plant,
        where=where,
        **more,
    )
