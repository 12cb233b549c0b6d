"""Symptoms, causes and kinds of failure.

Source: Jajal et al., ISSTA 2024 (doi 10.1145/3650212.3680374), tables 9 and 10, whose categories these are;
`UNDEFINED_BY_SPECIFICATION`, `UNKNOWN` and the kinds are Tautomer's own additions.
"""

from __future__ import annotations

from enum import StrEnum


class Symptom(StrEnum):
    """How a failure shows itself."""

    CRASH = "crash"
    WRONG_MODEL = "wrong_model"
    BUILD_FAILURE = "build_failure"
    BAD_PERFORMANCE = "bad_performance"
    HANG = "hang"
    UNREPORTED = "unreported"


class CauseCategory(StrEnum):
    """Why a failure happened."""

    INCOMPATIBILITY = "incompatibility"
    TYPE_PROBLEM = "type_problem"
    ALGORITHMIC_ERROR = "algorithmic_error"
    SHAPE_PROBLEM = "shape_problem"
    API_MISUSE = "api_misuse"
    INCORRECT_ASSIGNMENT = "incorrect_assignment"
    INCORRECT_EXCEPTION_HANDLING = "incorrect_exception_handling"
    MISCONFIGURATION = "misconfiguration"
    OTHERS = "others"
    TESTING = "testing"
    TYPO = "typo"
    UNDEFINED_BY_SPECIFICATION = "undefined_by_specification"
    UNKNOWN = "unknown"


class Kind(StrEnum):
    """Which kind of wrong a finding is (docs/explanation/numerics.md)."""

    SEMANTIC = "semantic"
    STABILITY = "stability"
    RANGE = "range"
    KERNEL = "kernel"
    INTERFACE = "interface"
    REFUSED = "refused"
    CRASH = "crash"
    HANG = "hang"
    OUT_OF_MEMORY = "out_of_memory"
