"""The package's layout: every module stands on its own, and heavy frameworks stay inside their adapters' workers."""

import ast
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

import tautomer

ROOT = Path(tautomer.__file__).parent
FOLDERS = sorted(file.parent for file in ROOT.rglob("__init__.py"))
MODULES = sorted(
    ".".join(("tautomer", *file.relative_to(ROOT).with_suffix("").parts)).removesuffix(".__init__")
    for file in ROOT.rglob("*.py")
)
WORKER_SIDE = {"tautomer.adapters.torch_programs": "torch", "tautomer.adapters.tf_programs": "tensorflow"}
"""Code that runs only in workers that have loaded a framework, and so imports it like any other library; and which."""

FRAMEWORKS = (
    *("torch", "onnxscript", "transformers", "tensorflow", "keras", "tf2onnx", "jax", "paddle"),
    *("onnxruntime", "openvino", "ai_edge_litert", "tvm", "iree"),
)

IMPORT_EACH = textwrap.dedent(
    """
    import importlib, os, sys, traceback

    blocked, preloaded, modules = ([part for part in one.split(",") if part] for one in sys.argv[1:])
    for name in blocked:
        sys.modules[name] = None  # importing it raises ModuleNotFoundError
    for name in preloaded:
        importlib.import_module(name)
    for name in modules:
        child = os.fork()
        if child == 0:
            try:
                importlib.import_module(name)
            except BaseException:
                traceback.print_exc()
                sys.stderr.flush()
                os._exit(1)
            os._exit(0)
        if os.waitpid(child, 0)[1] != 0:
            print(name)
    """
)
"""Imports each module first in a process that holds none of our own. Third-party modules are loaded once, before the
processes are forked, which makes a hundred of them a matter of seconds."""

THIRD_PARTY = (
    *("numpy.random", "onnx.reference", "onnx_ir", "msgspec", "jinja2", "rich.console"),
    *("safetensors", "typer", "psutil"),
)


def failing(modules, *, blocked=(), preloaded=THIRD_PARTY):
    """Those of the modules that cannot be imported, and what was raised."""
    arguments = [",".join(blocked), ",".join(preloaded), ",".join(modules)]
    done = subprocess.run([sys.executable, "-c", IMPORT_EACH, *arguments], check=False, capture_output=True, text=True)
    assert done.returncode == 0, done.stderr
    return done.stdout.split(), done.stderr


def worker_side(module, *packages):
    return any(f"{module}.".startswith(f"{package}.") for package in packages or WORKER_SIDE)


@pytest.mark.slow
def test_every_module_but_the_workers_own_can_be_imported_first_and_without_any_framework():
    modules = [module for module in MODULES if not worker_side(module)]
    assert "tautomer.adapters.registry" in modules
    assert failing(modules, blocked=FRAMEWORKS) == ([], "")


@pytest.mark.parametrize(
    "package", [pytest.param(one, marks=pytest.mark.needs(framework)) for one, framework in WORKER_SIDE.items()]
)
def test_every_module_of_the_workers_can_be_imported_first_where_its_framework_is(package):
    modules = [module for module in MODULES if worker_side(module, package)]
    assert f"{package}.preparation" in modules
    found, errors = failing(modules, preloaded=(WORKER_SIDE[package],))
    assert found == [], errors


def test_the_probe_finds_a_module_that_needs_a_framework():
    needing = [f"{package}.preparation" for package in WORKER_SIDE]
    found, errors = failing([*needing, "tautomer.errors"], blocked=FRAMEWORKS)
    assert found == needing
    assert "torch" in errors


def test_every_folder_with_code_is_a_package():
    holding_code = {file.parent for file in ROOT.rglob("*.py")}
    assert holding_code == set(FOLDERS)


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.relative_to(ROOT.parent).as_posix())
def test_a_folder_says_in_a_sentence_what_it_offers(folder):
    docstring = ast.get_docstring(ast.parse((folder / "__init__.py").read_text("utf-8"))) or ""
    first = docstring.partition("\n")[0]
    assert len(first.split()) >= 3
    assert first[-1] in ".:"


# The root package is itself the Python entry: its function `check` has to stand there to be `tautomer.check`.
@pytest.mark.parametrize(
    "folder", [one for one in FOLDERS if one != ROOT], ids=lambda folder: folder.relative_to(ROOT.parent).as_posix()
)
def test_a_folders_init_holds_no_logic(folder):
    _, *statements = ast.parse((folder / "__init__.py").read_text("utf-8")).body
    logic = [one for one in statements if not isinstance(one, ast.Import | ast.ImportFrom) and not is_public_names(one)]
    assert [ast.unparse(one) for one in logic] == []


def is_public_names(statement):
    return isinstance(statement, ast.Assign) and [ast.unparse(one) for one in statement.targets] == ["__all__"]
