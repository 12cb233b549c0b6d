"""How accurate the approximated functions of ONNX Runtime and PyTorch are on [-12, 12]."""

from __future__ import annotations

import math

import numpy as np
import onnxruntime
import torch
from onnx import TensorProto, helper

U = 2.0**-24
EXACT = {
    "Sigmoid": lambda v: 1 / (1 + np.exp(-v)),
    "Tanh": np.tanh,
    "Erf": np.vectorize(math.erf),
    "Exp": np.exp,
    "Softplus": lambda v: np.logaddexp(0, v),
    "Elu": lambda v: np.where(v > 0, v, np.expm1(v)),
}
IN_TORCH = {"Sigmoid": torch.sigmoid, "Tanh": torch.tanh, "Erf": torch.erf, "Exp": torch.exp}


def by_onnxruntime(name: str, x: np.ndarray) -> np.ndarray:
    value = [helper.make_tensor_value_info(one, TensorProto.FLOAT, [None]) for one in "xy"]
    graph = helper.make_graph([helper.make_node(name, ["x"], ["y"])], "g", value[:1], value[1:])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    return onnxruntime.InferenceSession(model.SerializeToString()).run(None, {"x": x})[0]


def main() -> None:
    x = np.linspace(-12, 12, 200_001).astype(np.float32)
    print(f"{'function':10s} {'by':12s} {'absolute / u':>13s} {'relative / u':>13s}")
    for name, exact in EXACT.items():
        expected = exact(x.astype(np.float64))
        found = {"onnxruntime": by_onnxruntime(name, x)}
        if name in IN_TORCH:
            found["torch"] = IN_TORCH[name](torch.from_numpy(x)).numpy()
        for who, values in found.items():
            error = np.abs(values.astype(np.float64) - expected)
            relative = (error / np.abs(expected))[np.abs(expected) > 1e-30].max()
            print(f"{name:10s} {who:12s} {error.max() / U:13.4g} {relative / U:13.4g}")


if __name__ == "__main__":
    main()
