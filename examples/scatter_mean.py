"""A model that torch.onnx converts wrongly (torch 2.13): tautomer check examples/scatter_mean.py."""

import torch


class Model(torch.nn.Module):
    def forward(self, totals, index, values):
        return totals.scatter_reduce(0, index, values, reduce="mean", include_self=False)


def inputs():
    return torch.zeros(4), torch.tensor([0, 0, 2, 2, 2]), torch.tensor([1.0, -2.0, 3.0, 5.0, -9.0])
