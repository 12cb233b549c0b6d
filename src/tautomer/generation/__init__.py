"""`tautomer generate`: models made up by the rules of operators, written as files."""

from tautomer.generation.aims import aim_at, like
from tautomer.generation.generating import VARIED, Generated, chosen_operators, frameworks, generate, operator_table
from tautomer.generation.mutating import mutate
from tautomer.generation.settings import GenerationSettings, dtypes_from, nodes_from

__all__ = [
    "VARIED",
    "Generated",
    "GenerationSettings",
    "aim_at",
    "chosen_operators",
    "dtypes_from",
    "frameworks",
    "generate",
    "like",
    "mutate",
    "nodes_from",
    "operator_table",
]
