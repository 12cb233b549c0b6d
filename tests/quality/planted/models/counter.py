"""A module that counts its calls in a buffer and uses the count."""

import torch


class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.register_buffer("calls", torch.tensor(3.0))

    def forward(self, x):
        self.calls.add_(1.0)
        return x * self.calls


def inputs():
    return (torch.randn(4),)
