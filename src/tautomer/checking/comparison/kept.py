"""A kept comparison has no conversion that other commands could repeat."""

from __future__ import annotations

from tautomer.errors import MisuseError
from tautomer.model import CheckReport


def refuse_comparison(report: CheckReport, deed: str) -> None:
    """Refuse the run of a `tautomer compare`.

    Args:
        report: of the run.
        deed: what cannot be done with it, such as `reduced`.

    Raises:
        MisuseError: TA152.
    """
    compared = report.settings.get("compared")
    if isinstance(compared, dict):
        raise MisuseError(
            "TA152",
            f"run {report.run_id} compares {report.settings.get('model')} with {compared.get('model')}, which cannot be"
            f" {deed}: nothing says how the one was made from the other.",
            "Check the model with `tautomer check`, and name that run.",
        )
