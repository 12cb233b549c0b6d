"""Where settings come from and what they may be."""

import json
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tautomer.cli.settings import GIB, NAMES, Given, check_settings, converter_options, given_settings
from tautomer.errors import MisuseError
from tautomer.model import CheckSettings, Keep

VALUES = {
    "timeout": ("1", 2, 3.5),
    "memory": ("4", 5, 6.5),
    "seed": ("7", 8, 9),
    "run_dir": ("/a", "/b", Path("/c")),
    "keep": ("none", "all", "failures"),
}
"""Of each setting: a value from the environment, one from a project file, one from a flag."""


def project(folder, text):
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "pyproject.toml").write_text(text)
    return folder


def settings_from(folder, flags=(), **environment):
    return check_settings(given_settings(dict(flags), environment, folder))


@pytest.mark.parametrize("name", NAMES)
def test_flags_win_over_the_environment_and_that_over_the_project_file(tmp_path, name):
    environment, in_file, flag = VALUES[name]
    project(tmp_path, f"[tool.tautomer]\n{name} = {json.dumps(in_file)}\n")
    variables = {f"TAUTOMER_{name.upper()}": environment}
    assert given_settings({}, {}, tmp_path)[name].value == in_file
    assert given_settings({name: None}, variables, tmp_path)[name].value == environment
    assert given_settings({name: flag}, variables, tmp_path)[name].value == flag


def test_nothing_given_means_the_defaults(tmp_path):
    assert settings_from(project(tmp_path, "")) == CheckSettings()


def test_an_empty_variable_is_no_setting(tmp_path):
    assert settings_from(project(tmp_path, ""), TAUTOMER_SEED="") == CheckSettings()


def test_memory_is_given_in_gib(tmp_path):
    settings = settings_from(project(tmp_path, "[tool.tautomer]\nmemory = 0.25\n"))
    assert settings.limits.memory_bytes == GIB // 4


def test_the_nearest_project_file_is_the_one_that_counts(tmp_path):
    project(tmp_path, "[tool.tautomer]\nseed = 1\n")
    inner = project(tmp_path / "inner", "[tool.tautomer]\nseed = 2\n")
    below = inner / "a" / "b"
    below.mkdir(parents=True)
    assert settings_from(below).seed == 2
    project(inner, "[project]\n")
    assert settings_from(below).seed == 0


def test_a_relative_run_folder_in_a_project_file_lies_beside_the_file(tmp_path):
    project(tmp_path, '[tool.tautomer]\nrun-dir = "runs"\n')
    below = tmp_path / "below"
    below.mkdir()
    assert settings_from(below).run_dir == tmp_path / "runs"


def test_an_unknown_key_names_itself_its_file_and_what_is_known(tmp_path):
    project(tmp_path, "[tool.tautomer]\ntimeuot = 3\n")
    with pytest.raises(MisuseError) as caught:
        settings_from(tmp_path)
    assert caught.value.code == "TA109"
    assert "'timeuot'" in caught.value.message
    assert str(tmp_path / "pyproject.toml") in caught.value.message
    assert "timeout" in (caught.value.next_step or "")


@pytest.mark.parametrize("text", ["[tool.tautomer\n", "[tool]\ntautomer = 3\n", "tool = 3\n"])
def test_a_project_file_that_cannot_be_read_is_misuse(tmp_path, text):
    with pytest.raises(MisuseError) as caught:
        settings_from(project(tmp_path, text))
    assert caught.value.code == "TA109"


@pytest.mark.parametrize(
    ("line", "code"),
    [
        ("timeout = true", "TA103"),
        ('timeout = "soon"', "TA103"),
        ("timeout = [1]", "TA103"),
        ("timeout = -1", "TA108"),
        ("memory = 0", "TA108"),
        ("seed = 1.5", "TA103"),
        ("seed = 9223372036854775808", "TA103"),
        ("run_dir = 3", "TA103"),
        ('run_dir = ""', "TA103"),
        ('keep = "everything"', "TA103"),
        ("keep = []", "TA103"),
    ],
)
def test_a_wrong_value_is_refused_with_the_place_it_came_from(tmp_path, line, code):
    project(tmp_path, f"[tool.tautomer]\n{line}\n")
    with pytest.raises(MisuseError) as caught:
        settings_from(tmp_path)
    assert caught.value.code == code
    assert f"'{line.split()[0]}' in {tmp_path / 'pyproject.toml'}" in caught.value.message


def test_a_wrong_variable_is_named(tmp_path):
    with pytest.raises(MisuseError, match="TAUTOMER_MEMORY is 'lots'"):
        settings_from(project(tmp_path, ""), TAUTOMER_MEMORY="lots")


def test_a_value_that_a_flag_overrules_is_not_looked_at(tmp_path):
    settings = settings_from(project(tmp_path, ""), {"keep": "all"}, TAUTOMER_KEEP="nonsense")
    assert settings.keep is Keep.ALL


def test_a_name_given_twice_is_one_pair():
    settings = check_settings({}, via=["b", "a", "b"], to=["r", "r"])
    assert (settings.via, settings.to) == (("b", "a"), ("r",))


def test_the_newest_opset_of_the_installed_onnx_is_accepted():
    from onnx.defs import onnx_opset_version

    assert check_settings({}, opset=onnx_opset_version()).opset == onnx_opset_version()


def test_a_huge_memory_limit_is_kept_exactly():
    assert check_settings({"memory": Given(1024, "--memory")}).limits.memory_bytes == 1024 * GIB


@given(st.recursive(st.none() | st.booleans() | st.integers() | st.text(), st.lists, max_leaves=4))
def test_an_option_that_is_json_is_read_as_json(value):
    assert converter_options([f"key={json.dumps(value)}"]) == {"key": value}


@pytest.mark.parametrize("text", ["O2", "a=b", "", "NaN", "-Infinity", "{", "01", " x"])
def test_an_option_that_is_not_json_is_text(text):
    assert converter_options([f"key={text}"]) == {"key": text}


def test_the_last_of_two_options_with_one_key_wins():
    assert converter_options(["a=1", "b=2", "a=3"]) == {"a": 3, "b": 2}
