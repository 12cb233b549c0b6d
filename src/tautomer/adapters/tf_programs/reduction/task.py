"""Worker tasks of a reduction in TensorFlow: cut a part out of a model, offer smaller ones, shrink to the end.

They are asked as those of PyTorch are (`torch_programs.reduction.task`). Programs go from task to task as state files
(`state_file`), and to everyone else as model modules. Only `extract` executes operators in its own process; the others
do in children of theirs, for a process in which TensorFlow has threads cannot be forked.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from tautomer.adapters.worker_api import Channel

PROBE_TIMEOUT_S = 60.0
TITLE = "The smallest model found that fails the same way."


def extract(
    channel: Channel, *, spec: dict[str, Any], ways: Sequence[Mapping[str, Any]], title: str = TITLE
) -> dict[str, Any]:
    """Cut parts out of a model, with recorded values at the cut, and write them as model modules.

    Args:
        spec: of the model, as for `load_program`.
        ways: what to cut, each with
            `nodes`: names of nodes of the frozen graph;
            `operators`, `line`: besides or instead, nodes of these operators (`ResizeArea`), and `file.py:12` to choose
            among them;
            `grow`: how many neighbours to take with them; -1 is the whole model.
        title: docstring of the modules.

    Returns:
        `captured` (how), and `cuts`: for each way what `_written` says, `located` (nodes found) and `alike` (operators
        that the same fault may show under in it); `module` is None, with the `reason`, where the part is no code of
        public operators, nothing was found, or an earlier way cuts the same.

    Raises:
        MisuseError: the model cannot be loaded.
    """
    from tautomer.adapters.tf_programs.preparation import prepare
    from tautomer.adapters.tf_programs.reduction.definitions import NotExpressible
    from tautomer.adapters.tf_programs.reduction.extraction import CutGraph
    from tautomer.adapters.user_modules import first_line

    prepared = prepare(spec)
    try:
        graph = CutGraph(prepared)
    except Exception as error:  # what cannot be frozen cannot be cut
        reason = f"the model cannot be frozen: {first_line(error)}"
        return {"captured": None, "cuts": [{"module": None, "reason": reason} for _ in ways]}
    seen: set[frozenset[str]] = set()

    def cut_out(index: int, way: Mapping[str, Any]) -> dict[str, Any]:
        grow = way.get("grow", 0)
        known = {node.name for node in graph.nodes}
        named = [name for name in way.get("nodes") or () if name in known]
        located = list(dict.fromkeys((*named, *graph.find(way.get("operators") or (), way.get("line")))))
        if not located and grow >= 0:
            return {"module": None, "reason": "no operator of the model is the one at fault"}
        names = graph.grown(located, grow)
        if frozenset(names) in seen:
            return {"module": None, "reason": "another way cuts the same"}
        seen.add(frozenset(names))
        folder = channel.folder / f"cut_{index}"
        folder.mkdir()
        try:
            written = _written(folder, "model", graph.program(names), title)
            return {"located": located, "alike": graph.alike(located, way.get("operators") or ()), **written}
        except NotExpressible as error:
            return {"module": None, "reason": str(error)}
        except Exception as error:  # a graph that cannot be run node by node has no values to record
            return {"module": None, "reason": f"the part cannot be recorded: {first_line(error)}"}

    return {"captured": "frozen", "cuts": [cut_out(index, way) for index, way in enumerate(ways)]}


def calls(channel: Channel, *, state: str) -> dict[str, Any]:
    """The operators of a program as a graph.

    Args:
        state: file of the program.

    Returns:
        `parents`: for each operator, those it depends on.
    """
    from tautomer.adapters.tf_programs.reduction.parts import Parts
    from tautomer.adapters.tf_programs.reduction.state_file import read_program

    return {"parents": [sorted(one) for one in Parts(read_program(Path(state))).parents]}


def part(channel: Channel, *, state: str, kept: Sequence[int], title: str = TITLE) -> dict[str, Any]:
    """Write a program with some of its operators only, the results of others being inputs.

    Args:
        state: file of the program.
        kept: which operators, numbered as by `calls`.

    Returns:
        What `_written` says; `module` is None where that does not run.
    """
    from tautomer.adapters.tf_programs.reduction.parts import DoesNotRun, Parts, values_of
    from tautomer.adapters.tf_programs.reduction.state_file import read_program

    program = Parts(read_program(Path(state))).only(kept)
    try:
        if program is None or not program.outputs or not values_of(program):
            return {"module": None}
    except DoesNotRun:
        return {"module": None}
    return _written(channel.folder, "model", program, title)


def candidates(
    channel: Channel, *, state: str, seed: int = 0, skip: int = 0, count: int = 16, title: str = TITLE
) -> dict[str, Any]:
    """Write the next smaller programs, one step away from a given one, as model modules; the largest steps first.

    Its operators stay (see `part`).

    Args:
        state: file of the program, from `extract` or an earlier call.
        skip: how many there were before.
        count: the most to write.

    Returns:
        `candidates`: what `_written` says of each, and its `step` in words; `exhausted`: there are no more.
    """
    from tautomer.adapters.tf_programs.reduction.parts import values_of
    from tautomer.adapters.tf_programs.reduction.shrinking import PASSES, candidates_of
    from tautomer.adapters.tf_programs.reduction.state_file import read_program
    from tautomer.adapters.tf_programs.reduction.weight import weight

    program = read_program(Path(state))
    values = values_of(program)
    whole = weight(program)
    every = (one for name in PASSES for _, one in candidates_of(name, program, values) if weight(one.program) < whole)
    found = list(itertools.islice(every, skip, skip + count))
    written = [
        {"step": one.step, **_written(channel.folder, f"candidate_{skip + index}", one.program, title)}
        for index, one in enumerate(found)
    ]
    return {"candidates": written, "exhausted": len(found) < count}


def shrink(
    channel: Channel,
    *,
    state: str,
    settings: Mapping[str, Any],
    seed: int = 0,
    operators: Sequence[str] = (),
    max_probes: int = 400,
    timeout_s: float = PROBE_TIMEOUT_S,
    title: str = TITLE,
) -> dict[str, Any]:
    """The smallest program that a probe says fails as this one does.

    Emits `best` (what `_written` says, and `probes` so far) after every improvement, and `attempt` after every probe.

    Args:
        state: file of the program to begin with.
        settings: as for a `Prober`.
        operators: of the source or of the graph; where the first program has some of these, a smaller one must, too.
        max_probes: the most to make.

    Returns:
        What `_written` says, `probes` (their number), and `probe` (how it fails). Where the first program does not
        fail, or no probe can ask its converter, `module` is None.
    """
    from tautomer.adapters.tf_programs.reduction.minimisation import minimised
    from tautomer.adapters.tf_programs.reduction.module_text import module_text
    from tautomer.adapters.tf_programs.reduction.probing import CONVERTER, TensorFlowProber
    from tautomer.adapters.tf_programs.reduction.state_file import read_program

    if settings.get("converter") != CONVERTER:
        return {"module": None, "reason": f"probes convert with {CONVERTER} only", "probes": 0, "probe": None}
    program = read_program(Path(state))
    prober = TensorFlowProber(settings, seed=seed, timeout_s=timeout_s)
    prober.operators = tuple(operators)
    file = channel.folder / "probed" / "model.py"
    file.parent.mkdir()
    improvements = itertools.count()

    def probed(one: Any) -> Any:
        module_text(one, title=title).write(file)
        found = prober.probe(file)
        channel.emit("attempt", probes=prober.count, outcome=found.outcome, stage=found.stage)
        return found

    def improved(one: Any) -> None:
        channel.emit("best", probes=prober.count, **_written(channel.folder, f"best_{next(improvements)}", one, title))

    first = probed(program)
    prober.expect(first)
    if not first.is_same_failure(first):
        return {"module": None, "reason": "a probe does not see it fail", "probes": 1, "probe": first.fields()}
    fewest, of_nodes = len(program.operators()), first.nodes
    named = [one for one in operators if one in program.operators()]

    def fails(one: Any) -> bool:
        """Whether it fails as the first does, with an operator at fault, and has fewer operators or no larger graph.

        One operator alone may become more nodes than it becomes beside others: layouts are changed back and forth.
        """
        nonlocal fewest, of_nodes
        if named and not any(operator in named for operator in one.operators()):
            return False
        found = probed(one)
        count = len(one.operators())
        if not found.is_same_failure(first) or (count >= fewest and found.nodes > of_nodes):
            return False
        fewest, of_nodes = min(count, fewest), found.nodes
        return True

    smallest = minimised(program, fails, budget=max_probes, on_best=improved)
    written = _written(channel.folder, "model", smallest, title)
    return {**written, "probes": prober.count, "probe": probed(smallest).fields()}


def _written(folder: Path, stem: str, program: Any, title: str) -> dict[str, Any]:
    """Write a program: `module` (.py), `beside` (its .npz, where it needs one), `state`; and what it is: `operators`,
    `calls`, `inputs`, `constants`, `outputs`, `sets`, `dynamic`, `elements`, `weight`.
    """
    from tautomer.adapters.tf_programs.reduction.module_text import module_text
    from tautomer.adapters.tf_programs.reduction.program import CONST
    from tautomer.adapters.tf_programs.reduction.state_file import write_program
    from tautomer.adapters.tf_programs.reduction.weight import arrays_of, weight

    path = folder / f"{stem}.py"
    files = module_text(program, title=title, stem=stem).write(path)
    state = folder / f"{stem}.state.json"
    write_program(state, program)
    return {
        "module": str(path),
        "beside": [str(one) for one in files[1:]],
        "state": str(state),
        "operators": list(program.operators()),
        "calls": len(program.operators()),
        "inputs": len(program.inputs),
        "constants": sum(1 for one in program.steps if one.op == CONST),
        "outputs": len(program.outputs),
        "sets": program.sets,
        "dynamic": any(one.dynamic for one in program.inputs),
        "elements": sum(one.size for one in arrays_of(program)),
        "weight": list(weight(program)),
    }
