"""The ONNX project's own node tests, run in the declared types and in float64."""

from __future__ import annotations

import warnings
from pathlib import Path
from typing import Any

import backend_exceptions
import numpy as np
import onnx
import onnx.backend.test.loader
import pytest
from onnx import numpy_helper

from tautomer.numerics.onnx_evaluator import Evaluator, load_model

# The expected values of 16-bit tests are themselves rounded after every step: two ulps of their format.
_FORMAT_RTOL = {"bfloat16": 2.0**-6, "float16": 2.0**-9}


def _array(value: Any) -> Any:
    return numpy_helper.to_array(value) if isinstance(value, onnx.TensorProto) else value


def _read(path: Path, declared: onnx.TypeProto) -> Any:
    stored = path.read_bytes()
    if declared.HasField("sequence_type"):
        return numpy_helper.to_list(onnx.SequenceProto.FromString(stored))
    if declared.HasField("optional_type"):
        return numpy_helper.to_optional(onnx.OptionalProto.FromString(stored))
    return numpy_helper.to_array(onnx.TensorProto.FromString(stored))


def _difference(found: Any, expected: Any, *, rtol: float, atol: float, lift: bool) -> str | None:
    """What is wrong with `found`, or None."""
    if expected is None or isinstance(expected, list):
        if type(found) is not type(expected):
            return f"{type(found)} instead of {type(expected)}"
        pairs = zip(found, expected, strict=True) if expected else ()
        return next((text for a, b in pairs if (text := _difference(a, b, rtol=rtol, atol=atol, lift=lift))), None)
    expected = np.asarray(expected)
    if not isinstance(found, np.ndarray) or found.shape != expected.shape:
        return f"{np.shape(found)} instead of {expected.shape}"
    if expected.dtype.kind in "OUST":
        return None if [*map(str, found.flat)] == [*map(str, expected.flat)] else "other strings"
    name = expected.dtype.name
    lifted = name in ("float16", "bfloat16", "float32", "float64", "complex64")
    if not (lift and lifted) and found.dtype != expected.dtype:
        return f"{found.dtype} instead of {expected.dtype}"
    if lift and lifted and found.dtype not in (np.float64, np.complex128):
        return f"{found.dtype} where everything is lifted"
    if expected.dtype.kind == "V":
        found, expected = found.astype(np.float32), expected.astype(np.float32)
    close = np.isclose(found, expected, rtol=max(rtol, _FORMAT_RTOL.get(name, 0)), atol=atol, equal_nan=True)
    return None if close.all() else f"{int((~close).sum())} of {close.size} elements differ"


def _failure(model: Any, data_sets: Any, *, rtol: float, atol: float, lift: bool) -> str | None:
    evaluator = Evaluator(model, lift=lift)
    for inputs, outputs in data_sets:
        names = [spec.name for spec in evaluator.inputs]
        results = evaluator.run(dict(zip(names, map(_array, inputs), strict=False)))
        for found, expected in zip(results.values(), map(_array, outputs), strict=True):
            if text := _difference(found, expected, rtol=rtol, atol=atol, lift=lift):
                return text
    return None


def _check(failures: dict[str, str], excepted: dict[str, str]) -> None:
    assert {name: text for name, text in failures.items() if name not in excepted} == {}
    assert sorted(set(excepted) - set(failures)) == [], "listed as exceptions, but they pass"


@pytest.mark.parametrize("lift", [False, True], ids=["declared", "float64"])
def test_every_backend_node_test_gives_its_expected_outputs_unless_it_is_listed(lift: bool) -> None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        cases = onnx.backend.test.loader.load_node_model_tests()
        failures = {}
        for case in cases:
            try:
                text = _failure(case.model, case.data_sets, rtol=case.rtol, atol=case.atol, lift=lift)
            except Exception as error:
                text = f"{type(error).__name__}: {error}"
            if text:
                failures[case.name] = text
    assert len(cases) > 1500
    _check(failures, {**backend_exceptions.IN_BOTH, **(backend_exceptions.IN_FLOAT64 if lift else {})})


@pytest.mark.parametrize("lift", [False, True], ids=["declared", "float64"])
def test_every_stored_model_of_older_opsets_gives_its_expected_outputs_unless_it_is_listed(lift: bool) -> None:
    failures, count = {}, 0
    for kind in ("simple", "pytorch-operator", "pytorch-converted"):
        for case in onnx.backend.test.loader.load_model_tests(kind=kind):
            folder = Path(case.model_dir)
            model = load_model(folder / "model.onnx")
            evaluator = Evaluator(model, lift=lift)
            wanted = [value for value in model.proto.graph.input if value.name in {s.name for s in evaluator.inputs}]
            data_sets = []
            for data in sorted(folder.glob("test_data_set_*")):
                ins = [_read(data / f"input_{i}.pb", value.type) for i, value in enumerate(wanted)]
                outs = [_read(data / f"output_{i}.pb", v.type) for i, v in enumerate(model.proto.graph.output)]
                data_sets.append((ins, outs))
            count += 1
            try:
                text = _failure(model, data_sets, rtol=case.rtol, atol=case.atol, lift=lift)
            except Exception as error:
                text = f"{type(error).__name__}: {error}"
            if text:
                failures[case.name] = text
    assert count > 100
    _check(failures, backend_exceptions.IN_FILES)
