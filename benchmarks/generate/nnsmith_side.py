"""NNSmith's models as JSON lines, made by its own modules in its own environment; `run.py` starts this.

    python nnsmith_side.py COUNT NODES FIRST_SEED

What is timed is what makes a model with inputs: generation, concretisation, the search for inputs that give finite
values, and the answer on them; no export.
"""

import json
import logging
import random
import sys
import time
import warnings

import numpy as np
import torch

warnings.filterwarnings("ignore")
logging.disable(logging.CRITICAL)

from nnsmith.abstract.extension import activate_ext  # noqa: E402
from nnsmith.graph_gen import model_gen  # noqa: E402
from nnsmith.materialize import Model  # noqa: E402
from nnsmith.narrow_spec import auto_opset  # noqa: E402


def graph(ir):
    """Nodes in their order: operator, and for each input the node and the port it comes from; placeholders left out."""
    number, nodes = {}, []
    for inst in ir.insts:
        op = inst.iexpr.op
        if type(op).__name__ in ("Input", "Constant", "Placeholder"):
            continue
        inputs = []
        for arg in inst.iexpr.args:
            source, port = inst.var_inst_idx(arg)
            if source in number:
                inputs.append([number[source], port])
        number[inst.identifier] = len(nodes)
        nodes.append({"op": type(op).__name__, "inputs": inputs})
    return nodes


def outputs(net, inputs):
    with torch.no_grad():
        made = net(*inputs.values())
    made = made if isinstance(made, (tuple, list)) else (made,)
    return [one.detach().cpu().numpy() for one in made]


def main():
    count, nodes, first = (int(one) for one in sys.argv[1:4])
    torch.set_num_threads(1)
    model_type = Model.init("torch", backend_target="cpu")
    model_type.add_seed_setter()
    opset = auto_opset(model_type, None)
    activate_ext(opset=opset, factory=None)
    print(json.dumps({"operators": len(opset)}), flush=True)
    for seed in range(first, first + count):
        random.seed(seed)
        np.random.seed(seed)
        torch.manual_seed(seed)
        began = time.perf_counter()
        row = {"seed": seed, "valid": False}
        try:
            made = model_gen(opset=opset, method="symbolic-cinit", seed=seed, max_nodes=nodes, timeout_ms=10_000)
            ir = made.make_concrete()
            model = model_type.from_gir(ir)
            model.refine_weights()
            oracle = model.make_oracle()
            row["seconds"] = time.perf_counter() - began
            row["nodes"] = graph(ir)
            net = model.torch_model.eval()
            inputs = {name: torch.from_numpy(np.asarray(value)) for name, value in oracle.input.items()}
            first_answer = outputs(net, inputs)
            row["valid"] = True
            row["finite"] = all(bool(np.isfinite(one).all()) for one in first_answer if one.dtype.kind == "f")
            other = {name: torch.as_tensor(one) for name, one in net.get_random_inps().items()}
            other = {name: other[name] for name in inputs}
            second = outputs(net, other)
            varies = [
                not np.array_equal(a, b, equal_nan=a.dtype.kind == "f")
                for a, b in zip(first_answer, second, strict=True)
            ]
            row["varies"], row["all_vary"] = any(varies), all(varies)
        except Exception as error:  # a model that NNSmith itself cannot make or run is a row of its own
            row.setdefault("seconds", time.perf_counter() - began)
            row["error"] = f"{type(error).__name__}: {error}"[:200]
        print(json.dumps(row), flush=True)


if __name__ == "__main__":
    main()
