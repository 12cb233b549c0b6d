"""One layer of a transformer encoder: attention, a residual, normalization, an approximate GELU."""

import torch


class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.query = torch.nn.Linear(16, 16)
        self.key = torch.nn.Linear(16, 16)
        self.norm = torch.nn.LayerNorm(16)

    def forward(self, x):
        weights = torch.softmax(self.query(x) @ self.key(x).transpose(1, 2) * 0.251, dim=-1)
        hidden = self.norm(x - weights @ x)
        return torch.nn.functional.gelu(hidden, approximate="tanh") * 1.001


def inputs():
    return (torch.randn(2, 5, 16),)
