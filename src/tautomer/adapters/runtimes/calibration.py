"""Measures how far a runtime's approximated functions are from the exact ones, through its adapter's own task."""

from __future__ import annotations

import json
import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from tautomer.adapters.worker_api import EVENTS_FILE, Channel, resolve_function
from tautomer.model import Tensor
from tautomer.numerics.approximation_tables.functions import BY_NAME, EXPONENT, OUTPUT, Form, MeasuredFunction
from tautomer.numerics.approximation_tables.measurement import (
    Measured,
    compare,
    errors_of,
    joined,
    sample_arguments,
    sample_exponents,
    special_arguments,
    tails,
)
from tautomer.numerics.approximation_tables.storage import errors_to_json
from tautomer.numerics.formats import unit_roundoff
from tautomer.numerics.onnx_evaluator import EvaluatorError

Array = np.ndarray[Any, Any]


class _NoAnswer(Exception):
    """The runtime does not run the function's model, or there is no function to hold it against."""


def measure(
    channel: Channel,
    *,
    task: str,
    level: str,
    functions: list[str],
    elements: list[str],
    samples: int,
    seed: int,
    validation_seed: int,
) -> dict[str, Any]:
    """Measure functions on one set of samples, and try the tables made from it on another.

    Emits `function.begin` and `function` for each function and element type: its errors as a table stores them and
    the result of the validation, or why the runtime does not run it.

    Args:
        channel: where to report.
        task: `module:function` of the runtime adapter's task.
        level: optimization level it runs at.
        functions: names in `tautomer.numerics.approximation_tables.functions`.
        elements: element types to measure in.
        samples: about how many arguments a function is measured on.
        seed: of the samples the table is made from.
        validation_seed: of those that it is tried on.
    """
    versions = set()
    for element in elements:
        for name in functions:
            function = BY_NAME[name]
            channel.emit("function.begin", function=name, element=element)
            folder = channel.folder / f"{name}-{element}"
            folder.mkdir()
            fields: dict[str, Any]
            try:
                kernel = _Kernel(folder, task, level, function, element)
                measured, special = _measured(kernel, samples, seed)
                errors = errors_of(measured, element, special)
                other, _ = _measured(kernel, samples, validation_seed)
                allowed = errors.allowance_u(other.argument, other.exact) * unit_roundoff(element)
                with np.errstate(all="ignore"):
                    ratio = np.where(other.error == 0, 0.0, other.error / allowed)
                ratio = ratio[~np.isnan(ratio)]
                fields = {
                    "errors": errors_to_json(errors),
                    "validated": int(ratio.size),
                    "largest_ratio": float(ratio.max(initial=0.0)),
                    "above": {str(factor): int((ratio > factor).sum()) for factor in (1.0, 1.25, 1.5, 2.0)},
                    "refused": None,
                }
                versions.add(kernel.version)
            except _NoAnswer as error:
                fields = {"errors": None, "refused": str(error)}
            finally:
                shutil.rmtree(folder)
            channel.emit("function", function=name, element=element, **fields)
    return {"version": next(iter(versions), None)}


class _Kernel:
    """One function as the runtime computes it."""

    def __init__(self, folder: Path, task: str, level: str, function: MeasuredFunction, element: str) -> None:
        self.function = function
        self.element = element
        self.version: str | None = None
        self._folder = folder
        self._task = resolve_function(task)
        self._level = level
        self._model = folder / "model.onnx"
        self._model.write_bytes(function.model(element).SerializeToString())

    def __call__(self, sets: list[dict[str, Array]]) -> list[Array]:
        """The runtime's outputs on several sets of inputs.

        Raises:
            _NoAnswer: it refuses the model or one of the sets.
        """
        from tautomer.adapters.tensor_file import read_values, write_values

        files = []
        for index, one in enumerate(sets):
            path = self._folder / f"inputs-{index}.safetensors"
            write_values(path, {name: Tensor.of(array) for name, array in one.items()})
            files.append(str(path))
        inner = Channel(self._folder)
        (self._folder / EVENTS_FILE).unlink(missing_ok=True)
        try:
            result = self._task(
                inner,
                model=str(self._model),
                checkpoint="calibration",
                inputs=files,
                feeds={name: name for name in sets[0]},
                level=self._level,
            )
        except Exception as error:  # whatever a runtime raises on a function is its answer
            # Where the model lay while it was measured is of no use to a reader of the table.
            said = str(error).replace(str(self._model), "the model").strip()
            raise _NoAnswer(f"{type(error).__name__}: {said.splitlines()[0] if said else 'no message'}") from error
        self.version = result.get("version")
        outputs = []
        for event in _events(self._folder / EVENTS_FILE, "run"):
            if event["error"] is not None:
                raise _NoAnswer(f"{event['error']['type']}: {event['error']['message'].splitlines()[0]}")
            outputs.append(_array(read_values(Path(event["values"]))))
        return outputs


def _events(path: Path, name: str) -> list[dict[str, Any]]:
    lines = [json.loads(line) for line in path.read_text("utf-8").splitlines()]
    return [line["fields"] for line in lines if line["name"] == name]


def _array(values: Any) -> Array:
    value = values[OUTPUT] if isinstance(values, Mapping) else None
    if not isinstance(value, Tensor):
        raise _NoAnswer("it gives no tensor")
    return value.numpy()


def _measured(kernel: _Kernel, samples: int, seed: int) -> tuple[Measured, list[tuple[float, float, float]]]:
    """Errors on long and short inputs, and the special arguments that are answered with another kind of number."""
    function, element = kernel.function, kernel.element
    arguments = sample_arguments(element, samples, seed)
    batches = [arguments, *tails(arguments, seed), special_arguments(element)]
    sets = [function.inputs(one, sample_exponents(one.size, seed, element)) for one in batches]
    found = [function.found(one) for one in kernel(sets)]
    # One evaluation for all: the evaluator's own cost is a node's, not an element's.
    axis = 1 if function.form is Form.STEP else 0
    together = {name: np.concatenate([one[name] for one in sets], axis=axis) for name in sets[0]}
    try:
        exact = function.exact(together, element)
    except EvaluatorError as error:
        raise _NoAnswer(f"the specification does not define it: {error.message}") from error
    ends = np.cumsum([one.size for one in found])
    exacts = np.split(exact, ends[:-1])
    parts = [
        compare(function, function.argument(given), value, truth, element)
        for given, value, truth in zip(sets, found, exacts, strict=True)
    ]
    special = _other_kind(function, sets[-1], found[-1], exacts[-1], element)
    return joined(parts), special


def _other_kind(
    function: MeasuredFunction, given: Mapping[str, Array], found: Array, exact: Array, element: str
) -> list[tuple[float, float, float]]:
    """Special arguments at which the kernel gives NaN, an infinity or a finite number where the function does not."""
    if function.form is Form.POWER or EXPONENT in given:
        return []
    with np.errstate(over="ignore"):
        expected = exact.astype(element).astype(np.float64)
    listed = []
    for argument, value, truth in zip(function.argument(given), found, expected, strict=True):
        same = (np.isnan(value) and np.isnan(truth)) or value == truth or (np.isfinite(value) and np.isfinite(truth))
        if not same:
            listed.append((float(argument), float(value), float(truth)))
    return listed
