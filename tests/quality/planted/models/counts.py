"""Integers that are cast before they meet floating-point numbers."""

import torch


class Model(torch.nn.Module):
    def forward(self, counts, weights):
        return (counts + 1).to(torch.float32) * weights


def inputs():
    return torch.tensor([1, 2, 3]), torch.randn(3)
