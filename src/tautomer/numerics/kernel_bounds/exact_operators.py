"""Operators that give their inputs' numbers back, or a decision on them, and so have no rounding at all."""

from __future__ import annotations

MOVING = frozenset(
    """
    CenterCropPad Compress Concat Constant ConstantOfShape DepthToSpace Dropout Expand EyeLike Flatten Gather
    GatherElements GatherND Identity MaxUnpool OneHot Pad Reshape ReverseSequence Shape Size Slice SpaceToDepth
    Split Squeeze Tile Transpose Trilu Unsqueeze Where
    """.split()
)
"""Operators that move, repeat or fill in values."""

CHOOSING = frozenset(
    """
    Abs And ArgMax ArgMin BitShift BitwiseAnd BitwiseNot BitwiseOr BitwiseXor Ceil Clip Equal Floor GlobalMaxPool
    Greater GreaterOrEqual Hardmax IsInf IsNaN Less LessOrEqual Max MaxPool Min Neg NonZero Not Or ReduceMax ReduceMin
    Relu Round Sign ThresholdedRelu TopK Unique Xor
    """.split()
)
"""Operators that decide on inputs which the kernel has exactly, so that its decision has to be the exact one."""

STEPPED = frozenset("Ceil Floor Hardmax Round Sign ThresholdedRelu TopK Unique".split())
"""Those of them that jump: an input that is not known exactly can give quite another output."""

LEFT_OPEN_ON_NAN = frozenset(
    """
    ArgMax ArgMin Clip GlobalMaxPool Hardmax Max MaxPool Min ReduceMax ReduceMin Relu Sign ThresholdedRelu TopK Unique
    """.split()
)
"""Those of them of which the specification does not say what they make of NaN."""

EXACT = MOVING | CHOOSING
