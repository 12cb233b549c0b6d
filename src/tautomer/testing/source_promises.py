"""What a source promises: answers in its own precision, the same twice, and misuse told as misuse."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from tautomer.adapters.protocols import Adapter, AdapterKind
from tautomer.adapters.tensor_file import read_values
from tautomer.model import Completed, Refused, Tensor
from tautomer.testing.suite import Suite, Workbench, assert_measured, testable_kinds


def _tensors(file: Path) -> dict[str, Tensor]:
    values = read_values(file)
    assert isinstance(values, Mapping)
    return {str(path): value for path, value in values.items() if isinstance(value, Tensor)}


class SourcePromises(Suite):
    """Tests of the task of a source, on the example of every kind of model that it reads."""

    about: ClassVar[AdapterKind | None] = AdapterKind.SOURCE

    def test_a_source_answers_in_its_own_precision_and_where_it_says_so_in_float64(
        self, adapter: Adapter, bench: Workbench
    ) -> None:
        for kind in testable_kinds(adapter):
            attempt = bench.submit(adapter, spec=bench.examples.spec(kind))
            assert isinstance(attempt, Completed), attempt
            folder = attempt.log.parent
            json.dumps(attempt.result)
            assert {"notes", "parameters_digest", "dynamic", "training_operators", "nondeterministic"} <= set(
                attempt.result
            )
            assert_measured(attempt.events, {"step"})
            assert attempt.result["sets"]
            for one in attempt.result["sets"]:
                assert one["name"]
                assert one["origin"]
                assert len(_tensors(folder / one["inputs"])) == 2
                declared = _tensors(folder / one["s32"])
                assert declared
                assert all(value.dtype == "float32" for value in declared.values())
                self._assert_float64(adapter, one, folder, declared)

    @staticmethod
    def _assert_float64(adapter: Adapter, one: Mapping[str, Any], folder: Path, declared: Mapping[str, Tensor]) -> None:
        if not adapter.float64:
            assert one["reason"], "a source that cannot compute in float64 says why"
            return
        assert one["reason"] is None
        exact = _tensors(folder / one["float64"])
        assert declared.keys() == exact.keys()
        for path, value in declared.items():
            assert exact[path].dtype == "float64"
            assert np.abs(exact[path].array - value.array).max() < 1e-5
            assert np.any(exact[path].array)

    def test_a_source_answers_the_same_twice(self, adapter: Adapter, bench: Workbench) -> None:
        spec = bench.examples.spec(testable_kinds(adapter)[0])
        first, second = (bench.submit(adapter, spec=spec) for _ in range(2))
        assert isinstance(first, Completed), first
        assert isinstance(second, Completed), second
        assert first.result == second.result
        for name in ("s32", "float64", "variance") if adapter.float64 else ("s32",):
            file = first.result["sets"][0][name]
            one, other = _tensors(first.log.parent / file), _tensors(second.log.parent / file)
            for path, value in one.items():
                assert value.array.tobytes() == other[path].array.tobytes(), (name, path)

    def test_a_source_that_cannot_be_read_is_refused_as_misuse(self, adapter: Adapter, bench: Workbench) -> None:
        for kind in testable_kinds(adapter):
            spec = bench.examples.spec(kind, bench.examples.broken(kind)) | {"trust_pickle": True}
            attempt = bench.submit(adapter, spec=spec)
            assert isinstance(attempt, Refused), attempt
            assert any(name.endswith("MisuseError") for name in attempt.mro), attempt.traceback
            assert attempt.attributes["code"].startswith("TA1")
            assert attempt.log.exists()
