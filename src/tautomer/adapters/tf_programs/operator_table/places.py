"""TensorFlow's operators that take elements by index or put them there."""

from __future__ import annotations

from tautomer.adapters.tf_programs.operator_table.entry import (
    ANY,
    NUMBERS,
    SINGLE,
    operator,
)
from tautomer.synthesis import Domain, Specification
from tautomer.synthesis.rules.index_tuples import (
    accumulated_slices,
    gathered_by_tuples,
    gathered_in_batches,
    replaced_slices,
    scattered_into_zeros,
    segmented,
    stitched,
)
from tautomer.synthesis.rules.selection import gathered, gathered_elements, indices_below, looked_up, one_hot

NUMERIC = (*SINGLE, "int64", "int32")
CLASSES = indices_below(6)

OPERATORS: tuple[Specification, ...] = (
    operator("tf.gather(x, index, axis=axis)", "GatherV2", gathered(), ANY),
    operator(
        "tf.gather(x, index, axis=axis)",
        "GatherV2",
        gathered(index_dtype="int32"),
        ANY,
        name="tf.gather with int32",
    ),
    operator(
        "tf.gather(x, index, axis=1, batch_dims=1)", "GatherV2", gathered_in_batches(), ANY, name="tf.gather in batches"
    ),
    operator("tf.gather_nd(x, index)", "GatherNd", gathered_by_tuples(), ANY),
    operator("tf.keras.ops.take_along_axis(x, index, axis)", "GatherV2", gathered_elements(), ANY),
    operator(
        "tf.nn.embedding_lookup(weight, index)", "GatherV2", looked_up(index="index"), ("int64", "int32"), index=CLASSES
    ),
    operator("tf.one_hot(x, classes)", "OneHot", one_hot(result="float32"), ("int64", "int32"), x=CLASSES),
    operator(
        "tf.one_hot(x, classes, on_value=3, off_value=-1)",
        "OneHot",
        one_hot(result="int32"),
        ("int64", "int32"),
        name="tf.one_hot of integers",
        x=CLASSES,
    ),
    operator("tf.sequence_mask(x, classes)", "Less", one_hot(result="bool"), ("int64", "int32"), x=CLASSES),
    operator("tf.tensor_scatter_nd_update(x, indices, source)", "TensorScatterUpdate", replaced_slices(), ANY),
    operator("tf.tensor_scatter_nd_add(x, index, source)", "TensorScatterAdd", accumulated_slices(), NUMBERS),
    operator("tf.tensor_scatter_nd_sub(x, index, source)", "TensorScatterSub", accumulated_slices(), NUMBERS),
    operator("tf.tensor_scatter_nd_max(x, index, source)", "TensorScatterMax", accumulated_slices(), NUMBERS),
    operator("tf.tensor_scatter_nd_min(x, index, source)", "TensorScatterMin", accumulated_slices(), NUMBERS),
    operator("tf.scatter_nd(indices, x, shape)", "ScatterNd", scattered_into_zeros(), ANY),
    operator("tf.dynamic_stitch(indices, tensors)", "DynamicStitch", stitched(), ANY),
    *(
        operator(f"tf.math.unsorted_segment_{reduce}(x, ids, count)", f"UnsortedSegment{graph}", segmented(), NUMBERS)
        for reduce, graph in (("sum", "Sum"), ("max", "Max"), ("min", "Min"))
    ),
    operator(
        "tf.math.unsorted_segment_prod(x, ids, count)",
        "UnsortedSegmentProd",
        segmented(),
        NUMBERS,
        x=Domain(-1.5, 1.5),
    ),
    *(
        operator(f"tf.math.segment_{reduce}(x, ids)", f"Segment{graph}", segmented(ascending=True), NUMBERS)
        for reduce, graph in (("sum", "Sum"), ("mean", "Mean"), ("max", "Max"))
    ),
)
