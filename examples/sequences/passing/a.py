"""Passes through torch.onnx."""

import torch


class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(8, 8)

    def forward(self, x):
        y = self.linear(x)
        y = torch.relu(y)
        y = torch.tanh(y) + x
        return y


def inputs():
    return (torch.randn(4, 8) * 50,)
