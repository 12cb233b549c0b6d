"""Worker tasks of a reduction in PyTorch: cut a part out of a model, offer smaller ones, probe them, shrink to the end.

Programs go from task to task as state files (`state_file`), and to everyone else as model modules.
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
            `nodes`: names of nodes as the exporter gives them in its metadata;
            `operators`, `line`: besides or instead, nodes of these operators (`aten.atan2.default`), and `file.py:12`
            to choose among them;
            `grow`: how many neighbours to take with them; -1 is the whole model.
        title: docstring of the modules.

    Returns:
        `captured` (how), and `cuts`: for each way what `_written` says, and `located` (nodes found); `module` is None,
        with the `reason`, where the part is not straight-line code, nothing was found, or an earlier way cuts the same.

    Raises:
        MisuseError: the model cannot be loaded.
    """
    from tautomer.adapters.torch_programs.preparation import prepare
    from tautomer.adapters.torch_programs.reduction.extraction import NotExpressible
    from tautomer.adapters.torch_programs.reduction.extraction import extract as cut
    from tautomer.adapters.torch_programs.reduction.recording import capture_model
    from tautomer.adapters.torch_programs.reduction.shrinking import runs

    prepared = prepare(spec)
    try:
        captured = capture_model(prepared)
    except Exception as error:  # what cannot be captured cannot be cut
        reason = f"the model cannot be captured: {str(error).splitlines()[:1]}"
        return {"captured": None, "cuts": [{"module": None, "reason": reason} for _ in ways]}
    seen: set[frozenset[str]] = set()

    def cut_out(index: int, way: Mapping[str, Any]) -> dict[str, Any]:
        located = captured.named(way.get("nodes") or ())
        operators = way.get("operators") or ()
        found = captured.find(operators, way.get("line")) if operators else []
        located = list(dict.fromkeys((*located, *found)))
        grow = way.get("grow", 0)
        if not located and grow >= 0:
            return {"module": None, "reason": "no operator of the captured model is the one at fault"}
        names = captured.grown(located, grow)
        if frozenset(names) in seen:
            return {"module": None, "reason": "another way cuts the same"}
        seen.add(frozenset(names))
        try:
            program = cut(captured, names)
        except NotExpressible as error:
            return {"module": None, "reason": str(error)}
        if not runs(program):
            return {"module": None, "reason": "the part does not run by itself"}
        folder = channel.folder / f"cut_{index}"
        folder.mkdir()
        return {"located": located, **_written(folder, "model", program, title)}

    return {"captured": captured.how, "cuts": [cut_out(index, way) for index, way in enumerate(ways)]}


def candidates(
    channel: Channel, *, state: str, seed: int = 0, skip: int = 0, count: int = 16, title: str = TITLE
) -> dict[str, Any]:
    """Write the next smaller programs, one step away from a given one, as model modules; the largest steps first.

    Its calls stay (see `part`).

    Args:
        state: file of the program, from `extract` or an earlier call.
        seed: of what is chosen at random; the same seed gives the same candidates in the same order.
        skip: how many there were before.
        count: the most to write.

    Returns:
        `candidates`: what `_written` says of each, and its `step` in words; `exhausted`: there are no more.
    """
    from tautomer.adapters.torch_programs.reduction.shrinking import candidates as smaller
    from tautomer.adapters.torch_programs.reduction.state_file import read_program

    program = read_program(Path(state))
    found = list(itertools.islice(smaller(program, seed=seed), skip, skip + count))
    written = [
        {"step": one.step, **_written(channel.folder, f"candidate_{skip + index}", one.program, title)}
        for index, one in enumerate(found)
    ]
    return {"candidates": written, "exhausted": len(found) < count}


def calls(channel: Channel, *, state: str) -> dict[str, Any]:
    """The operators of a program as a graph.

    Args:
        state: file of the program.

    Returns:
        `parents`: for each operator, those it depends on.
    """
    from tautomer.adapters.torch_programs.reduction.minimisation import Parts
    from tautomer.adapters.torch_programs.reduction.state_file import read_program

    return {"parents": [sorted(one) for one in Parts(read_program(Path(state))).parents]}


def part(channel: Channel, *, state: str, kept: Sequence[int], title: str = TITLE) -> dict[str, Any]:
    """Write a program with some of its operators only, the results of others being inputs.

    Args:
        state: file of the program.
        kept: which operators, numbered as by `calls`.

    Returns:
        What `_written` says; `module` is None where that does not run.
    """
    from tautomer.adapters.torch_programs.reduction.minimisation import Parts
    from tautomer.adapters.torch_programs.reduction.state_file import read_program

    program = Parts(read_program(Path(state))).only(kept)
    return {"module": None} if program is None else _written(channel.folder, "model", program, title)


def probe(
    channel: Channel,
    *,
    modules: Sequence[str],
    settings: Mapping[str, Any],
    seed: int = 0,
    timeout_s: float = PROBE_TIMEOUT_S,
) -> dict[str, Any]:
    """How each of these model modules fails: exported, evaluated, run and compared, each in a process of its own.

    Emits a `probe` event for each, with the fields of a `Probe` and its `module`.

    Args:
        modules: paths.
        settings: as for `TorchProber`.
        timeout_s: for one module.

    Returns:
        `probes`: the fields of each `Probe`.
    """
    from tautomer.adapters.torch_programs.reduction.probing import TorchProber

    prober = TorchProber(settings, seed=seed, timeout_s=timeout_s)
    found = []
    for module in modules:
        fields = prober.probe(Path(module)).fields()
        channel.emit("probe", module=module, **fields)
        found.append(fields)
    return {"probes": found}


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
        settings: as for `probe`.
        operators: of the source or of the graph; where the first program has some of these, a smaller one must, too.
        max_probes: the most to make.

    Returns:
        What `_written` says, `probes` (their number), and `probe` (how it fails). Where the first program does not
        fail, `module` is None.
    """
    from tautomer.adapters.torch_programs.reduction.extraction import with_short_inputs
    from tautomer.adapters.torch_programs.reduction.minimisation import minimised
    from tautomer.adapters.torch_programs.reduction.module_text import module_text
    from tautomer.adapters.torch_programs.reduction.probing import TorchProber
    from tautomer.adapters.torch_programs.reduction.spelling import Speller
    from tautomer.adapters.torch_programs.reduction.state_file import read_program

    program = read_program(Path(state))
    speller = Speller()
    prober = TorchProber(settings, seed=seed, timeout_s=timeout_s)
    file = channel.folder / "probed" / "model.py"
    file.parent.mkdir()
    improvements = itertools.count()

    def printed(one: Any) -> Any:
        return module_text(one, title=title, speller=speller)

    def probed(one: Any) -> Any:
        printed(one).write(file)
        found = prober.probe(file)
        channel.emit("attempt", probes=prober.count, outcome=found.outcome, stage=found.stage)
        return found

    def improved(one: Any) -> None:
        channel.emit("best", probes=prober.count, **_written(channel.folder, f"best_{next(improvements)}", one, title))

    first = probed(program)
    prober.expect(first)
    if not first.is_same_failure(first):
        return {"module": None, "reason": "a probe does not see it fail", "probes": 1, "probe": first.fields()}
    fewest = first.nodes
    at_fault = [one for one in operators if first.has_one_of([one])]

    def fails(one: Any) -> bool:
        """Whether it fails as the first does, and its graph is no larger than that of the smallest before."""
        nonlocal fewest
        found = probed(one)
        if not found.is_same_failure(first) or found.nodes > fewest:
            return False
        if at_fault and found.op_types and not found.has_one_of(at_fault):
            return False
        fewest = found.nodes
        return True

    smallest, _ = minimised(
        program,
        fails,
        printed=printed,
        budget=max_probes,
        seed=seed,
        on_best=improved,
    )
    smallest = with_short_inputs(smallest, [one.name for one in program.inputs])
    written = _written(channel.folder, "model", smallest, title)
    return {**written, "probes": prober.count, "probe": probed(smallest).fields()}


def _written(folder: Path, stem: str, program: Any, title: str) -> dict[str, Any]:
    """Write a program: `module` (.py), `beside` (its .safetensors, where it needs one), `state`; and what it is:
    `operators`, `calls`, `inputs`, `constants`, `outputs`, `sets`, `dynamic`, `elements`, `weight`.
    """
    from tautomer.adapters.torch_programs.reduction.module_text import module_text
    from tautomer.adapters.torch_programs.reduction.state_file import write_program
    from tautomer.adapters.torch_programs.reduction.weight import weight

    path = folder / f"{stem}.py"
    files = module_text(program, title=title, stem=stem).write(path)
    state = folder / f"{stem}.state.json"
    write_program(state, program)
    tensors = [value.tensor for one in program.inputs for value in one.values]
    tensors += [one.value.tensor for one in program.constants]
    return {
        "module": str(path),
        "beside": [str(one) for one in files[1:]],
        "state": str(state),
        "operators": list(program.operators()),
        "calls": len(program.calls),
        "inputs": len(program.inputs),
        "constants": len(program.constants),
        "outputs": len(program.outputs),
        "sets": program.sets,
        "dynamic": any(one.dynamic for one in program.inputs),
        "elements": sum(tensor.numel() for tensor in tensors),
        "weight": list(weight(program)),
    }
