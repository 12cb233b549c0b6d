"""What starting Tautomer loads: no framework, so that help comes at once and a broken framework cannot prevent it."""

import subprocess
import sys

import pytest

FRAMEWORKS = {"torch", "tensorflow", "jax", "onnxruntime", "openvino", "onnx", "onnxscript", "transformers"}
HEAVY = {"numpy", "rich", "jinja2", "msgspec", "onnx_ir", "psutil", "safetensors"}

ACTIONS = {
    "import tautomer": "import tautomer",
    "tautomer --help": "from tautomer.cli import main; status = main(['--help'])",
    "tautomer --version": "from tautomer.cli import main; status = main(['--version'])",
    **{
        f"tautomer {command} --help": f"from tautomer.cli import main; status = main(['{command}', '--help'])"
        for command in ("check", "compare", "reduce", "bisect", "env", "calibrate", "list", "doctor")
    },
    "a command line that is wrong": "from tautomer.cli import main; status = main(['check', '--nope']) - 2",
}


def loaded_by(action):
    """Top-level modules that are loaded once `action` has run in a process of its own."""
    script = f"import sys\nstatus = 0\n{action}\nprint(*sys.modules, sep='\\n', file=sys.stderr)\nsys.exit(status)"
    done = subprocess.run([sys.executable, "-c", script], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return {name.partition(".")[0] for name in done.stderr.split()}


@pytest.mark.parametrize("action", ACTIONS.values(), ids=ACTIONS.keys())
def test_starting_loads_no_framework_and_nothing_heavy(action):
    loaded = loaded_by(action)
    assert "tautomer" in loaded
    assert loaded & (FRAMEWORKS | HEAVY) == set()


def test_listing_the_adapters_loads_no_framework_they_stand_for():
    loaded = loaded_by("from tautomer.cli import main; status = main(['list'])")
    assert loaded & (FRAMEWORKS - {"onnx"}) == set()


def test_the_probe_sees_what_is_loaded():
    assert "numpy" in loaded_by("import tautomer.model")
