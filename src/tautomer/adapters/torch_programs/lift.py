"""Run a captured graph in its own precision, lifted to float64, or lifted with every rounding perturbed.

What float64 means here: exact arithmetic on the program as its declared precision states it. Constants and Python
scalars are rounded as the declared kernel rounds them and then lifted; explicit casts to a narrower format are part of
the function; decisions come from the capture (docs/explanation/numerics.md).
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import torch
from torch.utils import _pytree as pytree

from tautomer.adapters.torch_programs.autocast import with_explicit_casts
from tautomer.adapters.torch_programs.default_scalars import with_default_scalars
from tautomer.adapters.torch_programs.perturbation import (
    PERTURBATION_U,
    noisy,
    noisy_below_maximum,
    shifted,
    smaller_operand,
    with_noisy_term,
)
from tautomer.adapters.torch_programs.quantization import COMPUTED_HERE, lifted_quantization
from tautomer.numerics.branches import Branches
from tautomer.numerics.formats import unit_roundoff

LIFTED = {
    torch.float8_e4m3fn: torch.float64,
    torch.float8_e5m2: torch.float64,
    torch.float16: torch.float64,
    torch.bfloat16: torch.float64,
    torch.float32: torch.float64,
    torch.complex32: torch.complex128,
    torch.complex64: torch.complex128,
}
UNIT_ROUNDOFF = {
    dtype: unit_roundoff(str(dtype).removeprefix("torch."))
    for dtype in (*LIFTED, torch.float64, torch.complex128)
    if dtype != torch.complex32
}

_EXACT = frozenset(
    """
    abs alias amax amin arange argmax argmin argsort as_strided broadcast_to bucketize cat ceil channel_shuffle chunk
    clamp clamp_max clamp_min clone concat concatenate constant_pad_nd contiguous copy copysign cummax cummin detach
    diag diag_embed diagonal dropout embedding empty expand eye fill flatten flip floor frac full full_like gather
    hardtanh hstack index index_copy index_fill index_put index_select isnan item kthvalue lift_fresh_copy masked_fill
    masked_scatter masked_select max max_pool1d max_pool2d max_pool3d max_pool2d_with_indices maximum median min minimum
    narrow neg new_empty new_full new_ones new_zeros nonzero ones ones_like one_hot pad permute pixel_shuffle
    pixel_unshuffle reflection_pad1d reflection_pad2d relu relu6 repeat repeat_interleave replication_pad1d
    replication_pad2d reshape reshape_as roll rot90 round scalar_tensor scatter select select_scatter sign slice
    slice_scatter sort split split_with_sizes squeeze stack swapaxes t take take_along_dim threshold tile to topk
    transpose tril triu trunc unbind unflatten unfold unsafe_chunk unsafe_split unsqueeze view view_as where zero zeros
    zeros_like _to_copy _unsafe_view fmod nan_to_num unique unique_consecutive feature_dropout alpha_dropout
    native_dropout upsample_nearest1d upsample_nearest2d upsample_nearest3d
    """.split()
)
"""ATen operators that move, choose or negate values without rounding."""

_CHOOSES = frozenset(
    """
    abs amax amin argmax argmin argsort bucketize ceil clamp clamp_max clamp_min copysign cummax cummin floor frac
    fmod hardtanh isnan kthvalue max max_pool1d max_pool2d max_pool3d max_pool2d_with_indices maximum median min
    minimum nan_to_num neg relu relu6 round sign sort t threshold topk trunc where masked_fill embedding
    """.split()
)
"""Exact operators whose results are values of their own, not only elements in other places."""

_SUMS = frozenset({"add", "sub", "rsub"})
_SHIFTED_BY_MAXIMUM = frozenset({"softmax", "_softmax", "log_softmax", "_log_softmax", "logsumexp"})

_OF_UNIT_RANGE = frozenset(
    {"sigmoid", "elu", "celu", "selu", "lstm", "gru", "lstm_cell", "gru_cell", "rnn_tanh", "rnn_tanh_cell"}
)
_OF_ARGUMENT_RANGE = frozenset({"silu", "gelu", "mish"})
"""Functions (and layers gated by them) that libraries approximate with an absolute error, of the size of a rounding of
their range: a relative one would demand of their tails what no vectorised kernel gives (docs/decisions/0005)."""

FACTORIES_IN_DOUBLE = frozenset({"arange", "linspace", "range"})
"""Their kernels take the Python scalars in double precision, so these are not rounded first."""

_CASTS = frozenset({"to", "_to_copy", "type_as", "_autocast_to_reduced_precision", "_autocast_to_full_precision"})


class NotLiftable(Exception):
    """An operator has no float64 counterpart; its text names the operator."""


def lifted(tensor: torch.Tensor) -> torch.Tensor:
    """A copy in float64 (complex128), or the tensor itself where it is an integer, a boolean or already double."""
    target = LIFTED.get(tensor.dtype)
    return tensor if target is None else tensor.to(target)


def base_name(target: Any) -> str:
    """An operator's name without namespace, overload and the underscore of its in-place form; empty for others."""
    name = target._schema.name.rpartition("::")[2] if isinstance(target, torch._ops.OpOverload) else ""
    return name[:-1] if name.endswith("_") and not name.startswith("__") else name


def moves_values(name: str) -> bool:
    """Whether an operator only puts elements in other places (or makes constants)."""
    return name in _EXACT and name not in _CHOOSES


def _declared(node: Any) -> list[torch.dtype | None]:
    value = node.meta.get("val") if isinstance(node, torch.fx.Node) else None
    return [leaf.dtype if isinstance(leaf, torch.Tensor) else None for leaf in pytree.tree_leaves(value)]


class GraphRun(torch.fx.Interpreter):
    """One execution of a captured graph.

    Args:
        graph: from `capture`.
        lift: compute in float64.
        perturbation: a generator; every rounding is perturbed with it. Only with `lift`.
        observe: called with every node of the graph and its result.
        decisions: results that stand in the place of those the nodes of these names compute.
        branches: conditions of loops and branches to take, or to record.
        shifts: by node, for each argument how far its elements may be moved either way, to turn what the node decides.
            Only with `perturbation`.
    """

    def __init__(
        self,
        graph: torch.fx.GraphModule,
        *,
        lift: bool,
        perturbation: torch.Generator | None = None,
        observe: Callable[[torch.fx.Node, Any], None] | None = None,
        decisions: Mapping[str, torch.Tensor] | None = None,
        branches: Branches | None = None,
        shifts: Mapping[str, Sequence[Any]] | None = None,
    ) -> None:
        super().__init__(graph)
        self._shifts = shifts or {}
        self._lift = lift
        self._generator = perturbation
        self._observe = observe
        self._decisions = decisions or {}
        self._branches = branches or Branches()
        self._mutates = _mutates(graph)
        self._node: torch.fx.Node | None = None

    @property
    def current_node(self) -> torch.fx.Node | None:
        """The node that runs."""
        return self._node

    def outputs(self, *inputs: torch.Tensor) -> list[torch.Tensor]:
        """The graph's outputs. Inputs are copied first."""
        given = [lifted(tensor.detach()).clone() if self._lift else tensor.detach().clone() for tensor in inputs]
        previous = torch.get_default_dtype()
        try:
            if self._lift:
                torch.set_default_dtype(torch.float64)
            with torch.no_grad():
                result = self.run(*given)
        finally:
            torch.set_default_dtype(previous)
        results = list(result) if isinstance(result, list | tuple) else [result]
        return [lifted(one) if self._lift and isinstance(one, torch.Tensor) else one for one in results]

    def flat_outputs(self, flat: Sequence[Any]) -> list[Any]:
        """Outputs of an exported program's graph, from its flattened inputs (tensors, Python values and None)."""
        given = [lifted(leaf.detach()).clone() if isinstance(leaf, torch.Tensor) else leaf for leaf in flat]
        previous = torch.get_default_dtype()
        try:
            torch.set_default_dtype(torch.float64)
            with torch.no_grad():
                result = self.run(*given, enable_io_processing=False)
        finally:
            torch.set_default_dtype(previous)
        return pytree.tree_leaves(result)

    def run_node(self, n: torch.fx.Node) -> Any:
        """Remember which node runs, for its declared types and for errors."""
        self._node = n
        result = super().run_node(n)
        if n.name in self._decisions:
            result = self._decisions[n.name].to(result.dtype)
        if self._observe is not None:
            self._observe(n, result)
        return result

    def get_attr(self, target: Any, args: Any, kwargs: Any) -> Any:
        """A parameter, buffer or constant, lifted as it is used."""
        value = super().get_attr(target, args, kwargs)
        if not isinstance(value, torch.Tensor):
            return value
        value = value.detach()
        if self._lift and value.dtype in LIFTED:
            return lifted(value)
        return value.clone() if self._mutates else value

    def call_function(self, target: Any, args: Any, kwargs: Any) -> Any:
        """One operator, in the precision of this run."""
        if isinstance(target, torch._ops.HigherOrderOperator):
            return self._higher_order(target, args, kwargs)
        if not self._lift:
            return super().call_function(target, args, kwargs)
        if not isinstance(target, torch._ops.OpOverload):
            return super().call_function(target, args, kwargs)
        name = base_name(target)
        if name.startswith("_assert"):
            return None  # asserts about types hold for the declared precision only; the native run checks them
        if name == "view" and target._overloadname == "dtype":
            raise NotLiftable(f"{target} reinterprets bits")
        if torch.Tag.nondeterministic_seeded in target.tags and not any(
            isinstance(leaf, torch.Tensor) for leaf in pytree.tree_leaves((args, kwargs))
        ):
            return pytree.tree_map_only(torch.Tensor, lifted, target(*args, **kwargs))
        if self._generator is not None and self._node is not None and self._node.name in self._shifts:
            args = shifted(args, self._shifts[self._node.name], self._generator)
        return self.perturbed(target, args, kwargs, generator=self._generator)

    def perturbed(self, target: Any, args: Any, kwargs: Any, *, generator: torch.Generator | None) -> Any:
        """One operator in float64, with its rounding perturbed where a generator is given.

        Raises:
            NotLiftable: it cannot be computed in float64.
        """
        name = base_name(target)
        declared = _declared(self._node)
        args, kwargs = self._lift_arguments(
            name, *with_default_scalars(target, args, kwargs, self._input_dtypes()), declared
        )
        exact = name in _EXACT or is_view(target)
        if generator is not None and not exact and torch.Tag.pointwise not in target.tags:
            if name in _SHIFTED_BY_MAXIMUM:
                args = (noisy_below_maximum(args[0], args[1], self._smallest_u(), generator), *args[1:])
            else:
                args, kwargs = self._perturbed_inputs(args, kwargs, generator)
        elif generator is not None:
            args = with_noisy_term(name, args, kwargs, self._smallest_u(), generator)
        most = smaller_operand(args, kwargs) if generator is not None and name in _SUMS else None
        try:
            here = name in COMPUTED_HERE
            result = lifted_quantization(target, args, kwargs) if here else target(*args, **kwargs)
        except (RuntimeError, NotImplementedError, TypeError, AssertionError, ValueError) as error:
            raise NotLiftable(f"{target}: {str(error).splitlines()[0] if str(error) else error!r}") from error
        if name in _CASTS:
            result = self._round_narrowing(result, declared)
        if generator is not None and not exact:
            in_place = target._schema.is_mutable
            result = self._perturbed_result(result, declared, generator, in_place=in_place, most=most)
            if name in _OF_UNIT_RANGE or name in _OF_ARGUMENT_RANGE:
                argument = args[0] if name in _OF_ARGUMENT_RANGE else None
                result = self._approximated(result, argument, declared, generator)
        return result

    def call_module(self, target: Any, args: Any, kwargs: Any) -> Any:
        """Guards of an exported program; the native run checks them."""
        return None if self._lift and "guard" in str(target) else super().call_module(target, args, kwargs)

    def _lift_arguments(self, name: str, args: Any, kwargs: Any, declared: list[torch.dtype | None]) -> tuple[Any, Any]:
        floating = next((dtype for dtype in [*declared, *self._input_dtypes()] if dtype in LIFTED), None)
        round_scalars = floating is not None and name not in FACTORIES_IN_DOUBLE

        def one(leaf: Any) -> Any:
            if isinstance(leaf, torch.dtype):
                return LIFTED.get(leaf, leaf)
            if isinstance(leaf, float) and round_scalars:
                # CPU kernels of float16 and bfloat16 take scalars in float32 too.
                return float(torch.tensor(leaf, dtype=torch.float32))
            return leaf

        return pytree.tree_map(one, args), pytree.tree_map(one, kwargs)

    def _input_dtypes(self) -> list[torch.dtype | None]:
        assert self._node is not None
        return [dtype for source in self._node.all_input_nodes for dtype in _declared(source)]

    def _round_narrowing(self, result: Any, declared: list[torch.dtype | None]) -> Any:
        to = declared[0] if declared else None
        source = next(iter(self._input_dtypes()), None)
        if not isinstance(result, torch.Tensor) or to not in LIFTED or source is None or to == source:
            return result
        widens = (
            source in UNIT_ROUNDOFF and UNIT_ROUNDOFF[source] >= UNIT_ROUNDOFF.get(to, 0.0) and source != torch.float16
        )
        if source == torch.float16 and to == torch.float32:
            widens = True
        if source == torch.float64 and to == torch.float32:
            widens = True  # float32 is the precision that is lifted: its roundings are none, whatever came before
        return result if widens else _rounded_once(result, to).to(LIFTED[to])

    def _perturbed_inputs(self, args: Any, kwargs: Any, generator: torch.Generator) -> tuple[Any, Any]:
        u = self._smallest_u()
        assert self._node is not None
        # A backward error of an inner product can be put on either factor: on the values, which are fewer than weights.
        weights = {id(self.env[source]) for source in self._node.all_input_nodes if source.op == "get_attr"}
        if "attention" in str(self._node.target):
            weights |= {id(mask) for mask in (*args[3:4], kwargs.get("attn_mask")) if mask is not None}

        def one(tensor: torch.Tensor) -> torch.Tensor:
            return tensor if id(tensor) in weights else noisy(tensor, u, generator)

        return pytree.tree_map_only(torch.Tensor, one, args), pytree.tree_map_only(torch.Tensor, one, kwargs)

    def _smallest_u(self) -> float:
        return min((UNIT_ROUNDOFF[dtype] for dtype in self._input_dtypes() if dtype in UNIT_ROUNDOFF), default=0.0)

    def _perturbed_result(
        self,
        result: Any,
        declared: list[torch.dtype | None],
        generator: torch.Generator,
        *,
        in_place: bool,
        most: torch.Tensor | None,
    ) -> Any:
        leaves, spec = pytree.tree_flatten(result)
        changed = []
        for leaf, dtype in zip(leaves, declared if len(declared) == len(leaves) else [None] * len(leaves), strict=True):
            u = UNIT_ROUNDOFF.get(dtype, 0.0) if dtype is not None else 0.0
            if not isinstance(leaf, torch.Tensor):
                changed.append(leaf)
            elif in_place and u and leaf.is_floating_point():
                changed.append(leaf.copy_(noisy(leaf, u, generator, most)))
            else:
                changed.append(noisy(leaf, u, generator, most))
        return pytree.tree_unflatten(changed, spec)

    def _approximated(
        self, result: Any, argument: Any, declared: list[torch.dtype | None], generator: torch.Generator
    ) -> Any:
        u = UNIT_ROUNDOFF.get(declared[0], 0.0) if declared and declared[0] is not None else 0.0
        if not u:
            return result
        if isinstance(result, list | tuple):
            return type(result)(self._approximated(one, argument, declared, generator) for one in result)
        if not isinstance(result, torch.Tensor) or not result.is_floating_point():
            return result
        range_ = 1.0 if argument is None or argument.shape != result.shape else argument.abs()
        noise = torch.rand(result.shape, generator=generator, dtype=torch.float64)
        return result + (2.0 * noise - 1.0) * (PERTURBATION_U * u) * range_

    def _higher_order(self, target: Any, args: Any, kwargs: Any) -> Any:
        name = target.name()
        if name == "cond":
            predicate, when_true, when_false, operands = args
            return self._nested(when_true if self._branches.decide(bool(predicate)) else when_false, operands)
        if name == "while_loop":
            condition, body, carried, *rest = args
            extra = tuple(rest[0]) if rest else ()
            state = tuple(carried)
            while self._branches.decide(bool(self._nested(condition, (*state, *extra)))):
                following = self._nested(body, (*state, *extra))
                state = tuple(following) if isinstance(following, list | tuple) else (following,)
            return state
        if name in ("wrap_with_set_grad_enabled", "wrap_with_autocast", "wrap"):
            submodule = next(index for index, one in enumerate(args) if isinstance(one, torch.fx.GraphModule))
            region, operands = args[submodule], args[submodule + 1 :]
            if name == "wrap_with_autocast":
                region = with_explicit_casts(region, operands, args[:submodule])
            return self._nested(region, operands)
        if not self._lift:
            return super().call_function(target, args, kwargs)
        raise NotLiftable(f"higher-order operator {name}")

    def _nested(self, graph: torch.fx.GraphModule, operands: Any) -> Any:
        inner = GraphRun(graph, lift=self._lift, perturbation=self._generator, branches=self._branches)
        return inner.run(*operands)


def is_view(target: torch._ops.OpOverload) -> bool:
    """Whether its results share memory with its arguments."""
    return any(value.alias_info is not None and not value.alias_info.is_write for value in target._schema.returns)


def _rounded_once(value: torch.Tensor, to: torch.dtype) -> torch.Tensor:
    """`value` in the format `to`, rounded once: PyTorch converts through float32, to which it is rounded to odd here.

    Source: Boldo & Melquiond, IEEE Transactions on Computers 57(4), 2008 (doi 10.1109/TC.2007.70819).
    """
    if value.dtype != torch.float64 or not to.is_floating_point or to.itemsize > 2:
        return value.to(to)
    single = value.float()
    away = torch.where(value > single.double(), torch.inf, -torch.inf).to(torch.float32)
    is_even = single.view(torch.int32) & 1 == 0
    is_inexact = (single.double() != value) & ~value.isnan()
    return torch.where(is_inexact & is_even, torch.nextafter(single, away), single).to(to)


def _mutates(graph: torch.fx.GraphModule) -> bool:
    """Whether some operator writes into its arguments, so that constants must be copied before the run."""
    return any(
        isinstance(node.target, torch._ops.OpOverload) and node.target._schema.is_mutable for node in graph.graph.nodes
    )
