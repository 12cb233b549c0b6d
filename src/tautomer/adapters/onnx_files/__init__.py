"""ONNX models as files: snapshots of a model under conversion, digests of the function a file holds, evaluation."""
