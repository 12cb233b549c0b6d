"""The judge: is a target's value the source's, up to rounding that the source's own arithmetic explains?

Three answers about one output on one input set, each from numbers that no user chooses (docs/explanation/numerics.md):
the strict comparison, the semantic residual (two functions in float64), and the error of the target's own arithmetic
against the envelope of the source's.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from tautomer.model import Scalar, Tensor
from tautomer.numerics.formats import SMALLEST_NORMAL, unit_roundoff
from tautomer.numerics.policies import without_flushing, without_underflow
from tautomer.numerics.strict import StrictDifference, Strictness, strict_differences
from tautomer.numerics.ties import TieKeys

Array = np.ndarray[Any, Any]

ENVELOPE_SAMPLES = 8
PERTURBATION_STD_U = 4.0 / np.sqrt(3.0)
"""Standard deviation, in u, of a uniform perturbation of half-width 4 u, which the envelope is made with."""

SEMANTIC_LIMIT_U = 1e-3
"""Two equal functions in float64 agree to about 1e-8 u of float32; folded constants show at 1 to 3 u."""

SEMANTIC_LIMIT_FLOAT64_ROUNDINGS = 16.0
RMS_LIMIT = 2.0
MAX_LIMIT = 16.0
SOURCE_FACTOR = 4.0
"""A target's RMS error may be the source's own times this: 17 sane operators had at most 3.7."""

SOURCE_FACTOR_OF_ONE = 10.0
"""One element may err as much as the source's worst times this: ONNX Runtime's tanh in the tail of gelu has 5."""

STEP_U = 64.0
"""A perturbed run that is off by more, relative to the element, has decided otherwise somewhere."""

UNDECIDED_LIMIT = 0.01

VISIBLE_U = 4.0
"""A difference of functions below this may be hidden by ordinary rounding, and is judged by what it is in float64."""

HIDDEN_SHARE = 0.25
"""Where the declared precision shows no more than this share of a difference of functions, it hides it."""


@dataclass(frozen=True, slots=True)
class Reference:
    """What the source says of one output on one input set.

    Attributes:
        path: of the output.
        declared: its value in its own precision.
        exact: its value in float64; None where that could not be computed.
        variance: mean square deviation of the perturbed runs; None without `exact`.
        flips: for integers and booleans, where a perturbed run gave another value.
        ties: for indices that were chosen by value, where the choice among equals was open.
        same_decisions: the reference under the decisions that the source's declared run took, where some of them hang
            on its rounding; this one then stands for runs in which they turn.
        decides: whether the source rounds to integers or quantizes on its way, so that what a perturbed run changes
            comes in whole steps, which do not grow with the element.
    """

    path: str
    declared: Tensor | Scalar
    exact: Array | None = None
    variance: Array | None = None
    flips: Array | None = None
    ties: TieKeys | None = None
    same_decisions: Reference | None = None
    decides: bool = False

    @property
    def u(self) -> float:
        """Unit roundoff of the declared type."""
        return unit_roundoff(self.declared.dtype) if isinstance(self.declared, Tensor) else 2.0**-24


@dataclass(frozen=True, slots=True)
class Judgement:
    """What the judge says of one output on one input set.

    Attributes:
        path: of the output.
        strict: differences that no rounding explains.
        semantic_residual_u: max |t64 - s64| / (u scale); None where it was not computed.
        semantic_limit_u: what it may be.
        rounding_ratio: the target's error over its limit; above 1 is a finding.
        stability_rho: RMS error of the target over that of the source.
        max_abs: largest |t - s| among finite elements, in the declared precision.
        error: |t - s64| of the element that its envelope explains worst.
        explained: the largest error of that element that rounding explains.
        undecided: elements left open because the source's own rounding can change them.
        turned: whether the value is explained only if decisions turned that hang on rounding.
        reason: why something could not be judged.
    """

    path: str
    strict: tuple[StrictDifference, ...] = ()
    semantic_residual_u: float | None = None
    semantic_limit_u: float = SEMANTIC_LIMIT_U
    rounding_ratio: float | None = None
    stability_rho: float | None = None
    max_abs: float | None = None
    error: float | None = None
    explained: float | None = None
    undecided: int = 0
    turned: bool = False
    reason: str | None = None

    @property
    def semantic_fault(self) -> bool:
        """Whether the two functions differ."""
        return self.semantic_residual_u is not None and not self.semantic_residual_u <= self.semantic_limit_u

    @property
    def rounding_fault(self) -> bool:
        """Whether the target's arithmetic errs more than the source's explains."""
        return self.rounding_ratio is not None and not self.rounding_ratio <= 1.0

    @property
    def faulty(self) -> bool:
        """Whether anything is wrong."""
        return bool(self.strict) or self.semantic_fault or self.rounding_fault


def judge_declared(reference: Reference, target: Tensor | Scalar | None) -> Judgement:
    """Judge a value that the target computed in its declared precision.

    Source of the statistic: the deviation of each element is measured in standard deviations of the source's own
    perturbed runs; its variance is shrunk toward what its magnitude suggests, s2 = (N v + 4 m) / (N + 4).
    """
    if reference.same_decisions is not None:
        as_source = judge_declared(reference.same_decisions, target)
        if not as_source.faulty:
            return as_source
        turned = judge_declared(replace(reference, same_decisions=None), target)
        return as_source if turned.faulty else replace(turned, turned=True, undecided=max(turned.undecided, 1))
    strict = strict_differences(reference.path, reference.declared, target, reference.flips, reference.ties)
    open_elements = sum(one.undecided for one in strict)
    kept = tuple(one for one in strict if not _all_undecided(one, reference))
    judgement = Judgement(reference.path, kept, undecided=open_elements)
    source = reference.declared
    if not isinstance(source, Tensor) or not isinstance(target, Tensor) or source.shape != target.shape:
        return judgement
    target = without_flushing(source, target)
    if not source.is_floating or not target.is_floating:
        if open_elements > UNDECIDED_LIMIT * max(source.array.size, 1):
            return replace(
                judgement, reason=f"{open_elements} elements of '{reference.path}' hang on the source's own rounding"
            )
        return judgement
    s32, t32 = source.float64(), target.float64()
    with np.errstate(all="ignore"):
        finite = np.isfinite(s32) & np.isfinite(t32)
        difference = np.abs(t32 - s32)[finite]
    judgement = replace(judgement, max_abs=float(difference.max()) if difference.size else 0.0)
    if reference.exact is None or reference.variance is None or reference.exact.shape != s32.shape:
        if difference.size and difference.max() > 0:
            return replace(judgement, reason=f"output '{reference.path}' has no float64 reference to be judged against")
        return judgement
    finite &= np.isfinite(reference.exact)
    return _against_envelope(judgement, reference, s32, t32, finite)


def _all_undecided(difference: StrictDifference, reference: Reference) -> bool:
    """Whether every differing element is one that the source's own rounding can change."""
    if (
        difference.kind is not Strictness.EXACT
        or not difference.undecided
        or not isinstance(reference.declared, Tensor)
    ):
        return False
    return difference.undecided >= round(difference.share * reference.declared.array.size)


def _against_envelope(judgement: Judgement, reference: Reference, s32: Array, t32: Array, finite: Array) -> Judgement:
    exact, variance = reference.exact, reference.variance
    if exact is None or variance is None or not finite.any():
        return judgement
    e_target, e_source = t32[finite] - exact[finite], s32[finite] - exact[finite]
    if isinstance(reference.declared, Tensor):
        e_target = without_underflow(e_target, reference.declared.dtype)
    spread = _spread(variance, reference)[finite]
    z_target, z_source = _ratio(e_target, spread), _ratio(e_source, spread)
    # Clipped, so that the RMS speaks of the tensor; what one element may do is the other limit's matter.
    rms_target, rms_source = (_rms(np.minimum(z, MAX_LIMIT)) for z in (z_target, z_source))
    rms_limit = max(RMS_LIMIT, SOURCE_FACTOR * rms_source)
    max_limit = max(MAX_LIMIT, SOURCE_FACTOR_OF_ONE * float(z_source.max()))
    worst = int(z_target.argmax())
    if reference.decides:
        # Steps are rare and large: how often they fall is told by the tensor as a whole, not by any one element.
        expected = max(_rms(np.sqrt(variance[finite])), _rms(e_source), reference.u * _rms(exact[finite]))
        rms_target = max(rms_target, RMS_LIMIT * _rms(e_target) / (SOURCE_FACTOR * expected) if expected else 0.0)
    floor = reference.u * _rms(exact[finite])
    scale = max(_rms(e_source), _rms(spread), floor)
    return replace(
        judgement,
        rounding_ratio=max(rms_target / min(rms_limit, MAX_LIMIT), float(z_target.max()) / max_limit),
        stability_rho=_rms(e_target) / scale if scale else (0.0 if not e_target.any() else float("inf")),
        error=float(np.abs(e_target[worst])),
        explained=float(max_limit * spread[worst]) if np.isfinite(max_limit) else None,
    )


def judge_exact(
    reference: Reference, target: Any, constants_variance: Array | None = None, *, local: bool = False
) -> Judgement:
    """Judge a value that the target computed in float64: do the two functions agree?

    Args:
        reference: with `exact`.
        target: the target's float64 value, or None where it has none.
        constants_variance: mean square deviation of runs with every derived constant perturbed by one rounding. Where
            it is given, a residual that those roundings explain is no fault: the constants were folded in float32.
        local: the value was computed from the source's own float64 values, so that no decision of the source's
            declared run can have taken another way.
    """
    judgement = Judgement(reference.path)
    if not isinstance(reference.declared, Tensor) or not reference.declared.is_floating:
        return judgement
    if reference.exact is None:
        return replace(judgement, reason=f"output '{reference.path}' of the source has no float64 value")
    if target is None or np.shape(target) != reference.exact.shape:
        return judgement  # the strict comparison has named it
    s, t = reference.exact, np.asarray(target)
    s32 = reference.declared.float64()
    with np.errstate(all="ignore"):
        # Non-finite values are compared in the declared precision only: float64 has another range.
        finite = np.isfinite(s) & np.isfinite(t) & np.isfinite(s32)
        inaccurate = finite & _inaccurate(reference, s32) if not local else np.zeros(s.shape, dtype=bool)
        finite &= ~inaccurate
        gap = np.abs(t - s)
    if inaccurate.any() and np.any(gap[inaccurate] > SEMANTIC_LIMIT_U * reference.u * np.abs(s[inaccurate])):
        said = f"the source is not accurate in {int(inaccurate.sum())} elements of output '{reference.path}'"
        judgement = replace(judgement, reason=f"{said}, and the functions differ there in exact arithmetic")
    if not finite.any():
        return replace(judgement, semantic_residual_u=0.0)
    difference = gap[finite]
    smallest = SMALLEST_NORMAL.get(reference.declared.dtype, 2.0**-126)
    conditioned = (
        _spread(reference.variance, reference) / PERTURBATION_STD_U / reference.u
        if reference.variance is not None
        else 0.0
    )
    scale = np.maximum(np.maximum(np.abs(s), conditioned), smallest)[finite]
    residual = float((difference / scale).max() / reference.u)
    limit = max(SEMANTIC_LIMIT_U, SEMANTIC_LIMIT_FLOAT64_ROUNDINGS * 2.0**-53 / reference.u)
    if residual > limit and constants_variance is not None and constants_variance.shape == s.shape:
        z = _ratio(difference, np.sqrt(_shrunk(constants_variance, s))[finite])
        if _rms(z) <= RMS_LIMIT and float(z.max()) <= MAX_LIMIT:
            limit = residual
    return replace(judgement, semantic_residual_u=residual, semantic_limit_u=limit)


def hidden(reference: Reference, exact: Array, declared: Tensor) -> bool:
    """Whether the declared precision shows nothing of what exact arithmetic would tell apart.

    Args:
        reference: the source's value.
        exact: the target's in float64.
        declared: the target's in the declared precision.
    """
    if not isinstance(reference.declared, Tensor) or reference.exact is None or exact.shape != reference.exact.shape:
        return False
    if declared.shape != reference.declared.shape:
        return False
    with np.errstate(all="ignore"):
        gap = np.abs(exact - reference.exact)
        shown = np.abs(declared.float64() - reference.declared.float64())
        comparable = np.isfinite(gap) & np.isfinite(shown)
    if not comparable.any():
        return False
    worst = comparable & (gap >= 0.5 * gap[comparable].max())
    return bool(np.all(shown[worst] <= HIDDEN_SHARE * gap[worst]))


def _inaccurate(reference: Reference, s32: Array) -> Array:
    """Elements where the source's own value is far outside its envelope: there it decides otherwise than float64."""
    if reference.exact is None or reference.variance is None:
        return np.zeros(s32.shape, dtype=bool)
    with np.errstate(all="ignore"):
        z = _ratio(s32 - reference.exact, _spread(reference.variance, reference))
    return np.asarray(np.nan_to_num(z, nan=np.inf) > 64 * MAX_LIMIT)


def _spread(variance: Array, reference: Reference) -> Array:
    """Standard deviation of each element, never below what storing the number in its format costs near zero."""
    dtype = reference.declared.dtype if isinstance(reference.declared, Tensor) else "float32"
    floor = SMALLEST_NORMAL.get(dtype, 2.0**-126) * unit_roundoff(dtype)
    exact = reference.exact if reference.exact is not None else np.zeros_like(variance)
    return np.asarray(np.sqrt(_shrunk(variance, exact, STEP_U * reference.u if reference.decides else None) + floor**2))


def _shrunk(variance: Array, exact: Array, step: float | None = None) -> Array:
    """Variances shrunk, componentwise, toward the tensor's median relative variance times the element's own square.

    A tensor-wide mean would give a small element the allowance of a large one beside it. Only one that is exactly
    zero in every sample has no scale of its own and borrows the tensor's median.

    Where the source decides, deviations beyond `step` times the element come from decisions, and a step of quantization
    is as large for a small element: then the median of those deviations themselves is the least there is.
    """
    with np.errstate(all="ignore"):
        square = np.square(np.abs(exact))
        active = (variance > 0) & np.isfinite(square) & (square > 0)
        if not active.any():
            return variance
        prior = float(np.median(variance[active] / square[active])) * square
        prior = np.where(np.isfinite(prior) & (prior > 0), prior, variance)
        prior = np.where((variance == 0) & (square == 0), float(np.median(variance[active])), prior)
        stepping = active & (variance > np.square(step) * square) if step is not None else np.zeros_like(active)
        if stepping.any():
            prior = np.maximum(prior, float(np.median(variance[stepping])))
    return np.asarray((ENVELOPE_SAMPLES * variance + 4 * prior) / (ENVELOPE_SAMPLES + 4))


def _ratio(errors: Array, spread: Array) -> Array:
    with np.errstate(all="ignore"):
        return np.where(errors == 0, 0.0, np.abs(errors) / spread)


def _rms(values: Array) -> float:
    if not values.size:
        return 0.0
    with np.errstate(over="ignore"):
        return float(np.sqrt(np.mean(np.square(np.abs(values)))))
