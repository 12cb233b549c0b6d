"""ONNX models as files: cheap snapshots of a model under conversion, digests of the function a file holds, safe reading."""
