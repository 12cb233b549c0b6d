"""Settings of a conversion by tf2onnx: its own options, and steps that can be left out though it has no option for it.

They are given with `--set`. Facts: tf2onnx 1.17, `convert.py` and `optimizer/__init__.py`.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from typing import Any

from tautomer.adapters.protocols import Lever
from tautomer.errors import MisuseError
from tautomer.model import Stage

OPSET = Lever("opset", "the ONNX opset", (16, 17, 18, 14, 13, 12, 11, 10, 9), 15, in_order=True)
"""tf2onnx writes opset 15 unless told otherwise, and none above 18."""

OPTIMIZE = Lever("optimize", "whether the ONNX graph is optimized", (False,), True, acts_at=(Stage.OPTIMIZATION,))
SKIP_PASSES = Lever(
    name="skip_passes",
    about="passes of the optimizer left out",
    takes_list=True,
    screened_by=("optimize", False),
    acts_at=(Stage.OPTIMIZATION,),
)
GRAPPLER = Lever("grappler", "whether TensorFlow optimizes its graph and folds its constants before", (False,), True)
LARGE_MODEL = Lever("large_model", "whether tensors are written beside the model", (True,), False)

THROUGH = Lever(
    name="through",
    about="which of its functions converts a Keras model",
    values=("from_function",),
    default="from_keras",
    acts_at=(Stage.LOAD_MODEL,),
)

LEVERS = (OPSET, OPTIMIZE, SKIP_PASSES, THROUGH, GRAPPLER, LARGE_MODEL)

OWN = ("optimize", "skip_passes", "grappler", "through")
"""Names of the settings that tf2onnx itself lacks."""

OPTIONS = frozenset({"custom_ops", "inputs_as_nchw", "outputs_as_nchw", "shape_override", "target", "large_model"})
"""Options of tf2onnx's functions that JSON can say; the others take Python functions."""

_OURS = frozenset({"model", "function", "input_signature", "opset", "output_path", "continue_on_error", "optimizers"})
"""Arguments that the model module, --opset and --via decide, or that tf2onnx's functions set themselves."""


@dataclass(frozen=True, slots=True)
class ConversionLevers:
    """How the levers of one conversion stand.

    Attributes:
        optimize: whether the ONNX graph is optimized.
        skip_passes: names of optimizer passes that are left out, as tf2onnx's registry has them.
        grappler: whether TensorFlow's graph is optimized.
        through: `from_keras` or `from_function`.
    """

    optimize: bool = True
    skip_passes: tuple[str, ...] = ()
    grappler: bool = True
    through: str = "from_keras"

    @classmethod
    def of(cls, options: Mapping[str, Any]) -> ConversionLevers:
        """The levers among the options of a conversion.

        Raises:
            MisuseError: TA101 a lever has no such position.
        """
        for name in ("optimize", "grappler", "large_model"):
            if not isinstance(options.get(name, True), bool):
                raise MisuseError("TA101", f"--set {name}: {options[name]!r} is none.", "Known: true, false.")
        through = options.get("through", THROUGH.default)
        if through not in ("from_keras", "from_function"):
            raise MisuseError("TA101", f"--set through: {through!r} is none.", "Known: from_keras, from_function.")
        passes = options.get("skip_passes", ())
        if isinstance(passes, str):
            passes = [part.strip() for part in passes.split(",") if part.strip()]
        known = pass_names()
        unknown = [one for one in passes if one not in known]
        if unknown:
            raise MisuseError("TA101", f"--set skip_passes: {unknown[0]!r} is no pass.", f"Known: {', '.join(known)}.")
        return cls(options.get("optimize", True), tuple(passes), options.get("grappler", True), through)


def pass_names() -> tuple[str, ...]:
    """Names of the optimizer's passes, in order."""
    from tf2onnx import optimizer

    return tuple(optimizer._get_optimizers())


def without_levers(options: Mapping[str, Any]) -> dict[str, Any]:
    """The options that are tf2onnx's own."""
    return {name: value for name, value in options.items() if name not in OWN}


def check_options(options: Mapping[str, Any], known: Collection[str] = OPTIONS, levers: Collection[str] = OWN) -> None:
    """Refuse options that there are not, or that Tautomer sets itself.

    Args:
        known: options of the converter.
        levers: settings that are added to them.

    Raises:
        MisuseError: TA101 with the options there are.
    """
    every = {*known, *levers}
    for name in options:
        if name not in every:
            why = "is set by Tautomer itself" if name in _OURS else "is no option of tf2onnx that can be given here"
            raise MisuseError("TA101", f"--set {name}: '{name}' {why}.", f"Options: {', '.join(sorted(every))}.")
