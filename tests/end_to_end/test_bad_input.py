"""What cannot be used is refused with its code, a clear message and status 2, and leaves nothing behind."""

import os
import pickle
import re
import shutil

import numpy as np
import onnx
import pytest
import torch
from onnx import TensorProto, helper, numpy_helper
from small_models import HEAD, LINEAR, left_in

from tautomer.adapters import registry
from tautomer.errors import OutputPathError

pytestmark = pytest.mark.needs("torch", "onnxruntime")


@pytest.fixture
def refused(command, run_dir, tmp_path):
    """Runs a check that must be refused, and looks at everything that it must not leave."""

    def run(*arguments, code, status=2):
        html, json = tmp_path / "report.html", tmp_path / "report.json"
        said = command("check", *arguments, "--report", html, "--json", json)
        assert said.status == status, said.stdout + said.stderr
        assert said.stdout == ""
        assert "Traceback" not in said.stderr, said.stderr
        told = said.stderr[re.search(rf"^{code}\d* ", said.stderr, re.MULTILINE).start() :]
        assert left_in(run_dir) == []
        assert not html.exists()
        assert not json.exists()
        assert not list(tmp_path.rglob("*.partial"))
        return " ".join(told.split())

    return run


# --- the model file --------------------------------------------------------------------------------------------------


def test_a_file_that_does_not_exist_is_named(refused, tmp_path):
    assert str(tmp_path / "absent.py") in refused(tmp_path / "absent.py", code="TA110")


def test_a_folder_is_no_model(refused, tmp_path):
    assert "is a folder" in refused(tmp_path, code="TA110")


@pytest.mark.parametrize("name", ["model.txt", "model", "model.caffemodel"])
def test_a_file_of_an_unknown_kind_is_refused(refused, tmp_path, name):
    (tmp_path / name).write_text("nothing")
    assert name in refused(tmp_path / name, code="TA111")


@pytest.mark.parametrize(
    "content", [b"", b"\x00garbage", b"PK\x03\x04 not a zip"], ids=["empty", "garbage", "half a zip"]
)
@pytest.mark.parametrize(
    ("name", "arguments", "code"),
    [("m.pt2", [], "TA113"), ("m.pt", ["--trust-pickle"], "TA114"), ("m.onnx", [], "TA115")],
    ids=["pt2", "pickle", "onnx"],
)
def test_a_corrupt_file_is_told_from_a_defect_of_ours(refused, tmp_path, name, arguments, code, content):
    (tmp_path / name).write_bytes(content)
    assert name in refused(tmp_path / name, *arguments, code=code)


def test_a_corrupt_torchscript_archive_is_refused(refused, tmp_path):
    path = tmp_path / "m.pt"
    torch.jit.save(torch.jit.script(torch.nn.Linear(2, 2)), str(path))
    whole = path.read_bytes()
    position = whole.index(b"constants.pkl") + 40
    path.write_bytes(whole[:position] + b"\xff" * 200 + whole[position + 200 :])
    assert "m.pt is not a readable TorchScript file" in refused(path, code="TA114")


def test_a_truncated_exported_program_is_refused(refused, tmp_path):
    path = tmp_path / "m.pt2"
    torch.export.save(torch.export.export(torch.nn.Linear(2, 2), (torch.zeros(1, 2),)), path)
    path.write_bytes(path.read_bytes()[: path.stat().st_size // 2])
    assert "m.pt2" in refused(path, code="TA113")


# --- pickles ---------------------------------------------------------------------------------------------------------


def test_a_pickle_is_not_opened_without_leave(refused, tmp_path):
    class Loud:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "opened"),)

    (tmp_path / "m.pt").write_bytes(pickle.dumps(Loud()))
    said = refused(tmp_path / "m.pt", code="TA119")
    assert "--trust-pickle" in said
    assert not (tmp_path / "opened").exists()


def test_a_pickled_module_is_checked_with_leave(command, tmp_path):
    torch.save(torch.nn.Linear(4, 3), tmp_path / "m.pt")
    np.save(tmp_path / "x.npy", np.ones((2, 4), np.float32))
    assert command("check", tmp_path / "m.pt", "--inputs", tmp_path / "x.npy").status == 2
    said = command("check", tmp_path / "m.pt", "--inputs", tmp_path / "x.npy", "--trust-pickle")
    assert said.status == 0, said.stdout + said.stderr
    assert "EQUIVALENT" in said.stdout


def test_a_pickle_that_holds_no_module_is_refused(refused, tmp_path):
    torch.save({"weight": torch.zeros(2)}, tmp_path / "m.pt")
    assert "holds a dict, not a module" in refused(tmp_path / "m.pt", "--trust-pickle", code="TA114")


def test_a_pickled_sample_is_not_opened_without_leave(refused, write_module, tmp_path):
    class Loud:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "opened"),)

    torch.save({"x": Loud()}, tmp_path / "x.pt")
    assert "--trust-pickle" in refused(write_module(LINEAR), "--inputs", tmp_path / "x.pt", code="TA134")
    assert not (tmp_path / "opened").exists()


# --- model modules ---------------------------------------------------------------------------------------------------

MODEL = HEAD + "class Model(torch.nn.Module):\n    def forward(self, x):\n        return x + 1\n\n"
INPUTS = "def inputs():\n    return (torch.zeros(2),)\n"

BROKEN_MODULES = {
    "no model": (HEAD + INPUTS, "TA121", ["class Model(torch.nn.Module)", "def model()"]),
    "no inputs": (MODEL, "TA122", ["def inputs()"]),
    "inputs is a value": (MODEL + "inputs = (torch.zeros(2),)\n", "TA122", ["def inputs()"]),
    "empty file": ("", "TA121", ["model.py"]),
    "syntax error": (MODEL + "def inputs(:\n    pass\n", "TA120", ["model.py:7", "`def inputs(:`", "SyntaxError"]),
    "raises on import": (
        MODEL + "size = int('three')\n",
        "TA120",
        ["model.py:7", "`size = int('three')`", "ValueError"],
    ),
    "missing package": ("import no_such_package\n", "TA120", ["model.py:1", "ModuleNotFoundError", "no_such_package"]),
    "raises in model()": (
        HEAD + "def model():\n    return torch.nn.Linear(1, 1).no_such_thing\n" + INPUTS,
        "TA124",
        ["model() raised AttributeError", "model.py:4"],
    ),
    "raises in Model()": (
        MODEL.replace("def forward", "def __init__(self):\n        raise OSError(2, 'weights')\n\n    def forward")
        + INPUTS,
        "TA124",
        ["Model() raised FileNotFoundError", "model.py:5"],
    ),
    "model() gives no callable": (HEAD + "def model():\n    return 3\n" + INPUTS, "TA123", ["returned int"]),
    "model() forgets to return": (HEAD + "def model():\n    pass\n" + INPUTS, "TA123", ["returned NoneType"]),
    "raises in inputs()": (
        MODEL + "def inputs():\n    return (torch.zeros(2)[5],)\n",
        "TA125",
        ["inputs() raised IndexError", "model.py:8"],
    ),
    "raises in run_inputs()": (
        MODEL + INPUTS + "def run_inputs():\n    raise RuntimeError('no samples')\n",
        "TA125",
        ["run_inputs() raised RuntimeError", "no samples"],
    ),
    "raises in forward": (
        MODEL.replace("x + 1", "x @ x.unknown") + INPUTS,
        "TA126",
        ["AttributeError", "model.py:5", "`return x @ x.unknown`"],
    ),
    "raises on the second set only": (
        MODEL.replace("x + 1", "x + torch.ones(2)")
        + INPUTS
        + "def run_inputs():\n    return [(torch.zeros(2),), (torch.zeros(3),)]\nDYNAMIC_SHAPES = ({0: 'n'},)\n",
        "TA126",
        ["run_inputs()[1]", "model.py:5"],
    ),
    "wrong size": (
        HEAD + "def model():\n    return torch.nn.Linear(3, 3)\n" + INPUTS,
        "TA126",
        ["RuntimeError", "mat"],
    ),
    "too many arguments": (
        MODEL + "def inputs():\n    return (torch.zeros(2), torch.zeros(2))\n",
        "TA126",
        ["TypeError", "forward()"],
    ),
    "unknown keyword": (MODEL + "def inputs():\n    return {'y': torch.zeros(2)}\n", "TA126", ["TypeError", "'y'"]),
    "dynamic axis that is not there": (
        MODEL + INPUTS + "DYNAMIC_SHAPES = {'x': {5: 'n'}}\n",
        "TA1",
        ["DYNAMIC_SHAPES"],
    ),
    "dynamic shapes of no kind": (MODEL + INPUTS + "DYNAMIC_SHAPES = 17\n", "TA1", ["DYNAMIC_SHAPES"]),
    "dynamic shapes of no input": (MODEL + INPUTS + "DYNAMIC_SHAPES = {'z': {0: 'n'}}\n", "TA1", ["DYNAMIC_SHAPES"]),
    "input without values": (MODEL + "def inputs():\n    return (torch.zeros(2, device='meta'),)\n", "TA1", ["meta"]),
    "inputs() gives None": (MODEL + "def inputs():\n    return None\n", "TA126", ["model.py:5"]),
}


@pytest.mark.parametrize("case", BROKEN_MODULES)
def test_a_broken_module_is_shown_with_the_users_line(refused, write_module, case):
    text, code, fragments = BROKEN_MODULES[case]
    said = refused(write_module(text), code=code)
    for fragment in fragments:
        assert fragment in said


def test_an_exception_in_a_file_beside_the_module_is_shown_there(refused, write_module):
    write_module("def build():\n    raise ValueError('no weights here')\n", "network_parts.py")
    said = refused(write_module(HEAD + "from network_parts import build\nmodel = build\n" + INPUTS), code="TA124")
    assert "network_parts.py:2" in said
    assert "no weights here" in said


BASE_EXCEPTIONS = ["sys.exit('giving up')", "sys.exit(0)", "raise KeyboardInterrupt", "raise GeneratorExit"]


@pytest.mark.parametrize("statement", BASE_EXCEPTIONS)
def test_an_exception_that_ends_programs_is_the_users_on_import(refused, write_module, statement):
    said = refused(write_module(f"import sys\n{statement}\n"), code="TA120")
    assert "model.py:2" in said
    assert f"`{statement}`" in said


@pytest.mark.parametrize(("where", "code"), [("model", "TA124"), ("inputs", "TA125"), ("forward", "TA126")])
def test_an_exception_that_ends_programs_is_the_users_everywhere(refused, write_module, where, code):
    body = {
        name: "raise SystemExit('giving up')" if name == where else "pass" for name in ("model", "inputs", "forward")
    }
    text = (
        HEAD
        + f"class Net(torch.nn.Module):\n    def forward(self, x):\n        {body['forward']}\n        return x + 1\n\n"
        + f"def model():\n    {body['model']}\n    return Net()\n\n"
        + f"def inputs():\n    {body['inputs']}\n    return (torch.zeros(2),)\n"
    )
    said = refused(write_module(text), code=code)
    assert "giving up" in said


def test_an_exception_whose_text_cannot_be_made_is_still_the_users(refused, write_module):
    text = """
        class Odd(Exception):
            def __str__(self):
                raise ValueError("no text")

        raise Odd
    """
    assert "model.py:6" in refused(write_module(text), code="TA120")


def test_an_exception_with_lines_and_colours_is_told_in_plain_text(refused, write_module):
    said = refused(write_module(r"raise ValueError('\x1b[31mred\x1b[0m\nand more')" + "\n"), code="TA120")
    assert "red" in said
    assert "\x1b" not in said


def test_a_lazy_module_is_given_its_weights_or_refused(command, write_module):
    """Its parameters do not exist before the first call."""
    text = (
        HEAD + "def model():\n    return torch.nn.LazyLinear(2)\n" + "def inputs():\n    return (torch.ones(1, 3),)\n"
    )
    said = command("check", write_module(text))
    assert said.status in (0, 2), said.stderr
    assert "Traceback" not in said.stderr


def test_a_file_that_is_no_text_is_refused(refused, tmp_path):
    (tmp_path / "model.py").write_bytes(b"\xff\xfe\x00\x01 = 3\n")
    assert "model.py" in refused(tmp_path / "model.py", code="TA120")


def test_a_module_that_builds_other_weights_each_time_is_refused(refused, write_module):
    text = LINEAR.replace(
        "self.linear = torch.nn.Linear(4, 3)",
        "self.linear = torch.nn.Linear(4, 3)\n"
        "            import os\n"
        "            self.linear.bias.data += os.urandom(1)[0] + 256 * os.urandom(1)[0]",
    )
    assert "other parameters each time" in refused(write_module(text), code="TA127")


def test_a_module_that_makes_other_inputs_each_time_is_refused(refused, write_module):
    text = LINEAR.replace(
        "torch.randn(2, 4),", "torch.randn(2, 4) + int.from_bytes(__import__('os').urandom(2), 'big'),"
    )
    assert "other inputs each time" in refused(write_module(text), code="TA128")


def test_a_check_leaves_nothing_beside_the_users_module(command, write_module, tmp_path):
    path = write_module(LINEAR)
    (tmp_path / "working-directory").mkdir()
    before = sorted(tmp_path.rglob("*"))
    assert command("check", path, "--keep", "none").status == 0
    after = [one for one in sorted(tmp_path.rglob("*")) if not one.is_relative_to(tmp_path / "runs")]
    assert after == before


# --- settings --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "code", "fragment"),
    [
        (["--via", "no-such"], "TA105", "no converter called 'no-such'"),
        (["--to", "no-such"], "TA105", "no runtime called 'no-such'"),
        (["--to", "torch.onnx"], "TA105", "no runtime called 'torch.onnx'"),
        (["--via", "torch.onnx,"], "TA106", "link"),
        (["--opset", "99"], "TA107", "opset 99"),
        (["--opset", "0"], "TA107", "opset 0"),
        (["--opset", "-3"], "TA107", "opset -3"),
        (["--opset", "many"], "TA101", "'--opset'"),
        (["--timeout", "0"], "TA108", "--timeout"),
        (["--memory", "-1"], "TA108", "--memory"),
        (["--memory", "nan"], "TA108", "--memory"),
        (["--seed", "-1"], "TA103", "--seed"),
        (["--keep", "some"], "TA103", "some"),
        (["--set", "optimize"], "TA101", "KEY=VALUE"),
        (["--set", "=3"], "TA101", "KEY=VALUE"),
    ],
    ids=lambda value: " ".join(value) if isinstance(value, list) else "",
)
def test_an_unusable_argument_is_named(refused, write_module, arguments, code, fragment):
    assert fragment in refused(write_module(LINEAR), *arguments, code=code)


@pytest.mark.parametrize("pair", ["no_such_option=1", "f=/tmp/elsewhere.onnx", "dynamo=false", "kwargs={}"])
def test_an_option_that_the_converter_lacks_or_that_tautomer_sets_is_misuse(refused, write_module, pair):
    """The user's mistake is no failure of the converter."""
    assert pair.partition("=")[0] in refused(write_module(LINEAR), "--set", pair, code="TA101")


def test_a_converter_that_does_not_take_this_source_says_what_it_takes(refused, tmp_path):
    path = tmp_path / "m.pt2"
    torch.export.save(torch.export.export(torch.nn.Linear(2, 2), (torch.zeros(1, 2),)), path)
    said = refused(path, "--via", "torch.onnx-legacy", code="TA129")
    assert "exported program" in said
    assert "It takes: model module" in said


def test_a_report_that_cannot_be_written_is_refused_before_any_work(command, write_module, run_dir, tmp_path):
    path = write_module("open('ran', 'w')\n")
    (tmp_path / "read-only.html").write_text("mine")
    (tmp_path / "read-only.html").chmod(0o444)
    refused = {"no-folder/r.html": "TA140", ".": "TA141"}
    if os.geteuid() != 0:
        refused["read-only.html"] = "TA142"
    for name, code in refused.items():
        for flag in ("--report", "--json"):
            said = command("check", path, flag, tmp_path / name)
            assert (said.status, said.stdout) == (2, "")
            assert code in said.stderr
    assert (tmp_path / "read-only.html").read_text() == "mine"
    assert not (tmp_path / "working-directory" / "ran").exists()
    assert left_in(run_dir) == []


def test_a_run_folder_that_cannot_be_made_is_refused(checked, tmp_path):
    (tmp_path / "runs").write_text("in the way")
    with pytest.raises(OutputPathError) as caught:
        checked(LINEAR)
    assert caught.value.code == "TA140"
    assert str(tmp_path / "runs") in str(caught.value)


# --- inputs ----------------------------------------------------------------------------------------------------------


def test_samples_that_do_not_exist_are_named(refused, write_module, tmp_path):
    assert "absent.npz" in refused(write_module(LINEAR), "--inputs", tmp_path / "absent.npz", code="TA130")


def test_a_folder_without_samples_is_refused(refused, write_module, tmp_path):
    (tmp_path / "samples").mkdir()
    (tmp_path / "samples" / "notes.txt").write_text("x")
    assert ".npz" in refused(write_module(LINEAR), "--inputs", tmp_path / "samples", code="TA136")


@pytest.mark.parametrize(
    ("name", "arguments"), [("x.npz", []), ("x.npy", []), ("x.safetensors", []), ("x.pt", ["--trust-pickle"])]
)
def test_a_sample_that_is_not_what_its_name_says_is_refused(refused, write_module, tmp_path, name, arguments):
    (tmp_path / name).write_bytes(b"\x93nothing of the kind")
    assert name in refused(write_module(LINEAR), "--inputs", tmp_path / name, *arguments, code="TA132")


def test_a_sample_of_an_unknown_kind_is_refused(refused, write_module, tmp_path):
    (tmp_path / "x.csv").write_text("1,2")
    assert ".npz" in refused(write_module(LINEAR), "--inputs", tmp_path / "x.csv", code="TA133")


def test_an_array_of_objects_is_not_unpickled(refused, write_module, tmp_path):
    np.save(tmp_path / "x.npy", np.array([{1: 2}], dtype=object), allow_pickle=True)
    assert "x.npy" in refused(write_module(LINEAR), "--inputs", tmp_path / "x.npy", code="TA132")


@pytest.mark.parametrize(
    ("arrays", "fragment"),
    [
        ({"unknown": np.zeros((2, 4), np.float32)}, "unknown"),
        ({"x": np.zeros((2, 5), np.float32)}, "x.npz"),
        ({"x": np.zeros((2, 4), np.float64)}, "x.npz"),
        ({}, "x.npz"),
    ],
    ids=["unknown name", "wrong size", "wrong type", "none"],
)
def test_samples_that_do_not_fit_the_model_are_refused_with_their_file(
    refused, write_module, tmp_path, arrays, fragment
):
    np.savez(tmp_path / "x.npz", **arrays)
    assert fragment in refused(write_module(LINEAR), "--inputs", tmp_path / "x.npz", code="TA139")


def test_a_torchscript_file_without_inputs_says_how_to_give_them(refused, tmp_path):
    torch.jit.save(torch.jit.script(torch.nn.Linear(4, 3).eval()), str(tmp_path / "m.pt"))
    assert "--inputs" in refused(tmp_path / "m.pt", code="TA131")


# --- ONNX files ------------------------------------------------------------------------------------------------------


def onnx_model(initializer=None):
    weight = initializer or numpy_helper.from_array(np.ones((4, 3), np.float32), "weight")
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "weight"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [2, 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [2, 3])],
        [weight],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 18)])


def external(location, *, offset=0, length=48):
    tensor = TensorProto(name="weight", data_type=TensorProto.FLOAT, dims=[4, 3], data_location=TensorProto.EXTERNAL)
    for key, value in {"location": location, "offset": offset, "length": length}.items():
        tensor.external_data.add(key=key, value=str(value))
    return tensor


def test_a_truncated_onnx_file_is_refused(refused, tmp_path):
    whole = onnx_model().SerializeToString()
    (tmp_path / "m.onnx").write_bytes(whole[: len(whole) // 2])
    assert "m.onnx" in refused(tmp_path / "m.onnx", code="TA115")


@pytest.mark.parametrize("location", ["../secret.bin", "/etc/passwd", "sub/../../secret.bin", "link.bin", ""])
def test_external_data_outside_the_models_folder_is_not_opened(refused, tmp_path, location):
    (tmp_path / "secret.bin").write_bytes(bytes(48))
    folder = tmp_path / "model"
    (folder / "sub").mkdir(parents=True)
    (folder / "link.bin").symlink_to(tmp_path / "secret.bin")
    onnx.save(onnx_model(external(location)), folder / "m.onnx")
    said = refused(folder / "m.onnx", code="TA116")
    assert f"'{location}'" in said
    assert "'weight'" in said


def test_missing_external_data_is_named(refused, tmp_path):
    onnx.save(onnx_model(external("absent.bin")), tmp_path / "m.onnx")
    assert "absent.bin" in refused(tmp_path / "m.onnx", code="TA117")


@pytest.mark.parametrize(
    ("size_bytes", "length", "offset"),
    [
        pytest.param(20, 48, 0, id="short file"),
        pytest.param(48, 48, 8, id="beyond the end"),
        pytest.param(20, "", 0, id="no length"),
        pytest.param(48, 8, 0, id="length below the shape's"),
        pytest.param(48, 48, -8, id="negative offset"),
        pytest.param(48, "many", 0, id="no number"),
    ],
)
def test_external_data_that_does_not_hold_the_tensor_is_refused(refused, tmp_path, size_bytes, length, offset):
    (tmp_path / "w.bin").write_bytes(bytes(size_bytes))
    onnx.save(onnx_model(external("w.bin", offset=offset, length=length)), tmp_path / "m.onnx")
    assert "'weight'" in refused(tmp_path / "m.onnx", code="TA118")


def test_a_sound_onnx_file_with_external_data_is_not_refused(command, tmp_path):
    """The counterpart of the refusals above: they come from what is wrong with the file, not from what it is."""
    weights = np.arange(12, dtype=np.float32).tobytes()
    (tmp_path / "w.bin").write_bytes(weights)
    onnx.save(onnx_model(external("w.bin")), tmp_path / "m.onnx")
    np.save(tmp_path / "x.npy", np.ones((2, 4), np.float32))
    assert command("check", tmp_path / "m.onnx", "--inputs", tmp_path / "x.npy").status == 0


def unsound(change):
    model = onnx_model()
    change(model)
    return model


UNSOUND_GRAPHS = {
    "a value that nothing makes": lambda model: model.graph.node[0].input.__setitem__(0, "absent"),
    "a cycle": lambda model: model.graph.node[0].input.__setitem__(0, "y"),
    "two values of one name": lambda model: model.graph.node.append(model.graph.node[0]),
    "no opset": lambda model: model.ClearField("opset_import"),
    "an opset of the future": lambda model: model.opset_import[0].__setattr__("version", 999),
    "an unknown domain": lambda model: model.graph.node[0].__setattr__("domain", "nowhere"),
    "an unknown operator": lambda model: model.graph.node[0].__setattr__("op_type", "Nothing"),
    "an output that nothing makes": lambda model: model.graph.output[0].__setattr__("name", "absent"),
    "an input without a type": lambda model: model.graph.input[0].ClearField("type"),
    "a tensor of no type": lambda model: model.graph.initializer[0].__setattr__("data_type", 0),
    "a tensor with too few bytes": lambda model: model.graph.initializer[0].__setattr__("raw_data", b"abc"),
    "a negative size": lambda model: model.graph.initializer[0].dims.__setitem__(0, -4),
    "no nodes": lambda model: model.graph.ClearField("node"),
}


@pytest.mark.parametrize("flaw", UNSOUND_GRAPHS)
def test_an_unsound_graph_is_misuse_or_a_finding_and_never_equivalent(command, tmp_path, flaw):
    onnx.save(unsound(UNSOUND_GRAPHS[flaw]), tmp_path / "m.onnx")
    said = command("check", tmp_path / "m.onnx")
    assert said.status in (1, 2, 3), said.stderr
    assert "Traceback" not in said.stderr


# --- what is not installed -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("module", "extra", "who"),
    [("torch", "torch", "source 'torch'"), ("onnxruntime", "onnxruntime", "runtime 'onnxruntime'")],
)
def test_a_missing_extra_is_not_run_and_shows_the_pip_line(command, write_module, monkeypatch, module, extra, who):
    real = registry.importlib.util.find_spec
    monkeypatch.setattr(
        registry.importlib.util, "find_spec", lambda name, *rest: None if name == module else real(name, *rest)
    )
    said = command("check", write_module(LINEAR))
    assert said.status == 4, said.stdout + said.stderr
    shown = " ".join(said.stdout.split())
    assert "NOT RUN" in shown.replace("_", " ").upper()
    assert "TA102" in shown
    assert who in shown
    assert f"pip install 'tautomer[{extra}]'" in shown


def test_one_missing_runtime_does_not_hide_what_the_other_found(command, write_module, monkeypatch):
    real = registry.importlib.util.find_spec
    monkeypatch.setattr(
        registry.importlib.util, "find_spec", lambda name, *rest: None if name == "onnxruntime" else real(name, *rest)
    )
    said = command("check", write_module(LINEAR), "--to", "onnxruntime", "--to", "onnx-reference")
    assert said.status == 4
    assert "EQUIVALENT" in said.stdout
    assert "TA102" in said.stdout


# --- the command itself, in a process of its own ---------------------------------------------------------------------


def test_the_command_reports_a_users_exception_without_a_traceback(process, write_module, run_dir):
    said = process("check", write_module(MODEL + "size = int('three')\n"))
    assert (said.status, said.stdout) == (2, "")
    assert "TA120" in said.stderr
    assert "`size = int('three')`" in said.stderr
    assert "Traceback" not in said.stderr
    assert left_in(run_dir) == []


def test_the_command_gives_status_4_where_a_framework_is_missing(process, write_module, tmp_path):
    blocked = tmp_path / "blocked"
    blocked.mkdir()
    (blocked / "sitecustomize.py").write_text(
        "import importlib.util\n"
        "real = importlib.util.find_spec\n"
        "importlib.util.find_spec = lambda name, *rest: None if name == 'torch' else real(name, *rest)\n"
    )
    path = write_module(LINEAR)
    said = process("check", path, environment={"PYTHONPATH": str(blocked)})
    assert said.status == 4, said.stdout + said.stderr
    assert "pip install 'tautomer[torch]'" in " ".join(said.stdout.split())
    shutil.rmtree(blocked)
    assert process("check", path).status == 0
