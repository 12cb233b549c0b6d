"""Which stage a runtime's refusal is laid to, where its session without graph optimizations runs the same file."""

from __future__ import annotations

from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from tautomer.checking.findings import findings_of
from tautomer.checking.fragment_records import FragmentFault, FragmentRun
from tautomer.checking.records import CheckpointRecord
from tautomer.checking.results import Conversion
from tautomer.checking.verdicts import SourceTruth, Verdict
from tautomer.model import Outcome, Refused, Resources, Stage
from tautomer.numerics.judge import Judgement, Reference

TRUTH = SourceTruth(({"y": Reference("y", None, None, None, None, None)},), (None,))


def verdict(name, stage, outcome, **fields):
    faults = [(0, Judgement("y", rounding_ratio=9.0))] if outcome is Outcome.DIVERGENT else []
    failure = None
    if outcome is Outcome.FAILED:
        failure = Refused(Resources(0.1, 0), Path("log"), (), "Fail", "Type 'tensor(int64)' of FusedMatMul", "")
    return Verdict(CheckpointRecord(name, stage, failure=failure, **fields), outcome, faults)


def first_stage(saved, plain):
    """The stage of the first finding, where the session that optimizes refuses the model."""
    runtime = [
        verdict("ort unoptimized", Stage.RUNTIME_EXECUTION, plain),
        verdict("ort optimized", Stage.RUNTIME_OPTIMIZATION, Outcome.FAILED),
    ]
    conversion = Conversion([saved], Path("model.onnx"), {}, {}, [], None)
    found = findings_of(conversion, runtime, TRUTH, [])
    assert found[0].outcome is Outcome.FAILED
    return found[0].stage


@pytest.mark.parametrize("outcome", [Outcome.EQUIVALENT, Outcome.DIVERGENT])
def test_a_refusal_with_graph_optimizations_alone_is_theirs_also_where_the_model_is_another_function(outcome):
    assert first_stage(verdict("saved", Stage.NODE_CONVERSION, outcome), outcome) is Stage.RUNTIME_OPTIMIZATION


def test_a_refusal_of_what_could_not_be_run_before_is_the_converters():
    saved = verdict("saved", Stage.NODE_CONVERSION, Outcome.FAILED)
    assert first_stage(saved, Outcome.DIVERGENT) is Stage.NODE_CONVERSION


def test_a_refusal_of_a_wrong_model_that_contradicts_its_own_shapes_is_the_converters():
    said = [{"value": "y", "stated": [1], "found": [2]}]
    saved = verdict("saved", Stage.NODE_CONVERSION, Outcome.DIVERGENT, contradictions=said)
    assert first_stage(saved, Outcome.DIVERGENT) is Stage.NODE_CONVERSION


def test_a_refusal_in_every_session_is_the_converters_where_its_model_deviates():
    saved = verdict("saved", Stage.NODE_CONVERSION, Outcome.DIVERGENT)
    assert first_stage(saved, Outcome.FAILED) is Stage.NODE_CONVERSION


@pytest.mark.parametrize(("faulty", "stage"), [("mean", Stage.RUNTIME_EXECUTION), ("where", Stage.NODE_CONVERSION)])
def test_a_missing_kernel_is_the_runtimes_where_what_deviates_is_another_node(tmp_path, faulty, stage):
    path = tmp_path / "model.onnx"
    nodes = [helper.make_node("Where", ["c", "a", "a"], ["y"], name="where")]
    values = [helper.make_tensor_value_info(name, TensorProto.BOOL, [2]) for name in ("c", "a", "y")]
    onnx.save(helper.make_model(helper.make_graph(nodes, "g", values[:2], values[2:])), path)
    fault = FragmentFault("m", (faulty,), ("Op",), "aten.op", None, True, None, 1e6)
    saved = verdict("saved", Stage.NODE_CONVERSION, Outcome.DIVERGENT, path=path)
    saved.record.fragments[0] = FragmentRun(faults=[fault])
    said = "NOT_IMPLEMENTED : Could not find an implementation for Where(16) node with name 'where'"
    failure = Refused(Resources(0.1, 0), Path("log"), (), "NotImplemented", said, "")
    record = CheckpointRecord("ort unoptimized", Stage.RUNTIME_EXECUTION, path, failure=failure)
    conversion = Conversion([saved], path, {}, {}, [], None)
    [finding] = findings_of(conversion, [Verdict(record, Outcome.FAILED)], TRUTH, [])
    assert finding.stage is stage
