"""The terminal view: outcome first, every outcome in its words, fitted to the console."""

from __future__ import annotations

import dataclasses
import io
import re
from typing import Any

import pytest
import samples
from rich.cells import cell_len
from rich.console import Console

from tautomer.model import CheckReport
from tautomer.report.terminal import print_report

SAMPLES = samples.by_name()
every_sample = pytest.mark.parametrize("check", SAMPLES.values(), ids=SAMPLES.keys())


def printed(
    check: CheckReport, width: int = 100, *, kept_at: str | None = None, page: bool = False, **options: Any
) -> str:
    buffer = io.StringIO()
    print_report(check, Console(file=buffer, width=width, **options), kept_at=kept_at, models=samples.MODELS, page=page)
    return buffer.getvalue()


def words(text: str) -> str:
    """The text with line breaks and columns undone."""
    return " ".join(text.split())


@pytest.mark.parametrize("width", [60, 80, 100, 160])
@every_sample
def test_no_line_is_wider_than_the_console_and_none_ends_in_blanks(check: CheckReport, width: int) -> None:
    for line in printed(check, width).splitlines():
        assert cell_len(line) <= width
        assert line == line.rstrip()


@pytest.mark.parametrize(
    ("name", "first", "says", "exit_status"),
    [
        ("equivalent", "✓ EQUIVALENT", "same function on 1 input set: semantic residual at most 1.2e-08 u", 0),
        ("divergent", "✗ DIVERGENT", "TA301 divergent at node_conversion: 'scatter_reduce' (model.py:14) became", 1),
        ("failed", "✗ FAILED", "TA204 failed at optimization: worker died: SIGSEGV", 1),
        ("inconclusive", "? INCONCLUSIVE", "Could not be judged: the source is not accurate here", 3),
        ("not_run", "○ NOT RUN", "Nothing was compared: TA102 runtime 'openvino' is not installed", 4),
    ],
)
@pytest.mark.parametrize("width", [80, 160])
def test_every_outcome_comes_first_in_its_own_words(
    name: str, first: str, says: str, exit_status: int, width: int
) -> None:
    text = printed(SAMPLES[name], width)
    assert text.startswith(first)
    assert says in words(text)
    assert text.rstrip().endswith(f"exit status {exit_status}")


def test_a_pair_that_was_not_run_gives_the_command_that_installs_what_is_missing() -> None:
    assert "Next: pip install 'tautomer[openvino]' then run" in words(printed(SAMPLES["not_run"]))


def test_a_finding_is_followed_by_where_why_and_what_next() -> None:
    text = words(printed(SAMPLES["divergent"], 160, kept_at="runs"))
    for part in (
        "Next: tautomer reduce last the smallest model that fails so",
        "tautomer bisect last the setting, release or rewrite with which it does not fail",
        f"runs/{samples.RUN_ID}/convert-torch.onnx/model/model.onnx the converted model, to look into",
        f"runs/{samples.RUN_ID}/logs/export.log the log --report OUT.html the whole report as a page",
        "where node_ScatterElements_12 (ScatterElements), made from 'scatter_reduce' at model.py:14",
        "stage node conversion, seen at runtime execution",
        "cause algorithmic error (semantic): the fragment",
        "workaround Export with the TorchScript exporter (--set dynamo=False)",
        "worst input #1 run_inputs()[0]; largest absolute difference 0.371",
        "would pass at atol 0.372 with rtol 0, or rtol 0.8 with atol 0",
        "undecided topk.indices, share 0.021",
        "power 120 of 120 seeded faults",
        "warning inputs() and run_inputs() have the same size",
        "also TA305 divergent at optimization",
    ):
        assert part in text


def test_a_run_that_is_not_kept_names_none_of_its_files_but_the_flag_that_keeps_them() -> None:
    text = words(printed(SAMPLES["divergent"]))
    assert "Next: --keep all keeps the converted model, the tensors and the logs" in text
    assert "model.onnx" not in text
    assert "export.log" not in text


def test_a_comparison_is_not_offered_to_be_reduced() -> None:
    check = SAMPLES["divergent"]
    assert "tautomer reduce" in printed(check, kept_at="runs")
    compared = dataclasses.replace(check, settings={"model": "a.onnx", "compared": {"model": "b.onnx"}})
    assert "tautomer reduce" not in printed(compared, kept_at="runs")


def test_the_page_is_not_offered_to_who_asked_for_it() -> None:
    assert "--report" in printed(SAMPLES["divergent"])
    assert "--report" not in printed(SAMPLES["divergent"], page=True)


def test_a_failed_conversion_names_its_log_and_no_model() -> None:
    text = words(printed(SAMPLES["failed"], 160, kept_at="runs"))
    assert f"runs/{samples.RUN_ID}/logs/optimized.log the log" in text
    assert "converted model" not in text


def test_a_step_whose_path_fills_the_line_has_its_purpose_below() -> None:
    lines = printed(SAMPLES["divergent"], 80, kept_at="runs").splitlines()
    model = next(number for number, line in enumerate(lines) if line.endswith("/model/model.onnx"))
    assert lines[model + 1].strip() == "the converted model, to look into"


@pytest.mark.parametrize("width", [80, 160])
def test_every_checkpoint_has_its_row_and_its_detail(width: int) -> None:
    text = printed(SAMPLES["divergent"], width)
    row = next(line for line in text.splitlines() if "translated" in line)
    assert words(row).startswith("✗ node conversion translated 7.8e+05 7.7e+06 – 900 ms 431 MB")
    for item in SAMPLES["divergent"].reports[0].checkpoints:
        assert words(item.detail) in words(text)


def test_several_pairs_are_summed_up_before_any_is_told() -> None:
    text = printed(SAMPLES["several"], 120)
    summary, _, told = text.partition("────")
    assert summary.startswith("5 pairs: 1 divergent, 1 failed, 1 inconclusive, 1 not run, 1 equivalent")
    for pair in SAMPLES["several"].reports:
        assert re.search(rf"{pair.outcome.replace('_', ' ')} +{re.escape(pair.model)} ", summary)
    assert "checkpoint" not in summary
    assert "DIVERGENT  model.py → torch.onnx → onnxruntime" in told
    assert "EQUIVALENT  minilm.py" in told


def test_the_measures_are_explained_where_they_are_shown() -> None:
    assert "rho: the target's error over the source's own" in words(printed(SAMPLES["divergent"]))
    assert "rho:" not in printed(SAMPLES["not_run"])


@every_sample
def test_what_is_piped_has_no_control_characters(check: CheckReport) -> None:
    assert not re.search(r"[\x00-\x09\x0b-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", printed(check))


@every_sample
def test_names_cannot_steer_a_terminal(check: CheckReport) -> None:
    text = printed(check, force_terminal=True, color_system="standard")
    # Our own styles come in pairs around text; the text between them must hold no escape of its own.
    assert not re.search(r"[\x1b\u202e]", re.sub(r"\x1b\[[0-9;]*m", "", text))
    assert "\x1b[31mred" not in text


def test_markup_and_emoji_codes_in_names_are_shown_as_they_are() -> None:
    assert "[bold]markup[/bold] :smile:" in words(printed(SAMPLES["hostile"], 160))


def test_colour_says_nothing_that_the_words_do_not() -> None:
    coloured = printed(SAMPLES["several"], force_terminal=True, color_system="standard")
    without = printed(SAMPLES["several"], force_terminal=True, color_system="standard", no_color=True)
    assert "\x1b[1;31m" in coloured
    assert not re.search(r"\x1b\[[0-9;]*3[0-7]m", without)
    assert re.sub(r"\x1b\[[0-9;]*m", "", coloured) == printed(SAMPLES["several"])


@every_sample
def test_a_console_that_knows_only_ascii_is_printed_to(check: CheckReport) -> None:
    raw = io.BytesIO()
    stream = io.TextIOWrapper(raw, encoding="ascii")
    print_report(check, Console(file=stream, width=100))
    stream.flush()
    text = raw.getvalue().decode("ascii")
    assert all(pair.outcome.upper().replace("_", " ") in text for pair in check.reports)


def test_where_the_run_is_kept_is_said() -> None:
    buffer = io.StringIO()
    print_report(SAMPLES["failed"], Console(file=buffer, width=160), kept_at="runs/abc")
    assert f"run {samples.RUN_ID} is kept at runs/abc" in buffer.getvalue()
    assert "kept at" not in printed(SAMPLES["failed"])


def test_a_long_message_is_cut_and_says_by_how_much() -> None:
    failed = samples.failed_report()
    finding = dataclasses.replace(failed.findings[0], message="\n".join(f"frame {index}" for index in range(40)))
    text = printed(samples.check(dataclasses.replace(failed, findings=[finding])))
    assert "frame 11" in text
    assert "frame 12" not in text
    assert "... and 28 more lines" in text


def test_a_ratio_just_above_one_is_not_shown_as_one() -> None:
    item = samples.checkpoint("c", samples.Stage.EXPORT, samples.Outcome.DIVERGENT, rounding_ratio=1.0000001)
    report = dataclasses.replace(samples.divergent_report(), checkpoints=[item])
    assert re.search(r"export +c +– +>1 ", printed(samples.check(report)))


def test_a_largest_measure_that_is_nan_is_not_hidden_by_smaller_ones() -> None:
    items = [
        samples.checkpoint(name, samples.Stage.EXPORT, semantic_residual_u=value)
        for name, value in (("a", 2.0), ("b", float("nan")), ("c", 1.0))
    ]
    report = dataclasses.replace(samples.equivalent_report(), checkpoints=items)
    assert "semantic residual at most NaN u" in words(printed(samples.check(report)))


def test_a_check_of_nothing_says_so() -> None:
    assert printed(samples.check()).startswith("Nothing was checked.")
