"""A sum over a dimension that is declared dynamic; the second set of inputs has another size there."""

import torch


class Model(torch.nn.Module):
    def forward(self, x):
        return torch.tanh(x).sum(dim=1) / x.shape[0]


DYNAMIC_SHAPES = ({0: torch.export.Dim("rows", min=2, max=64)},)


def inputs():
    return (torch.randn(4, 3),)


def run_inputs():
    return [(torch.randn(7, 3),)]
