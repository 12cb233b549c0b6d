"""Read a sample that a user hands over with --inputs as the arguments of one call."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np
import torch

from tautomer.adapters.torch_programs.trees import CallArguments
from tautomer.errors import InputsError

SUFFIXES = (".npz", ".npy", ".safetensors", ".pt", ".pth")
"""Sample files that can be read."""

_POSITIONAL = re.compile(r"arr_(\d+)$")


def read_call(path: Path, *, trust_pickle: bool) -> CallArguments:
    """The call a sample file stands for.

    `.npy` is the one argument; `.npz` and `.safetensors` are keyword arguments by name, or positional ones where the
    names are numpy's own `arr_0`, `arr_1`...; `.pt` holds a tuple (positional) or a dict (keywords).

    Raises:
        InputsError: unreadable, of an unknown kind, or a pickle without leave to open it.
    """
    try:
        if path.suffix == ".npy":
            return CallArguments((torch.from_numpy(np.load(path, allow_pickle=False)),), {})
        if path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as archive:
                named = {name: torch.from_numpy(archive[name]) for name in archive.files}
            if named and all(_POSITIONAL.match(name) for name in named):
                return CallArguments(tuple(named[name] for name in sorted(named, key=lambda n: int(n[4:]))), {})
            return CallArguments((), named)
        if path.suffix == ".safetensors":
            from safetensors.torch import load_file

            return CallArguments((), dict(load_file(path)))
        if path.suffix in (".pt", ".pth"):
            return CallArguments.of(_load_torch_file(path, trust_pickle=trust_pickle))
    except InputsError:
        raise
    except Exception as error:
        text = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise InputsError("TA132", f"the sample {path} cannot be read: {text}") from error
    raise InputsError("TA133", f"the sample {path} is of an unknown kind.", f"Known: {', '.join(SUFFIXES)}.")


def _load_torch_file(path: Path, *, trust_pickle: bool) -> Any:
    import pickle

    try:
        return torch.load(path, weights_only=True, map_location="cpu")
    except pickle.UnpicklingError as error:
        if not trust_pickle:
            raise InputsError(
                "TA134",
                f"{path} needs unpickling, which can run any code.",
                "If you trust the file, pass --trust-pickle.",
            ) from error
    return torch.load(path, weights_only=False, map_location="cpu")
