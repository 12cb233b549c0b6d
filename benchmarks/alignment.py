"""How many of a source's values are found in its export when names are taken away, by the same aligner as with them.

Each architecture is exported by torch.onnx; then all names of nodes and values and all metadata are taken away, and the
source's values are looked for in what is left. Printed for each: values of the source; the share found with names; the
share found without, all else being the same; and of those how many stand for another value than with names, apart from
values that are equal element by element. What neither finds has no equal in the export: what an operator was decomposed
into, folded into, or fused with. `--missing` names those operators. The constants of the alignment were looked at with
CHOSEN only.

    python benchmarks/alignment.py [--missing] [ARCHITECTURE...]
"""

from __future__ import annotations

import random
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import onnx
import torch

sys.path.insert(0, str(Path(__file__).parent / "architectures"))

from catalog import CHOSEN as CHOSEN_ARCHITECTURES
from catalog import HELD_OUT as HELD_OUT_ARCHITECTURES

from tautomer.adapters.onnx_files.comparison_alignment import Alignment
from tautomer.adapters.onnx_files.evaluation import load_as
from tautomer.adapters.torch_programs.capture import capture
from tautomer.adapters.torch_programs.tracing import traced
from tautomer.adapters.torch_programs.trees import CallArguments
from tautomer.model import Tensor
from tautomer.numerics.alignment import Match, SourceValue
from tautomer.numerics.branches import Branches
from tautomer.numerics.expected_values import structural_alignment

CHOSEN = ("bert", "resnet", "lstm")
HELD_OUT = ("distilbert", "qwen2", "levit", "time_series_transformer")


def stripped(model: onnx.ModelProto, seed: int) -> tuple[onnx.ModelProto, dict[str, str]]:
    """A copy whose nodes have no names and metadata and whose values have random ones; old name by new."""
    copy = onnx.ModelProto.FromString(model.SerializeToString())
    kept = {one.name for one in [*copy.graph.input, *copy.graph.output, *copy.graph.initializer]}
    names = [name for node in copy.graph.node for name in node.output if name and name not in kept]
    numbers = list(range(len(names)))
    random.Random(seed).shuffle(numbers)
    new = {name: f"t{number}" for name, number in zip(names, numbers, strict=True)}
    for node in copy.graph.node:
        node.name, node.doc_string = "", ""
        del node.metadata_props[:]
        node.input[:] = [new.get(name, name) for name in node.input]
        node.output[:] = [new.get(name, name) for name in node.output]
    del copy.graph.value_info[:]
    return copy, {number: name for name, number in new.items()}


def aligned(
    path: Path, given: Mapping[str, Any], values: Mapping[str, SourceValue], *, named: bool
) -> dict[str, Match]:
    """The alignment, with names as proposals or without; values and places in the graph count in both."""
    graph = Alignment(load_as(str(path), None), given)
    return structural_alignment(
        values, lambda aligner: graph.run(aligner.match, lambda match: values[match.source].exact), named=named
    )


def measured(name: str, folder: Path) -> tuple[tuple[int, int, int, int, int], float, Counter[str]]:
    """Source values, those found with names and without, wrong ones, other equal ones; the seconds without names; and
    by operator how many values were found neither way.
    """
    architecture = {**CHOSEN_ARCHITECTURES, **HELD_OUT_ARCHITECTURES}[name]
    torch.manual_seed(0)
    model = architecture.model().eval()
    inputs = architecture.inputs(2, 10)
    args, kwargs = ((), inputs) if isinstance(inputs, dict) else (inputs, {})
    path = folder / f"{name}.onnx"
    with torch.no_grad():
        torch.onnx.export(model, args, path, kwargs=kwargs, dynamo=True, verbose=False, external_data=False)
    call = CallArguments(tuple(args), dict(kwargs))
    captured = capture(model, call)
    tensors = [*args, *kwargs.values()]
    run = traced(
        captured, tensors, Branches(), watch=(), seed=0, budget_bytes=2 << 30, folder=folder, stem=f"trace-{name}"
    )
    assert run.trace is not None
    exact = {key: one.array for key, one in run.trace.exact.items() if isinstance(one, Tensor)}
    values = {
        one.name: SourceValue(one.name, one.operator, one.line, one.parents, exact[one.name])
        for one in run.trace.values
    }
    proto = onnx.load(path)
    fed = dict(zip([one.name for one in proto.graph.input], [one.numpy() for one in tensors], strict=True))
    with_names = aligned(path, fed, values, named=True)
    bare, old = stripped(proto, seed=0)
    bare_path = folder / f"{name}-bare.onnx"
    onnx.save(bare, bare_path)
    began = time.perf_counter()
    without = aligned(bare_path, fed, values, named=False)
    seconds = time.perf_counter() - began
    wrong = equal = 0
    for target, match in without.items():
        truth = with_names.get(old.get(target, target))
        if truth is None or truth.source == match.source:
            continue
        one, other = exact[truth.source], exact[match.source]
        same = one.size == other.size and sorted(one.ravel().tolist()) == sorted(other.ravel().tolist())
        equal, wrong = equal + same, wrong + (not same)
    found = [len({match.source for match in matches.values()}) for matches in (with_names, without)]
    known = {match.source for match in [*with_names.values(), *without.values()]}
    missing = Counter(values[one].operator for one in values if one not in known)
    return (len(values), found[0], found[1], wrong, equal), seconds, missing


def main(arguments: list[str]) -> None:
    names = [one for one in arguments if one != "--missing"]
    print(f"{'architecture':26}{'set':10}{'values':>7}{'named':>8}{'by value':>9}{'wrong':>7}{'equal':>7}{'s':>7}")
    totals: dict[str, list[int]] = {}
    with tempfile.TemporaryDirectory() as folder:
        for name in names or [*CHOSEN, *HELD_OUT]:
            group = "chosen" if name in CHOSEN else "held out"
            counts, seconds, missing = measured(name, Path(folder))
            so_far = totals.setdefault(group, [0] * 5)
            totals[group] = [one + other for one, other in zip(so_far, counts, strict=True)]
            print(_line(name, group, counts, f"{seconds:7.1f}"), flush=True)
            if "--missing" in arguments:
                print("    " + ", ".join(f"{count} {operator}" for operator, count in missing.most_common()))
    for group, counts in totals.items():
        print(_line("all", group, counts, ""))


def _line(name: str, group: str, counts: Sequence[int], seconds: str) -> str:
    values, with_names, without, wrong, equal = counts
    shares = f"{values:7}{with_names / values:8.1%}{without / values:9.1%}{wrong:7}{equal:7}"
    return f"{name:26}{group:10}{shares}{seconds}"


if __name__ == "__main__":
    main(sys.argv[1:])
