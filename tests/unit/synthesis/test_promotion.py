"""The dtype that two tensors are promoted to is the one that PyTorch documents."""

import itertools

import pytest

from tautomer.synthesis.rules.promotion import promoted
from tautomer.synthesis.tensor_types import ALL, TensorType


@pytest.mark.needs("torch")
def test_two_tensors_are_promoted_as_pytorch_promotes_them():
    import torch

    for first, second in itertools.product(ALL, repeat=2):
        for rank, other in itertools.product((0, 1, 2), repeat=2):
            types = TensorType(first, (1,) * rank), TensorType(second, (1,) * other)
            tensors = [torch.zeros(one.shape, dtype=getattr(torch, one.dtype)) for one in types]
            assert f"torch.{promoted(*types)}" == str(torch.result_type(*tensors)), types
