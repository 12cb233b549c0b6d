"""TensorFlow's activations, those of Keras included."""

from __future__ import annotations

from tautomer.adapters.tf_programs.operator_table.entry import FLOATS, NUMBERS, SINGLE, numbers, operator
from tautomer.synthesis import Domain, Specification
from tautomer.synthesis.rules.channels import channel_weight, widened
from tautomer.synthesis.rules.elementwise import elementwise

SLOPES = Domain(0.05, 0.5)


PLAIN: tuple[Specification, ...] = (
    operator("tf.nn.relu(x)", "Relu", elementwise(), NUMBERS),
    operator("tf.nn.relu6(x)", "Relu6", elementwise(), NUMBERS),
    operator("tf.nn.elu(x)", "Elu", elementwise()),
    operator("tf.nn.selu(x)", "Selu", elementwise()),
    operator("tf.nn.leaky_relu(x, alpha=slope)", "LeakyRelu", elementwise(attributes=numbers(slope=(0.01, 0.4)))),
    operator("tf.nn.softplus(x)", "Softplus", elementwise()),
    operator("tf.nn.softsign(x)", "Softsign", elementwise()),
    operator("tf.nn.silu(x, beta=beta)", "Sigmoid", elementwise(attributes=numbers(beta=(0.5, 2)))),
    operator("tf.nn.gelu(x)", "Erfc", elementwise(), FLOATS),
    operator("tf.nn.gelu(x, approximate=True)", "Tanh", elementwise(), FLOATS, name="tf.nn.gelu approximate"),
    operator("tf.nn.crelu(x, axis=-1)", "ConcatV2", widened(2), SINGLE),
    operator("tf.math.log_sigmoid(x)", "Softplus", elementwise()),
)

KERAS: tuple[Specification, ...] = (
    operator("tf.keras.activations.hard_sigmoid(x)", "Relu6", elementwise(), FLOATS),
    operator("tf.keras.activations.hard_silu(x)", "Relu6", elementwise(), FLOATS),
    operator("tf.keras.activations.hard_tanh(x)", "Minimum", elementwise(), FLOATS),
    operator("tf.keras.activations.mish(x)", "Softplus", elementwise(), FLOATS),
    operator("tf.keras.activations.exponential(x)", "Exp", elementwise(), FLOATS, x=Domain(-8.0, 5.0)),
    operator(
        "tf.keras.activations.celu(x, alpha=alpha)", "Expm1", elementwise(attributes=numbers(alpha=(0.5, 1.5))), FLOATS
    ),
    operator("tf.keras.activations.squareplus(x)", "Sqrt", elementwise(), FLOATS),
    operator("tf.keras.activations.tanh_shrink(x)", "Tanh", elementwise(), FLOATS),
    operator(
        "tf.keras.activations.soft_shrink(x, threshold=width)",
        "SelectV2",
        elementwise(attributes=numbers(width=(0.1, 0.6))),
        FLOATS,
    ),
    operator(
        "tf.keras.activations.hard_shrink(x, threshold=width)",
        "SelectV2",
        elementwise(attributes=numbers(width=(0.1, 0.6))),
        FLOATS,
        decides=True,
    ),
    operator(
        "tf.keras.activations.threshold(x, threshold=width, default_value=value)",
        "SelectV2",
        elementwise(attributes=numbers(width=(-0.4, 0.4), value=(-1, 1))),
        FLOATS,
        decides=True,
    ),
    operator(
        "tf.keras.activations.relu(x, negative_slope=slope, max_value=high)",
        "Relu",
        elementwise(attributes=numbers(slope=(0.01, 0.4), high=(0.5, 2))),
        FLOATS,
    ),
    operator("tf.keras.activations.sparse_plus(x)", "SelectV2", elementwise(), FLOATS),
    operator("tf.keras.ops.log_sigmoid(x)", "Softplus", elementwise(), FLOATS),
    operator("tf.nn.relu(x) - slopes * tf.nn.relu(-x)", "Relu", channel_weight("slopes", SLOPES), SINGLE, name="prelu"),
)

OPERATORS = (*PLAIN, *KERAS)
