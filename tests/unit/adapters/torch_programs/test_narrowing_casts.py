"""Casts to narrow formats round once on the source's side too, as the evaluator of the target's does."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest
import torch
from onnx import TensorProto, helper

from tautomer.adapters.torch_programs.capture import capture
from tautomer.adapters.torch_programs.lift import GraphRun
from tautomer.adapters.torch_programs.trees import CallArguments
from tautomer.numerics.onnx_evaluator import Evaluator

pytestmark = pytest.mark.needs("torch")

_FORMATS = [
    (torch.float16, TensorProto.FLOAT16, 11),
    (torch.bfloat16, TensorProto.BFLOAT16, 8),
    (torch.float8_e4m3fn, TensorProto.FLOAT8E4M3FN, 4),
    (torch.float8_e5m2, TensorProto.FLOAT8E5M2, 3),
]


@pytest.mark.parametrize(("dtype", "element", "digits"), _FORMATS)
def test_a_float64_value_just_beside_a_tie_is_rounded_away_from_it_on_both_sides(
    dtype: torch.dtype, element: int, digits: int
) -> None:
    # (1 + a)(1 + b) and its like miss a tie of the narrow format by less than float32 can hold.
    odd = 2 * np.arange(1, 2 ** (digits - 1), max(2 ** (digits - 5), 1)) + 1
    ties = 1 + odd * 2.0**-digits
    x = np.concatenate([ties, -ties, ties * 0.5]).astype(np.float32)
    shift = np.float32(2.0**-30)
    for sign in (1, -1):
        factor = torch.tensor([shift * sign])
        captured = capture(lambda t, f: (t + t * f).to(dtype), CallArguments((torch.from_numpy(x), factor), {}))
        [source, *_] = GraphRun(captured.graph, lift=True).outputs(torch.from_numpy(x), factor)
        nodes = [
            helper.make_node("Mul", ["x", "f"], ["m"]),
            helper.make_node("Add", ["x", "m"], ["s"]),
            helper.make_node("Cast", ["s"], ["y"], to=element),
        ]
        infos = [helper.make_tensor_value_info(name, TensorProto.FLOAT, None) for name in "xf"]
        graph = helper.make_graph(nodes, "g", infos, [helper.make_tensor_value_info("y", element, None)])
        model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 21)])
        target = Evaluator(model, lift=True).run({"x": x, "f": factor.numpy()})["y"].astype(np.float64)
        assert source.double().tolist() == target.tolist()
        for value, found in zip(x.tolist(), target.tolist(), strict=True):
            spacing = Fraction(2) ** (1 - digits) / (2 if abs(value) < 1 else 1)
            tie = Fraction(value) / spacing
            assert tie.denominator == 2
            up = (sign > 0) == (value > 0)
            assert Fraction(found) / spacing == (tie + Fraction(1, 2) if up else tie - Fraction(1, 2))
