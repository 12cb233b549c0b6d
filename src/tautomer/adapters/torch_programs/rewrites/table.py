"""The table of rewrites: every entry of the modules of this package."""

from __future__ import annotations

from tautomer.adapters.torch_programs.rewrites import (
    activations,
    arrangement,
    attention,
    choices,
    logarithms,
    pooling,
    reductions,
    resampling,
    rounding,
    scattering,
    signs,
)
from tautomer.adapters.torch_programs.rewrites.rule import Table

TABLE = Table()
for _one in (
    activations,
    arrangement,
    attention,
    choices,
    logarithms,
    pooling,
    reductions,
    resampling,
    rounding,
    scattering,
    signs,
):
    TABLE.update(_one.TABLE)
