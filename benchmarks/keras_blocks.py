"""Keras layers, each as a small model, through tf2onnx and ONNX Runtime: none may be called wrong, unless it is.

    python benchmarks/keras_blocks.py [--via CONVERTER] [NAME ...]

Weights are drawn as for the applications (`keras_models/draw.py`), so that no scale is 1 and no shift is 0. The table
says how far the outputs move from sample to sample, over their size and over their rounding.
"""

from __future__ import annotations

import argparse
import sys
import textwrap
from dataclasses import dataclass
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent / "keras_models"))

from checked import print_table

from tautomer.model import Outcome

FLOAT = "float32"


@dataclass(frozen=True, slots=True)
class Block:
    """A model of a few layers.

    Attributes:
        result: what it returns, as an expression of its inputs `a`, `b`; `L` is `keras.layers`.
        shapes: of its inputs, without the batch.
        dtype: of its inputs; integers are drawn from 0 to 10.
    """

    result: str
    shapes: tuple[tuple[int, ...], ...]
    dtype: str = FLOAT


SEQUENCE, IMAGE, VOLUME, ROW = (7, 4), (9, 8, 4), (5, 6, 4, 2), (12,)

_ACTIVATIONS = {
    "activations with exponentials": "elu exponential log_sigmoid log_softmax selu sigmoid softmax",
    "CELU": "celu",
    "activations, smooth": "mish silu softplus softsign squareplus sparse_plus tanh tanh_shrink",
    "activations in pieces": "hard_shrink hard_sigmoid hard_silu hard_tanh leaky_relu relu relu6 soft_shrink",
}
"""Keras' names of activations that are checked together, each as one output."""

BLOCKS = {
    "SimpleRNN": Block("L.SimpleRNN(5)(a)", (SEQUENCE,)),
    "LSTM": Block("L.LSTM(5, return_sequences=True)(a)", (SEQUENCE,)),
    "GRU": Block("L.GRU(5)(a)", (SEQUENCE,)),
    "GRU, reset before": Block("L.GRU(5, reset_after=False, go_backwards=True)(a)", (SEQUENCE,)),
    "ConvLSTM1D": Block("L.ConvLSTM1D(3, 3)(a)", ((4, 9, 2),)),
    "Bidirectional LSTM": Block("L.Bidirectional(L.LSTM(5, return_sequences=True))(a)", (SEQUENCE,)),
    "Bidirectional GRU": Block("L.Bidirectional(L.GRU(5), merge_mode='sum')(a)", (SEQUENCE,)),
    "TimeDistributed": Block("L.TimeDistributed(L.Conv1D(3, 3, activation='relu'))(a)", ((4, 9, 2),)),
    "MultiHeadAttention": Block("L.MultiHeadAttention(2, 4)(a, b, use_causal_mask=True)", (SEQUENCE, SEQUENCE)),
    "GroupQueryAttention": Block("L.GroupQueryAttention(3, 4, 2)(a, b)", (SEQUENCE, (5, 4))),
    "Attention": Block("L.Attention(use_scale=True)([a, b])", (SEQUENCE, SEQUENCE)),
    "AdditiveAttention": Block("L.AdditiveAttention()([a, b])", (SEQUENCE, SEQUENCE)),
    "SeparableConv1D": Block("L.SeparableConv1D(5, 3, padding='same', depth_multiplier=2)(a)", (SEQUENCE,)),
    "SeparableConv2D": Block("L.SeparableConv2D(5, 3, strides=2, activation='silu')(a)", (IMAGE,)),
    "DepthwiseConv2D": Block("L.DepthwiseConv2D(3, strides=2, padding='same', depth_multiplier=2)(a)", (IMAGE,)),
    "Conv1D, causal": Block("L.Conv1D(5, 3, padding='causal', dilation_rate=2)(a)", (SEQUENCE,)),
    "Conv2D, groups": Block("L.Conv2D(6, 3, strides=(2, 1), padding='same', groups=2)(a)", (IMAGE,)),
    "Conv3D": Block("L.Conv3D(3, 2, padding='same')(a)", (VOLUME,)),
    "Conv1DTranspose": Block("L.Conv1DTranspose(3, 3, strides=2, padding='same')(a)", (SEQUENCE,)),
    "Conv2DTranspose": Block("L.Conv2DTranspose(3, 3, strides=2)(a)", (IMAGE,)),
    "Conv3DTranspose": Block("L.Conv3DTranspose(3, 2, strides=2)(a)", (VOLUME,)),
    "BatchNormalization": Block("L.BatchNormalization()(L.Conv2D(5, 3)(a))", (IMAGE,)),
    "LayerNormalization": Block("L.LayerNormalization(axis=(1, 2))(a)", (SEQUENCE,)),
    "GroupNormalization": Block("L.GroupNormalization(2)(a)", (IMAGE,)),
    "UnitNormalization": Block("L.UnitNormalization(axis=1)(a)", (SEQUENCE,)),
    "RMSNormalization": Block("L.RMSNormalization()(a)", (SEQUENCE,)),
    "MaxPooling": Block("[L.MaxPooling2D(2)(a), L.MaxPooling2D(3, strides=2, padding='same')(a)]", (IMAGE,)),
    "AveragePooling": Block(
        "[L.AveragePooling2D(2)(a), L.AveragePooling2D(3, strides=2, padding='same')(a)]", (IMAGE,)
    ),
    "pooling in 1-D and 3-D": Block("[L.MaxPooling1D(2)(a), L.AveragePooling3D(2)(b)]", (SEQUENCE, VOLUME)),
    "global pooling": Block("[L.GlobalMaxPooling2D()(a), L.GlobalAveragePooling2D(keepdims=True)(a)]", (IMAGE,)),
    "UpSampling": Block("[L.UpSampling1D(2)(a), L.UpSampling2D((2, 3))(b)]", (SEQUENCE, IMAGE)),
    "UpSampling, bilinear": Block("L.UpSampling2D(3, interpolation='bilinear')(a)", (IMAGE,)),
    "Embedding": Block("L.LSTM(5)(L.Embedding(11, 6, mask_zero=True)(a))", (ROW,), "int32"),
    "EinsumDense": Block("L.EinsumDense('abc,cde->abde', (None, 3, 5), bias_axes='de')(a)", (SEQUENCE,)),
    "Dense, gelu": Block("L.Dense(5, activation='gelu')(a)", (SEQUENCE,)),
    "PReLU, LeakyReLU, ReLU": Block("[L.PReLU()(a), L.LeakyReLU(0.2)(a), L.ReLU(1.0, 0.1, 0.2)(a)]", (SEQUENCE,)),
    "shapes": Block(
        "L.Permute((2, 1))(L.RepeatVector(3)(L.Flatten()(L.Cropping1D(1)(L.ZeroPadding1D(2)(a)))))", (SEQUENCE,)
    ),
    "merging": Block(
        "[L.Subtract()([a, b]), L.Dot((2, 2), normalize=True)([a, b]), L.Maximum()([a, b])]", (SEQUENCE,) * 2
    ),
    "pictures": Block("L.CenterCrop(8, 9)(L.Resizing(11, 13, antialias=False)(L.Rescaling(0.3, 1.0)(a)))", (IMAGE,)),
    **{
        name: Block(f"[L.Activation(one)(a) for one in {words.split()}]", (SEQUENCE,))
        for name, words in _ACTIVATIONS.items()
    },
}

DEFECTIVE = dict.fromkeys(("Conv2D, groups", "Dense, gelu", "CELU"), Outcome.FAILED)
"""What tf2onnx does not convert (`keras_models/unconverted.py`)."""

MODULE = textwrap.dedent(
    """
    import keras
    import numpy as np
    from keras import layers as L

    SHAPES, DTYPE = {shapes}, "{dtype}"


    def untrained():
        given = [keras.Input(shape, dtype=DTYPE) for shape in SHAPES]
        a, b = given[0], given[-1]
        return keras.Model(given if len(given) > 1 else a, {result})


    def arrays(count, seed):
        generator = np.random.default_rng(seed)
        if DTYPE == "float32":
            return [generator.standard_normal((count, *shape)).astype(DTYPE) for shape in SHAPES]
        return [generator.integers(0, 11, (count, *shape)).astype(DTYPE) for shape in SHAPES]


    def examples():
        made = arrays(16, seed=0)
        return made if len(made) > 1 else made[0]


    def inputs():
        return tuple(arrays(3, seed=1))
    """
)


def main(arguments: argparse.Namespace) -> int:
    chosen = {name: BLOCKS[name] for name in arguments.names or BLOCKS}
    modules = {
        name: MODULE.format(shapes=block.shapes, dtype=block.dtype, result=block.result)
        for name, block in chosen.items()
    }
    return 0 if print_table("block", modules, arguments.via, defective=DEFECTIVE) else 1


if __name__ == "__main__":
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("names", nargs="*", metavar="NAME", help="; ".join(BLOCKS))
    parser.add_argument("--via", action="append", default=[], metavar="CONVERTER")
    sys.exit(main(parser.parse_args()))
