"""Which converters and runtimes a check goes through, and which option is for which link."""

from __future__ import annotations

from pathlib import Path

import pytest

from tautomer.adapters import registry
from tautomer.adapters.protocols import AdapterKind
from tautomer.checking.chains import options_of
from tautomer.checking.sources import SourceFile, refuse_chains, resolve_pairs, resolve_routes
from tautomer.errors import MisuseError
from tautomer.model import ArtifactKind


def source_of(kind):
    reader = next(one for one in registry.adapters().values() if one.kind is AdapterKind.SOURCE and kind in one.accepts)
    return SourceFile(Path(f"model.{kind}"), kind, reader)


def names(pairs):
    return [([link.name for link in links], [one.name for one in runtimes]) for links, runtimes in pairs]


@pytest.mark.parametrize(
    ("kind", "via", "to", "expected"),
    [
        (ArtifactKind.MODEL_MODULE, (), (), [(["torch.onnx"], ["onnxruntime"])]),
        (ArtifactKind.ONNX, (), (), [([], ["onnxruntime"])]),
        (ArtifactKind.TFLITE, (), (), [([], ["litert"])]),
        (ArtifactKind.SAVED_MODEL, ("tf.lite",), (), [(["tf.lite"], ["litert"])]),
        (ArtifactKind.MODEL_MODULE, ("torch.onnx,onnxslim",), (), [(["torch.onnx", "onnxslim"], ["onnxruntime"])]),
        (
            ArtifactKind.SAVED_MODEL,
            ("tf.lite", "tf2onnx"),
            ("onnxruntime", "litert", "openvino"),
            [(["tf.lite"], ["litert"]), (["tf2onnx"], ["onnxruntime", "openvino"])],
        ),
    ],
)
def test_each_chain_is_paired_with_the_runtimes_that_take_what_it_makes(kind, via, to, expected):
    assert names(resolve_pairs(source_of(kind), via, to)) == expected


@pytest.mark.parametrize(
    ("kind", "via", "to", "code"),
    [
        (ArtifactKind.TFLITE, (), ("onnxruntime",), "TA148"),
        (ArtifactKind.ONNX, (), ("onnxruntime", "litert"), "TA148"),
        (ArtifactKind.SAVED_MODEL, ("tf.lite", "tf2onnx"), ("litert",), "TA148"),
        (ArtifactKind.ONNX, ("tf.lite",), (), "TA129"),
        (ArtifactKind.ONNX, ("onnxslim,onnxslim",), (), "TA106"),
        (ArtifactKind.ONNX, ("onnxslim,no.such",), (), "TA105"),
    ],
)
def test_what_does_not_fit_is_misuse(kind, via, to, code):
    with pytest.raises(MisuseError) as caught:
        resolve_pairs(source_of(kind), via, to)
    assert caught.value.code == code


def test_spaces_around_a_link_do_not_count():
    [links] = resolve_routes(source_of(ArtifactKind.ONNX), (" onnxslim , ort-offline",))
    assert [link.name for link in links] == ["onnxslim", "ort-offline"]


@pytest.mark.parametrize(
    ("links", "expected"),
    [
        (("torch.onnx",), [{"optimize": False, "onnxslim.a": 1, "torch.onnx.b": 2}]),
        (("torch.onnx", "onnxslim"), [{"optimize": False, "b": 2}, {"a": 1}]),
    ],
)
def test_an_option_is_for_the_link_it_names_and_else_for_the_first(links, expected):
    options = {"optimize": False, "onnxslim.a": 1, "torch.onnx.b": 2}
    assert [options_of(options, link, links) for link in links] == expected


def test_one_converter_at_a_time_is_refused_for_chains_alone():
    refuse_chains(("torch.onnx", "onnxslim"), "bisected")
    with pytest.raises(MisuseError) as caught:
        refuse_chains(("torch.onnx,onnxslim",), "bisected")
    assert caught.value.code == "TA149"
