"""What TensorFlow's operators round: those that only move elements, choose among them, or work on each by itself."""

from __future__ import annotations

MOVES = frozenset(
    """
    BatchToSpace BatchToSpaceND BroadcastArgs BroadcastTo Cast CheckNumerics Concat ConcatV2 ConjugateTranspose
    Const DebugIdentity DeepCopy DepthToSpace Diag DiagPart DynamicPartition DynamicStitch Empty EmptyTensorList
    EnsureShape ExpandDims ExtractImagePatches ExtractVolumePatches Fill Gather GatherNd GatherV2 Identity IdentityN
    InvertPermutation LookupTableFind LookupTableFindV2 MatrixBandPart MatrixDiag MatrixDiagPart MatrixDiagPartV2
    MatrixDiagPartV3 MatrixDiagV2 MatrixDiagV3 MatrixSetDiag MatrixSetDiagV2 MatrixSetDiagV3 Merge MirrorPad OneHot
    OnesLike Pack Pad PadV2 ParallelConcat ParallelDynamicStitch Placeholder PlaceholderV2 PlaceholderWithDefault
    PreventGradient ReadVariableOp Reshape ResizeNearestNeighbor Reverse ReverseSequence ReverseV2 Roll Slice
    Snapshot SpaceToBatch SpaceToBatchND SpaceToDepth Split SplitV Squeeze StopGradient StridedSlice Switch
    TensorListConcat TensorListConcatV2 TensorListElementShape TensorListFromTensor TensorListGather
    TensorListGetItem TensorListLength TensorListPopBack TensorListPushBack TensorListReserve TensorListResize
    TensorListScatter TensorListScatterIntoExistingList TensorListScatterV2 TensorListSetItem TensorListSplit
    TensorListStack TensorScatterUpdate TensorStridedSliceUpdate Tile Transpose Unpack Where ZerosLike _Arg _SwitchN
    """.split()
)
"""Put elements in other places, or make constants."""

CHOOSES = frozenset(
    """
    Abs ArgMax ArgMin Ceil ClipByValue CombinedNonMaxSuppression Conj Floor Imag Max MaxPool MaxPool3D MaxPoolV2
    MaxPoolWithArgmax Maximum Min Minimum Mod Neg NonMaxSuppressionV5 Real Relu Relu6 Rint Round ScatterNdMax
    ScatterNdMin SegmentMax SegmentMin Select SelectV2 Sign TensorScatterMax TensorScatterMin TopK TopKV2
    TruncateMod Unique UniqueV2 UniqueWithCounts UnsortedSegmentMax UnsortedSegmentMin
    """.split()
)
"""Give values that are some of their inputs' or whole numbers: exact, but values of their own."""

POINTWISE = frozenset(
    """
    Acos Acosh Add AddN AddV2 Angle Asin Asinh Atan Atan2 Atanh Betainc BiasAdd BiasAddV1 Complex ComplexAbs Cos Cosh
    Digamma Div DivNoNan Elu Erf Erfc Erfinv Exp Expm1 FloorDiv FloorMod Igamma Igammac Inv LeakyRelu Lgamma Log Log1p
    Mul MulNoNan Ndtri Polygamma Pow RealDiv Reciprocal Rsqrt Selu Sigmoid Sin Sinh Softplus Softsign Sqrt Square
    SquaredDifference Sub Tan Tanh Xdivy Xlog1py Xlogy Zeta BesselI0 BesselI0e BesselI1 BesselI1e LinSpace Range
    """.split()
)
"""Each element of the result is rounded once or a few times, from one element of each input."""

SUMS = frozenset({"Add", "AddV2", "Sub", "BiasAdd", "BiasAddV1"})
"""Of two floats: the error is at most the smaller of them."""

BELOW_MAXIMUM = frozenset({"Softmax", "LogSoftmax"})
"""Their kernels subtract the maximum of a row first: that difference is what is rounded."""

OF_UNIT_RANGE = frozenset({"Sigmoid", "Elu", "Selu"})
"""Approximated by libraries with an absolute error of the size of a rounding of their range (docs/decisions/0005)."""

SHAPE_ONLY = frozenset({"Shape", "ShapeN", "Size", "Rank", "ZerosLike", "OnesLike", "TensorListLength"})
"""Give what does not depend on the values of their inputs."""

RANDOM = frozenset(
    """
    RandomUniform RandomUniformInt RandomStandardNormal TruncatedNormal ParameterizedTruncatedNormal RandomGamma
    RandomPoisson RandomPoissonV2 RandomShuffle Multinomial StatefulRandomBinomial
    """.split()
)
"""Draw from a generator whose state a graph does not hold."""

SEEDED_RANDOM = frozenset(
    """
    StatelessRandomUniform StatelessRandomUniformV2 StatelessRandomNormal StatelessRandomNormalV2
    StatelessTruncatedNormal StatelessTruncatedNormalV2
    """.split()
)
"""Draw from their seed: other numbers in another element type."""

ONLY_CHOOSES = frozenset(
    """
    NonMaxSuppression NonMaxSuppressionV2 NonMaxSuppressionV3 NonMaxSuppressionV4 NonMaxSuppressionWithOverlaps InTopK
    InTopKV2
    """.split()
)
"""Give indices or truth values, by kernels for float32 only: they choose as those do."""

CHOOSES_VALUES = frozenset({"CombinedNonMaxSuppression", "NonMaxSuppressionV5"})
"""Give some of their inputs' values, by kernels for float32 only."""

LOOKS_UP = frozenset({"LookupTableFind", "LookupTableFindV2", "ReadVariableOp"})
"""Give what a table or a variable holds, which is in the declared precision."""


def is_exact(op: str) -> bool:
    """Whether an operator rounds nothing."""
    return op in MOVES or op in CHOOSES
