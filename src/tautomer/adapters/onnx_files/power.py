"""Seeds faults into a converted model and asks the judge, on the check's own inputs, which it would have caught."""

from __future__ import annotations

import time
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from tautomer.adapters.onnx_files.evaluation import graph_inputs, load_as
from tautomer.adapters.worker_api import Channel
from tautomer.model import Tensor
from tautomer.numerics.judge import Reference

if TYPE_CHECKING:
    from tautomer.adapters.onnx_files.mutants.proving_ground import Trial
    from tautomer.adapters.onnx_files.mutants.site import Site


def measure_power(
    channel: Channel,
    *,
    model: str,
    inputs: list[str],
    feeds: dict[str, str],
    output_names: dict[str, str],
    references: list[dict[str, Any]],
    own_constants: list[str],
    own_scalars: list[float],
    own_doubles: list[float],
    count: int,
    seed: int,
    budget_s: float,
    opset_override: int | None = None,
    parents: list[dict[str, Any]] | None = None,
) -> dict[str, Any]:
    """Measure the share of seeded faults that the judge catches on these inputs.

    Emits a `mutant` event for each fault, with the fields of its site and of its trial.

    Args:
        model: path of the converted file.
        inputs: files of input values by the source's paths, one an input set.
        feeds: graph input -> the source's path.
        output_names: graph output -> the source's path.
        references: for each input set the source's files `s32`, `float64`, `variance`, `flips`, `trace`; the files
            `constants_variance` and `alignment` of the converted model, and whether it was `settled` by judging it
            operator by operator. None for those there are not.
        own_constants, own_scalars, own_doubles, opset_override, parents: as for `explain` of derived constants.
        count: how many faults.
        seed: of the choice.
        budget_s: no further fault is tried after this many seconds.

    Returns:
        `sites`: places and `kinds`: of faults that there are; `chosen`, `tried`: faults; `open`: those caught at the
        outputs that there was no time to judge operator by operator as well; `stopped`: why not all were tried, or
        None; `skipped`: why nothing could be measured, or None; `seconds`, `original_seconds`: of everything, and of
        evaluating and judging the original.
    """
    from tautomer.adapters.onnx_files.derived_constants import Constants, rounded_doubles
    from tautomer.adapters.onnx_files.mutants.proving_ground import ProvingGround, SourceAnswers
    from tautomer.adapters.onnx_files.mutants.subject import Subject
    from tautomer.numerics.onnx_evaluator import EvaluatorError

    began = time.perf_counter()
    loaded = load_as(model, opset_override)
    summary: dict[str, Any] = {"chosen": 0, "tried": 0, "stopped": None, "skipped": None, "open": 0}
    answers = [
        SourceAnswers(
            graph_inputs(file, feeds),
            read_references(files),
            _values(files.get("constants_variance")),
            _trace_files(files),
            files.get("alignment"),
            bool(files.get("settled")),
        )
        for file, files in zip(inputs, references, strict=True)
    ]
    constants = Constants((own_constants, own_scalars), rounded_doubles(own_doubles), parents or [], seed)
    try:
        ground = ProvingGround.of(loaded, answers, output_names, constants)
    except EvaluatorError as error:
        return summary | {"skipped": f"the converted model cannot be evaluated: {error}", "seconds": _since(began)}
    if ground.reason is not None:
        return summary | {"skipped": ground.reason, "seconds": _since(began)}
    summary["original_seconds"] = _since(began)
    subject = Subject(loaded.proto, loaded.folder)
    every = list(subject.sites())
    chosen = subject.choose(count, seed)
    summary |= {"sites": len(every), "kinds": len({site.kind for site in every}), "chosen": len(chosen)}
    later: list[tuple[Site, Trial]] = []
    for site in chosen:
        if _since(began) > budget_s:
            summary["stopped"] = f"the time for it ({budget_s:g} s) ran out"
            break
        trial = ground.trial(site, subject.mutant(site), by_operator=False)
        if trial.open:
            later.append((site, trial))
        else:
            channel.emit("mutant", **asdict(site), **asdict(trial))
        summary["tried"] += 1
    for site, first in later:
        in_time = _since(began) <= budget_s
        trial = ground.trial(site, subject.mutant(site), by_operator=True) if in_time else first
        channel.emit("mutant", **asdict(site), **asdict(trial))
        summary["open"] += trial.open
    return summary | {"seconds": _since(began)}


def _since(began: float) -> float:
    return time.perf_counter() - began


def _trace_files(files: Mapping[str, Any]) -> dict[str, str] | None:
    if not (files.get("trace") and files.get("float64")):
        return None
    return {"trace": files["trace"], "s32": files["s32"], "s64": files["float64"]}


def _values(file: str | None) -> Mapping[str, Any]:
    from tautomer.adapters.tensor_file import read_values

    if not file:
        return {}
    values = read_values(Path(file))
    return values if isinstance(values, Mapping) else {}


def read_references(files: Mapping[str, Any]) -> dict[str, Reference]:
    """What the source says of each tensor output, from the files its task left for one input set."""
    exact, variance, flips = (_values(files.get(kind)) for kind in ("float64", "variance", "flips"))

    def array(values: Mapping[str, Any], path: str) -> Any:
        found = values.get(path)
        return found.array if isinstance(found, Tensor) else None

    references = {}
    for path, value in _values(files.get("s32")).items():
        if isinstance(value, Tensor):
            lifted = array(exact, path) if value.is_floating else None
            spread = array(variance, path)
            if lifted is not None and (spread is None or spread.shape != lifted.shape):
                spread = np.zeros(lifted.shape)
            references[path] = Reference(path, value, lifted, spread, array(flips, path))
    return references
