"""What a bisection leaves in its run's folder: two reports, the patched models, and the logs of the failing check."""

from __future__ import annotations

import os
import shutil
from dataclasses import replace
from pathlib import Path

from tautomer.adapters.worker_api import LOG_FILE
from tautomer.bisection.report import BisectReport
from tautomer.checking import run_check
from tautomer.execution import RunFolder, Runner
from tautomer.model import CheckReport, CheckSettings, Keep
from tautomer.model.report_json import decode, encode

CHECK_FILE, BISECT_FILE = "report.json", "bisect.json"


def write_reports(folder: RunFolder, check: CheckReport, report: BisectReport) -> None:
    """Write both."""
    folder.file(CHECK_FILE).write_bytes(encode(check))
    folder.file(BISECT_FILE).write_bytes(encode_report(report))


def with_final_paths(check: CheckReport, folder: RunFolder) -> CheckReport:
    """The report with paths as they will be: messages quote the folder in which the run is being built."""
    return decode(encode(check).replace(str(folder.path).encode(), str(folder.final_path).encode()))


def encode_report(report: BisectReport) -> bytes:
    """The report as the document of the schema `tautomer/bisect/1`; written by the same rules as a check's."""
    return encode(report)


def converted_model(model: Path, settings: CheckSettings, runner: Runner, *, scratch: Path, kept: Path) -> Path | None:
    """Convert a model with settings that were verified, and keep what came out; None where there is no converter.

    Args:
        scratch: a folder for the check; made if it does not exist.
        kept: the folder to keep the model in; it is made.
    """
    checked = run_check(model, replace(settings, keep=Keep.ALL, run_dir=scratch), runner=runner)
    for path in checked.models.values():
        shutil.copytree(path.parent, kept)
        return kept / path.name
    return None


def drop_all_but_logs(scratch: Path) -> None:
    """Remove everything that tasks have left in a folder, except what they said."""
    for folder, _, names in os.walk(scratch, topdown=False):
        for name in names:
            if name != LOG_FILE:
                (Path(folder) / name).unlink()
        if not any(Path(folder).iterdir()):
            Path(folder).rmdir()
