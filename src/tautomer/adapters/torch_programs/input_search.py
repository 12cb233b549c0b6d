"""Search for input sets that exercise more of a program than the given ones do.

Every candidate is made from the user's first set, run on the real module, and kept if a watched run of the captured
graph meets an obligation that no earlier set meets, or reaches magnitudes or sizes that none has reached. What is kept
is chosen greedily: the set that adds most, then the one that adds most to that.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch.utils import _pytree as pytree
from torch.utils._python_dispatch import TorchDispatchMode

from tautomer.adapters.torch_programs.capture import Capture, capture
from tautomer.adapters.torch_programs.exercise import Exercise, observe
from tautomer.adapters.torch_programs.input_candidates import RECIPES, InputRole, Recipe, Role, roles_of
from tautomer.adapters.torch_programs.loading import InputSet
from tautomer.adapters.torch_programs.preparation import PreparedProgram, with_sets
from tautomer.adapters.torch_programs.second_size import DynamicDimension, with_sizes
from tautomer.adapters.torch_programs.trees import CallArguments, leaves_of

DEFAULT_LIMIT = 4
"""Input sets added at most."""

_DRAWS_UP_TO = 8
_SMALL_ELEMENTS = 64
"""Inputs of fewer elements in all are drawn anew until this many elements were drawn, 8 times at most."""

_OPERATORS_ALLOWED = 4
"""A candidate may run this many times the operators of the first set; a loop on a changed value may never end."""

_CAPTURES_ALLOWED = 16
"""Candidates that take another way through the program than the first set does, and so need a capture of their own."""

_WEIGHT = {"plain": 4, "edge": 2, "size": 2, "output": 2, "magnitude": 1}
"""What is gained when an obligation is met, when one is met that ordinary values do not meet, and so on."""

_BANDS = (("denormal", -38), ("1e-38 to 1e-30", -30), ("1e-30 to 1e-9", -9), ("1e-9 to 1e-3", -3), ("1e-3 to 1e3", 3),
          ("1e3 to 1e9", 9), ("1e9 to 1e30", 30), ("beyond 1e30", 400))  # fmt: skip
"""Magnitudes of inputs, each with its upper decade. Below 1e-3 cancellation shows, above 1e3 overflow in exp and
float16, above 1e9 squares that overflow, above 1e30 sums that do."""


@dataclass(frozen=True, slots=True)
class FoundInputs:
    """An input set the search adds.

    Attributes:
        name: for the report.
        origin: what it was made from, and how.
        call: the inputs.
        adds: what no earlier set did, one clause each, the weightiest first.
    """

    name: str
    origin: str
    call: CallArguments
    adds: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class _Candidate:
    """A set of inputs that the model accepts, and what a watched run of it showed."""

    name: str
    origin: str
    call: CallArguments
    gains: Mapping[Any, tuple[str, str]]
    """Key of what it does -> its kind (of `_WEIGHT`) and the clause that says it."""
    finite: bool
    captured: bool
    """Whether it needed a capture of its own."""


def search(
    prepared: PreparedProgram,
    captured_by_set: Mapping[int, Capture],
    *,
    limit: int = DEFAULT_LIMIT,
    seed: int = 0,
) -> list[FoundInputs]:
    """Input sets that exercise what the program's own sets do not, at most `limit`.

    The same program, sets and seed give the same answer. A candidate is dropped where the model raises, runs on without
    end, gives nothing but NaN and infinity, or gives other non-finite values than the user's sets and adds no more
    than magnitudes.

    Args:
        prepared: the program with the sets it has.
        captured_by_set: captures by the index of their set, where they exist; the others are made.
        limit: input sets to add at most.
        seed: of the candidates' random values.
    """
    known = {
        index: captured_by_set.get(index) or _captured(prepared, one.call)
        for index, one in enumerate(prepared.program.input_sets)
    }
    roles = roles_of(known[0].graph, [prepared.tensors(index) for index in known])
    done: dict[Any, tuple[str, str]] = {}
    finite = True
    for index, captured in known.items():
        exercise = observe(captured, prepared.tensors(index))
        sizes = _sizes(prepared, prepared.program.input_sets[index].call)
        done |= _gains(exercise, sizes, _bands(prepared.tensors(index), roles))
        finite &= exercise.finite
    candidates: list[_Candidate] = []
    for name, origin, call in _calls(prepared, roles, seed=seed):
        capture_too = sum(one.captured for one in candidates) < _CAPTURES_ALLOWED
        candidate = _tried(prepared, known[0], roles, name=name, origin=origin, call=call, capture_too=capture_too)
        if candidate is not None:
            candidates.append(candidate)
    return _chosen(candidates, done, limit=limit, source_finite=finite)


def with_found_sets(
    prepared: PreparedProgram, captured_by_set: Mapping[int, Capture] | None = None, *, limit: int = DEFAULT_LIMIT
) -> tuple[PreparedProgram, dict[int, tuple[str, ...]]]:
    """The program with the input sets that a search adds, and what each adds, by its index."""
    found = search(prepared, captured_by_set or {}, limit=limit, seed=prepared.seed)
    before = len(prepared.program.input_sets)
    extended = with_sets(prepared, [InputSet(one.name, one.origin, one.call) for one in found])
    return extended, {before + position: one.adds for position, one in enumerate(found)}


def _captured(prepared: PreparedProgram, call: CallArguments) -> Capture:
    prepared.reset()
    try:
        return capture(prepared.program.callable, call)
    finally:
        prepared.reset()


def _calls(
    prepared: PreparedProgram, roles: Sequence[InputRole], *, seed: int
) -> Iterator[tuple[str, str, CallArguments]]:
    first = prepared.program.input_sets[0]
    # Other sizes first: each needs one of the captures allowed.
    for dimensions, size in _other_sizes(prepared.dimensions):
        said = ", ".join(f"{one.path} axis {one.axis}" for one in dimensions)
        wanted = {(one.path, one.axis): size for one in dimensions}
        call = with_sizes(first.call, wanted, paths=prepared.leaves(0).paths)
        yield f"size {size} for {said}", f"derived from {first.name}: size {size} for {said}", call
    yield from (
        (recipe.name, f"derived from {first.name}: {recipe.name}", call)
        for position, recipe in enumerate(RECIPES)
        for call in _changed(prepared, roles, recipe, seed=seed * 1_000_003 + 1009 * position)
    )


def _changed(
    prepared: PreparedProgram, roles: Sequence[InputRole], recipe: Recipe, *, seed: int
) -> Iterator[CallArguments]:
    call = prepared.program.input_sets[0].call
    leaves = pytree.tree_leaves((call.args, call.kwargs))
    elements = sum(one.numel() for one in leaves if isinstance(one, torch.Tensor))
    draws = min(_DRAWS_UP_TO, max(1, _SMALL_ELEMENTS // max(elements, 1))) if recipe.random else 1
    for draw in range(draws):
        changed: list[Any] = []
        position, different = 0, False
        for leaf in leaves:
            if not isinstance(leaf, torch.Tensor):
                changed.append(leaf)
                continue
            generator = torch.Generator().manual_seed(seed + 101 * position + draw)
            other = recipe.change(roles[position], leaf.detach(), generator)
            different |= other is not None and not _same(other, leaf)
            changed.append(leaf if other is None else other)
            position += 1
        if different:
            yield call.rebuilt(changed)


def _other_sizes(dimensions: Sequence[DynamicDimension]) -> Iterator[tuple[list[DynamicDimension], int]]:
    """Each dynamic size as 1, then as 0, where it is declared to go so far."""
    by_symbol: dict[str, list[DynamicDimension]] = {}
    for one in dimensions:
        by_symbol.setdefault(one.symbol, []).append(one)
    for size in (1, 0):
        for group in by_symbol.values():
            if all(one.low <= size <= one.high for one in group) and any(one.size != size for one in group):
                yield group, size


def _same(one: torch.Tensor, other: torch.Tensor) -> bool:
    if one.dtype != other.dtype or one.shape != other.shape:
        return False
    if one.is_floating_point():
        return bool(((one == other) & (one.signbit() == other.signbit()) | (one.isnan() & other.isnan())).all())
    return bool(torch.equal(one, other))


class _TooManyOperators(Exception):
    """A candidate makes the model run far longer than the user's inputs do."""


class _Counted(TorchDispatchMode):
    def __init__(self, allowed: int) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._left = allowed

    def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
        self._left -= 1
        if self._left < 0:
            raise _TooManyOperators
        return func(*args, **(kwargs or {}))


def _tried(
    prepared: PreparedProgram,
    of_first: Capture,
    roles: Sequence[InputRole],
    *,
    name: str,
    origin: str,
    call: CallArguments,
    capture_too: bool,
) -> _Candidate | None:
    """The candidate with what a watched run of it shows; None where the model refuses it or answers nothing finite."""
    try:
        answer = _answer(prepared, call, of_first)
        if not _says_something(answer.values()):
            return None
        tensors = [leaf for leaf in pytree.tree_leaves((call.args, call.kwargs)) if isinstance(leaf, torch.Tensor)]
        exercise = _observed(of_first, tensors, answer)
        own = exercise is None  # other values or sizes take another way through the program
        if exercise is None:
            if not capture_too:
                return None
            exercise = observe(_captured(prepared, call), tensors)
    except Exception:
        return None  # whatever the user's module raises says only that these inputs are not for it
    gains = _gains(exercise, _sizes(prepared, call), _bands(tensors, roles))
    return _Candidate(name, origin, call, gains, exercise.finite, own)


def _answer(prepared: PreparedProgram, call: CallArguments, of_first: Capture) -> dict[str, torch.Tensor]:
    """What the real module says."""
    prepared.reset()
    copied = call.copied()
    higher_order = any(isinstance(node.target, torch._ops.HigherOrderOperator) for node in of_first.graph.graph.nodes)
    try:
        if higher_order:  # these cannot be counted from outside
            result = leaves_of(prepared.program.callable(*copied.args, **copied.kwargs))
        else:
            with _Counted(_OPERATORS_ALLOWED * len(of_first.graph.graph.nodes) + 50):
                result = leaves_of(prepared.program.callable(*copied.args, **copied.kwargs))
    finally:
        prepared.reset()
    return {
        path: value.detach()
        for path, value in zip(result.paths, result.values, strict=True)
        if isinstance(value, torch.Tensor)
    }


def _says_something(values: Any) -> bool:
    floating = [value for value in values if value.is_floating_point() and value.numel()]
    return not floating or any(bool(value.isfinite().any()) for value in floating)


def _observed(captured: Capture, tensors: list[torch.Tensor], answer: Mapping[str, torch.Tensor]) -> Exercise | None:
    """A watched run of the first set's graph, if that graph gives the module's own answer on these inputs too."""
    try:
        exercise = observe(captured, tensors)
    except (RuntimeError, IndexError, ValueError, TypeError):
        return None
    same = exercise.values.keys() == answer.keys() and all(
        _same(value, answer[path]) for path, value in exercise.values.items()
    )
    return exercise if same else None


def _sizes(prepared: PreparedProgram, call: CallArguments) -> dict[str, tuple[str, int]]:
    """Of each symbol of a dynamic dimension: one place where it stands, and its size."""
    leaves = pytree.tree_leaves((call.args, call.kwargs))
    shapes = {
        path: tuple(leaf.shape)
        for path, leaf in zip(prepared.leaves(0).paths, leaves, strict=True)
        if isinstance(leaf, torch.Tensor)
    }
    found: dict[str, tuple[str, int]] = {}
    for one in prepared.dimensions:
        if one.path in shapes:
            found.setdefault(one.symbol, (f"axis {one.axis} of '{one.path}'", shapes[one.path][one.axis]))
    return found


def _bands(tensors: Sequence[torch.Tensor], roles: Sequence[InputRole]) -> list[str]:
    """Magnitudes that occur among the inputs that are numbers."""
    upper = torch.tensor([10.0**decade if decade < 300 else float("inf") for _, decade in _BANDS], dtype=torch.float64)
    found: set[int] = set()
    for tensor, role in zip(tensors, roles, strict=True):
        if role.role is Role.NUMBERS:
            magnitudes = tensor.detach().to(torch.float64).abs()
            finite = magnitudes[(magnitudes > 0) & magnitudes.isfinite()]
            found.update(torch.bucketize(finite, upper).unique().tolist())
    return [_BANDS[position][0] for position in sorted(found)]


def _gains(
    exercise: Exercise, sizes: Mapping[str, tuple[str, int]], bands: Sequence[str]
) -> dict[Any, tuple[str, str]]:
    """Everything this run does that another may not do."""
    found: dict[Any, tuple[str, str]] = {}
    for one in exercise.observations:
        if one.seen.acted:
            line = f" ({one.place.line})" if one.place.line else ""
            said = f"{one.place.operator}{line}: so far {one.seen.lacking}"
            found[one.key] = ("edge" if one.seen.edge else "plain", said)
    for symbol, (said, size) in sizes.items():
        if size < 2:
            found["size", symbol, size] = ("size", f"{said} has size {size}")
    for path, digest in exercise.outputs.items():
        found["output", path, digest] = ("output", f"output '{path}' changes")
    for band in bands:
        found["magnitude", band] = (
            "magnitude",
            f"inputs of magnitude {band}" if band[0].isdigit() else f"{band} inputs",
        )
    return found


def _chosen(
    candidates: Sequence[_Candidate], done: Mapping[Any, tuple[str, str]], *, limit: int, source_finite: bool
) -> list[FoundInputs]:
    """The sets that add most, one after the other; finite answers before others."""
    reached = dict(done)
    left = list(candidates)
    found: list[FoundInputs] = []
    while left and len(found) < limit:
        scores = [_score(one, reached, source_finite=source_finite) for one in left]
        best = max(scores)
        if best[1] <= 0:
            break
        chosen = left.pop(scores.index(best))
        found.append(
            FoundInputs(chosen.name, chosen.origin, chosen.call, _clauses(list(_new(chosen, reached).values())))
        )
        reached |= chosen.gains
    return found


def _new(candidate: _Candidate, reached: Mapping[Any, tuple[str, str]]) -> dict[Any, tuple[str, str]]:
    """What a candidate does that was not reached; an output that has already changed counts no more."""
    changed = [key[1] for key in reached if key[0] == "output"]
    return {
        key: said
        for key, said in candidate.gains.items()
        if key not in reached and not (said[0] == "output" and changed.count(key[1]) > 1)
    }


def _clauses(new: Sequence[tuple[str, str]]) -> tuple[str, ...]:
    """What is said of a chosen set, the weightiest first."""
    order = sorted(new, key=lambda one: -_WEIGHT[one[0]])
    return tuple(dict.fromkeys(said for _, said in order))


def _score(candidate: _Candidate, reached: Mapping[Any, tuple[str, str]], *, source_finite: bool) -> tuple[bool, int]:
    """Whether the answer stays finite where the user's does, and what is gained."""
    kinds = [kind for kind, _ in _new(candidate, reached).values()]
    if candidate.finite or not source_finite:
        gain = sum(_WEIGHT[kind] for kind in kinds)
        return gain > 0, gain
    return False, sum(_WEIGHT[kind] for kind in kinds if kind in ("plain", "edge"))
