"""Keras' grouped convolution through tf2onnx alone: what comes out holds an operator that is none of ONNX's.

    python benchmarks/keras_models/grouped_convolution.py

Keras 3.15 compiles a grouped convolution on its own (`tf.function(jit_compile=True)` in
`keras/src/backend/tensorflow/nn.py`), which freezing does not inline; tf2onnx 1.17 logs that it has no handler for the
call, and writes a file that ONNX Runtime refuses.
"""

from __future__ import annotations

import keras
import onnxruntime
import tf2onnx


def main() -> None:
    picture = keras.Input((9, 8, 4))
    model = keras.Model(picture, keras.layers.Conv2D(6, 3, groups=2)(picture))
    converted, _ = tf2onnx.convert.from_keras(model)
    print("operators:", ", ".join(node.op_type for node in converted.graph.node))
    try:
        onnxruntime.InferenceSession(converted.SerializeToString())
    except Exception as error:  # what it raises is what is to be seen
        print(f"{type(error).__name__}: {error}")


if __name__ == "__main__":
    main()
