"""The source's Monte-Carlo envelope: how far its own rounding can carry each output.

Source: D. S. Parker, Monte Carlo Arithmetic, UCLA CSD-970002 (1997), for the method: every rounding is replaced by a
random relative perturbation, and the spread of the results estimates the forward error.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from tautomer.adapters.tf_programs.graph_plan import Edge, NodePlan
from tautomer.adapters.tf_programs.interpreter import GraphDefRun
from tautomer.adapters.tf_programs.tracing import Call
from tautomer.model import Tensor
from tautomer.numerics.branches import Branches

Array = np.ndarray[Any, Any]


class Envelope:
    """Perturbed float64 runs of a graph, with the branches of its declared run.

    Attributes:
        variance: mean square deviation from the unperturbed float64 answer, by output path; floating outputs only.
        flips: whether an integer or boolean element changed in any run, by output path.
        watched: RMS deviation of watched values.
        turned: names of the settled decisions that a run took otherwise.
    """

    def __init__(
        self,
        call: Call,
        exact: Mapping[str, Any],
        *,
        seed: int,
        samples: int,
        branches: Branches,
        decisions: Mapping[str, Sequence[Any]] | None = None,
        watch: Mapping[Edge, Array] | None = None,
        shifts: Mapping[str, Sequence[Any]] | None = None,
        settled: Mapping[str, Sequence[Any]] | None = None,
    ) -> None:
        squares: dict[str, Array] = {}
        flips: dict[str, Array] = {}
        watched: dict[Edge, Array] = {edge: np.zeros(base.shape) for edge, base in (watch or {}).items()}
        self.turned: set[str] = set()

        def observe(node: NodePlan, results: Sequence[Any]) -> None:
            taken = (settled or {}).get(node.name)
            if taken is not None and any(
                not np.array_equal(one.numpy(), other.numpy()) for one, other in zip(taken, results, strict=True)
            ):
                self.turned.add(node.name)
            for number, result in enumerate(results):
                base = (watch or {}).get((node.name, number))
                if base is not None and tuple(result.shape) == base.shape:
                    with np.errstate(all="ignore"):
                        deviation = result.numpy() - base
                    finite = np.where(np.isfinite(deviation), deviation, 0.0)
                    watched[node.name, number] += np.square(finite)

        for sample in range(samples):
            run = GraphDefRun(
                call.plan,
                lift=True,
                perturbation=np.random.default_rng([seed, sample]),
                branches=branches.again(),
                decisions=decisions,
                shifts=shifts,
                observe=observe if watched or settled else None,
            )
            for path, tensor in call.run(run).items():
                base, value = exact[path].numpy(), tensor.numpy()
                if base.shape != value.shape:
                    continue  # a size that depends on values changed: nothing elementwise can be said of this sample
                if base.dtype.kind in "fc":
                    with np.errstate(all="ignore"):
                        deviation = np.abs(value - base)
                    finite = np.where(np.isfinite(deviation), deviation, 0.0)
                    squares[path] = squares.get(path, 0.0) + np.square(finite)
                else:
                    flips[path] = flips.get(path, False) | np.asarray(value != base)
        self.watched = {edge: np.sqrt(total / max(samples, 1)) for edge, total in watched.items()}
        self.variance = {path: Tensor.of(np.asarray(total / max(samples, 1))) for path, total in squares.items()}
        self.flips = {path: Tensor.of(np.asarray(changed)) for path, changed in flips.items()}
