"""Keras applications through tf2onnx and ONNX Runtime: none may be called wrong, unless it is.

    python benchmarks/keras_applications.py [NAME ...]

With `weights=None` an application answers the same for every input. So weights are drawn with the sizes that training
leaves, running statistics of batch normalization included, and the table says how much the outputs vary between the two
pictures: the RMS of the difference over the RMS of the output.
"""

from __future__ import annotations

import sys
import tempfile
import textwrap
from pathlib import Path

import numpy as np

from tautomer.adapters.tensor_file import read_values
from tautomer.checking import run_check
from tautomer.execution import Pool
from tautomer.model import CheckSettings, Keep, Outcome, Tensor

APPLICATIONS = {
    "MobileNet": {"alpha": 0.25},
    "MobileNetV2": {"alpha": 0.35},
    "MobileNetV3Small": {"minimalistic": False},
    "EfficientNetB0": {},
    "EfficientNetV2B0": {},
    "NASNetMobile": {},
    "DenseNet121": {},
    "ResNet50": {},
    "ResNet50V2": {},
    "Xception": {},
    "InceptionV3": {},
    "ConvNeXtTiny": {},
}
"""By name, arguments that make it small. MobileNet and MobileNetV2 were looked at; the others are only measured."""

MODULE = textwrap.dedent(
    """
    import keras
    import numpy as np

    SIZE = {size}


    def model():
        made = keras.applications.{name}(weights=None, input_shape=(SIZE, SIZE, 3), classes=10, **{options})
        generator = np.random.default_rng(1)
        for weight in made.weights:
            shape = tuple(weight.shape)
            if weight.name in ("moving_variance", "variance", "gamma"):
                drawn = generator.uniform(0.5, 1.5, shape)
            elif len(shape) > 1:
                depthwise = len(shape) == 4 and shape[3] == 1
                drawn = generator.standard_normal(shape) * np.sqrt(2 / np.prod(shape[: 2 if depthwise else -1]))
            else:
                drawn = generator.standard_normal(shape) * 0.1
            weight.assign(drawn.astype(np.float32))
        return made


    def inputs():
        return np.random.default_rng(0).uniform(0, 255, (2, SIZE, SIZE, 3)).astype(np.float32)
    """
)
SIZE = 75
"""Pixels: the least that all of them take."""


def main(names: list[str]) -> int:
    wrong = 0
    print("| application | outcome | residual, u | ratio | outputs vary by | seconds |\n|---|---|---:|---:|---:|---:|")
    with Pool() as pool, tempfile.TemporaryDirectory() as scratch:
        for name in names or list(APPLICATIONS):
            path = Path(scratch) / f"{name.lower()}.py"
            path.write_text(MODULE.format(name=name, size=SIZE, options=APPLICATIONS[name]), "utf-8")
            checked = run_check(path, CheckSettings(run_dir=Path(scratch) / "runs", keep=Keep.ALL), runner=pool)
            [report] = checked.report.reports
            assert checked.kept_at is not None
            seconds = sum(one.seconds for one in report.checkpoints)
            residual = max((one.semantic_residual_u or 0.0 for one in report.checkpoints), default=0.0)
            ratio = max((one.rounding_ratio or 0.0 for one in report.checkpoints), default=0.0)
            print(
                f"| {name} | {report.outcome} | {residual:.3g} | {ratio:.3g} | {variation(checked.kept_at):.2g}"
                f" | {seconds:.0f} |",
                flush=True,
            )
            for finding in report.findings:
                print(f"    {finding.code}: {finding.message}", flush=True)
            wrong += report.outcome is not Outcome.EQUIVALENT
    return 1 if wrong else 0


def variation(run: Path) -> float:
    """How far the answers for the two pictures are apart, relative to their size."""
    values = read_values(run / "source" / "s32-0.safetensors")
    assert isinstance(values, dict)
    [output] = [one for one in values.values() if isinstance(one, Tensor)]
    first, second = output.array.astype(np.float64)
    return float(np.sqrt(np.mean((first - second) ** 2) / np.mean(first**2)))


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
