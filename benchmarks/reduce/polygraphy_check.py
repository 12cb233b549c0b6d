"""The check that Polygraphy runs on every candidate: is the planted runtime's answer the right one?

Arguments: the candidate, the file of recorded values, the name of the planted fault. Exit status 1 where it is wrong.
It has what a careful user would give it: the values of the failing run at every cut, and a bound far below the fault.
"""

from __future__ import annotations

import sys

import faults
import numpy as np
import onnx
import onnxruntime


def answers(model: onnx.ModelProto, given: dict[str, np.ndarray]) -> list[np.ndarray]:
    options = onnxruntime.SessionOptions()
    options.graph_optimization_level = onnxruntime.GraphOptimizationLevel.ORT_DISABLE_ALL
    options.intra_op_num_threads = 1
    session = onnxruntime.InferenceSession(model.SerializeToString(), options, providers=["CPUExecutionProvider"])
    return list(session.run(None, given))


def main(candidate: str, recorded: str, fault: str) -> int:
    model = onnx.load(candidate)
    with np.load(recorded) as values:
        given = {value.name: values[value.name] for value in model.graph.input}
    right = answers(model, given)
    wrong = answers(getattr(faults, fault)(model), given)
    return int(any(not np.allclose(a, b, rtol=1e-4, atol=1e-6) for a, b in zip(right, wrong, strict=True)))


if __name__ == "__main__":
    sys.exit(main(*sys.argv[1:]))
