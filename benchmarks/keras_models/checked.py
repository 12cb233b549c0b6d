"""Check a Keras model that was given drawn weights, and say how far its outputs move with its inputs."""

from __future__ import annotations

import math
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from tautomer.adapters.tensor_file import read_values
from tautomer.checking import run_check
from tautomer.execution import Pool
from tautomer.model import CheckSettings, Keep, Outcome, Report, Tensor

MODULE_END = """

def model():
    made = untrained()
    made.load_weights({weights!r})
    return made
"""

LEAST_MOVEMENT = 1000.0
"""An output counts as varying where it moves this many times as far as it is rounded."""

HEADER = "| {what} | outcome | residual, u | ratio | rho | moves | times its rounding | seconds |"
RULE = "|---|---|---:|---:|---:|---:|---:|---:|"


@dataclass(frozen=True, slots=True)
class CheckedModel:
    """One model's report.

    Attributes:
        name: of the model.
        report: of its check.
        moves: the least, over outputs, of the RMS distance between the answers for different inputs over the RMS of the
            answers.
        moves_roundings: the least of the same distance over the RMS of the error of the source's own precision.
    """

    name: str
    report: Report
    moves: float
    moves_roundings: float

    @property
    def varies(self) -> bool:
        """Whether every output moves with the inputs, by much more than rounding: else a check proves nothing."""
        return self.moves_roundings >= LEAST_MOVEMENT

    def row(self) -> str:
        """Of the table."""
        checkpoints = self.report.checkpoints
        residual = max((one.semantic_residual_u or 0.0 for one in checkpoints), default=0.0)
        ratio = max((one.rounding_ratio or 0.0 for one in checkpoints), default=0.0)
        rho = max((one.stability_rho or 0.0 for one in checkpoints), default=0.0)
        seconds = sum(one.seconds for one in checkpoints)
        return (
            f"| {self.name} | {self.report.outcome} | {residual:.3g} | {ratio:.3g} | {rho:.3g} | {self.moves:.2g}"
            f" | {self.moves_roundings:.1e} | {seconds:.0f} |"
        )


def with_weights(modules: Mapping[str, str], folder: Path) -> dict[str, Path]:
    """Model modules, by name, with weights drawn for each in a process of its own.

    Args:
        modules: text by name; each defines `untrained()`, `examples()` and `inputs()`, and the first axis of every
            input and output counts samples.
        folder: where they are written.

    Raises:
        RuntimeError: the weights cannot be drawn.
    """
    paths = {}
    command = [sys.executable, str(Path(__file__).parent / "draw.py")]
    for name, text in modules.items():
        stem = "".join(letter if letter.isalnum() else "_" for letter in name.lower())
        paths[name], weights = folder / f"{stem}.py", folder / f"{stem}.weights.h5"
        paths[name].write_text(text + MODULE_END.format(weights=str(weights)), "utf-8")
        command += [str(paths[name]), str(weights)]
    drawn = subprocess.run(command, capture_output=True, text=True, check=False)
    if drawn.returncode:
        raise RuntimeError(f"no weights could be drawn:\n{drawn.stderr}")
    return paths


def checked(name: str, path: Path, folder: Path, pool: Pool, via: Sequence[str] = ()) -> CheckedModel:
    """The report on a model module, and how far the model's outputs move.

    Args:
        folder: where runs are kept.
        via: the converter; the source's own where none is named.
    """
    one = run_check(path, CheckSettings(via=tuple(via), run_dir=folder / "runs", keep=Keep.ALL), runner=pool)
    assert one.kept_at is not None
    return CheckedModel(name, one.report.reports[0], *_movement(one.kept_at / "source"))


def print_table(
    what: str, modules: Mapping[str, str], via: Sequence[str] = (), *, defective: Mapping[str, Outcome] | None = None
) -> bool:
    """Check every module, print a row for each and what was found; whether all vary and come to what is true.

    Args:
        what: is checked, in one word.
        modules: text by name, as for `with_weights`.
        via: the converter; the source's own where none is named.
        defective: outcomes of those that the converter makes a wrong model of, which was seen without Tautomer.
    """
    found = []
    print(f"{HEADER.format(what=what)}\n{RULE}")
    with Pool() as pool, tempfile.TemporaryDirectory() as scratch:
        for name, path in with_weights(modules, Path(scratch)).items():
            one = checked(name, path, Path(scratch), pool, via)
            found.append(one)
            print(one.row(), flush=True)
            if one.report.outcome is Outcome.INCONCLUSIVE:
                print(f"    {one.report.reason}", flush=True)
            for finding in one.report.findings:
                print(f"    {finding.code}: {finding.message}", flush=True)
            shutil.rmtree(Path(scratch) / "runs", ignore_errors=True)
    counted = [one for one in found if one.varies]
    expected = {one.name: (defective or {}).get(one.name, Outcome.EQUIVALENT) for one in found}
    right = [one for one in counted if one.report.outcome is expected[one.name]]
    sound = [one for one in right if one.report.outcome is Outcome.EQUIVALENT]
    print(
        f"\n{len(counted)} of {len(found)} have outputs that vary; of these {len(sound)} are equivalent,"
        f" {len(right) - len(sound)} show a known defect of the converter, and {len(counted) - len(right)} are wrong."
    )
    return len(right) == len(found)


def _movement(source: Path) -> tuple[float, float]:
    """How far the outputs move from sample to sample: over their size, and over their rounding."""
    declared, exact = source / "s32-0.safetensors", source / "s64-0.safetensors"
    if not exact.exists():
        return math.nan, math.nan
    relative, roundings = [], []
    references = _arrays(exact)
    for path, array in _arrays(declared).items():
        moved = _rms(references[path][1:] - references[path][:-1])
        relative.append(moved / _rms(references[path]))
        rounded = _rms(array - references[path])
        roundings.append(moved / rounded if rounded else math.inf)
    return min(relative), min(roundings)


def _arrays(file: Path) -> dict[str, np.ndarray]:
    values = read_values(file)
    assert isinstance(values, dict)
    return {path: value.float64() for path, value in values.items() if isinstance(value, Tensor)}


def _rms(array: np.ndarray) -> float:
    return float(np.sqrt(np.mean(np.square(array))))
