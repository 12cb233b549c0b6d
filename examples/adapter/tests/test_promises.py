"""The adapter keeps the promises of every adapter."""

from tautomer_onnx_version import ADAPTER

from tautomer.testing import ConverterPromises, DescriptionPromises


class TestDescription(DescriptionPromises):
    adapters = (ADAPTER,)


class TestConverter(ConverterPromises):
    adapters = (ADAPTER,)
