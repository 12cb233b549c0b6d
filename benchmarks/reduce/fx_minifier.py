"""PyTorch's own minifier on a graph of the same structure: one FX node for each ONNX node, the same fault planted.

It takes FX graphs only, so the ONNX graph is written as one. In its favour every operator is a sum of tiny tensors, and
the test looks at the structure of the graph alone, so that the time is the minifier's own.
"""

from __future__ import annotations

import argparse
import contextlib
import io
import json
import time
from pathlib import Path

import onnx
import torch
from functorch.compile import minifier


def _combined(*values: torch.Tensor) -> torch.Tensor:
    total = values[0] * 1.0
    for value in values[1:]:
        total = total + value
    return total


def as_fx(model: onnx.ModelProto) -> torch.fx.GraphModule:
    graph = torch.fx.Graph()
    known = {one.name: graph.placeholder(f"input_{index}") for index, one in enumerate(model.graph.input)}
    for node in model.graph.node:
        arguments = tuple(known[name] for name in node.input if name in known)
        if arguments:
            made = graph.call_function(_combined, arguments)
            made.meta["onnx"] = node.name
            known.update(dict.fromkeys(node.output, made))
    graph.output([known[one.name] for one in model.graph.output])
    return torch.fx.GraphModule(torch.nn.Module(), graph)


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("model", type=Path)
    parser.add_argument("planted")
    given = parser.parse_args()
    module = as_fx(onnx.load(str(given.model)))
    planted = given.planted.split(",")
    calls = 0
    smallest = len(module.graph.nodes)

    def fails(candidate: torch.fx.GraphModule, _inputs: object) -> bool:
        nonlocal calls, smallest
        calls += 1
        reached: set[torch.fx.Node] = set()
        seen = False
        computed = [node for node in candidate.graph.nodes if node.op == "call_function"]
        for node in computed:
            if node.meta.get("onnx") == planted[0] or reached & set(node.all_input_nodes):
                reached.add(node)
                seen = seen or node.meta.get("onnx") == planted[-1]
        if seen:
            smallest = min(smallest, len(computed))
        return seen

    inputs = [torch.ones(2, 2) for node in module.graph.nodes if node.op == "placeholder"]
    began = time.perf_counter()
    said = io.StringIO()
    with contextlib.redirect_stdout(said):
        minifier(module, inputs, fails, dump_state=lambda *_: None)
    print(json.dumps({"seconds": time.perf_counter() - began, "calls": calls, "nodes": smallest}))


if __name__ == "__main__":
    main()
