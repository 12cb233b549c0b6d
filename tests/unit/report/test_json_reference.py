"""The reference of the JSON report knows every field and every word of the schema."""

from __future__ import annotations

import dataclasses
from pathlib import Path

import pytest

from tautomer import model

REFERENCE = (Path(__file__).parents[3] / "docs" / "reference" / "json-report.md").read_text(encoding="utf-8")
OBJECTS = [
    model.CheckReport,
    model.Report,
    model.Finding,
    model.Cause,
    model.Location,
    model.Workaround,
    model.CheckpointReport,
    model.InputReport,
    model.SmallestPassing,
    model.Power,
]
WORDS = [model.Outcome, model.Stage, model.Symptom, model.CauseCategory, model.Kind]


@pytest.mark.parametrize("declared", OBJECTS, ids=lambda declared: declared.__name__)
def test_every_field_is_in_the_reference(declared: type) -> None:
    assert [field.name for field in dataclasses.fields(declared) if f"`{field.name}`" not in REFERENCE] == []


@pytest.mark.parametrize("words", WORDS, ids=lambda words: words.__name__)
def test_every_word_is_in_the_reference(words: type) -> None:
    assert [word.value for word in words if f"`{word.value}`" not in REFERENCE] == []  # type: ignore[attr-defined]
