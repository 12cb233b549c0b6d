"""The JSON report keeps its schema and everything in it."""

from __future__ import annotations

import dataclasses
import json
import math
import subprocess
import sys
import types
import typing
from enum import Enum
from pathlib import Path
from typing import Any

import pytest
import samples
from hypothesis import given, settings
from hypothesis import strategies as st

from tautomer.errors import MisuseError
from tautomer.model import SCHEMA, CheckReport, report_json

GOLDEN = Path(__file__).parent / "check-1.json"

JSON_SCALARS = (
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(max_size=8)
)
FREE_FORM = st.dictionaries(st.text(max_size=8), JSON_SCALARS | st.lists(JSON_SCALARS, max_size=3), max_size=3)


def values_of(declared: Any) -> st.SearchStrategy[Any]:
    """Values of a declared type of the schema; free-form objects hold finite numbers only."""
    arguments = typing.get_args(declared)
    if isinstance(declared, types.UnionType):
        return st.one_of([values_of(argument) for argument in arguments])
    if typing.get_origin(declared) is list:
        return st.lists(values_of(arguments[0]), max_size=2)
    if typing.get_origin(declared) is dict:
        return FREE_FORM
    if dataclasses.is_dataclass(declared):
        hints = typing.get_type_hints(declared)
        hints.pop("schema", None)
        return st.builds(declared, **{name: values_of(hint) for name, hint in hints.items()})
    if issubclass(declared, Enum):
        return st.sampled_from(declared)
    simple = {int: st.integers(), float: st.floats(), str: st.text(max_size=12), type(None): st.none()}
    return simple[declared]


@settings(max_examples=60, deadline=None)
@given(values_of(CheckReport))
def test_every_report_is_read_back_as_it_was_written(report: CheckReport) -> None:
    # Compared as text: NaN is not equal to itself, but its repr is.
    assert repr(report_json.decode(report_json.encode(report))) == repr(report)


def test_the_golden_document_is_read_and_written_back_to_the_byte() -> None:
    golden = GOLDEN.read_bytes()
    assert report_json.encode(report_json.decode(golden)) == golden


def test_a_document_from_before_links_were_named_is_read() -> None:
    older = report_json.decode(GOLDEN.with_name("check-1-without-link.json").read_bytes())
    assert [report.outcome for report in older.reports] == [
        report.outcome for report in report_json.decode(GOLDEN.read_bytes()).reports
    ]
    assert {finding.link for report in older.reports for finding in report.findings} == {None}


def test_the_golden_document_shows_every_kind_of_object() -> None:
    document = json.loads(GOLDEN.read_text(encoding="utf-8"))
    outcomes = {report["outcome"] for report in document["reports"]}
    assert outcomes == {"equivalent", "divergent", "failed", "inconclusive", "not_run"}


def test_field_names_are_the_schema_s() -> None:
    document = json.loads(report_json.encode(samples.check(samples.divergent_report())))
    report = document["reports"][0]
    named = {
        "document": (
            document,
            "schema run_id tautomer_version environment settings seed reports",
        ),
        "report": (
            report,
            "model converter runtime links outcome symptom stage symptom_stage cause reason location findings warnings "
            "checkpoints inputs worst_input smallest_passing undecided not_exercised power log",
        ),
        "cause": (report["cause"], "category kind evidence"),
        "location": (report["location"], "nodes op_types source_node source_line"),
        "finding": (
            report["findings"][0],
            "outcome symptom stage symptom_stage cause location message code workaround link",
        ),
        "workaround": (report["findings"][0]["workaround"], "description setting"),
        "checkpoint": (
            report["checkpoints"][0],
            "name stage outcome semantic_residual_u rounding_ratio stability_rho seconds peak_memory_bytes detail link",
        ),
        "inputs": (report["inputs"][0], "name role origin tensors max_abs_difference"),
        "smallest_passing": (report["smallest_passing"], "atol rtol"),
        "power": (report["power"], "mutants killed"),
    }
    found = {name: set(value) for name, (value, _) in named.items()}
    assert found == {name: set(fields.split()) for name, (_, fields) in named.items()}
    assert document["schema"] == SCHEMA == "tautomer/check/1"


def test_numbers_that_are_not_finite_are_strings_and_come_back_as_numbers() -> None:
    checkpoint = samples.checkpoint(
        "c",
        samples.Stage.EXPORT,
        semantic_residual_u=math.nan,
        rounding_ratio=math.inf,
        stability_rho=-math.inf,
    )
    report = dataclasses.replace(samples.equivalent_report(), checkpoints=[checkpoint])
    data = report_json.encode(samples.check(report, settings={"rtol": math.inf, "nested": [math.nan]}))
    document = json.loads(data, parse_constant=lambda name: pytest.fail(f"bare {name} is not JSON"))
    written = document["reports"][0]["checkpoints"][0]
    assert (written["semantic_residual_u"], written["rounding_ratio"], written["stability_rho"]) == (
        "nan",
        "inf",
        "-inf",
    )
    assert document["settings"] == {"rtol": "inf", "nested": ["nan"]}
    read = report_json.decode(data).reports[0].checkpoints[0]
    assert math.isnan(typing.cast(float, read.semantic_residual_u))
    assert (read.rounding_ratio, read.stability_rho) == (math.inf, -math.inf)


def test_a_text_field_that_says_nan_stays_text() -> None:
    report = dataclasses.replace(samples.not_run_report(), model="nan", reason="inf")
    read = report_json.decode(report_json.encode(samples.check(report))).reports[0]
    assert (read.model, read.reason) == ("nan", "inf")


def test_a_lone_surrogate_becomes_its_escape() -> None:
    report = dataclasses.replace(samples.not_run_report(), model="caf\udce9.py")
    read = report_json.decode(report_json.encode(samples.check(report)))
    assert read.reports[0].model == "caf\\udce9.py"


def test_paths_and_numpy_numbers_in_settings_are_written_plainly() -> None:
    import numpy as np

    data = report_json.encode(samples.check(settings={"run_dir": Path("a/b"), "scale": np.float32(0.5), "to": ("x",)}))
    assert json.loads(data)["settings"] == {"run_dir": str(Path("a/b")), "scale": 0.5, "to": ["x"]}


def test_unknown_fields_are_ignored_and_missing_ones_get_their_defaults() -> None:
    document = json.loads(report_json.encode(samples.check(samples.not_run_report())))
    document["later"] = {"x": 1}
    document["reports"][0]["later"] = [None]
    del document["reports"][0]["warnings"]
    read = report_json.decode(json.dumps(document))
    assert read == samples.check(samples.not_run_report())


@pytest.mark.parametrize("schema", [None, "tautomer/check/2", "tautomer/campaign/1", 1])
def test_another_schema_is_refused(schema: Any) -> None:
    document = json.loads(GOLDEN.read_text(encoding="utf-8")) | {"schema": schema}
    with pytest.raises(MisuseError, match=r"TA160 .*tautomer/check/1"):
        report_json.decode(json.dumps(document))


@pytest.mark.parametrize(
    ("data", "code"),
    [
        (b"", "TA161"),
        (b"{", "TA161"),
        (b"\xff\xfe", "TA161"),
        (b"[]", "TA160"),
        (b'{"schema": "tautomer/check/1"}', "TA161"),
        (b'{"schema": "tautomer/check/1", "run_id": "\xff"}', "TA161"),
    ],
)
def test_what_is_no_report_is_refused(data: bytes, code: str) -> None:
    with pytest.raises(MisuseError) as refused:
        report_json.decode(data)
    assert refused.value.code == code


def test_an_outcome_the_schema_does_not_know_is_refused() -> None:
    document = json.loads(GOLDEN.read_text(encoding="utf-8"))
    document["reports"][0]["outcome"] = "perhaps"
    with pytest.raises(MisuseError, match="TA161"):
        report_json.decode(json.dumps(document))


def test_importing_the_package_and_its_modules_loads_no_third_party_library_of_a_view() -> None:
    program = (
        "import sys, tautomer.report\n"
        "from tautomer.report import html, output, progress, terminal\n"
        "print(sorted({'rich', 'jinja2', 'msgspec'} & set(sys.modules)))"
    )
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"
