"""What a converter promises: its checkpoints in the order it declares, each stage begun before it can fail."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, ClassVar

from tautomer.adapters.protocols import Adapter, AdapterKind
from tautomer.adapters.tensor_file import read_values, write_values
from tautomer.model import ArtifactKind, Completed, Refused, Stage, Tensor
from tautomer.testing.examples import UNCONVERTIBLE
from tautomer.testing.suite import Suite, Workbench, assert_measured, promised_by, testable_kinds, told_of

BUILT_BY_CODE = frozenset(ArtifactKind) - {ArtifactKind.ONNX, ArtifactKind.TFLITE}
"""Kinds of models that a second load could build otherwise: each load is compared with the first."""


class ConverterPromises(Suite):
    """Tests of the task of a converter, on the example of every kind of model that it takes."""

    about: ClassVar[AdapterKind | None] = AdapterKind.CONVERTER

    def test_a_converter_shows_its_checkpoints_in_the_order_it_declares(
        self, adapter: Adapter, bench: Workbench
    ) -> None:
        for kind in testable_kinds(adapter):
            attempt = bench.convert(adapter, kind)
            assert isinstance(attempt, Completed), attempt
            reported = [one.fields for one in attempt.events if one.name == "checkpoint"]
            assert [(one["checkpoint"], one["stage"]) for one in reported] == [
                (one.name, str(one.stage)) for one in adapter.checkpoints
            ]
            assert_measured(attempt.events, {"checkpoint"})
            names = [one["checkpoint"] for one in reported]
            for one in reported:
                assert one["parent"] is None or one["parent"] in names[: names.index(one["checkpoint"])]
                if one["kind"] == ArtifactKind.ONNX:
                    assert one["digest"]
                    _check_file(one["path"])
                elif one["path"]:
                    assert {"inputs", "outputs"} <= set(one["facts"]["interface"]), (
                        "a file that is no ONNX says its own"
                    )
            assert reported[-1]["kind"] == adapter.produces
            assert Path(reported[-1]["path"]).is_relative_to(attempt.log.parent)

    def test_a_converter_runs_its_own_programs_on_every_input_set(self, adapter: Adapter, bench: Workbench) -> None:
        kind = testable_kinds(adapter)[0]
        spec = bench.examples.spec(kind)
        source = bench.source_of(kind, spec)
        assert isinstance(source, Completed), source
        attempt = bench.convert(adapter, kind, spec=spec)
        checkpoints = [one.fields for one in attempt.events if one.name == "checkpoint"]
        own = {one["checkpoint"] for one in checkpoints if not one["path"]}
        files = {one["checkpoint"] for one in checkpoints if one["path"] and one["kind"] != ArtifactKind.ONNX}
        runs = [one.fields for one in attempt.events if one.name == "run"]
        precisions = ("declared", "float64") if adapter.float64 else ("declared",)
        assert {(one["checkpoint"], one["precision"], one["input"]) for one in runs} >= {
            (name, precision, index)
            for index in range(len(source.result["sets"]))
            for name in own | files
            for precision in (precisions if name in own else ("declared",))
        }
        for one in runs:
            assert one["error"] is None, one
            values = read_values(Path(one["values"]))
            assert isinstance(values, Mapping)
            if one["checkpoint"] in own:
                assert set(values) == set(told_of(source)["output_paths"])

    @promised_by(lambda adapter: bool(UNCONVERTIBLE.keys() & set(adapter.accepts)))
    def test_a_converter_begins_every_stage_it_fails_in(self, adapter: Adapter, bench: Workbench) -> None:
        kind = next(one for one in testable_kinds(adapter) if one in UNCONVERTIBLE)
        attempt = bench.convert(adapter, kind, spec=bench.examples.spec(kind, bench.examples.unconvertible(kind)))
        stages = [Stage(one.fields["stage"]) for one in attempt.events if one.name == "stage"]
        assert stages[0] is Stage.LOAD_MODEL
        assert Stage.NODE_CONVERSION in stages
        if isinstance(attempt, Completed):  # tools that go on after a failure must not hide it
            hidden = [one.fields for one in attempt.events if one.name == "hidden_failure"]
            assert any(one["stage"] == Stage.NODE_CONVERSION for one in hidden), "nothing is said of the failure"
            return
        assert isinstance(attempt, Refused), attempt
        assert not any(name.endswith("TautomerError") for name in attempt.mro)
        assert stages[-1] is Stage.NODE_CONVERSION
        assert attempt.message

    @promised_by(lambda adapter: bool(BUILT_BY_CODE & set(adapter.accepts)))
    def test_a_converter_refuses_a_source_that_has_changed_since(self, adapter: Adapter, bench: Workbench) -> None:
        kind = next(one for one in testable_kinds(adapter) if one in BUILT_BY_CODE)
        attempt = bench.convert(adapter, kind, parameters_digest="0" * 32)
        assert isinstance(attempt, Refused), attempt
        assert attempt.attributes["code"] == "TA127"

    @promised_by(lambda adapter: ArtifactKind.ONNX in adapter.accepts)
    def test_a_converter_takes_what_the_link_before_made(
        self, adapter: Adapter, bench: Workbench, tmp_path: Path
    ) -> None:
        """The names are those of a source whose paths are others than the graph's names."""
        spec = bench.examples.spec(ArtifactKind.ONNX)
        source = bench.source_of(ArtifactKind.ONNX, spec)
        assert isinstance(source, Completed), source
        [given] = source.result["sets"]
        values = read_values(source.log.parent / given["inputs"])
        assert isinstance(values, Mapping)
        file = tmp_path / "inputs.safetensors"
        digest = write_values(file, {"a": values["x"], "b": values["y"]})
        handed_on = {
            **spec,
            "inputs": [str(file)],
            "feeds": {"x": "a", "y": "b"},
            "output_names": {"first": "out.0", "second": "out.1"},
        }
        expected = {"parameters_digest": None, "inputs_digests": [digest], "output_paths": ["out.0", "out.1"]}
        settings: dict[str, Any] = {"opset": None, "options": {}}
        attempt = bench.submit(adapter, spec=handed_on, settings=settings, expected=expected)
        assert isinstance(attempt, Completed), attempt
        reported = [one.fields["checkpoint"] for one in attempt.events if one.name == "checkpoint"]
        assert reported == [one.name for one in adapter.checkpoints]
        for one in (event.fields for event in attempt.events if event.name == "run"):
            answer = read_values(Path(one["values"]))
            assert isinstance(answer, Mapping)
            assert all(isinstance(value, Tensor) for value in answer.values())


def _check_file(path: str) -> None:
    import onnx

    onnx.checker.check_model(onnx.load(path), full_check=True)
