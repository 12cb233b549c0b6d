"""Architectures of torch.nn that are written by hand: recurrent, convolutional, generative and attention networks."""

from __future__ import annotations

from typing import Any

import torch
from entries import BATCH, LENGTH, Architecture, hugging_face, image
from torch import nn
from torch.export import Dim
from torch.nn import functional

IMAGE_TUPLE: Any = ({0: BATCH},)
SEQUENCE_TUPLE: Any = ({0: BATCH, 1: LENGTH},)


class Recurrent(nn.Module):
    """An LSTM, on request a GRU after it, and a softmax."""

    def __init__(self, *, gru: bool = False) -> None:
        super().__init__()
        self.lstm = nn.LSTM(12, 16, batch_first=True)
        self.gru = nn.GRU(16, 16, batch_first=True) if gru else None
        self.head = nn.Linear(16, 5)

    def forward(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Class probabilities (batch, length, 5) and the last hidden state."""
        y, (h, _) = self.lstm(x)
        if self.gru is not None:
            y = self.gru(y)[0]
        return self.head(y).softmax(-1), h


class Tagger(nn.Module):
    """A bidirectional GRU of two layers over embedded tokens."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(99, 12)
        self.gru = nn.GRU(12, 10, num_layers=2, bidirectional=True, batch_first=True)
        self.head = nn.Linear(20, 7)

    def forward(self, input_ids: torch.Tensor) -> torch.Tensor:
        """Log probabilities of tags (batch, length, 7)."""
        return self.head(self.gru(self.embed(input_ids))[0]).log_softmax(-1)


class _Double(nn.Sequential):
    """Two convolutions with batch norm."""

    def __init__(self, inputs: int, outputs: int) -> None:
        layers: list[nn.Module] = []
        for channels in (inputs, outputs):
            layers += [nn.Conv2d(channels, outputs, 3, padding=1, bias=False), nn.BatchNorm2d(outputs), nn.ReLU()]
        super().__init__(*layers)


class UNet(nn.Module):
    """Three levels with skip connections and bilinear upsampling."""

    def __init__(self) -> None:
        super().__init__()
        self.down = nn.ModuleList([_Double(3, 8), _Double(8, 16), _Double(16, 24)])
        self.up = nn.ModuleList([_Double(24 + 16, 16), _Double(16 + 8, 8)])
        self.head = nn.Conv2d(8, 2, 1)

    def forward(self, pixel_values: torch.Tensor) -> torch.Tensor:
        """Class scores of every pixel."""
        x, skips = pixel_values, []
        for level, block in enumerate(self.down):
            x = block(x if level == 0 else functional.max_pool2d(x, 2))
            skips.append(x)
        for block, skip in zip(self.up, reversed(skips[:-1]), strict=True):
            larger = functional.interpolate(x, scale_factor=2.0, mode="bilinear", align_corners=False)
            x = block(torch.cat([larger, skip], 1))
        return self.head(x)


class Autoencoder(nn.Module):
    """A convolutional autoencoder with group norm and SiLU."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(
            nn.Conv2d(3, 16, 4, 2, 1),
            nn.GroupNorm(4, 16),
            nn.SiLU(),
            nn.Conv2d(16, 24, 4, 2, 1),
            nn.GroupNorm(4, 24),
            nn.SiLU(),
            nn.Flatten(),
            nn.Linear(24 * 64, 20),
        )
        self.decoder = nn.Sequential(
            nn.Linear(20, 24 * 64),
            nn.Unflatten(1, (24, 8, 8)),
            nn.ConvTranspose2d(24, 16, 4, 2, 1),
            nn.ELU(),
            nn.ConvTranspose2d(16, 3, 4, 2, 1),
            nn.Sigmoid(),
        )

    def forward(self, pixel_values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """The code and the reconstruction."""
        code = self.encoder(pixel_values)
        return code, self.decoder(code)


class _Mixer(nn.Module):
    """One layer of an MLP-mixer."""

    def __init__(self, patches: int, channels: int) -> None:
        super().__init__()
        self.norms = nn.ModuleList([nn.LayerNorm(channels), nn.LayerNorm(channels)])
        self.across = nn.Sequential(nn.Linear(patches, 2 * patches), nn.GELU(), nn.Linear(2 * patches, patches))
        self.along = nn.Sequential(nn.Linear(channels, 64), nn.GELU(), nn.Linear(64, channels))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Mixed tokens."""
        x = x + self.across(self.norms[0](x).transpose(1, 2)).transpose(1, 2)
        return x + self.along(self.norms[1](x))


class MixerNet(nn.Module):
    """An MLP-mixer of two layers over patches of 8 by 8."""

    def __init__(self) -> None:
        super().__init__()
        self.patches = nn.Conv2d(3, 32, 8, 8)
        self.layers = nn.Sequential(_Mixer(16, 32), _Mixer(16, 32), nn.LayerNorm(32))
        self.head = nn.Linear(32, 10)

    def forward(self, pixel_values: torch.Tensor) -> torch.Tensor:
        """Class scores."""
        return self.head(self.layers(self.patches(pixel_values).flatten(2).transpose(1, 2)).mean(1))


class Sequence2Sequence(nn.Module):
    """torch.nn.Transformer with embeddings and a causal mask."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Embedding(99, 32)
        self.transformer = nn.Transformer(32, 4, 2, 2, 64, batch_first=True, activation="gelu", norm_first=True)
        self.head = nn.Linear(32, 99)

    def forward(self, input_ids: torch.Tensor, decoder_input_ids: torch.Tensor) -> torch.Tensor:
        """Scores of the next token."""
        length = decoder_input_ids.shape[1]
        mask = torch.full((length, length), float("-inf")).triu(1)
        source, target = self.embed(input_ids), self.embed(decoder_input_ids)
        # Left to itself, the module compares the mask with a causal one, which no exporter can trace.
        return self.head(self.transformer(source, target, tgt_mask=mask, tgt_is_causal=True))


class Generator(nn.Module):
    """A DCGAN generator: transposed convolutions with batch norm, and tanh."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            nn.ConvTranspose2d(16, 32, 4, 1, 0, bias=False),
            nn.BatchNorm2d(32),
            nn.ReLU(),
            nn.ConvTranspose2d(32, 16, 4, 2, 1, bias=False),
            nn.BatchNorm2d(16),
            nn.LeakyReLU(0.2),
            nn.ConvTranspose2d(16, 3, 4, 2, 1),
            nn.Tanh(),
        )

    def forward(self, noise: torch.Tensor) -> torch.Tensor:
        """Images (batch, 3, 16, 16)."""
        return self.layers(noise[:, :, None, None])


class _Causal(nn.Module):
    """A residual block of two dilated causal convolutions with a gate."""

    def __init__(self, channels: int, dilation: int) -> None:
        super().__init__()
        self.pad = 2 * dilation
        self.filter = nn.Conv1d(channels, channels, 3, dilation=dilation)
        self.gate = nn.Conv1d(channels, channels, 3, dilation=dilation)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """The same size."""
        padded = functional.pad(x, (self.pad, 0))
        return x + self.filter(padded).tanh() * self.gate(padded).sigmoid()


class TemporalConvolutions(nn.Module):
    """A temporal convolutional network with dilations 1, 2 and 4."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.Sequential(nn.Conv1d(6, 16, 1), *(_Causal(16, dilation) for dilation in (1, 2, 4)))
        self.head = nn.Conv1d(16, 3, 1)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """Forecasts (batch, 3, time), positive."""
        return functional.softplus(self.head(functional.hardswish(self.layers(x))))


def _sequence(batch: int, length: int) -> tuple[torch.Tensor, ...]:
    return (torch.randn(batch, length, 12),)


def _picture(size: int) -> Any:
    return lambda batch, _: (torch.randn(batch, 3, size, size),)


def _ids(batch: int, length: int) -> tuple[torch.Tensor, ...]:
    return (torch.randint(0, 99, (batch, length)),)


def _two_ids(batch: int, length: int) -> tuple[torch.Tensor, ...]:
    return (*_ids(batch, length), torch.randint(0, 99, (batch, length - 3)))


ARCHITECTURES: dict[str, Architecture] = {
    "lstm": Architecture(lambda: Recurrent().eval(), _sequence, SEQUENCE_TUPLE),
    "gru": Architecture(lambda: Tagger().eval(), _ids, SEQUENCE_TUPLE),
    "unet": Architecture(lambda: UNet().eval(), _picture(32), IMAGE_TUPLE),
    "autoencoder": Architecture(lambda: Autoencoder().eval(), _picture(32), IMAGE_TUPLE),
    "mlp_mixer": Architecture(lambda: MixerNet().eval(), _picture(32), IMAGE_TUPLE),
    "torch_transformer": Architecture(
        lambda: Sequence2Sequence().eval(), _two_ids, ({0: BATCH, 1: LENGTH}, {0: BATCH, 1: Dim("target")})
    ),
    "dcgan_generator": Architecture(
        lambda: Generator().eval(), lambda batch, _: (torch.randn(batch, 16),), IMAGE_TUPLE
    ),
    "temporal_convolutions": Architecture(
        lambda: TemporalConvolutions().eval(),
        lambda batch, length: (torch.randn(batch, 6, 3 * length),),
        ({0: BATCH, 2: Dim("time")},),
    ),
    # In its full width: bottleneck blocks [3, 4, 6, 3], 23.5 million parameters.
    "resnet50": Architecture(
        hugging_face("ResNetForImageClassification", "ResNetConfig"), image(96), {"pixel_values": {0: BATCH}}
    ),
}

LSTM_THEN_GRU = Architecture(lambda: Recurrent(gru=True).eval(), _sequence, SEQUENCE_TUPLE)
