"""Reduces a failing ONNX graph to the smallest one that fails the same way; runs in workers only."""
