"""Keras layers that tf2onnx makes no ONNX model of, shown with tf2onnx and ONNX Runtime alone.

    python benchmarks/keras_models/unconverted.py

tf2onnx 1.17 logs that it has no handler for an operator, and writes a file all the same, which ONNX Runtime refuses.
Grouped convolution: Keras 3.15 compiles it on its own (`tf.function(jit_compile=True)` in
`keras/src/backend/tensorflow/nn.py`), and freezing does not inline the call. GELU: TensorFlow 2.21 computes it with
`Erfc`. CELU: Keras computes it with `Expm1`.
"""

from __future__ import annotations

import keras
import onnx
import onnxruntime
import tf2onnx

LAYERS = {
    "grouped convolution": ((9, 8, 4), lambda: keras.layers.Conv2D(6, 3, groups=2)),
    "GELU": ((4,), lambda: keras.layers.Activation("gelu")),
    "CELU": ((4,), lambda: keras.layers.Activation("celu")),
}


def main() -> None:
    for name, (shape, layer) in LAYERS.items():
        given = keras.Input(shape)
        converted, _ = tf2onnx.convert.from_keras(keras.Model(given, layer()(given)))
        unknown = {one.op_type for one in converted.graph.node if not onnx.defs.has(one.op_type, one.domain)}
        print(f"{name}: not ONNX's: {', '.join(sorted(unknown)) or 'none'}")
        try:
            onnxruntime.InferenceSession(converted.SerializeToString())
        except Exception as error:  # what it raises is what is to be seen
            print(f"    {type(error).__name__}: {error}")


if __name__ == "__main__":
    main()
