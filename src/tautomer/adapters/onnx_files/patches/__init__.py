"""Changes of a finished ONNX graph that keep its function: operators by their definitions, and another opset."""
