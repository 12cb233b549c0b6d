"""The table of rewrites: every entry of the modules of this package."""

from __future__ import annotations

from tautomer.adapters.tf_programs.rewrites import control
from tautomer.adapters.tf_programs.rewrites.rule import Table

TABLE = Table()
for _one in (control,):
    TABLE.update(_one.TABLE)
