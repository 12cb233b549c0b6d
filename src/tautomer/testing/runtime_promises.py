"""What a runtime promises: every input set at every level, and errors told apart by where they happen."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, ClassVar

import numpy as np

from tautomer.adapters.protocols import Adapter, AdapterKind
from tautomer.adapters.tensor_file import read_values, write_values
from tautomer.model import ArtifactKind, Attempt, Completed, Crashed, Hung, OutOfMemory, Refused, Stage, Tensor
from tautomer.testing.examples import UNKNOWN_OPERATOR, WEIGHT
from tautomer.testing.suite import Suite, Workbench, assert_measured, promised_by

Values = Mapping[str, Tensor]

ONES: Values = {"a": Tensor.of(np.ones((2, 4), np.float32)), "b": Tensor.of(np.array(1.0, np.float32))}


def _run(
    adapter: Adapter, bench: Workbench, folder: Path, model: Path | None = None, sets: Sequence[Values] = (ONES,)
) -> list[Attempt]:
    """The runtime's attempts on a model, by default the example of the first kind it takes, one a level."""
    files = []
    for index, values in enumerate(sets):
        files.append(str(folder / f"inputs-{index}.safetensors"))
        write_values(Path(files[-1]), values)
    return [
        bench.submit(
            adapter,
            model=str(model or bench.examples.path(adapter.accepts[0])),
            checkpoint=one.name,
            inputs=files,
            feeds={"x": "a", "y": "b"},
            level=one.level,
        )
        for one in adapter.checkpoints
    ]


def _runs(attempt: Attempt) -> list[Mapping[str, Any]]:
    assert isinstance(attempt, Completed), attempt
    return [one.fields for one in attempt.events if one.name == "run"]


def _answer(run: Mapping[str, Any]) -> dict[str, Tensor]:
    values = read_values(Path(run["values"]))
    assert isinstance(values, Mapping)
    return {str(name): value for name, value in values.items() if isinstance(value, Tensor)}


class RuntimePromises(Suite):
    """Tests of the task of a runtime, on files that compute first = relu(x W) and second = 2 y."""

    about: ClassVar[AdapterKind | None] = AdapterKind.RUNTIME

    def test_a_runtime_computes_every_input_set_at_every_level(
        self, adapter: Adapter, bench: Workbench, tmp_path: Path
    ) -> None:
        sets = [
            {"a": Tensor.of(np.full((2, 4), scale, np.float32)), "b": Tensor.of(np.array(scale, np.float32))}
            for scale in (1.0, -2.0)
        ]
        for declared, attempt in zip(adapter.checkpoints, _run(adapter, bench, tmp_path, sets=sets), strict=True):
            runs = _runs(attempt)
            assert [(one["checkpoint"], one["precision"], one["input"]) for one in runs] == [
                (declared.name, "declared", 0),
                (declared.name, "declared", 1),
            ]
            assert_measured(attempt.events, {"loaded"})
            assert_measured(attempt.events, {"run"})
            for one, values in zip(runs, sets, strict=True):
                answer = _answer(one)
                assert sorted(answer) == ["first", "second"]
                expected = np.maximum(values["a"].array @ WEIGHT, 0)
                np.testing.assert_allclose(answer["first"].array, expected, rtol=1e-5, atol=1e-6)
                assert answer["second"].array == 2 * values["b"].array
                assert answer["second"].shape == ()

    @promised_by(lambda adapter: adapter.accepts[0] in UNKNOWN_OPERATOR)
    def test_a_model_that_a_runtime_cannot_load_is_refused_in_a_stage_of_loading(
        self, adapter: Adapter, bench: Workbench, tmp_path: Path
    ) -> None:
        kind = adapter.accepts[0]
        for attempt in _run(adapter, bench, tmp_path, bench.examples.unloadable(kind)):
            stages = [Stage(one.fields["stage"]) for one in attempt.events if one.name == "stage"]
            assert not isinstance(attempt, Crashed | Hung | OutOfMemory)
            if isinstance(attempt, Refused):
                assert stages[-1] in (Stage.RUNTIME_LOAD, Stage.RUNTIME_OPTIMIZATION)
                assert UNKNOWN_OPERATOR[kind] in attempt.message
            else:
                assert UNKNOWN_OPERATOR[kind] in _runs(attempt)[0]["error"]["message"]

    def test_an_input_that_a_runtime_refuses_is_an_error_of_that_set_alone(
        self, adapter: Adapter, bench: Workbench, tmp_path: Path
    ) -> None:
        bad = {"a": Tensor.of(np.ones((2, 5), np.float64)), "b": ONES["b"]}  # neither the type nor the size
        for attempt in _run(adapter, bench, tmp_path, sets=[bad, ONES]):
            first, second = _runs(attempt)
            assert first["values"] is None
            assert first["error"]["type"]
            assert first["error"]["message"]
            assert second["error"] is None
            assert second["values"] is not None

    @promised_by(lambda adapter: ArtifactKind.ONNX in adapter.accepts)
    def test_what_a_runtime_says_of_its_precision_covers_every_node_of_a_reduced_graph(
        self, adapter: Adapter, bench: Workbench, tmp_path: Path
    ) -> None:
        halves = {path: Tensor.of(value.array.astype(np.float16)) for path, value in ONES.items()}
        for attempt in _run(adapter, bench, tmp_path, bench.examples.half(), [halves]):
            [run] = _runs(attempt)
            assert {value.dtype for value in _answer(run).values()} == {"float16"}
            for event in (one for one in attempt.events if one.name == "precision"):
                assert event.fields["runtime"] == adapter.name
                assert event.fields["checkpoint"] == run["checkpoint"]
                assert sum(one["count"] for one in event.fields["nodes"] if one["declared"] == "float16") == 3

    def test_a_missing_model_file_is_a_refusal(self, adapter: Adapter, bench: Workbench, tmp_path: Path) -> None:
        for attempt in _run(adapter, bench, tmp_path, tmp_path / "absent.model"):
            assert isinstance(attempt, Refused), attempt
