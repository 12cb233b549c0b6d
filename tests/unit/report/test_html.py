"""The HTML page: self-contained, escaped, accessible, and complete."""

from __future__ import annotations

import dataclasses
import re
from html.parser import HTMLParser

import pytest
import samples

from tautomer.model import CheckReport
from tautomer.report import html

SAMPLES = samples.by_name()
every_sample = pytest.mark.parametrize("check", SAMPLES.values(), ids=SAMPLES.keys())
VOID = {"meta", "br"}


class Page(HTMLParser):
    """What a browser would see: elements with their attributes, text, and tags that do not match."""

    def __init__(self, check: CheckReport, kept_at: str | None = None) -> None:
        super().__init__()
        self.source = html.render(check, kept_at=kept_at, models=samples.MODELS)
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.unmatched: list[str] = []
        self._open: list[str] = []
        pieces: list[str] = []
        self._pieces = pieces
        self.feed(self.source)
        self.close()
        self.unmatched += self._open
        self.text = " ".join("".join(pieces).split())

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in VOID:
            self._open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        if self._open and self._open[-1] == tag:
            self._open.pop()
        else:
            self.unmatched.append(tag)
        if tag in ("td", "th", "dt", "dd", "p", "li"):
            self._pieces.append(" ")

    def handle_data(self, data: str) -> None:
        if "style" not in self._open:
            self._pieces.append(data)


@every_sample
def test_the_page_asks_no_server_for_anything_and_runs_nothing(check: CheckReport) -> None:
    page = Page(check)
    assert {"script", "link", "img", "iframe", "object", "embed", "base", "form"}.isdisjoint(
        tag for tag, _ in page.elements
    )
    for _, attributes in page.elements:
        assert "src" not in attributes
        assert "style" not in attributes
        assert not [name for name in attributes if name.startswith("on")]
        assert (attributes.get("href") or "#").startswith("#")
    assert not re.search(r"https?://|url\(|@import", page.source)
    assert "content=\"default-src 'none'; style-src 'unsafe-inline'\"" in page.source


@every_sample
def test_every_tag_is_closed(check: CheckReport) -> None:
    assert Page(check).unmatched == []


def test_names_are_shown_as_text_wherever_they_stand() -> None:
    page = Page(SAMPLES["hostile"], kept_at="<script>kept</script>")
    hostile = SAMPLES["hostile"].reports[0]
    assert hostile.model in page.text
    assert hostile.findings[0].cause.evidence in page.text
    assert "{{ 7 * 7 }}" in page.text
    assert "<script>kept</script>" in page.text
    assert "</td>" in page.text
    # Model, cause, location, warning, detail, three of the inputs, tensor, undecided, not exercised, log...
    assert page.text.count("<script>alert(1)</script>") >= 12
    assert "\x1b" not in page.source
    assert "\u202e" not in page.source


@pytest.mark.parametrize(
    ("name", "title", "says", "exit_status"),
    [
        ("equivalent", "Equivalent", "The converted model is the same function on 1 input set", 0),
        ("divergent", "Divergent", "TA301 divergent at node_conversion: 'scatter_reduce' (model.py:14) became", 1),
        ("failed", "Failed", "TA204 failed at optimization: worker died: SIGSEGV", 1),
        ("inconclusive", "Inconclusive", "Could not be judged: the source is not accurate here", 3),
        ("not_run", "Not run", "Next: pip install 'tautomer[openvino]' then run the check again", 4),
    ],
)
def test_every_outcome_is_told_in_its_own_words(name: str, title: str, says: str, exit_status: int) -> None:
    page = Page(SAMPLES[name])
    assert f'<h1 class="{name}">{title}</h1>' in page.source
    assert says in page.text
    assert f"exit status {exit_status}" in page.text


def test_several_pairs_are_summed_up_in_a_table_that_leads_to_each() -> None:
    page = Page(SAMPLES["several"])
    leads = [attributes["href"] for tag, attributes in page.elements if tag == "a"]
    targets = [f"#{attributes['id']}" for tag, attributes in page.elements if tag == "section" and "id" in attributes]
    assert leads == targets == [f"#pair-{number}" for number in range(1, 6)]


def test_identifiers_are_unique() -> None:
    page = Page(SAMPLES["several"])
    identifiers = [attributes["id"] for _, attributes in page.elements if "id" in attributes]
    assert len(identifiers) == len(set(identifiers)) > 5


def test_everything_the_report_holds_is_on_the_page() -> None:
    text = Page(SAMPLES["divergent"], kept_at="/runs/here").text
    for part in (
        "version_converted divergent 7.8e+05 7.7e+06",
        "first checkpoint that differs: output 'y', 31 of 32 elements",
        "node_ScatterElements_12 (ScatterElements), made from 'scatter_reduce' at model.py:14",
        "verified: it was run and the failure was gone",
        "atol 0.372 with rtol 0, or rtol 0.8 with atol 0",
        "the dynamic dimension 'n' was not exercised",
        "TA305 divergent at optimization",
        "dimension 'n' became 2",
        "x float32 [5, 16] b2:77aa01de 0.371",
        "topk.indices, share 0.021",
        "packages.onnxruntime 1.32.0",
        "limits.timeout_s 600.0",
        f"Next: tautomer reduce {samples.RUN_ID} the smallest model that fails so",
        f"or {samples.MODELS['torch.onnx']} the converted model, to look into",
        f"or runs/{samples.RUN_ID}/logs/export.log the log",
        "The run is kept at /runs/here",
    ):
        assert part in text


@every_sample
def test_a_reader_without_sight_is_told_what_each_column_is(check: CheckReport) -> None:
    page = Page(check)
    assert ("html", {"lang": "en"}) in page.elements
    assert all(attributes.get("scope") in ("col", "row") for tag, attributes in page.elements if tag == "th")
    for tag, attributes in page.elements:
        if tag == "svg":
            assert attributes["role"] == "img"
            assert f'id="{attributes["aria-labelledby"]}"' in page.source


def luminance(colour: str) -> float:
    """Relative luminance of an sRGB colour. Source: WCAG 2.1, definition of relative luminance."""
    channels = [int(colour[start : start + 2], 16) / 255 for start in (1, 3, 5)]
    linear = [value / 12.92 if value <= 0.04045 else ((value + 0.055) / 1.055) ** 2.4 for value in channels]
    return 0.2126 * linear[0] + 0.7152 * linear[1] + 0.0722 * linear[2]


def test_text_can_be_read_in_light_and_in_dark() -> None:
    schemes = re.findall(r":root \{([^}]*)--bar", Page(SAMPLES["equivalent"]).source)
    assert len(schemes) == 2
    for scheme in schemes:
        colours = dict(re.findall(r"--(\w+): (#\w{6})", scheme))
        for ground in ("paper", "wash"):
            for text in ("ink", "quiet", "good", "bad", "unsure", "absent"):
                lighter, darker = sorted((luminance(colours[ground]), luminance(colours[text])), reverse=True)
                # Source: WCAG 2.1, success criterion 1.4.3, level AA.
                assert (lighter + 0.05) / (darker + 0.05) >= 4.5


def test_stages_are_drawn_in_order_with_the_longest_as_the_measure() -> None:
    bars = html.stage_bars(samples.divergent_report())
    assert [bar.stage for bar in bars][:3] == ["load model", "node conversion", "optimization"]
    assert bars[-1].length == 1000
    assert bars[0].seconds == pytest.approx(1.55)
    assert html.stage_bars(samples.not_run_report()) == []


def test_a_page_can_always_be_saved_as_utf_8() -> None:
    report = dataclasses.replace(samples.not_run_report(), model="caf\udce9.py", runtime="x\ud800")
    check = samples.check(report, settings={"\udce9": ["\udce9"]})
    assert "caf\ufffd.py" in html.render(check).encode("utf-8").decode("utf-8")


def test_a_check_of_nothing_is_a_page_too() -> None:
    assert "Nothing was checked" in Page(samples.check()).text
