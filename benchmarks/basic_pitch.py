"""basic-pitch's shipped SavedModel against its shipped ONNX and TFLite files, and converted anew.

    python benchmarks/basic_pitch.py [FOLDER]

FOLDER holds `nmp`, `nmp.onnx` and `nmp.tflite`: `basic_pitch/saved_models/icassp_2022` in the wheel of basic-pitch
0.4.0 (`pip download --no-deps basic-pitch`, then `unzip`). Without FOLDER the installed package's is taken. The inputs
are a chord with overtones that fades away, and noise. Converting the SavedModel anew must fail: `python -m
tf2onnx.convert --saved-model` cannot revive the objects that an older Keras has saved.
"""

from __future__ import annotations

import importlib.util
import sys
import tempfile
from pathlib import Path

import numpy as np

from tautomer.checking import run_check
from tautomer.checking.comparison import run_comparison
from tautomer.execution import Pool
from tautomer.model import CheckSettings, Keep, Outcome, Report

SAMPLES, RATE_HZ = 43844, 22050
"""Of one window, as the model takes it."""


def main(folder: Path) -> int:
    reports: dict[str, Report] = {}
    with Pool() as pool, tempfile.TemporaryDirectory() as scratch:
        settings = CheckSettings(inputs=_music(Path(scratch)), run_dir=Path(scratch) / "runs", keep=Keep.NONE)
        print("| pair | outcome | residual, u | ratio | rho | off by at most |\n|---|---|---:|---:|---:|---:|")
        for file in ("nmp.onnx", "nmp.tflite"):
            compared = run_comparison(folder / "nmp", folder / file, settings, runner=pool)
            reports[f"SavedModel, shipped {file}"] = compared.report.reports[0]
            _print(*list(reports.items())[-1])
        checked = run_check(folder / "nmp", settings, runner=pool).report.reports[0]
        reports["SavedModel, converted by tf2onnx"] = checked
        _print(*list(reports.items())[-1])
    *shipped, converted = (one.outcome for one in reports.values())
    return 0 if {*shipped} == {Outcome.EQUIVALENT} and converted is Outcome.FAILED else 1


def _print(name: str, report: Report) -> None:
    residual, ratio, rho = (
        max((getattr(one, field) or 0.0 for one in report.checkpoints), default=0.0)
        for field in ("semantic_residual_u", "rounding_ratio", "stability_rho")
    )
    largest = max((one.max_abs_difference or 0.0 for one in report.inputs), default=0.0)
    print(f"| {name} | {report.outcome} | {residual:.3g} | {ratio:.3g} | {rho:.3g} | {largest:.2g} |", flush=True)
    if report.reason:
        print(f"    {report.reason}", flush=True)
    for finding in report.findings:
        print(f"    {finding.code}: {finding.message}", flush=True)


def _music(folder: Path) -> Path:
    """A file with two windows: three notes, each with three overtones, that fade away; and noise."""
    seconds = np.arange(SAMPLES) / RATE_HZ
    tones = sum(
        np.sin(2 * np.pi * note_hz * overtone * seconds) / overtone
        for note_hz in (220.0, 277.18, 329.63)
        for overtone in (1, 2, 3, 4)
    )
    chord = 0.1 * tones * np.exp(-seconds)
    noise = np.random.default_rng(0).uniform(-0.3, 0.3, SAMPLES)
    path = folder / "music.npy"
    np.save(path, np.stack([chord, noise])[:, :, None].astype(np.float32))
    return path


def _installed() -> Path | None:
    found = importlib.util.find_spec("basic_pitch")
    places = found.submodule_search_locations if found is not None else None
    return Path(places[0]) / "saved_models" / "icassp_2022" if places else None


if __name__ == "__main__":
    folder = Path(sys.argv[1]) if len(sys.argv) > 1 else _installed()
    if folder is None:
        print("not run: basic-pitch is not installed, and no folder was named", file=sys.stderr)
        sys.exit(0)
    sys.exit(main(folder))
