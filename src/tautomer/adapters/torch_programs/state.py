"""Put a module back to what it was, so that no run sees what an earlier one left in its buffers and attributes."""

from __future__ import annotations

import copy
import hashlib
from dataclasses import dataclass
from typing import Any

import torch

_PLAIN = (bool, int, float, complex, str, bytes, type(None))


def _is_plain(value: Any) -> bool:
    if isinstance(value, list | tuple | set):
        return all(_is_plain(item) for item in value)
    if isinstance(value, dict):
        return all(_is_plain(item) for item in value.values())
    return isinstance(value, _PLAIN)


@dataclass(frozen=True, slots=True)
class ModuleState:
    """What `restore` puts back: buffers, plain Python attributes, and tensors kept as plain attributes (caches).

    Parameters are not copied: a forward pass that writes into its parameters is found by their version counters.
    """

    module: torch.nn.Module
    buffers: tuple[tuple[torch.Tensor, torch.Tensor], ...]
    attributes: tuple[tuple[torch.nn.Module, dict[str, Any]], ...]

    @classmethod
    def of(cls, module: torch.nn.Module) -> ModuleState:
        """Remember the state of `module` and everything in it."""
        buffers = tuple((buffer, buffer.detach().clone()) for buffer in module.buffers())
        if isinstance(module, torch.jit.ScriptModule):
            return cls(module, buffers, ())
        attributes = tuple((part, _remembered(part)) for part in module.modules())
        return cls(module, buffers, attributes)

    def restore(self) -> None:
        """Put everything back."""
        with torch.no_grad():
            for buffer, value in self.buffers:
                if buffer.shape == value.shape:
                    buffer.copy_(value)
        for part, remembered in self.attributes:
            # What a first call installs for good (a flag beside its hooks) stays; tensors it cached go.
            for name in [name for name, value in part.__dict__.items() if isinstance(value, torch.Tensor)]:
                if name not in remembered:
                    del part.__dict__[name]
            for name, value in remembered.items():
                part.__dict__[name] = (
                    value.detach().clone() if isinstance(value, torch.Tensor) else copy.deepcopy(value)
                )


_OWN = frozenset(torch.nn.Module().__dict__)
"""What every module keeps for itself: hooks and registries, which must stay the objects they are."""


def _rememberable(name: str, value: Any) -> bool:
    return name not in _OWN and (_is_plain(value) or isinstance(value, torch.Tensor))


def _remembered(part: torch.nn.Module) -> dict[str, Any]:
    return {
        name: value.detach().clone() if isinstance(value, torch.Tensor) else copy.deepcopy(value)
        for name, value in part.__dict__.items()
        if _rememberable(name, value)
    }


def parameters_digest(module: torch.nn.Module) -> str:
    """A digest of every parameter and buffer, by name, type, shape and bytes."""
    digest = hashlib.blake2b(digest_size=16)
    for name, tensor in [*module.named_parameters(), *module.named_buffers()]:
        plain = tensor.detach().cpu().contiguous()
        digest.update(f"{name} {plain.dtype} {tuple(plain.shape)}\n".encode())
        if plain.numel() and plain.layout is torch.strided:
            digest.update(plain.reshape(-1).view(torch.uint8).numpy().data)
    return digest.hexdigest()
