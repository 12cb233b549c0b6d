"""Judge one fragment of a target: the nodes that make one of the source's values, on the source's own values.

Forcing the source's values at a fragment's boundary keeps errors from accumulating and decisions from drifting apart,
so each operator is judged by itself (docs/explanation/numerics.md, section 4).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from tautomer.model import Tensor
from tautomer.numerics.judge import Judgement, Reference, judge_declared, judge_exact

Array = np.ndarray[Any, Any]


@dataclass(frozen=True, slots=True)
class FragmentJudgement:
    """What the judge says of one fragment on one input set.

    Attributes:
        value: the target's name of what the fragment makes.
        source: the source value it stands for.
        nodes: the target's nodes in the fragment, in order.
        op_types: their operators, each once.
        operator: the source's, or those it spans.
        line: `file.py:12` of the user's code.
        semantic_residual_u: in float64 on the source's float64 values.
        semantic_limit_u: what it may be.
        stability_rho: error of the fragment's formula in the declared precision over the source's, on the source's
            declared values; None where it was not computed.
        rounding_ratio: that error over its limit; above 1 the formula loses accuracy that the source has.
        range_fault: where the formula leaves the finite range and the source does not, or the other way round.
        constants: whether the residual comes from constants that were folded in the declared precision.
        own_rounding: whether the residual is the rounding that float64 itself makes in the fragment's formula, which
            then loses many digits in any precision.
    """

    value: str
    source: str
    nodes: tuple[str, ...]
    op_types: tuple[str, ...]
    operator: str
    line: str | None
    semantic_residual_u: float | None = None
    semantic_limit_u: float = 0.0
    stability_rho: float | None = None
    rounding_ratio: float | None = None
    range_fault: str | None = None
    constants: bool = False
    own_rounding: bool = False

    @property
    def semantic_fault(self) -> bool:
        """Whether it is another function than the source's operator."""
        within = self.semantic_residual_u is None or self.semantic_residual_u <= self.semantic_limit_u
        return not within and not self.own_rounding

    @property
    def unstable(self) -> bool:
        """Whether its formula loses accuracy or range that the source's has."""
        return self.range_fault is not None or (self.rounding_ratio is not None and not self.rounding_ratio <= 1.0)

    @property
    def faulty(self) -> bool:
        """Whether anything is wrong with it."""
        return self.semantic_fault or self.unstable


def semantic_judgement(
    declared: Tensor, exact: Array, variance: Array, target: Array, constants_variance: Array | None = None
) -> Judgement:
    """Does the fragment compute the source's value from the source's values?

    Args:
        declared: the source's value in its own precision.
        exact: the same in float64.
        variance: mean square deviation of the source's operator under perturbed rounding.
        target: the fragment's value in float64, in the source's layout.
        constants_variance: that of runs with derived constants perturbed.
    """
    return judge_exact(Reference("", declared, exact, variance), target, constants_variance, local=True)


def stability_judgement(declared: Tensor, exact: Array, variance: Array, target: Tensor) -> Judgement:
    """Does the fragment's formula, in the declared precision, lose more than the source's kernel?

    Args:
        declared: the source's value, computed by its kernel from the values the fragment was given.
        exact: the fragment's value in float64 from the same values: what both should have given.
        variance: mean square deviation of the source's operator under perturbed rounding.
        target: the fragment's value in the declared precision.
    """
    return judge_declared(Reference("", declared, exact, variance), target)
