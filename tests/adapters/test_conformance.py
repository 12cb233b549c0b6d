"""What every adapter promises: a sane description, and a task that reports as the pipeline expects."""

from __future__ import annotations

import importlib.metadata
import json
import subprocess
import sys
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from tautomer.adapters import registry
from tautomer.adapters.protocols import AdapterKind
from tautomer.adapters.tensor_file import read_values, write_values
from tautomer.execution import HostSpec, Pool, Task
from tautomer.model import ArtifactKind, Completed, Crashed, Hung, Limits, OutOfMemory, Refused, Stage, Tensor

ALL = sorted(registry.adapters().values(), key=lambda one: (one.kind, one.name))


def each(*kinds):
    """A test for each adapter of these kinds; the ledger is told which adapter it was about."""
    return pytest.mark.parametrize(
        "adapter",
        [
            pytest.param(one, id=one.name, marks=pytest.mark.needs(one.name))
            for one in ALL
            if one.kind in (kinds or AdapterKind)
        ],
    )


# --- descriptions ---------------------------------------------------------------------------------------------------


def test_what_make_test_installs_is_registered():
    registered = {one.name for one in ALL}
    assert {
        "torch",
        "exported-program",
        "torchscript",
        "onnx",
        "torch.onnx",
        "torch.onnx-legacy",
        "onnxruntime",
        "onnx-reference",
        "openvino",
    } <= registered


@each()
def test_the_entry_point_is_called_as_the_adapter(adapter):
    entries = [one for one in importlib.metadata.entry_points(group=registry.GROUP) if one.load() is adapter]
    assert [one.name for one in entries] == [adapter.name]


@each()
def test_the_task_is_a_function_that_takes_what_the_pipeline_hands_over(adapter):
    import inspect

    from tautomer.adapters.worker_api import resolve_function

    handed_over = {
        AdapterKind.SOURCE: {"spec"},
        AdapterKind.CONVERTER: {"spec", "settings", "expected"},
        AdapterKind.RUNTIME: {"model", "checkpoint", "inputs", "feeds", "level"},
    }[adapter.kind]
    signature = inspect.signature(resolve_function(adapter.task))
    signature.bind("channel", **dict.fromkeys(handed_over))


@each()
def test_what_is_missing_can_be_installed(adapter):
    extras = importlib.metadata.metadata("tautomer").get_all("Provides-Extra")
    assert adapter.extra in extras
    assert adapter.requires
    assert all("." not in module for module in adapter.requires)


@each()
def test_the_host_is_one_that_can_be_repeated(adapter):
    host = adapter.host
    assert host.preload
    assert host.prime is None or ":" in host.prime
    same_name = {one.host for one in ALL if one.host.name == host.name}
    assert same_name == {host}, "adapters that share a process describe it alike"


@each(AdapterKind.SOURCE)
def test_the_default_converter_takes_what_the_source_reads(adapter):
    if adapter.default_converter is None:
        assert any(set(adapter.accepts) <= set(one.accepts) for one in ALL if one.kind is AdapterKind.RUNTIME)
        return
    converter = registry.get(AdapterKind.CONVERTER, adapter.default_converter)
    assert set(adapter.accepts) <= set(converter.accepts)


@each(AdapterKind.CONVERTER)
def test_some_runtime_takes_what_the_converter_makes(adapter):
    assert any(adapter.produces in one.accepts for one in ALL if one.kind is AdapterKind.RUNTIME)
    assert len({one.name for one in adapter.checkpoints}) == len(adapter.checkpoints)


def test_every_kind_of_model_has_exactly_one_source():
    readers = [kind for one in ALL if one.kind is AdapterKind.SOURCE for kind in one.accepts]
    assert sorted(readers) == sorted(ArtifactKind)


BLOCKED = """
import importlib.abc, sys

class Blocker(importlib.abc.MetaPathFinder):
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] in sys.argv[2].split(","):
            raise ImportError(f"{name} is blocked")

sys.meta_path.insert(0, Blocker())
from tautomer.adapters.worker_api import resolve_function
print(callable(resolve_function(sys.argv[1])))
"""


@each()
def test_the_task_can_be_imported_without_its_framework(adapter):
    frameworks = ["torch", "onnxscript", "onnxruntime", "transformers", "tensorflow", "jax", "openvino"]
    done = subprocess.run(
        [sys.executable, "-c", BLOCKED, adapter.task, ",".join(frameworks)],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.stdout.strip() == "True", done.stderr


# --- tasks ----------------------------------------------------------------------------------------------------------

MODULE = """
import torch

class Model(torch.nn.Module):
    def __init__(self):
        super().__init__()
        self.linear = torch.nn.Linear(4, 3)

    def forward(self, x, y):
        return {"first": torch.relu(self.linear(x)), "second": (x.sum() + y, None)}

def inputs():
    return torch.randn(2, 4), torch.tensor(2.0)
"""

LIMITS = Limits(timeout_s=120.0, memory_bytes=4 << 30)


@pytest.fixture(scope="module")
def pool():
    with Pool() as running:
        yield running


@pytest.fixture
def submit(pool, tmp_path):
    """Runs an adapter's task as the pipeline does."""
    count = iter(range(100))

    def run(adapter, **arguments):
        host = adapter.host
        spec = HostSpec(host.name, host.preload, host.prime, host.fork_safe, environment=dict(host.environment))
        task = Task(spec, adapter.task, arguments, adapter.name)
        return pool.submit(task, LIMITS, folder=tmp_path / f"attempt-{next(count)}")

    return run


@pytest.fixture(scope="session")
def artefacts(tmp_path_factory):
    """The same small function as each kind of model."""
    import torch

    folder = tmp_path_factory.mktemp("artefacts")

    class Pair(torch.nn.Module):
        def __init__(self):
            super().__init__()
            self.linear = torch.nn.Linear(4, 3)

        def forward(self, x, y):
            return torch.relu(self.linear(x)), x.sum() + y

    model, example = Pair().eval(), (torch.randn(2, 4), torch.tensor(2.0))
    paths = {
        ArtifactKind.MODEL_MODULE: folder / "model.py",
        ArtifactKind.EXPORTED_PROGRAM: folder / "model.pt2",
        ArtifactKind.TORCHSCRIPT: folder / "model.ts",
        ArtifactKind.PICKLED_MODULE: folder / "pickled.pt",
        ArtifactKind.ONNX: folder / "model.onnx",
    }
    paths[ArtifactKind.MODEL_MODULE].write_text(MODULE)
    torch.export.save(torch.export.export(model, example), paths[ArtifactKind.EXPORTED_PROGRAM])
    torch.jit.save(torch.jit.script(model), str(paths[ArtifactKind.TORCHSCRIPT]))
    torch.save(torch.nn.MSELoss(reduction="none"), paths[ArtifactKind.PICKLED_MODULE])
    onnx.save(onnx_model(), paths[ArtifactKind.ONNX])
    np.savez(folder / "positional.npz", arr_0=example[0].numpy(), arr_1=example[1].numpy())
    np.savez(folder / "pair.npz", arr_0=example[0].numpy(), arr_1=np.ones((2, 4), np.float32))
    return paths


def onnx_model(op_type="Relu"):
    graph = helper.make_graph(
        [
            helper.make_node("MatMul", ["x", "weight"], ["product"]),
            helper.make_node(op_type, ["product"], ["first"]),
            helper.make_node("Add", ["y", "y"], ["second"]),
        ],
        "g",
        [
            helper.make_tensor_value_info("x", TensorProto.FLOAT, [2, 4]),
            helper.make_tensor_value_info("y", TensorProto.FLOAT, []),
        ],
        [
            helper.make_tensor_value_info("first", TensorProto.FLOAT, [2, 3]),
            helper.make_tensor_value_info("second", TensorProto.FLOAT, []),
        ],
        [numpy_helper.from_array(np.linspace(-1, 1, 12, dtype=np.float32).reshape(4, 3), "weight")],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9)


def spec_of(kind, paths):
    """The spec of a source, with a sample for those that do not say what their inputs are."""
    sample = {ArtifactKind.TORCHSCRIPT: "positional.npz", ArtifactKind.PICKLED_MODULE: "pair.npz"}.get(kind)
    return {
        "path": str(paths[kind]),
        "kind": str(kind),
        "seed": 0,
        "inputs": [str(paths[kind].with_name(sample))] if sample else [],
        "trust_pickle": kind is ArtifactKind.PICKLED_MODULE,
    }


def reader_of(kind):
    return next(one for one in ALL if one.kind is AdapterKind.SOURCE and kind in one.accepts)


def expected_of(result, folder):
    """What a converter is told of the source, as the pipeline puts it."""
    declared = read_values(folder / result["sets"][0]["s32"])
    return {
        "parameters_digest": result["parameters_digest"],
        "inputs_digests": [one["inputs_digest"] for one in result["sets"]],
        "output_paths": [path for path, value in declared.items() if isinstance(value, Tensor)],
    }


def assert_measured(events, names):
    measured = [one for one in events if one.name in names]
    assert measured
    for one in measured:
        assert one.fields["seconds"] > 0
        assert one.fields["peak_memory_bytes"] > 1 << 20, one


@each(AdapterKind.SOURCE)
def test_a_source_answers_in_its_own_precision_and_in_float64(adapter, submit, artefacts):
    for kind in adapter.accepts:
        attempt = submit(adapter, spec=spec_of(kind, artefacts))
        assert isinstance(attempt, Completed), attempt
        folder = attempt.log.parent
        json.dumps(attempt.result)
        [one] = attempt.result["sets"]
        assert one["name"]
        assert one["origin"]
        assert one["reason"] is None
        declared, exact = read_values(folder / one["s32"]), read_values(folder / one["float64"])
        assert declared.keys() == exact.keys()
        for path, value in declared.items():
            assert value.dtype == "float32"
            assert exact[path].dtype == "float64"
            assert np.abs(exact[path].array - value.array).max() < 1e-5
            assert np.any(exact[path].array)
        assert len(read_values(folder / one["inputs"])) == 2
        assert_measured(attempt.events, {"step"})
        assert {
            "notes",
            "parameters_digest",
            "dynamic",
            "training_operators",
            "nondeterministic",
        } <= attempt.result.keys()


@each(AdapterKind.SOURCE)
def test_a_source_answers_the_same_twice(adapter, submit, artefacts):
    kind = adapter.accepts[0]
    first, second = (submit(adapter, spec=spec_of(kind, artefacts)) for _ in range(2))
    assert first.result == second.result
    for name in ("s32", "float64", "variance"):
        file = first.result["sets"][0][name]
        one, other = read_values(first.log.parent / file), read_values(second.log.parent / file)
        for path, value in one.items():
            assert value.array.tobytes() == other[path].array.tobytes(), (name, path)


@each(AdapterKind.SOURCE)
def test_a_source_that_cannot_be_read_is_refused_as_misuse(adapter, submit, tmp_path):
    for kind in adapter.accepts:
        broken = tmp_path / f"broken-{kind}"
        broken.write_bytes(b"raise ValueError('no model')\n")
        spec = {"path": str(broken), "kind": str(kind), "seed": 0, "inputs": [], "trust_pickle": True}
        attempt = submit(adapter, spec=spec)
        assert isinstance(attempt, Refused), attempt
        assert any(name.endswith("MisuseError") for name in attempt.mro), attempt.traceback
        assert attempt.attributes["code"].startswith("TA1")
        assert attempt.log.exists()


@pytest.fixture
def convert(submit, artefacts):
    """Runs a converter on one kind of model, as the pipeline does."""

    def run(adapter, kind, *, path=None, settings=None):
        spec = spec_of(kind, artefacts if path is None else {**artefacts, kind: path})
        source = submit(reader_of(kind), spec=spec)
        assert isinstance(source, Completed), source
        expected = expected_of(source.result, source.log.parent)
        return submit(adapter, spec=spec, settings=settings or {"opset": None, "options": {}}, expected=expected)

    return run


@each(AdapterKind.CONVERTER)
def test_a_converter_shows_its_checkpoints_in_the_order_it_declares(adapter, convert):
    for kind in adapter.accepts:
        attempt = convert(adapter, kind)
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
                onnx.checker.check_model(onnx.load(one["path"]), full_check=True)
                assert one["digest"]
        assert reported[-1]["kind"] == adapter.produces
        assert Path(reported[-1]["path"]).is_relative_to(attempt.log.parent)


@each(AdapterKind.CONVERTER)
def test_a_converter_runs_its_own_programs_on_every_input_set(adapter, convert):
    attempt = convert(adapter, adapter.accepts[0])
    own = [one.fields["checkpoint"] for one in attempt.events if one.name == "checkpoint" and not one.fields["path"]]
    runs = [one.fields for one in attempt.events if one.name == "run"]
    assert {(one["checkpoint"], one["precision"]) for one in runs} >= {(name, "declared") for name in own}
    if adapter.float64:
        assert {(one["checkpoint"], one["precision"]) for one in runs} >= {(name, "float64") for name in own}
    assert_measured(attempt.events, {"run"})
    for one in runs:
        assert one["error"] is None
        assert set(read_values(Path(one["values"]))) == {"first", "second.0"}


@each(AdapterKind.CONVERTER)
def test_a_converter_begins_every_stage_it_fails_in(adapter, convert, tmp_path):
    path = tmp_path / "unsupported.py"
    path.write_text(
        "import torch\n\nclass Model(torch.nn.Module):\n    def forward(self, x):\n"
        "        return torch.linalg.eigvals(x + 0j).real\n\ndef inputs():\n    return (torch.eye(3),)\n"
    )
    attempt = convert(adapter, ArtifactKind.MODEL_MODULE, path=path)
    assert isinstance(attempt, Refused), attempt
    assert not any(name.endswith("TautomerError") for name in attempt.mro)
    stages = [Stage(one.fields["stage"]) for one in attempt.events if one.name == "stage"]
    assert stages[0] is Stage.LOAD_MODEL
    assert stages[-1] is Stage.NODE_CONVERSION
    assert attempt.message


@each(AdapterKind.CONVERTER)
def test_a_converter_refuses_a_source_that_has_changed_since(adapter, submit, artefacts):
    kind = adapter.accepts[0]
    spec = spec_of(kind, artefacts)
    source = submit(reader_of(kind), spec=spec)
    expected = expected_of(source.result, source.log.parent) | {"parameters_digest": "0" * 32}
    attempt = submit(adapter, spec=spec, settings={"opset": None, "options": {}}, expected=expected)
    assert isinstance(attempt, Refused)
    assert attempt.attributes["code"] == "TA127"


ONES = {"a": Tensor.of(np.ones((2, 4), np.float32)), "b": Tensor.of(np.array(1.0, np.float32))}


@pytest.fixture
def run_runtime(submit, artefacts, tmp_path):
    """Runs a runtime on an ONNX file at each of its levels."""

    def run(adapter, *, model=None, sets=(ONES,)):
        inputs = []
        for index, values in enumerate(sets):
            inputs.append(str(tmp_path / f"inputs-{index}.safetensors"))
            write_values(Path(inputs[-1]), values)
        return [
            submit(
                adapter,
                model=str(model or artefacts[ArtifactKind.ONNX]),
                checkpoint=one.name,
                inputs=inputs,
                feeds={"x": "a", "y": "b"},
                level=one.level,
            )
            for one in adapter.checkpoints
        ]

    return run


@each(AdapterKind.RUNTIME)
def test_a_runtime_computes_every_input_set_at_every_level(adapter, run_runtime):
    sets = [
        {"a": Tensor.of(np.full((2, 4), scale, np.float32)), "b": Tensor.of(np.array(scale, np.float32))}
        for scale in (1.0, -2.0)
    ]
    weight = np.linspace(-1, 1, 12, dtype=np.float32).reshape(4, 3)
    for declared, attempt in zip(adapter.checkpoints, run_runtime(adapter, sets=sets), strict=True):
        assert isinstance(attempt, Completed), attempt
        runs = [one.fields for one in attempt.events if one.name == "run"]
        assert [(one["checkpoint"], one["precision"], one["input"]) for one in runs] == [
            (declared.name, "declared", 0),
            (declared.name, "declared", 1),
        ]
        assert_measured(attempt.events, {"loaded"})
        assert_measured(attempt.events, {"run"})
        for one, values in zip(runs, sets, strict=True):
            answer = read_values(Path(one["values"]))
            assert list(answer) == ["first", "second"]
            np.testing.assert_allclose(answer["first"].array, np.maximum(values["a"].array @ weight, 0), rtol=1e-5)
            assert answer["second"].array == 2 * values["b"].array
            assert answer["second"].shape == ()


@each(AdapterKind.RUNTIME)
def test_a_model_that_a_runtime_cannot_load_is_refused_in_a_stage_of_loading(adapter, run_runtime, tmp_path):
    onnx.save(onnx_model("NoSuchOperator"), tmp_path / "unknown.onnx")
    for attempt in run_runtime(adapter, model=tmp_path / "unknown.onnx"):
        stages = [Stage(one.fields["stage"]) for one in attempt.events if one.name == "stage"]
        runs = [one.fields for one in attempt.events if one.name == "run"]
        assert not isinstance(attempt, Crashed | Hung | OutOfMemory)
        if isinstance(attempt, Refused):
            assert stages[-1] in (Stage.RUNTIME_LOAD, Stage.RUNTIME_OPTIMIZATION)
            assert "NoSuchOperator" in attempt.message
        else:
            assert "NoSuchOperator" in runs[0]["error"]["message"]


@each(AdapterKind.RUNTIME)
def test_an_input_that_a_runtime_refuses_is_an_error_of_that_set_alone(adapter, run_runtime):
    bad = {"a": Tensor.of(np.ones((2, 5), np.float32)), "b": ONES["b"]}
    for attempt in run_runtime(adapter, sets=[bad, ONES]):
        assert isinstance(attempt, Completed), attempt
        first, second = (one.fields for one in attempt.events if one.name == "run")
        assert first["values"] is None
        assert first["error"]["type"]
        assert first["error"]["message"]
        assert second["error"] is None
        assert second["values"] is not None


@each(AdapterKind.RUNTIME)
def test_what_a_runtime_says_of_its_precision_covers_every_node_of_a_reduced_graph(adapter, run_runtime, tmp_path):
    graph = helper.make_graph(
        [
            helper.make_node("Exp", ["x"], ["e"]),
            helper.make_node("Mul", ["e", "e"], ["first"]),
            helper.make_node("Add", ["y", "y"], ["second"]),
        ],
        "g",
        [helper.make_tensor_value_info(name, TensorProto.FLOAT16, shape) for name, shape in (("x", [2, 4]), ("y", []))],
        [
            helper.make_tensor_value_info(name, TensorProto.FLOAT16, shape)
            for name, shape in (("first", [2, 4]), ("second", []))
        ],
    )
    onnx.save(
        helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)], ir_version=9), tmp_path / "half.onnx"
    )
    halves = {path: Tensor.of(value.array.astype(np.float16)) for path, value in ONES.items()}
    for attempt in run_runtime(adapter, model=tmp_path / "half.onnx", sets=[halves]):
        assert isinstance(attempt, Completed), attempt
        [run] = [one.fields for one in attempt.events if one.name == "run"]
        assert {value.dtype for value in read_values(Path(run["values"])).values()} == {"float16"}
        for event in (one for one in attempt.events if one.name == "precision"):
            assert event.fields["runtime"] == adapter.name
            assert event.fields["checkpoint"] == run["checkpoint"]
            assert sum(one["count"] for one in event.fields["nodes"] if one["declared"] == "float16") == 3


@each(AdapterKind.RUNTIME)
def test_a_missing_model_file_is_a_refusal(adapter, run_runtime, tmp_path):
    for attempt in run_runtime(adapter, model=tmp_path / "absent.onnx"):
        assert isinstance(attempt, Refused), attempt


@pytest.mark.parametrize("name", ["no.such", "", "torch"])
def test_an_adapter_that_is_not_registered_is_misuse_with_the_known_names(name):
    from tautomer.errors import MisuseError

    with pytest.raises(MisuseError) as caught:
        registry.get(AdapterKind.RUNTIME, name)
    assert caught.value.code == "TA105"
    assert "onnxruntime" in str(caught.value)
