"""TensorFlow's operators run one at a time for the generator."""

from __future__ import annotations

import numpy as np
import pytest
import tensorflow as tf

from tautomer.adapters.tf_programs.kernels import TensorFlowKernels
from tautomer.synthesis import DtypeName, Specification
from tautomer.synthesis.rules.elementwise import elementwise
from tautomer.synthesis.tensor_types import ALL

pytestmark = pytest.mark.needs("tensorflow")

KERNELS = TensorFlowKernels()


@pytest.mark.parametrize("dtype", ALL)
def test_tensors_keep_their_dtype_and_values_in_each_dtype_and_come_back_as_arrays(dtype):
    for shape in ((), (3,), (0, 2)):
        array = np.ones(shape, "float32")
        tensor = KERNELS.tensor(array, dtype)
        assert KERNELS.dtype(tensor) == dtype
        back = KERNELS.array(tensor)
        assert isinstance(back, np.ndarray)
        assert back.shape == shape
        assert np.array_equal(back.astype("float32"), array)


def evaluated(expression, **bound):
    return KERNELS.evaluate(Specification("one", expression, elementwise(), ("float32",)), bound)


def test_bodies_of_loops_see_the_operands():
    [result] = evaluated(
        "tf.while_loop(lambda i, s: i < turns, lambda i, s: (i + 1, s + x), (0, x))[1]", x=tf.constant(2.0), turns=3
    )
    assert float(result) == 8.0


def test_several_results_and_dtypes_as_attributes():
    values, places = evaluated("tf.math.top_k(x, k=k)", x=tf.constant([1.0, 3.0, 2.0]), k=2)
    assert values.numpy().tolist() == [3.0, 2.0]
    assert places.numpy().tolist() == [1, 2]
    [cast] = evaluated("tf.cast(x, dtype)", x=tf.constant([1.5]), dtype=DtypeName("int32"))
    assert cast.dtype == tf.int32


def test_what_tensorflow_refuses_is_among_the_refusals():
    for expression, x in (("tf.matmul(x, x)", [1.0]), ("tf.reshape(x, (7,))", [1.0]), ("tf.bitwise.invert(x)", [1.0])):
        with pytest.raises(KERNELS.refusals):
            evaluated(expression, x=tf.constant(x))
