"""Searches for the smallest failing candidate: pure algorithms over sets and graphs, whatever the candidates are."""

from tautomer.minimization.connected import connected_minimum, grown
from tautomer.minimization.dag import Dag
from tautomer.minimization.subsets import one_minimal_subset
from tautomer.minimization.trials import BudgetSpent, Flaky, Trials

__all__ = ["BudgetSpent", "Dag", "Flaky", "Trials", "connected_minimum", "grown", "one_minimal_subset"]
