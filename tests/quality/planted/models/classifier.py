"""A small image classifier with batch normalization."""

import torch


class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.convolution = torch.nn.Conv2d(3, 8, 3)
        self.norm = torch.nn.BatchNorm2d(8)
        torch.nn.init.uniform_(self.norm.running_mean, -0.5, 0.5)
        torch.nn.init.uniform_(self.norm.running_var, 0.5, 2.0)
        self.linear = torch.nn.Linear(8, 4)

    def forward(self, x):
        features = torch.relu(self.norm(self.convolution(x)))
        return self.linear(features.mean((2, 3)))


def inputs():
    return (torch.randn(2, 3, 8, 8),)
