"""Conversions written by hand: a PyTorch source and the ONNX graph that some converter could have made of it."""

from handmade.conversion import Conversion, Judge, offered

__all__ = ["Conversion", "Judge", "offered"]
