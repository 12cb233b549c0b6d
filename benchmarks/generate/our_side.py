"""Tautomer's models as JSON lines, like those of `nnsmith_side.py`; `run.py` starts this.

    python our_side.py COUNT NODES FIRST_SEED [aimed]

What is timed is what makes a model with inputs: growth, which runs every operator on every set of inputs, and the text
of the file; no export. Validity, finiteness and movement are then measured on what the file does.
"""

from __future__ import annotations

import json
import sys
import time
import warnings
from typing import Any

import numpy as np
import torch

from tautomer.adapters.torch_programs.generated_module import module_text
from tautomer.adapters.torch_programs.kernels import TorchKernels
from tautomer.adapters.torch_programs.operators import OPERATORS
from tautomer.synthesis import Growth, Program, Request
from tautomer.synthesis.choosing import Aimed, Varied

WARM = 20
"""Models grown before anything is timed: PyTorch loads parts of itself when they are first used."""


def graph(program: Program) -> list[dict[str, Any]]:
    """Nodes in their order: operator, and for each input the node and the port it comes from."""
    made: dict[str, tuple[int, int]] = {}
    nodes = []
    for number, node in enumerate(program.nodes):
        nodes.append({"op": node.operator, "inputs": [list(made[one]) for one in node.operands() if one in made]})
        made.update({name: (number, port) for port, name in enumerate(node.results)})
    return nodes


def outputs(model: Any, inputs: tuple[Any, ...]) -> list[np.ndarray]:
    """What a model answers."""
    with torch.no_grad():
        made = model(*inputs)
    return [one.numpy() for one in (made if isinstance(made, tuple) else (made,))]


def main() -> None:
    """Print a line for the table of operators, then one for each model."""
    count, nodes, first = (int(one) for one in sys.argv[1:4])
    aimed = sys.argv[4:] == ["aimed"]
    warnings.filterwarnings("ignore")
    torch.set_num_threads(1)
    kernels = TorchKernels()
    for seed in range(WARM):
        Growth(kernels, Varied(OPERATORS), Request(nodes=nodes), -1 - seed).grow()
    chooser = Aimed(OPERATORS) if aimed else Varied(OPERATORS)
    print(json.dumps({"operators": len(OPERATORS)}), flush=True)
    for seed in range(first, first + count):
        began = time.perf_counter()
        program = Growth(kernels, chooser, Request(nodes=nodes), seed).grow()
        text = None if program is None else module_text(program)
        row: dict[str, Any] = {"seed": seed, "valid": False, "seconds": time.perf_counter() - began}
        if program is not None and text is not None:
            row["nodes"] = graph(program)
            torch.compiler.reset()  # torch.cond compiles its branches, and refuses after some models in one process
            namespace: dict[str, Any] = {}
            exec(compile(text, f"model {seed}", "exec"), namespace)
            model = namespace["Model"]().eval()
            one, other = outputs(model, namespace["inputs"]()), outputs(model, namespace["run_inputs"]()[0])
            row["valid"] = True
            row["finite"] = all(bool(np.isfinite(value).all()) for value in (*one, *other) if value.dtype.kind == "f")
            varies = [not np.array_equal(a, b) for a, b in zip(one, other, strict=True)]
            row["varies"], row["all_vary"] = any(varies), all(varies)
        print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
