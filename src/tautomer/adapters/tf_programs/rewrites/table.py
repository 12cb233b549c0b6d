"""The table of rewrites: every entry of the modules of this package."""

from __future__ import annotations

from tautomer.adapters.tf_programs.rewrites import (
    arrangement,
    choices,
    control,
    convolutions,
    integers,
    reductions,
    resampling,
    segments,
    special,
)
from tautomer.adapters.tf_programs.rewrites.rule import Table

TABLE = Table()
for _one in (
    arrangement,
    choices,
    control,
    convolutions,
    integers,
    reductions,
    resampling,
    segments,
    special,
):
    TABLE.update(_one.TABLE)
