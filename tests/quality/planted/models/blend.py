"""A fused multiply-add with a factor, which exporters take apart."""

import torch


class Model(torch.nn.Module):
    def forward(self, x, y, z):
        return torch.addcmul(x, y, z, value=0.3)


def inputs():
    return torch.randn(4, 5), torch.randn(4, 5), torch.randn(4, 5)
