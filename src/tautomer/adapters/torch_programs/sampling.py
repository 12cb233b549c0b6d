"""The source's Monte-Carlo envelope: how far its own rounding can carry each output.

Source: D. S. Parker, Monte Carlo Arithmetic, UCLA CSD-970002 (1997), for the method: every rounding is replaced by a
random relative perturbation, and the spread of the results estimates the forward error.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import torch

from tautomer.adapters.torch_programs.capture import Capture
from tautomer.adapters.torch_programs.lift import GraphRun
from tautomer.model import Tensor
from tautomer.numerics.branches import Branches


class Envelope:
    """Perturbed float64 runs of a captured program, with the branches of its declared run.

    Attributes:
        variance: mean square deviation from the unperturbed float64 answer, by output path; floating outputs only.
        flips: whether an integer or boolean element changed in any run, by output path.
        watched: RMS deviation of watched nodes' values, by name.
        turned: names of the settled decisions that a run took otherwise.
    """

    def __init__(
        self,
        captured: Capture,
        inputs: Sequence[torch.Tensor],
        exact: Sequence[torch.Tensor],
        *,
        seed: int,
        samples: int,
        branches: Branches | None = None,
        decisions: Mapping[str, torch.Tensor] | None = None,
        watch: Mapping[str, torch.Tensor] | None = None,
        shifts: Mapping[str, Sequence[Any]] | None = None,
        settled: Mapping[str, torch.Tensor] | None = None,
    ) -> None:
        squares: dict[str, np.ndarray] = {}
        flips: dict[str, np.ndarray] = {}
        watched = {name: torch.zeros_like(value) for name, value in (watch or {}).items()}

        self.turned: set[str] = set()

        def observe(node: torch.fx.Node, result: object) -> None:
            taken = (settled or {}).get(node.name)
            if taken is not None and isinstance(result, torch.Tensor) and not torch.equal(result, taken):
                self.turned.add(node.name)
            base = (watch or {}).get(node.name)
            if base is not None and isinstance(result, torch.Tensor) and result.shape == base.shape:
                watched[node.name] += torch.nan_to_num(result - base, nan=0.0, posinf=0.0, neginf=0.0).square()

        for sample in range(samples):
            generator = torch.Generator().manual_seed(seed * 1_000_003 + sample)
            run = GraphRun(
                captured.graph,
                lift=True,
                perturbation=generator,
                branches=branches.again() if branches is not None else None,
                decisions=decisions,
                shifts=shifts,
                observe=observe if watched or settled else None,
            )
            outputs = run.outputs(*inputs)
            for path, base, value in zip(captured.output_paths, exact, outputs, strict=True):
                if base.shape != value.shape:
                    continue  # a data-dependent size changed: nothing elementwise can be said of this sample
                if base.is_floating_point() or base.is_complex():
                    deviation = (value - base).abs().numpy()
                    finite = np.where(np.isfinite(deviation), deviation, 0.0)
                    squares[path] = squares.get(path, 0.0) + np.square(finite)
                else:
                    flips[path] = flips.get(path, False) | (value != base).numpy()
        self.watched = {name: (total / samples).sqrt() for name, total in watched.items()}
        self.variance = {path: Tensor.of(np.asarray(total / samples)) for path, total in squares.items()}
        self.flips = {path: Tensor.of(np.asarray(changed)) for path, changed in flips.items()}
