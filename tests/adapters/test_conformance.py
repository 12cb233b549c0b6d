"""Every registered adapter keeps the promises that `tautomer.testing` asks of those of third parties."""

from __future__ import annotations

import importlib.metadata

import pytest

from tautomer.adapters import registry
from tautomer.adapters.protocols import AdapterKind
from tautomer.model import ArtifactKind
from tautomer.testing import ConverterPromises, DescriptionPromises, RuntimePromises, SourcePromises

ALL = sorted(registry.adapters().values(), key=lambda one: (one.kind, one.name))
OURS = [one for one in ALL if one.task.startswith("tautomer.")]


class Registered:
    """Tests of each adapter of this package; the ledger is told which one a test was about."""

    adapters = OURS

    @classmethod
    def marks_for(cls, adapter):
        return [pytest.mark.needs(adapter.name)]


class TestDescriptions(Registered, DescriptionPromises):
    def test_what_is_missing_can_be_installed(self, adapter):
        assert adapter.extra in importlib.metadata.metadata("tautomer").get_all("Provides-Extra")


class TestSources(Registered, SourcePromises):
    pass


class TestConverters(Registered, ConverterPromises):
    pass


class TestRuntimes(Registered, RuntimePromises):
    pass


def test_what_make_test_installs_is_registered():
    registered = {one.name for one in ALL}
    assert {
        "torch",
        "exported-program",
        "torchscript",
        "onnx",
        "tflite",
        "torch.onnx",
        "torch.onnx-legacy",
        "ort-offline",
        "onnxslim",
        "tf.lite",
        "onnxruntime",
        "onnx-reference",
        "openvino",
        "litert",
    } <= registered


def test_every_kind_of_model_has_exactly_one_source():
    readers = [kind for one in ALL if one.kind is AdapterKind.SOURCE for kind in one.accepts]
    assert sorted(readers) == sorted(ArtifactKind)


@pytest.mark.parametrize("name", ["no.such", "", "torch"])
def test_an_adapter_that_is_not_registered_is_misuse_with_the_known_names(name):
    from tautomer.errors import MisuseError

    with pytest.raises(MisuseError) as caught:
        registry.get(AdapterKind.RUNTIME, name)
    assert caught.value.code == "TA105"
    assert "onnxruntime" in str(caught.value)
