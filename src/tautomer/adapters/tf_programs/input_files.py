"""Read a sample that a user hands over with --inputs as the arguments of one call of a TensorFlow model."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import numpy as np

from tautomer.adapters.tensor_file import TensorFileError, read_values
from tautomer.adapters.tf_programs.nested import CallArguments, to_array
from tautomer.adapters.user_modules import first_line
from tautomer.errors import InputsError
from tautomer.model import Tensor

SUFFIXES = (".npz", ".npy", ".safetensors")
"""Sample files that can be read."""

_POSITIONAL = re.compile(r"arr_(\d+)$")


def read_call(path: Path) -> CallArguments:
    """The call a sample file stands for.

    `.npy` is the one argument; `.npz` and `.safetensors` are keyword arguments by name, or positional ones where the
    names are numpy's own `arr_0`, `arr_1`...

    Raises:
        InputsError: unreadable, or of an unknown kind.
    """
    try:
        if path.suffix == ".npy":
            return CallArguments((np.load(path, allow_pickle=False),), {})
        if path.suffix == ".npz":
            with np.load(path, allow_pickle=False) as archive:
                named: dict[str, Any] = {name: archive[name] for name in archive.files}
            if named and all(_POSITIONAL.match(name) for name in named):
                return CallArguments(tuple(named[name] for name in sorted(named, key=lambda name: int(name[4:]))), {})
            return CallArguments((), named)
        if path.suffix == ".safetensors":
            return CallArguments((), _safetensors(path))
    except InputsError:
        raise
    except Exception as error:
        raise InputsError("TA132", f"the sample {path} cannot be read: {first_line(error)}") from error
    raise InputsError(
        "TA133", f"the sample {path} is of an unknown kind.", f"Known for TensorFlow: {', '.join(SUFFIXES)}."
    )


def _safetensors(path: Path) -> dict[str, Any]:
    """Arrays by name, of Tautomer's own files and of anybody else's."""
    try:
        values = read_values(path)
    except TensorFileError:
        from safetensors.numpy import load_file

        return dict(load_file(path))
    if not isinstance(values, dict) or not all(isinstance(one, Tensor) for one in values.values()):
        raise InputsError("TA132", f"the sample {path} cannot be read: it does not hold tensors by name")
    return {name: to_array(one) for name, one in values.items() if isinstance(one, Tensor)}
