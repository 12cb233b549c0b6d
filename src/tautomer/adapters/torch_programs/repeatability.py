"""Find a source or a target that differs from itself, and the first operator that does, before anything is compared.

Four ways of differing are told apart, since each asks for something else: on repeat with the same state and seed
(nondeterministic), with what unwritten memory holds, when called again without its state being put back, and with
another seed of the random generators.
"""

from __future__ import annotations

import hashlib
import traceback
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from tautomer.adapters.variation import Variation, Varies, differing, first_difference
from tautomer.model import Tensor

if TYPE_CHECKING:
    from tautomer.adapters.torch_programs.preparation import PreparedProgram


def variations(prepared: PreparedProgram, *, index: int = 0, repeats: int = 2) -> list[Variation]:
    """Every way in which a source differs from itself on one input set; empty for a sound source.

    A sound source costs two runs: one as always, one with another seed, with the state that the first has left, and
    with other values in memory that nothing has written.

    Args:
        prepared: the program.
        index: of the input set.
        repeats: runs with everything equal, once something has differed: a race need not show the first time.

    Raises:
        UserCodeError: the model raised.
    """
    first = _Run(prepared, index, restore=False).values
    suspicious = _Run(prepared, index, seed=1, keep_state=True, fill=1)
    if first_difference(first, suspicious.values) is None:
        return []
    found: list[Variation] = []
    # All runs from here on are watched, so that watching itself makes no difference between them.
    base = _Run(prepared, index, fill=0, watched=True)
    for _ in range(max(1, repeats)):
        again = _Run(prepared, index, fill=0, watched=True)
        if first_difference(base.values, again.values) is not None:
            # What differs on repeat differs with everything else too: no other reason can be told from it.
            return [_variation(Varies.ON_REPEAT, base, again)]
    for varies, other in (
        (Varies.WITH_MEMORY, {"fill": 1}),
        (Varies.WITH_STATE, {"keep_state": True}),
        (Varies.WITH_SEED, {"seed": 1}),
    ):
        if varies is Varies.WITH_STATE:
            _Run(prepared, index, fill=0, restore=False)
        run = _Run(prepared, index, **{"fill": 0, "watched": True, **other})  # type: ignore[arg-type]
        if first_difference(base.values, run.values) is not None:
            found.append(_variation(varies, base, run))
    if not found:
        # Watching can choose other kernels; then nothing differs. What differs unwatched only is named without a place.
        again = _Run(prepared, index)
        shown = first_difference(first, again.values)
        if shown is not None:
            outputs = differing(first, again.values)
            found.append(Variation(Varies.ON_REPEAT, outputs, None, None, f"output '{shown.name}' is {shown.detail}"))
    return found


def _variation(varies: Varies, base: _Run, other: _Run) -> Variation:
    outputs = differing(base.values, other.values)
    shown = first_difference(base.values, other.values)
    detail = f"output '{shown.name}' is {shown.detail}" if shown is not None else "the outputs differ"
    for one, two in zip(base.operators, other.operators, strict=False):
        if one.name != two.name:
            return Variation(varies, outputs, two.name, two.line, f"{one.name} runs at its place in another run")
        if one.arguments != two.arguments:
            scalars = [(a, b) for a, b in zip(one.scalars, two.scalars, strict=False) if a != b]
            told = f"its argument is {scalars[0][0]} against {scalars[0][1]}" if scalars else "its arguments differ"
            return Variation(varies, outputs, one.name, one.line, told)
        if one.results != two.results:
            return Variation(varies, outputs, one.name, one.line, f"equal arguments, other results; {detail}")
    return Variation(varies, outputs, None, None, detail)


@dataclass(frozen=True, slots=True)
class _Operator:
    """One operator as it ran: digests of the tensors it got and gave."""

    name: str
    line: str | None
    arguments: tuple[str, ...]
    scalars: tuple[str, ...]
    results: tuple[str, ...]


class _Run:
    """One run of the source on one input set.

    Attributes:
        values: of its outputs by path.
        operators: in the order they ran, where the run was watched.

    Args:
        seed: added to the program's own.
        keep_state: do not put the state back first.
        restore: put the state back at the end.
        fill: what memory that nothing has written holds: 0 or 1; None as it comes.
    """

    def __init__(
        self,
        prepared: PreparedProgram,
        index: int,
        *,
        seed: int = 0,
        keep_state: bool = False,
        restore: bool = True,
        fill: int | None = None,
        watched: bool = False,
    ) -> None:
        import torch

        from tautomer.adapters.torch_programs.loading import seed_everything
        from tautomer.adapters.torch_programs.trees import leaves_of
        from tautomer.adapters.user_modules import users_code

        if not keep_state:
            prepared.reset()
        seed_everything(prepared.seed + seed)
        one = prepared.program.input_sets[index]
        call = one.call.copied()
        self.operators: list[_Operator] = []
        with users_code("TA126", f"the model itself, on {one.name},", prepared.program.path):
            try:
                with _mode(fill, self.operators if watched else None):
                    result = leaves_of(prepared.program.callable(*call.args, **call.kwargs))
            except NotImplementedError as error:
                if "HigherOrderOperator" not in str(error):
                    raise
                # Control flow given as an operator (`torch.cond`) cannot be watched: it is only run. Each call compiles
                # it, and what was compiled under a watch refuses to run without one.
                torch._dynamo.reset()
                self.operators.clear()
                if not keep_state:
                    prepared.reset()
                seed_everything(prepared.seed + seed)
                call = one.call.copied()
                result = leaves_of(prepared.program.callable(*call.args, **call.kwargs))
        self.values = {path: _copied(value) for path, value in result.tensors().items()}
        if restore:
            prepared.reset()


def _copied(value: Any) -> Any:
    """A copy: an output may be a buffer that the next run writes into."""
    return Tensor(value.dtype, value.array.copy()) if isinstance(value, Tensor) else value


_UNWRITTEN = frozenset({"empty", "empty_like", "empty_strided", "new_empty", "new_empty_strided", "empty_permuted"})


def _mode(fill: int | None, operators: list[_Operator] | None) -> Any:
    """A dispatch mode that fills unwritten memory, and writes down every operator where it is asked to."""
    import contextlib

    from torch.utils import _pytree as pytree
    from torch.utils._python_dispatch import TorchDispatchMode

    from tautomer.adapters.torch_programs.exercise import base_name

    if fill is None and operators is None:
        return contextlib.nullcontext()

    class Watch(TorchDispatchMode):
        def __torch_dispatch__(self, func: Any, types: Any, args: Any = (), kwargs: Any = None) -> Any:
            kwargs = kwargs or {}
            arguments = _digests(pytree.tree_leaves((args, kwargs))) if operators is not None else ()
            result = func(*args, **kwargs)
            unwritten = base_name(func) in _UNWRITTEN
            if unwritten and fill is not None and result.numel():
                result.fill_(bool(fill) if str(result.dtype) == "torch.bool" else fill)
            if operators is not None:
                results = _digests(pytree.tree_leaves(result))
                scalars = tuple(
                    repr(leaf) for leaf in pytree.tree_leaves((args, kwargs)) if isinstance(leaf, bool | int | float)
                )
                operators.append(_Operator(base_name(func), _users_line(), (*arguments, *scalars), scalars, results))
            return result

    return Watch()  # type: ignore[no-untyped-call]


def _digests(leaves: Sequence[Any]) -> tuple[str, ...]:
    import torch

    from tautomer.adapters.torch_programs.trees import to_tensor

    found = []
    for leaf in leaves:
        if isinstance(leaf, torch.Tensor):
            tensor = to_tensor(leaf)
            found.append(hashlib.blake2b(np.ascontiguousarray(tensor.array).data, digest_size=8).hexdigest())
    return tuple(found)


def _users_line() -> str | None:
    """`model.py:12` of the innermost frame that is neither this module's nor PyTorch's."""
    for frame in reversed(traceback.extract_stack()):
        inside = (
            frame.filename == __file__
            or "/site-packages/torch/" in frame.filename
            or "/dist-packages/torch/" in (frame.filename)
        )
        if not inside and not frame.filename.startswith("<"):
            return f"{frame.filename.rsplit('/', 1)[-1]}:{frame.lineno}"
    return None
