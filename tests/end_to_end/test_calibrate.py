"""`tautomer calibrate` on real runtimes: what it prints, what it writes, and how it refuses."""

from __future__ import annotations

import pytest

from tautomer.checking import calibration
from tautomer.cli import main
from tautomer.model import Crashed, Event, Resources
from tautomer.numerics.approximation_tables import decode_table
from tautomer.numerics.approximation_tables.functions import BY_NAME

FEW = ("--function", "Exp", "--function", "Sqrt", "--samples", "3000")


@pytest.fixture
def calibrate(pool, tmp_path, monkeypatch, capsys):
    """Runs `tautomer calibrate` on the warm pool, in an empty working directory."""

    class Borrowed:
        def __enter__(self):
            return pool

        def __exit__(self, *ended):
            pass

    def run(*arguments):
        monkeypatch.chdir(tmp_path)
        monkeypatch.setattr(calibration, "Pool", Borrowed)
        monkeypatch.delenv("TAUTOMER_HOME", raising=False)
        status = main(["calibrate", *map(str, arguments)])
        return status, *capsys.readouterr()

    return run


@pytest.mark.needs("onnxruntime")
def test_the_errors_of_onnxruntime_are_printed_and_written(calibrate, tmp_path):
    status, out, _ = calibrate("onnxruntime", *FEW, "--output", "table.json")
    assert status == 0
    assert "Exp" in out
    assert "validation on" in out
    table = decode_table((tmp_path / "table.json").read_text(), origin="table.json")
    assert table.runtime == "onnxruntime"
    assert set(table.functions) == {(name, kind) for name in ("Exp", "Sqrt") for kind in ("float32", "float16")}
    # Square roots are rounded correctly on every processor with IEEE 754 arithmetic; exponentials are not.
    assert table.functions["Sqrt", "float32"].worst_relative_u <= 1.0
    assert table.functions["Exp", "float32"].worst_relative_u > 1.0


@pytest.mark.needs("onnxruntime")
def test_a_table_without_a_named_file_is_the_one_that_checks_then_use(calibrate, tmp_path, monkeypatch):
    assert calibrate("onnxruntime", *FEW)[0] == 0
    [file] = (tmp_path / ".tautomer" / "approximations").iterdir()
    version = file.name.removeprefix("onnxruntime-").removesuffix(".json")
    monkeypatch.chdir(tmp_path)
    own = calibration.table_in_use("onnxruntime", version)
    assert own is not None
    assert len(own.functions) == 4
    shipped = calibration.table_in_use("onnxruntime", "0.0.1")
    assert shipped is not None
    assert shipped.note is not None


@pytest.mark.needs("onnxruntime")
def test_the_same_seed_gives_the_same_table(calibrate, tmp_path):
    for name in ("a.json", "b.json"):
        assert calibrate("onnxruntime", *FEW, "--seed", "4", "--output", name)[0] == 0
    assert (tmp_path / "a.json").read_text() == (tmp_path / "b.json").read_text()


@pytest.mark.needs("openvino")
def test_openvino_is_measured_through_the_same_task(calibrate, tmp_path):
    status, out, _ = calibrate("openvino", *FEW, "--output", "table.json")
    assert status == 0
    assert out.startswith("openvino ")
    table = decode_table((tmp_path / "table.json").read_text(), origin="table.json")
    assert ("Exp", "float32") in table.functions


class DiesAtExp:
    """A runner in whose workers the exponential crashes; what else is measured, is measured well."""

    def __init__(self, pool):
        self._pool = pool
        self.asked = []

    def submit(self, task, limits, *, folder, on_event=None):
        self.asked.append(list(task.arguments["functions"]))
        if "Exp" not in task.arguments["functions"]:
            return self._pool.submit(task, limits, folder=folder, on_event=on_event)
        begun = Event("function.begin", {"function": "Exp", "element": task.arguments["elements"][0]}, 0.0)
        return Crashed(Resources(1.0, 0), folder / "log.txt", (begun,), signal="SIGSEGV", exit_status=None)


@pytest.mark.needs("torch")
def test_kernels_of_pytorch_itself_are_measured_too(calibrate, tmp_path):
    status, _, _ = calibrate("torch", *FEW, "--function", "HardSigmoid", "--output", "table.json")
    assert status == 0
    table = decode_table((tmp_path / "table.json").read_text(), origin="table.json")
    assert ("Exp", "float32") in table.functions
    assert "HardSigmoid float32" in table.refused


@pytest.mark.needs("onnxruntime")
def test_a_function_that_ends_the_worker_is_listed_and_the_others_are_measured(pool):
    runner = DiesAtExp(pool)
    table = calibration.calibrate("onnxruntime", samples=3000, functions=["Exp", "Sqrt"], runner=runner)
    assert runner.asked == [["Exp", "Sqrt"], ["Sqrt"]] * 2
    assert set(table.functions) == {("Sqrt", "float32"), ("Sqrt", "float16")}
    assert table.refused["Exp float32"] == "the worker died (SIGSEGV) after 1.0 s"


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (("nothing",), "TA105"),
        (("onnxruntime", "--samples", "0"), "TA103"),
        (("onnxruntime", "--function", "Nothing"), "TA103"),
        (("onnxruntime", "--output", "no/such/folder/table.json"), "TA140"),
        ((), "TA101"),
    ],
)
def test_a_wrong_command_line_is_misuse(calibrate, arguments, code):
    status, _, err = calibrate(*arguments)
    assert status == 2
    assert code in err


def test_every_function_can_be_named():
    assert {"Exp", "Gelu tanh", "Softmax"} <= set(BY_NAME)
