"""Measured errors of the functions that a runtime approximates, one table a runtime and version."""

from tautomer.numerics.approximation_tables.shipped import shipped_tables, table_for
from tautomer.numerics.approximation_tables.storage import SCHEMA, decode_table, encode_table
from tautomer.numerics.approximation_tables.table import ApproximationTable, FunctionErrors, Validation

__all__ = [
    "SCHEMA",
    "ApproximationTable",
    "FunctionErrors",
    "Validation",
    "decode_table",
    "encode_table",
    "shipped_tables",
    "table_for",
]
