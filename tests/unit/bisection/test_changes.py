"""Changes of settings: how they are applied, and that what a person is told to type does the same."""

import shlex

import pytest

from tautomer.adapters import registry
from tautomer.adapters.protocols import AdapterKind
from tautomer.bisection.changes import Change, Where, applied, dimensions, flags, passes_first
from tautomer.bisection.journal import Journal, key_of
from tautomer.bisection.trials import Effect, Trial
from tautomer.cli.settings import converter_options
from tautomer.model import CheckSettings


def option(name, value, **more):
    return Change(where=Where.OPTION, name=name, value=value, **more)


CASES = [
    [option("opset", 23)],
    [option("optimize", False)],
    [option("skip_rules", "Add:identity", element=True), option("skip_rules", "Mul+Add:fuse", element=True)],
    [Change(where=Where.CONVERTER, name="converter", value="torch.onnx-legacy"), option("opset", 18)],
    [Change(where=Where.RUNTIME_OPTION, name="optimization", value="basic"), option("note", "with space")],
]


@pytest.mark.parametrize("changes", CASES)
def test_what_a_person_is_told_to_type_gives_the_settings_that_were_verified(changes):
    typed = shlex.split(" ".join(flags(changes)))
    given = {name: [typed[at + 1] for at in range(0, len(typed), 2) if typed[at] == name] for name in typed[::2]}
    settings = applied(CheckSettings(), changes)

    def plain(options):
        return {name: ",".join(value) if isinstance(value, list) else value for name, value in options.items()}

    assert given.get("--via", []) == list(settings.via)
    assert given.get("--opset", []) == ([str(settings.opset)] if settings.opset else [])
    assert converter_options(given.get("--set", [])) == plain(settings.options)
    assert converter_options(given.get("--to-set", [])) == plain(settings.runtime_options)


def test_an_element_is_added_to_what_is_left_out_already():
    settings = CheckSettings(options={"skip_passes": "A,B"})
    changed = applied(settings, [option("skip_passes", "C", element=True)])
    assert changed.options == {"skip_passes": ["A", "B", "C"]}


def test_options_of_one_converter_are_not_given_to_another():
    settings = CheckSettings(options={"optimize": False})
    assert applied(settings, [Change(where=Where.CONVERTER, name="converter", value="other")]).options == {}


def of_torch_onnx(current, listed=None, operators=()):
    adapter = registry.get(AdapterKind.CONVERTER, "torch.onnx")
    found = dimensions(adapter, Where.OPTION, current, listed or {}, operators)
    return {one.changes[0].name: [change.value for change in one.changes] for one in found}


def test_opsets_are_tried_upwards_from_the_one_that_fails_and_then_downwards():
    values = of_torch_onnx({"opset": 22})["opset"]
    assert values[:3] == [23, 24, 25]
    assert values[3:5] == [21, 20]
    assert 22 not in values


def test_what_turns_passes_off_can_be_tried_first():
    adapter = registry.get(AdapterKind.CONVERTER, "torch.onnx")
    found = dimensions(adapter, Where.OPTION, {}, {"skip_rules": ["A"], "skip_passes": ["B"]})
    names = [one.changes[0].name for one in passes_first(found)]
    assert names[:3] == ["optimize", "skip_rules", "skip_passes"]
    assert sorted(names) == sorted(one.changes[0].name for one in found)


def test_a_setting_that_holds_is_not_tried_and_its_default_is():
    assert of_torch_onnx({"optimize": False})["optimize"] == [True]


def test_elements_come_from_what_the_converter_said_and_located_operators_come_alone():
    assert "skip_passes" not in of_torch_onnx({})
    assert of_torch_onnx({}, {"skip_passes": ["A", "B"]})["skip_passes"] == ["A", "B"]
    assert of_torch_onnx({"skip_passes": "A"}, {"skip_passes": ["A", "B"]})["skip_passes"] == ["B"]
    listed = {"decompose": ["aten.add.Tensor", "aten.xlogy.Tensor"]}
    assert of_torch_onnx({}, listed, ["aten.xlogy.Tensor"])["decompose"] == ["aten.xlogy.Tensor"]


@pytest.mark.parametrize(
    "adapter", [one for one in registry.adapters().values() if one.levers], ids=lambda one: one.name
)
def test_what_screens_a_lever_is_another_lever_of_the_adapter(adapter):
    names = [lever.name for lever in adapter.levers]
    for lever in adapter.levers:
        if lever.screened_by is not None:
            name, value = lever.screened_by
            assert names.index(name) < names.index(lever.name)
            assert value in adapter.levers[names.index(name)].values


def test_a_journal_gives_back_what_was_written_and_nothing_of_another_model(tmp_path):
    model = tmp_path / "model.py"
    model.write_text("one")
    trial = Trial(changes=(option("opset", 23),), effect=Effect.EQUIVALENT, message="m", seconds=1.5)
    journal = Journal(tmp_path, {"settings": 1}, model)
    assert journal.read() == {}
    journal.write(trial)
    read = Journal(tmp_path, {"settings": 1}, model).read()[key_of(trial.changes)]
    assert (read.effect, read.message, read.seconds) == (Effect.EQUIVALENT, "m", 1.5)
    assert Journal(tmp_path, {"settings": 2}, model).read() == {}
    model.write_text("two")
    assert Journal(tmp_path, {"settings": 1}, model).read() == {}


def test_a_journal_that_was_cut_off_in_a_line_gives_what_came_before(tmp_path):
    model = tmp_path / "model.py"
    model.write_text("one")
    journal = Journal(tmp_path, {}, model)
    journal.write(Trial(changes=(option("opset", 23),), effect=Effect.SAME_FAILURE))
    [file] = tmp_path.glob(".bisect-*")
    file.write_text(file.read_text() + '{"key": ["set op')
    assert len(journal.read()) == 1
    journal.clear()
    assert journal.read() == {}
