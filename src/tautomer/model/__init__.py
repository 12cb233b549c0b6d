"""The words of Tautomer as frozen dataclasses: tensors, artefacts, attempts, reports. No framework, no I/O."""

from tautomer.model.artifacts import Artifact, ArtifactKind, Checkpoint
from tautomer.model.attempts import Attempt, Completed, Crashed, Event, Hung, OutOfMemory, Refused, Resources
from tautomer.model.reports import (
    SCHEMA,
    Cause,
    CheckpointReport,
    CheckReport,
    Finding,
    InputReport,
    Location,
    Power,
    Report,
    SmallestPassing,
    Workaround,
)
from tautomer.model.settings import CheckSettings, Keep, Limits
from tautomer.model.signatures import Signature
from tautomer.model.stages import EXIT_STATUS, Outcome, Precision, Stage, worst_exit_status
from tautomer.model.taxonomy import CauseCategory, Kind, Symptom
from tautomer.model.values import BIT_STORED, FLOATING, Scalar, Tensor, TensorSpec, Trace, Value, flatten

__all__ = [
    "BIT_STORED",
    "EXIT_STATUS",
    "FLOATING",
    "SCHEMA",
    "Artifact",
    "ArtifactKind",
    "Attempt",
    "Cause",
    "CauseCategory",
    "CheckReport",
    "CheckSettings",
    "Checkpoint",
    "CheckpointReport",
    "Completed",
    "Crashed",
    "Event",
    "Finding",
    "Hung",
    "InputReport",
    "Keep",
    "Kind",
    "Limits",
    "Location",
    "OutOfMemory",
    "Outcome",
    "Power",
    "Precision",
    "Refused",
    "Report",
    "Resources",
    "Scalar",
    "Signature",
    "SmallestPassing",
    "Stage",
    "Symptom",
    "Tensor",
    "TensorSpec",
    "Trace",
    "Value",
    "Workaround",
    "flatten",
    "worst_exit_status",
]
