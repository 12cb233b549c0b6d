"""Settings of ONNX Runtime sessions, read from what a person typed."""

import pytest

from tautomer.adapters.runtimes.onnxruntime_options import LEVELS, LEVERS, SessionSettings
from tautomer.errors import MisuseError


def test_every_lever_can_be_given_every_value_it_names():
    for lever in LEVERS:
        for value in (*lever.values, lever.default):
            if value is not None:
                SessionSettings.of({lever.name: value})
        if lever.listed_by is not None:
            assert SessionSettings.of({lever.listed_by: True}).list_optimizers


def test_names_with_commas_and_json_lists_are_the_same():
    typed = SessionSettings.of({"disabled_optimizers": "A, B"})
    assert typed == SessionSettings.of({"disabled_optimizers": ["A", "B"]})
    assert typed.disabled_optimizers == ("A", "B")


def test_a_checkpoint_never_runs_above_the_highest_level():
    for highest in LEVELS:
        settings = SessionSettings.of({"optimization": highest})
        order = list(LEVELS)
        for level in LEVELS:
            assert order.index(settings.level(level)) == min(order.index(level), order.index(highest))


@pytest.mark.parametrize(
    "options",
    [
        {"optimization": "much"},
        {"threads": -1},
        {"threads": True},
        {"prepacking": 1},
        {"speed": 1},
        {"disabled_optimizers": 3},
    ],
)
def test_what_is_no_setting_is_refused(options):
    with pytest.raises(MisuseError, match="TA101"):
        SessionSettings.of(options)


@pytest.mark.needs("onnxruntime")
def test_settings_reach_the_session_options():
    import onnxruntime

    given = {"optimization": "basic", "threads": 1, "memory_pattern": False, "session.use_env_allocators": "1"}
    made = SessionSettings.of(given).session_options("all")
    assert made.graph_optimization_level == onnxruntime.GraphOptimizationLevel.ORT_ENABLE_BASIC
    assert (made.intra_op_num_threads, made.enable_mem_pattern) == (1, False)
    assert made.get_session_config_entry("session.use_env_allocators") == "1"
    packed = SessionSettings.of({"prepacking": False}).session_options("all")
    assert packed.get_session_config_entry("session.disable_prepacking") == "1"
