"""What a person asks of generated models, checked before anything is started."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tautomer.errors import MisuseError
from tautomer.synthesis.tensor_types import ALL

MOST_NODES = 2000

DEFAULT_DTYPES: Mapping[str, float] = {"float32": 0.8, "int64": 0.12, "bool": 0.08}
"""Of inputs, with their weights: what models take, and what every converter and runtime does."""

DEFAULT_DTYPES_OF: Mapping[str, Mapping[str, float]] = {"onnx": {**DEFAULT_DTYPES, "uint8": 0.03, "int8": 0.03}}
"""For frameworks that have operators of their own on quantized values; without these, such operators find no input."""


@dataclass(frozen=True, slots=True)
class GenerationSettings:
    """What generated models should be like.

    Attributes:
        framework: name of a source that can be generated for.
        count: how many models.
        seed: of the first model; every model has the seed after the one before it.
        nodes: the least and the largest number of operators.
        operators: names of those to use; None for all.
        dtypes: of inputs, with their weights; None for those of the framework's models.
        dynamic: the chance that a model has a dynamic dimension.
        ones: the chance that a dimension is one.
        empty: the chance that a model takes an empty tensor.
        ties: whether decisions may be near ties.
    """

    framework: str = "torch"
    count: int = 10
    seed: int = 0
    nodes: tuple[int, int] = (10, 10)
    operators: tuple[str, ...] | None = None
    dtypes: Mapping[str, float] | None = None
    dynamic: float = 0.2
    ones: float = 0.1
    empty: float = 0.02
    ties: bool = False

    def __post_init__(self) -> None:
        """Refuse what cannot be.

        Raises:
            MisuseError: TA165, naming the option.
        """
        if not 1 <= self.nodes[0] <= self.nodes[1] <= MOST_NODES:
            raise _refused("--nodes", f"{self.nodes[0]}-{self.nodes[1]}", f"N or N-M from 1 to {MOST_NODES}")
        if self.count < 1:
            raise _refused("--count", self.count, "a positive number")
        for name, share in (("--dynamic", self.dynamic), ("--ones", self.ones), ("--empty", self.empty)):
            if not 0.0 <= share <= 1.0:
                raise _refused(name, share, "a share between 0 and 1")

    def request(self) -> dict[str, Any]:
        """What the worker is told."""
        return {
            "dtypes": dict(self.dtypes or DEFAULT_DTYPES_OF.get(self.framework, DEFAULT_DTYPES)),
            "dynamic": self.dynamic,
            "ones": self.ones,
            "empty": self.empty,
            "ties": self.ties,
        }


def nodes_from(text: str) -> tuple[int, int]:
    """`10` or `5-20` as the least and the largest number.

    Raises:
        MisuseError: TA165 it is neither.
    """
    matched = re.fullmatch(r"(\d+)(?:-(\d+))?", text.strip())
    if matched is None:
        raise _refused("--nodes", text, f"N or N-M from 1 to {MOST_NODES}")
    return int(matched[1]), int(matched[2] or matched[1])


def dtypes_from(names: Sequence[str]) -> dict[str, float]:
    """Dtypes with even weights, the first twice as likely.

    Raises:
        MisuseError: TA165 one is unknown.
    """
    unknown = [name for name in names if name not in ALL]
    if unknown:
        raise _refused("--dtypes", ", ".join(unknown), f"some of {', '.join(ALL)}")
    return {name: 2.0 if index == 0 else 1.0 for index, name in enumerate(names)}


def _refused(option: str, value: object, expected: str) -> MisuseError:
    return MisuseError("TA165", f"{option} is {value}; expected {expected}.", "Correct the value.")
