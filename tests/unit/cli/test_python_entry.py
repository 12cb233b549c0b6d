"""`tautomer.check`: the command's Python twin."""

import importlib.metadata
import inspect
from pathlib import Path

import pytest

import tautomer
from tautomer.errors import MisuseError
from tautomer.model import CheckSettings, Keep, Limits, Outcome


def test_the_report_of_the_pipeline_is_given_back(pipeline):
    pipeline.outcome = Outcome.DIVERGENT
    assert tautomer.check("model.py").outcome is Outcome.DIVERGENT
    assert pipeline.calls == [(Path("model.py"), CheckSettings())]


def test_every_argument_reaches_the_pipeline(pipeline):
    tautomer.check(
        Path("m.onnx"),
        via=["a", "b"],
        to=["r"],
        inputs="samples",
        opset=18,
        options={"optimize": False},
        timeout_s=2,
        memory_gib=0.5,
        seed=3,
        trust_pickle=True,
        run_dir="runs",
        keep="none",
    )
    assert pipeline.settings == CheckSettings(
        via=("a", "b"),
        to=("r",),
        inputs=Path("samples"),
        opset=18,
        options={"optimize": False},
        limits=Limits(timeout_s=2.0, memory_bytes=1 << 29),
        seed=3,
        trust_pickle=True,
        run_dir=Path("runs"),
        keep=Keep.NONE,
    )


def test_one_name_need_not_stand_in_a_list(pipeline):
    tautomer.check("model.py", via="torch.onnx", to="onnx-reference")
    assert (pipeline.settings.via, pipeline.settings.to) == (("torch.onnx",), ("onnx-reference",))


def test_the_environment_is_not_consulted(pipeline, monkeypatch):
    monkeypatch.setenv("TAUTOMER_SEED", "9")
    tautomer.check("model.py")
    assert pipeline.settings.seed == 0


@pytest.mark.parametrize(
    ("arguments", "code"),
    [({"via": "a,"}, "TA106"), ({"opset": 0}, "TA107"), ({"timeout_s": 0}, "TA108"), ({"keep": "some"}, "TA103")],
)
def test_a_wrong_argument_is_misuse(pipeline, arguments, code):
    with pytest.raises(MisuseError) as caught:
        tautomer.check("model.py", **arguments)
    assert caught.value.code == code
    assert pipeline.calls == []


def test_importing_the_pipeline_leaves_the_function_in_its_place():
    import tautomer.checking

    assert inspect.isfunction(tautomer.check)


def test_the_public_names_are_these():
    assert sorted(tautomer.__all__) == ["__version__", "check"]
    assert all(hasattr(tautomer, name) for name in tautomer.__all__)


def test_the_version_is_the_installed_one():
    assert tautomer.__version__ == importlib.metadata.version("tautomer")


def test_a_misspelt_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="'tautomer' has no attribute 'chekc'"):
        _ = tautomer.chekc
