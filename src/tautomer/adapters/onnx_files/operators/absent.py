"""Operators of ONNX's default domain that the generator does without, each with its reason."""

from __future__ import annotations

from collections.abc import Mapping

DEPRECATED = "deprecated"
NO_KERNEL = "ONNX Runtime has no CPU kernel for it in this opset"
NEWER = "it came after this opset"
RANDOM = "its results are random: there is no function to compare"
TRAINING = "a loss of training"
STRINGS = "its elements are strings"
CONTAINERS = "it takes or gives a sequence or an optional, and values of a generated model are tensors"
UNSIZED = "how many elements its result has depends on values, and a generated model's shapes depend on shapes alone"
UNMOVED = "its result depends on the shape of its input alone, so that nothing that the inputs hold moves it"
FINITE = "it looks for values that are not finite, and those of a generated model are"
NO_INPUT = "it has no input"

ABSENT: Mapping[str, str] = {
    **dict.fromkeys(("Scatter", "Upsample"), DEPRECATED),
    **dict.fromkeys(("GlobalLpPool", "ImageDecoder", "MaxRoiPool", "RoiAlign"), NO_KERNEL),
    **dict.fromkeys(("BitCast", "CausalConvWithState", "CumProd", "LinearAttention", "SwiGLU"), NEWER),
    **dict.fromkeys(
        ("Bernoulli", "Multinomial", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike"), RANDOM
    ),
    **dict.fromkeys(("NegativeLogLikelihoodLoss", "SoftmaxCrossEntropyLoss"), TRAINING),
    **dict.fromkeys(("RegexFullMatch", "StringConcat", "StringNormalizer", "StringSplit"), STRINGS),
    **dict.fromkeys(
        (
            "ConcatFromSequence",
            "Optional",
            "OptionalGetElement",
            "OptionalHasElement",
            "SequenceAt",
            "SequenceConstruct",
            "SequenceEmpty",
            "SequenceErase",
            "SequenceInsert",
            "SequenceLength",
            "SequenceMap",
            "SplitToSequence",
        ),
        CONTAINERS,
    ),
    **dict.fromkeys(
        (
            "BlackmanWindow",
            "ConstantOfShape",
            "HammingWindow",
            "HannWindow",
            "MelWeightMatrix",
            "NonMaxSuppression",
            "NonZero",
            "Range",
            "Unique",
        ),
        UNSIZED,
    ),
    **dict.fromkeys(("EyeLike", "Shape", "Size"), UNMOVED),
    **dict.fromkeys(("IsInf", "IsNaN"), FINITE),
    "Constant": NO_INPUT,
}
"""Why an operator is not in the table, by its type."""
