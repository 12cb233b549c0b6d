"""The result of a sequence analysis as one document, `tautomer/sequences/1`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from importlib.metadata import version

from tautomer.coverage.direct_tests import DirectTest
from tautomer.coverage.published import PublishedSequences
from tautomer.coverage.sequence_sets import ExactSequences

SEQUENCES_SCHEMA = "tautomer/sequences/1"


@dataclass(frozen=True, slots=True, kw_only=True)
class SequenceReport:
    """What was compared, how, and what came of it.

    Attributes:
        method: `exact` or `published`.
        failing, passing, tests: names of the models, in the order they were given.
        longest: operators in the longest sequences, of the exact method.
        ports: whether sequences tell ports.
        exact, published: the result of the one or the other method.
        direct_tests: suspects that were tested by themselves.
        suspects: how many there are.
        unread: files of folders that could not be read, with the reason.
    """

    method: str
    failing: list[str]
    passing: list[str]
    tests: list[str] = field(default_factory=list)
    longest: int | None = None
    ports: bool = False
    exact: ExactSequences | None = None
    published: PublishedSequences | None = None
    direct_tests: list[DirectTest] = field(default_factory=list)
    suspects: int = 0
    unread: Mapping[str, str] = field(default_factory=dict)
    tautomer_version: str = field(default_factory=lambda: version("tautomer"))
    schema: str = SEQUENCES_SCHEMA
