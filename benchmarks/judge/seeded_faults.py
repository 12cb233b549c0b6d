"""Part (b): faults seeded into clean conversions; how many of the active ones are caught, and located."""

from __future__ import annotations

import time
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import onnx
from catalog import CHOSEN, catalog
from fixed_tolerances import smallest_parameters
from judged_source import Answer, JudgedSource, Values, judged_source
from results_store import ResultsStore

from tautomer.adapters.onnx_files.mutants import Family, Site, Subject
from tautomer.execution import Pool

U = 2.0**-24
KERNEL = "kernel"
POOL_OF_SITES = 400
"""Sites that are looked at for the few that are taken, so that every family is found where the model has it."""

WORSE_BY = 10.0
"""A form or a kernel is worse where the error at the outputs grows by more than this."""


@dataclass(frozen=True, slots=True)
class FaultPlan:
    """How many faults of each family every architecture gets, and the seed of their choice."""

    semantic: int
    arithmetic: int
    kernel: int
    seed: int

    @classmethod
    def over(cls, names: Sequence[str], total: int, seed: int) -> FaultPlan:
        """Spread a number of faults over the architectures that are converted: five, two and one parts of eight."""
        converted = [name for name in names if catalog()[name].file is None]
        each = -(-total // max(len(converted), 1))
        arithmetic, kernel = max(1, each // 4), max(1, each // 8)
        return cls(max(1, each - arithmetic - kernel), arithmetic, kernel, seed)

    def seed_of(self, name: str) -> int:
        """Another one for every architecture, so that kinds meet all of them."""
        return (self.seed * 1_000_003 + zlib.crc32(name.encode())) % 2**31


def check_faults(name: str, plan: FaultPlan, store: ResultsStore, pool: Pool, folder: Path) -> None:
    """Seed faults into one architecture and store what is said of each; what is stored already is not done again.

    Models that are files have no source but themselves, so nothing is seeded into them.
    """
    if catalog()[name].file is not None:
        return
    wanted = plan.semantic + plan.arithmetic + plan.kernel
    finished = store.get(f"plans/{name}")
    if finished is not None and finished["wanted"] == wanted and finished["seed"] == plan.seed:
        return
    with judged_source(name, pool, folder) as source:
        for label, site in chosen_sites(source.model, plan, plan.seed_of(name)):
            key = f"faults/{name}/{label}-{site.kind}-{site.index}-{site.variant}"
            if store.get(key) is None:
                row = _judged(name, label, site, source, folder)
                store.put(key, row)
                said = "inert" if not row["active"] else "CAUGHT" if row["caught"] else "MISSED"
                print(
                    f"faults   {name:24s} {row['seconds']:5.1f} s {said:7s} {label:9s} {site.description}", flush=True
                )
    store.put(f"plans/{name}", {"wanted": wanted, "seed": plan.seed, "clean": source.clean.outcome})


def chosen_sites(model: Path, plan: FaultPlan, seed: int) -> list[tuple[str, Site]]:
    """The faults of one model, with the family each counts for.

    A kernel fault is a semantic one that is made in the runtime's file alone.
    """
    subject = Subject(onnx.load(str(model), load_external_data=False), model.parent)
    sites = subject.choose(POOL_OF_SITES, seed)
    semantic = [site for site in sites if site.family is Family.SEMANTIC]
    arithmetic = [site for site in sites if site.family is not Family.SEMANTIC]
    kernel = semantic[plan.semantic : plan.semantic + plan.kernel]
    return [
        *((str(site.family), site) for site in [*semantic[: plan.semantic], *arithmetic[: plan.arithmetic]]),
        *((KERNEL, site) for site in kernel),
    ]


def _judged(name: str, label: str, site: Site, source: JudgedSource, folder: Path) -> dict[str, Any]:
    began = time.perf_counter()
    row: dict[str, Any] = {
        "name": name,
        "set": "chosen" if name in CHOSEN else "held out",
        "family": label,
        "kind": site.kind,
        "description": site.description,
        "nodes": list(site.nodes),
        "active": False,
        "caught": False,
        "located": False,
    }
    original = onnx.load(str(source.model), load_external_data=False)
    subject, touched = Subject(original, source.model.parent), _touched(original, site)
    mutated = source.model.parent / f"mutant-{zlib.crc32(repr(site).encode()):08x}.onnx"
    onnx.save(subject.mutant(site).model, str(mutated))
    try:
        answer = source.judge(source.model, run=mutated) if label == KERNEL else source.judge(mutated)
    finally:
        mutated.unlink()
    seconds = {"seconds": round(time.perf_counter() - began, 1)}
    if not answer.deployed:
        return {**row, **seconds, "invalid": answer.message}
    effect_u = effect_in_float64(answer, source.clean)
    named = touched & {node.partition("/mutant_")[0] for node in answer.nodes}
    # Where the clean file is not called equivalent, only what is said of a node not named there proves anything.
    told_apart = source.clean.outcome == "equivalent" or bool(named - source.clean.nodes)
    worse = error_growth(answer, source)
    return {
        **row,
        **seconds,
        "effect_u": effect_u,
        "worse_by": worse,
        "active": effect_u >= 1.0 if label == Family.SEMANTIC else worse > WORSE_BY,
        "outcome": answer.outcome,
        "said_kind": answer.kind,
        "reason": answer.message,
        "caught": told_apart and answer.outcome in ("divergent", "failed"),
        "clean_outcome": source.clean.outcome,
        "located": bool(named),
        "named": sorted(answer.nodes),
        "smallest": smallest_parameters(_pairs(source.declared, answer.deployed)),
    }


def _touched(model: onnx.ModelProto, site: Site) -> frozenset[str]:
    """Names of the nodes that a fault touches, and of what they make: a node in their place is named after that."""
    made = (name for node in model.graph.node if node.name in site.nodes for name in node.output)
    return frozenset([*site.nodes, *made])


def _pairs(declared: Sequence[Values], deployed: Sequence[Values]) -> list[tuple[Any, Any]]:
    pairs: list[tuple[Any, Any]] = []
    for given, found in zip(declared, deployed, strict=True):
        pairs.extend((value, found.get(path)) for path, value in given.items())
    return pairs


def effect_in_float64(answer: Answer, clean: Answer) -> float:
    """How far a fault moves the outputs in exact arithmetic: max |m - o| / (u max(|o|, rms(o))), a proof of activity.

    Below 1 the change is less than the rounding of the result itself: in float32 there is no fault to find. Infinite
    where shapes, integers or the places of non-finite values change, or where the faulty file cannot be evaluated.
    """
    if not answer.exact or len(answer.exact) != len(clean.exact):
        return float("inf")
    largest = 0.0
    for mutated, original in zip(answer.exact, clean.exact, strict=True):
        for path, value in original.items():
            other = mutated.get(path)
            if other is None or other.shape != value.shape:
                return float("inf")
            o, m = value.float64(), other.float64()
            if not np.array_equal(np.isfinite(o), np.isfinite(m)):
                return float("inf")
            finite = np.isfinite(o)
            if not finite.any():
                continue
            moved = np.abs(m - o)[finite]
            if not value.is_floating:
                if moved.any():
                    return float("inf")
                continue
            scale = np.maximum(np.abs(o)[finite], np.sqrt(np.mean(np.square(o[finite]))))
            with np.errstate(all="ignore"):
                largest = max(largest, float(np.where(moved == 0, 0.0, moved / (U * scale)).max()))
    return largest


def error_growth(answer: Answer, source: JudgedSource) -> float:
    """How many times the deployed model errs as much as the clean one: the largest ratio of RMS errors to S64.

    The clean model's error counts as at least one rounding of the output's RMS. Infinite where the faulty one alone
    has values that are not finite, or another shape.
    """
    largest = 0.0
    sets = zip(source.exact, source.clean.deployed, answer.deployed, strict=True)
    for exact, original, mutated in sets:
        for path, reference in exact.items():
            if not reference.is_floating or path not in original:
                continue
            other = mutated.get(path)
            if other is None or other.shape != reference.shape:
                return float("inf")
            s, o, m = reference.float64(), original[path].float64(), other.float64()
            if not np.array_equal(np.isfinite(o), np.isfinite(m)):
                return float("inf")
            finite = np.isfinite(o) & np.isfinite(s)
            if finite.any():
                floor = U * _rms(s[finite])
                before = max(_rms((o - s)[finite]), floor)
                after = _rms((m - s)[finite])
                largest = max(largest, after / before if before else (0.0 if not after else float("inf")))
    return largest


def _rms(values: Any) -> float:
    with np.errstate(over="ignore"):
        return float(np.sqrt(np.mean(np.square(values))))
