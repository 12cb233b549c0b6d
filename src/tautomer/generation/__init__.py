"""`tautomer generate`: models made up by the rules of operators, written as files."""

from tautomer.generation.generating import Generated, chosen_operators, frameworks, generate, operator_table
from tautomer.generation.settings import GenerationSettings, dtypes_from, nodes_from

__all__ = [
    "Generated",
    "GenerationSettings",
    "chosen_operators",
    "dtypes_from",
    "frameworks",
    "generate",
    "nodes_from",
    "operator_table",
]
