"""What an architecture of the catalogue is, inputs that fit many of them, and weights as training leaves them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from torch.export import Dim

Inputs = dict[str, torch.Tensor] | tuple[torch.Tensor, ...]

_NORMS = (torch.nn.modules.batchnorm._BatchNorm, torch.nn.LayerNorm, torch.nn.GroupNorm)

_SETTLING_BATCH = 12

BATCH, LENGTH = Dim("batch"), Dim("length")


@dataclass(frozen=True)
class Architecture:
    """One architecture: how to build it, and inputs of two sizes.

    Attributes:
        build: the network, in evaluation mode; for a model that is shipped as a file, a function that fails.
        inputs: the arguments of a call, for a batch and a length; for a file, by graph input name.
        dynamic_shapes: as torch.export takes it.
        file: the model itself, where it is a file that a package ships.
        trained: whether the weights come from training; others get weights as training leaves them.
    """

    build: Callable[[], torch.nn.Module]
    inputs: Callable[[int, int], Inputs]
    dynamic_shapes: Any = None
    file: Callable[[], Path] | None = None
    trained: bool = False

    def model(self) -> torch.nn.Module:
        """The network with the weights that it is judged with; the caller seeds torch's generator."""
        network = self.build()
        return network if self.trained else with_trained_scales(network, self.inputs(_SETTLING_BATCH, 12))


def hugging_face(model: str, config: str, **options: Any) -> Callable[[], torch.nn.Module]:
    """Builds a class of transformers from a configuration."""

    def build() -> torch.nn.Module:
        import transformers

        return getattr(transformers, model)(getattr(transformers, config)(**options)).eval()  # type: ignore[no-any-return]

    return build


def tokens(batch: int, length: int) -> dict[str, torch.Tensor]:
    """Token ids of a vocabulary of 99, without the special ones."""
    return {"input_ids": torch.randint(3, 99, (batch, length))}


def masked_tokens(batch: int, length: int) -> dict[str, torch.Tensor]:
    """Token ids; the second half of the last sentence is padding."""
    mask = torch.ones(batch, length, dtype=torch.int64)
    mask[-1, length // 2 :] = 0
    return {**tokens(batch, length), "attention_mask": mask}


def source_and_target_tokens(batch: int, length: int) -> dict[str, torch.Tensor]:
    """Token ids for an encoder, with padding, and for a decoder."""
    target = torch.randint(3, 99, (batch, length - 2))
    return {**masked_tokens(batch, length), "decoder_input_ids": target}


def image(size: int, channels: int = 3) -> Callable[[int, int], dict[str, torch.Tensor]]:
    """Square images of standard normal pixels."""
    return lambda batch, _: {"pixel_values": torch.randn(batch, channels, size, size)}


def waveform(samples: int) -> Callable[[int, int], dict[str, torch.Tensor]]:
    """Standardized sound."""
    return lambda batch, _: {"input_values": torch.randn(batch, samples)}


def with_trained_scales(network: torch.nn.Module, example: Inputs) -> torch.nn.Module:
    """The network with weights and statistics of the sizes that training leaves; changed in place.

    A fresh network hides faults and rounding alike: unit norm weights and zero biases make operators the identity,
    projections of standard deviation 0.02 make attention uniform, and untouched running statistics make batch norm do
    nothing. Therefore parameters that are constant get values around what they are, projections get at least unit gain
    (standard deviation 1/sqrt(fan in), Glorot & Bengio 2010), embeddings at least a standard deviation of 0.3, and
    running statistics are those of the example.
    """
    with torch.no_grad():
        for module in network.modules():
            for name, parameter in module.named_parameters(recurse=False):
                if parameter.is_floating_point() and parameter.numel() > 1:
                    _rescale(module, name, parameter)
    _settle_running_statistics(network, example)
    return network


def _rescale(module: torch.nn.Module, name: str, parameter: torch.Tensor) -> None:
    first = float(parameter.flatten()[0])
    if name == "weight" and isinstance(module, _NORMS):
        parameter.uniform_(0.6, 1.4)
        return
    if bool((parameter == first).all()):
        if first == 0.0:
            parameter.normal_(0.0, 0.1)
        elif abs(first) < 0.05:  # the scale of a residual branch, 1e-6 before training
            parameter.uniform_(0.1, 0.5)
        else:
            parameter.uniform_(0.6 * first, 1.4 * first)
        return
    if isinstance(module, torch.nn.Embedding):
        wanted = 0.3
    elif name.startswith("weight") and parameter.ndim >= 2 and not isinstance(module, torch.nn.RNNBase):
        transposed = isinstance(module, torch.nn.modules.conv._ConvTransposeNd) or type(module).__name__ == "Conv1D"
        fan_in = parameter.shape[0] if transposed else parameter[0].numel()
        wanted = fan_in**-0.5
    else:
        return
    spread = float(parameter.std())
    if 0.0 < spread < wanted:
        parameter.mul_(wanted / spread)


def _settle_running_statistics(network: torch.nn.Module, example: Inputs) -> None:
    """Let batch norms see the example once, as their training would; other modules stay in evaluation mode."""
    norms = [one for one in network.modules() if isinstance(one, torch.nn.modules.batchnorm._BatchNorm)]
    if not norms:
        return
    for one in norms:
        one.reset_running_stats()
        one.momentum = None  # a cumulative average: the example's own statistics
        one.train()
    with torch.no_grad():
        network(**example) if isinstance(example, dict) else network(*example)
    for one in norms:
        one.momentum = 0.1
        one.eval()
        if one.running_mean is not None and one.running_var is not None:
            with torch.no_grad():  # a test image is not the training set
                one.running_mean.add_(torch.randn_like(one.running_mean) * one.running_var.sqrt() * 0.1)
                one.running_var.mul_(torch.empty_like(one.running_var).uniform_(0.8, 1.25)).clamp_(min=1e-4)
