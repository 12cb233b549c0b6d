"""A small convolutional net, as short as a model module gets: tautomer check examples/quickstart.py."""

import torch
from torch import nn


def model():
    return nn.Sequential(nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.ReLU(), nn.Flatten(), nn.Linear(288, 10)).eval()


def inputs():
    return (torch.randn(2, 3, 8, 8),)
