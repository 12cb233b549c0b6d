"""Repeat the beginning of a PyTorch export to see which operators it was given, what they compute, and where
decomposing them changed the function.
"""

from __future__ import annotations

import contextlib
import json
import math
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import torch
from torch.utils import _pytree as pytree

from tautomer.adapters.tensor_file import write_values
from tautomer.adapters.torch_programs.capture import capture
from tautomer.adapters.torch_programs.frozen_sizes import refusal_of_direct_export
from tautomer.adapters.torch_programs.lift import GraphRun, NotLiftable
from tautomer.adapters.torch_programs.operator_calls import calls_of, origin_of
from tautomer.adapters.torch_programs.preparation import PreparedProgram, prepare
from tautomer.adapters.torch_programs.trees import to_tensor
from tautomer.adapters.worker_api import Channel

VALUES_BUDGET_BYTES = 1 << 30
"""The most that a program's values may take to be recorded; a larger program is located without them."""

SAME_FUNCTION = 1e-6
"""Relative distance in float64 up to which a decomposition computes its operator: rounding leaves 1e-15 per operation,
constants folded in float32 6e-8."""


class _Prepared(Exception):
    """Ends an export whose program has been captured and decomposed."""


def replay_conversion(
    channel: Channel,
    *,
    spec: dict[str, Any],
    settings: dict[str, Any],
    exports: bool,
    frozen: bool = False,
) -> dict[str, Any]:
    """Describe the operators of a source, and of the programs that the exporter makes of it.

    Args:
        spec: the source, as for `load_program`.
        settings: `opset` and `options` of the conversion that is repeated.
        exports: whether the converter goes through torch.export; else only the source's own operators are described.
        frozen: whether a dimension declared dynamic is static in what was captured.

    Returns:
        `programs`: file of the calls by program (`traced`: the source as it ran; `captured`; `decomposed`), `values`:
        for each input set the file of the decomposed program's values by node, or None; `deviations`: operators whose
        decomposition computes something else; `refusal`: what torch.export says where it is asked directly, or None.

    Raises:
        MisuseError: the source cannot be loaded.
    """
    prepared = prepare(spec)
    programs: dict[str, Any] = {"traced": _traced_calls(prepared)}
    answer: dict[str, Any] = {"values": [], "deviations": [], "refusal": None, "error": None}
    if exports:
        seen, answer["error"] = _programs(prepared, settings, index=0, dynamic=True)
        programs |= {name: calls_of(program.module(check_guards=False)) for name, program in seen.items()}
        if "decomposed" in seen and _size_bytes(seen["decomposed"]) <= VALUES_BUDGET_BYTES:
            answer["values"] = _record_values(channel, prepared, seen["decomposed"])
            answer["deviations"] = _deviations(prepared, settings, seen)
    if frozen:
        answer["refusal"] = refusal_of_direct_export(prepared)
    path = channel.folder / "programs.json"
    path.write_text(json.dumps(programs), "utf-8")
    return {"programs": str(path), **answer}


def _traced_calls(prepared: PreparedProgram) -> list[dict[str, Any]]:
    prepared.reset()
    try:
        return calls_of(capture(prepared.program.callable, prepared.program.input_sets[0].call).graph)
    except Exception:  # whatever the tracer raises: the check has reported the capture as impossible
        return []
    finally:
        prepared.reset()


def _programs(
    prepared: PreparedProgram, settings: Mapping[str, Any], *, index: int, dynamic: bool
) -> tuple[dict[str, Any], str | None]:
    """What the exporter captures and decomposes, from the inputs of one set; and the error where it does not get there.

    Source: torch 2.13, `torch/onnx/_internal/exporter/_core.py`: `export` calls `_prepare_exported_program_for_export`
    with what it captured.
    """
    program = prepared.program
    prepared.reset()
    call = program.input_sets[index].call.copied()
    args = (*call.args, {}) if call.args and isinstance(call.args[-1], dict) and not call.kwargs else call.args
    options: dict[str, Any] = {"verbose": False, **settings.get("options", {})}
    if settings.get("opset") is not None:
        options["opset_version"] = settings["opset"]
    if dynamic and program.dynamic_shapes is not None and not isinstance(program.model, torch.export.ExportedProgram):
        options["dynamic_shapes"] = program.dynamic_shapes
    seen: dict[str, Any] = {}
    try:
        with _ended_after_decomposition(seen):
            torch.onnx.export(program.model, args, kwargs=call.kwargs or None, dynamo=True, **options)
    except Exception as error:
        if "decomposed" not in seen:
            return seen, f"{type(error).__name__}: {error}"
    return seen, None


@contextlib.contextmanager
def _ended_after_decomposition(seen: dict[str, Any]) -> Iterator[None]:
    from torch.onnx._internal.exporter import _core

    core: Any = _core
    original = core._prepare_exported_program_for_export

    def watched(exported_program: Any, **arguments: Any) -> Any:
        seen["captured"] = exported_program
        seen["decomposed"] = original(exported_program, **arguments)
        raise _Prepared

    core._prepare_exported_program_for_export = watched
    try:
        yield
    finally:
        core._prepare_exported_program_for_export = original


class _FedRun(GraphRun):
    """A run of an exported program in which given values stand in the place of those that its nodes compute."""

    def __init__(self, graph: torch.fx.GraphModule, *, lift: bool, given: Mapping[str, Any]) -> None:
        super().__init__(graph, lift=lift)
        self._given = given
        self.computed: dict[str, Any] = {}

    def run_node(self, n: torch.fx.Node) -> Any:
        """The given value of a node, its own being kept; values are copied, for operators may write into them."""
        result = super().run_node(n)
        self.computed[n.name] = pytree.tree_map_only(torch.Tensor, lambda one: one.detach().clone(), result)
        return self._given.get(n.name, result)


def _flat_inputs(program: Any, prepared: PreparedProgram, index: int) -> list[Any]:
    call = prepared.program.input_sets[index].call.copied()
    spec = program.call_spec.in_spec
    names = spec.children()[1].context if spec is not None and call.kwargs else None
    ordered = isinstance(names, list | tuple) and set(names) == set(call.kwargs)
    keywords = {name: call.kwargs[name] for name in names} if ordered and names is not None else dict(call.kwargs)
    return pytree.tree_leaves((call.args, keywords))


def _record_values(channel: Channel, prepared: PreparedProgram, program: Any) -> list[str | None]:
    """Files of what the decomposed program's nodes compute natively on each input set; None where it raises."""
    files: list[str | None] = []
    for index in range(len(prepared.program.input_sets)):
        prepared.reset()
        run = _FedRun(program.module(check_guards=False), lift=False, given={})
        try:
            with torch.no_grad():
                run.run(*_flat_inputs(program, prepared, index), enable_io_processing=False)
        except Exception:  # a size it was not made for; the checkpoint's own run reports that
            files.append(None)
            continue
        tensors = dict(_tensors(run.computed))
        path = Path(channel.folder) / f"values-{index}.safetensors"
        write_values(path, {name: to_tensor(one) for name, one in tensors.items()})
        files.append(str(path))
    return files


def _size_bytes(program: Any) -> int:
    """What the values of a program's nodes take together; symbolic sizes count as their hints."""
    total = 0
    for node in program.graph.nodes:
        for one in pytree.tree_leaves(node.meta.get("val")):
            if isinstance(one, torch.Tensor):
                sizes = [
                    size if isinstance(size, int) else (getattr(size.node, "hint", None) or 1) for size in one.shape
                ]
                total += math.prod(sizes) * one.dtype.itemsize
    return total


def _tensors(computed: Mapping[str, Any]) -> Iterator[tuple[str, torch.Tensor]]:
    """The tensors by the exporter's names: results of one node after the first are `name__1`..."""
    for name, value in computed.items():
        if isinstance(value, torch.Tensor):
            if value.layout is torch.strided:
                yield name, value
        elif isinstance(value, list | tuple):
            for index, one in enumerate(value):
                if isinstance(one, torch.Tensor):
                    yield f"{name}__{index}", one


def _deviations(
    prepared: PreparedProgram, settings: Mapping[str, Any], seen: Mapping[str, Any]
) -> list[dict[str, Any]]:
    """Operators whose decomposition is another function, judged with the captured program's values forced."""
    found: dict[str, dict[str, Any]] = {}
    for index in range(len(prepared.program.input_sets)):
        for deviation in _deviating(prepared, seen, index):
            one = found.setdefault(deviation["name"], {**deviation, "inputs": [], "static": None})
            one["inputs"].append(index)
    for one in found.values():
        failing = one["inputs"][0]
        if failing and _same_sizes(prepared, failing):
            continue
        static, error = _programs(prepared, settings, index=failing, dynamic=False)
        if error is None and failing:
            names = {again["name"] for again in _deviating(prepared, static, failing)}
            one["static"] = one["name"] not in names
    return list(found.values())


def _same_sizes(prepared: PreparedProgram, index: int) -> bool:
    return [one.shape for one in prepared.tensors(index)] == [one.shape for one in prepared.tensors(0)]


def _deviating(prepared: PreparedProgram, seen: Mapping[str, Any], index: int) -> Iterator[dict[str, Any]]:
    captured, decomposed = seen["captured"], seen["decomposed"]
    first = _FedRun(captured.module(check_guards=False), lift=True, given={})
    graph = decomposed.module(check_guards=False)
    # The last node that an operator was decomposed into computes what the operator does; choices of results follow it.
    ends = {str(origin_of(node)): node for node in graph.graph.nodes if _is_operator(node)}
    prepared.reset()
    try:
        first.flat_outputs(_flat_inputs(captured, prepared, index))
        given = {
            node.name: first.computed[origin]
            for origin, node in ends.items()
            if origin in first.computed and _results_of(first.computed[origin], node) is not None
        }
        second = _FedRun(graph, lift=True, given=given)
        second.flat_outputs(_flat_inputs(decomposed, prepared, index))
    except (NotLiftable, RuntimeError, ValueError, TypeError, AssertionError):
        return
    calls = {one["name"]: one for one in calls_of(captured.module(check_guards=False))}
    for origin, node in ends.items():
        if node.name not in given or node.name not in second.computed or origin not in calls:
            continue
        expected, values = pytree.tree_leaves(given[node.name]), pytree.tree_leaves(second.computed[node.name])
        differences = (_difference(one, other) for one, other in zip(expected, values, strict=False))
        said = next((one for one in differences if one is not None), None)
        if said is not None:
            nodes = [one.name for one in graph.graph.nodes if str(origin_of(one)) == origin and _is_operator(one)]
            yield {**calls[origin], "said": said, "nodes": nodes}


def _is_operator(node: torch.fx.Node) -> bool:
    return node.op == "call_function" and isinstance(node.target, torch._ops.OpOverload)


def _results_of(value: Any, node: torch.fx.Node) -> Any:
    """A captured operator's value where its last node gives as many results; None where they cannot be matched."""
    made = node.meta.get("val")
    if isinstance(value, torch.Tensor):
        return value if isinstance(made, torch.Tensor) else None
    if not isinstance(value, list | tuple) or not isinstance(made, list | tuple) or len(value) != len(made):
        return None
    return value


def _difference(expected: Any, value: Any) -> str | None:
    if not isinstance(expected, torch.Tensor) or not isinstance(value, torch.Tensor):
        return None
    if expected.shape != value.shape:
        return f"shape {list(value.shape)} where the operator gives {list(expected.shape)}"
    if not expected.is_floating_point():
        wrong = int((expected != value).sum())
        return f"{wrong} of {value.numel()} elements differ" if wrong else None
    finite = torch.isfinite(expected)
    same = (expected == value) | (expected.isnan() & value.isnan())
    if bool((~same & ~finite).any()) or bool((finite & ~torch.isfinite(value)).any()):
        return "NaN or infinity in other places"
    if not bool(finite.any()):
        return None
    distance = (expected - value)[finite].abs().max().item()
    scale = expected[finite].abs().max().item()
    return f"off by {distance:.3g} in float64" if distance > SAME_FUNCTION * scale else None
