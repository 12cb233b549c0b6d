"""Says whether a converted deep-learning model is still the same model.

`check` does what the command `tautomer check` does. Importing this package loads no framework, and neither does calling
`check`: models are loaded, converted and run in worker processes only.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import TYPE_CHECKING, Any, Literal

if TYPE_CHECKING:
    import os

    from tautomer.model import CheckReport

    __version__: str

__all__ = ["__version__", "check"]


def check(
    model: str | os.PathLike[str],
    *,
    via: str | Sequence[str] = (),
    to: str | Sequence[str] = (),
    inputs: str | os.PathLike[str] | None = None,
    opset: int | None = None,
    options: Mapping[str, Any] | None = None,
    timeout_s: float = 600.0,
    memory_gib: float | None = None,
    seed: int = 0,
    power: bool = False,
    search_inputs: bool = False,
    trust_pickle: bool = False,
    run_dir: str | os.PathLike[str] | None = None,
    keep: Literal["none", "failures", "all"] = "failures",
) -> CheckReport:
    """Convert a model, run it, and say whether it is still the same model, and where it is not.

    Every converter is paired with every runtime. A converter or runtime that crashes, hangs or refuses the model is a
    result in the report, not an exception. Settings come from the arguments alone; the environment and pyproject.toml,
    which the command line consults, are not read.

    Args:
        model: a model module (.py), .pt2, TorchScript, SavedModel, .keras, .h5, .tflite or .onnx.
        via: names of converters (`tautomer list` shows them); empty for the source's own. `A,B` is a chain: B takes
            what A makes.
        to: names of runtimes; empty for the default one of what the converters make (`onnxruntime` for ONNX).
        inputs: a file or a folder of samples to compare on, in place of the model's own run inputs.
        opset: ONNX opset to ask the converter for; None for its default.
        options: handed to the converter.
        timeout_s: wall-clock seconds each attempt may take.
        memory_gib: memory each attempt may use, in GiB; None for 16.
        seed: of every random generator.
        power: whether to seed faults into the converted model and report the share that the check catches.
        search_inputs: whether to search for inputs that exercise more, and to compare on them too.
        trust_pickle: whether pickled files may be opened, which can run any code.
        run_dir: where runs are kept; None for `$TAUTOMER_HOME/runs` or `./.tautomer/runs`.
        keep: which runs keep their models and tensors.

    Returns:
        The report, the same that `tautomer check --json` writes: `report.outcome` is the worst pair's outcome,
        `report.reports` has one entry a pair with its findings and checkpoints.

    Raises:
        tautomer.errors.MisuseError: an argument is wrong, the model or its inputs cannot be read, or the user's own
            code raised.
        tautomer.errors.InternalError: a defect of Tautomer.
    """
    from pathlib import Path

    from tautomer.checking import run_check
    from tautomer.cli.settings import Given, check_settings

    given = {
        "timeout": Given(timeout_s, "timeout_s"),
        "memory": Given(memory_gib, "memory_gib"),
        "seed": Given(seed, "seed"),
        "run_dir": Given(run_dir, "run_dir"),
        "keep": Given(keep, "keep"),
    }
    settings = check_settings(
        {name: one for name, one in given.items() if one.value is not None},
        via=(via,) if isinstance(via, str) else via,
        to=(to,) if isinstance(to, str) else to,
        inputs=None if inputs is None else Path(inputs),
        opset=opset,
        options=options,
        power=power,
        search_inputs=search_inputs,
        trust_pickle=trust_pickle,
    )
    return run_check(Path(model), settings).report


if not TYPE_CHECKING:  # a type checker would take every misspelt attribute of this package for a string

    def __getattr__(name: str) -> str:
        """The version, read from the installed package's metadata only when somebody asks."""
        if name != "__version__":
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        from importlib.metadata import version

        return version(__name__)
