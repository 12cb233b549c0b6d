"""The worker's part of `tautomer generate`, for every framework: grows models, writes them, says what each is."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tautomer.adapters.worker_api import Channel
from tautomer.synthesis import Growth, Kernels, Program, Request, Specification
from tautomer.synthesis.choosing import Aimed, Alike, Varied
from tautomer.synthesis.request import Chooser

TRIES = 8
"""A model that could not be grown is begun again so often, each time with other choices."""


def generate_models(
    channel: Channel,
    kernels: Kernels,
    table: Sequence[Specification],
    module_text: Callable[[Program], str],
    *,
    seeds: Sequence[int],
    nodes: tuple[int, int],
    request: Mapping[str, Any],
    operators: Sequence[str] | None,
    aim: Mapping[str, Any],
) -> dict[str, Any]:
    """Grow a model for each seed, and leave its file in the attempt's folder.

    Emits `begin` with a seed before it is grown, so that an operator that kills the process is known by it, and `model`
    with what was made of it.

    Args:
        channel: of the task.
        kernels: the framework.
        table: its operators.
        module_text: how a model is written.
        seeds: of the models.
        nodes: the least and the largest number of nodes; a model has what its seed says.
        request: what models should be like; arguments of `Request`.
        operators: names of those to use; None for all.
        aim: `kind`: `varied`, `aim` with `covered`, or `like` with `operators` and `pairs`.

    Returns:
        How often each reason for refusing a node was met, by operator and reason.
    """
    wanted = [one for one in table if operators is None or one.name in operators]
    chooser = _chooser(wanted, aim)
    refused: dict[str, int] = {}
    for seed in seeds:
        channel.emit("begin", seed=seed)
        size = nodes[0] + seed % (nodes[1] - nodes[0] + 1)
        program = None
        for attempt in itertools.count():
            growth = Growth(kernels, chooser, Request(nodes=size, **request), seed, attempt=attempt)
            program = growth.grow()
            for (operator, reason), count in growth.refused.items():
                key = f"{operator}: {reason}"
                refused[key] = refused.get(key, 0) + count
            if program is not None or attempt >= TRIES:
                break
        if program is None:
            channel.emit("model", seed=seed, file=None, nodes=size, operators=[], sequences=[])
            continue
        name = f"model-{seed:06d}.py"
        (channel.folder / name).write_text(module_text(program), "utf-8")
        channel.emit(
            "model",
            seed=seed,
            file=name,
            nodes=len(program.nodes),
            operators=[node.operator for node in program.nodes],
            sequences=sorted(growth.sequences),
        )
    return {"refused": refused}


def operator_names(table: Sequence[Specification]) -> list[dict[str, Any]]:
    """What a table holds, for those who do not grow: names, names in the graph, dtypes."""
    return [{"name": one.name, "graph_operator": one.graph_operator, "dtypes": list(one.dtypes)} for one in table]


def _chooser(table: Sequence[Specification], aim: Mapping[str, Any]) -> Chooser:
    if aim["kind"] == "aim":
        return Aimed(table, (tuple(one) for one in aim["covered"]))
    if aim["kind"] == "like":
        return Alike(table, aim["operators"], {(first, second): count for first, second, count in aim["pairs"]})
    return Varied(table)
