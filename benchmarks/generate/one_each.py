"""Write a model of one operator for each operator of PyTorch's table: `python benchmarks/generate/one_each.py FOLDER`.

`checked.py FOLDER` then says what a conversion makes of each.
"""

from __future__ import annotations

import re
import sys
from pathlib import Path

import torch

from tautomer.adapters.torch_programs.generated_module import module_text
from tautomer.adapters.torch_programs.kernels import TorchKernels
from tautomer.adapters.torch_programs.operators import OPERATORS
from tautomer.synthesis import Growth, Request
from tautomer.synthesis.choosing import Weighted

SEEDS = range(40)
"""The first seed that gives a healthy model is taken."""

DTYPES = {"float32": 1.0, "int64": 0.2, "bool": 0.1}


def main(folder: Path) -> int:
    """Write the models; 1 where an operator has none."""
    torch.set_num_threads(1)
    folder.mkdir(parents=True, exist_ok=True)
    missing = []
    for number, operator in enumerate(OPERATORS):
        request = Request(nodes=1, dtypes=DTYPES, dynamic=0.3)
        grown = (Growth(TorchKernels(), Weighted([operator]), request, seed).grow() for seed in SEEDS)
        program = next((one for one in grown if one is not None), None)
        if program is None:
            missing.append(operator.name)
            continue
        name = re.sub(r"[^A-Za-z0-9]+", "_", operator.name)
        (folder / f"model-{number:03d}-{name}.py").write_text(module_text(program), "utf-8")
    print(f"{len(OPERATORS) - len(missing)} models in {folder}; none for {missing or 'no operator'}")
    return 1 if missing else 0


if __name__ == "__main__":
    if len(sys.argv) != 2:
        sys.exit(__doc__)
    sys.exit(main(Path(sys.argv[1])))
