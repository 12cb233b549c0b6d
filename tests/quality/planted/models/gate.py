"""A branch that depends on the values of the input; the second set of inputs takes the other way."""

import torch


class Model(torch.nn.Module):
    def forward(self, x):
        if x.sum() > 0:
            return x * 2.0
        return x - 1.0


def inputs():
    return (torch.tensor([1.0, 2.0, 3.0]),)


def run_inputs():
    return [(torch.tensor([-1.0, -2.0, -3.0]),)]
