"""The source's Monte-Carlo envelope: how far its own rounding can carry each output.

Source: D. S. Parker, Monte Carlo Arithmetic, UCLA CSD-970002 (1997), for the method: every rounding is replaced by a
random relative perturbation, and the spread of the results estimates the forward error.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence

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
    """

    def __init__(
        self,
        captured: Capture,
        inputs: Sequence[torch.Tensor],
        exact: Sequence[torch.Tensor],
        *,
        seed: int,
        samples: int,
        branches: Branches,
        decisions: Mapping[str, torch.Tensor] | None = None,
    ) -> None:
        squares: dict[str, np.ndarray] = {}
        flips: dict[str, np.ndarray] = {}
        for sample in range(samples):
            generator = torch.Generator().manual_seed(seed * 1_000_003 + sample)
            run = GraphRun(
                captured.graph, lift=True, perturbation=generator, branches=branches.again(), decisions=decisions
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
        self.variance = {path: Tensor.of(np.asarray(total / samples)) for path, total in squares.items()}
        self.flips = {path: Tensor.of(np.asarray(changed)) for path, changed in flips.items()}
