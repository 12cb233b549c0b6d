"""Faults in the translation: handlers of tf2onnx that are wrong, missing, or end the process; a wrong rewriter."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from planted.endings import die, hang
from planted.faults import SHORT_LIMIT_S
from planted.tf2onnx_faults.making import divergent, failed
from tautomer.model import Stage

_STAGE = Stage.NODE_CONVERSION

Handler = Callable[..., None]
"""Takes the graph and a node, and puts ONNX nodes in its place."""


def _handle(operator: str, instead: Callable[[Handler], Handler]) -> None:
    """Let an operator be handled by `instead` of its handler."""
    from tf2onnx.handler import tf_op

    real = tf_op.create_mapping

    def create_mapping(*arguments: Any) -> dict[str, Any]:
        mapping = real(*arguments)
        handler, keywords = mapping[operator]
        mapping[operator] = (instead(handler), keywords)
        return mapping

    tf_op.create_mapping = staticmethod(create_mapping)


def handler_ignores_an_attribute() -> None:
    """The slope of a leaky ReLU is lost, and the default of ONNX holds."""

    def instead(handler: Handler) -> Handler:
        def handle(context: Any, node: Any, **keywords: Any) -> None:
            handler(context, node, **keywords)
            del node.attr["alpha"]

        return handle

    _handle("LeakyRelu", instead)


def handler_swaps_the_operands_of_sub() -> None:
    """A difference is translated with its operands in the other order."""

    def instead(handler: Handler) -> Handler:
        def handle(context: Any, node: Any, **keywords: Any) -> None:
            handler(context, node, **keywords)
            first, second = node.input
            context.replace_inputs(node, [second, first])

        return handle

    _handle("Sub", instead)


def handler_normalizes_another_axis() -> None:
    """A Softmax is translated along the axis that was the default of an old opset."""

    def instead(handler: Handler) -> Handler:
        def handle(context: Any, node: Any, **keywords: Any) -> None:
            handler(context, node, **keywords)
            node.set_attr("axis", 1)

        return handle

    _handle("Softmax", instead)


def handler_saturates_too_early() -> None:
    """A tanh is translated as a linear function with bounds."""

    def instead(_: Handler) -> Handler:
        def handle(context: Any, node: Any, **__: Any) -> None:
            import numpy as np

            bounds = [context.make_const(f"{node.name}_{side}", np.float32(side)).output[0] for side in (-1, 1)]
            node.type = "Clip"
            context.replace_inputs(node, [node.input[0], *bounds])

        return handle

    _handle("Tanh", instead)


def handler_drops_a_transposition() -> None:
    """A product with its second operand transposed is translated without the transposition, where sizes allow that."""

    def instead(handler: Handler) -> Handler:
        def handle(context: Any, node: Any, **keywords: Any) -> None:
            shape = context.get_shape(node.input[1])
            if shape and len(shape) == 2:
                transposed = context.make_node("Transpose", [node.input[1]], attr={"perm": [1, 0]})
                context.replace_input(node, node.input[1], transposed.output[0], 1)
            handler(context, node, **keywords)

        return handle

    _handle("BatchMatMulV2", instead)


def rewriter_drops_a_factor() -> None:
    """A pattern takes a product with a constant for something else and leaves the constant out."""
    from tf2onnx import tfonnx

    def rewrite_flatten(graph: Any, ops: list[Any]) -> list[Any]:
        import numpy as np

        for node in ops:
            factors = node.inputs if node.type == "Mul" else []
            for position, factor in enumerate(factors):
                if factor.is_const() and np.all(np.abs(factor.get_tensor_value(as_list=False) - 1) < 1e-2):
                    node.type = "Identity"
                    graph.replace_inputs(node, [node.input[1 - position]])
                    break
        return ops

    tfonnx.rewrite_flatten = rewrite_flatten


def handler_raises() -> None:
    """A handler meets arguments that its author did not think of; tf2onnx logs that and goes on."""

    def instead(_: Handler) -> Handler:
        def handle(*_: Any, **__: Any) -> None:
            raise NotImplementedError("BatchMatMulV2 with adj_y")

        return handle

    _handle("BatchMatMulV2", instead)


def handler_is_missing() -> None:
    """There is no handler for an operator; tf2onnx logs that and leaves the operator as it is."""
    from tf2onnx.handler import tf_op

    real = tf_op.create_mapping

    def create_mapping(*arguments: Any) -> dict[str, Any]:
        mapping = real(*arguments)
        del mapping["Rsqrt"]
        return mapping

    tf_op.create_mapping = staticmethod(create_mapping)


def handler_dies() -> None:
    """A handler takes its process down."""
    _handle("Softmax", lambda _: die)


def handler_hangs() -> None:
    """A handler does not come to an end."""
    _handle("Softmax", lambda _: hang)


def handler_emits_an_unknown_operator() -> None:
    """A runtime's own operator is emitted as if it were one of the standard."""

    def instead(_: Handler) -> Handler:
        def handle(context: Any, node: Any, **__: Any) -> None:
            node.type = "FastSoftmax"

        return handle

    _handle("Softmax", instead)


def handler_mixes_element_types() -> None:
    """A cast to float32 is translated as no cast at all, so a product of integers and floats comes out."""

    def instead(_: Handler) -> Handler:
        def handle(context: Any, node: Any, **__: Any) -> None:
            from onnx import TensorProto

            node.type = "Identity"
            for name in list(node.attr):
                del node.attr[name]
            context.set_dtype(node.output[0], TensorProto.INT32)

        return handle

    _handle("Cast", instead)


def translation_raises() -> None:
    """tf2onnx itself fails before it comes to the handlers."""
    from tf2onnx import tfonnx

    def refuse(*_: Any, **__: Any) -> Any:
        raise KeyError("explicit_paddings")

    tfonnx.run_rewriters = refuse


FAULTS = (
    divergent(_STAGE, handler_ignores_an_attribute, "pair"),
    divergent(_STAGE, handler_swaps_the_operands_of_sub, "encoder"),
    divergent(_STAGE, handler_normalizes_another_axis, "encoder"),
    divergent(_STAGE, handler_saturates_too_early, "encoder"),
    divergent(_STAGE, handler_drops_a_transposition, "encoder"),
    divergent(_STAGE, rewriter_drops_a_factor, "encoder"),
    failed(_STAGE, handler_raises, "encoder", symptom_stage=Stage.VALIDATION),
    failed(_STAGE, handler_is_missing, "encoder", symptom_stage=Stage.VALIDATION),
    failed(_STAGE, handler_emits_an_unknown_operator, "encoder", symptom_stage=Stage.VALIDATION),
    failed(_STAGE, handler_mixes_element_types, "counts", symptom_stage=Stage.RUNTIME_LOAD),
    failed(_STAGE, handler_dies, "encoder"),
    failed(_STAGE, handler_hangs, "encoder", timeout_s=SHORT_LIMIT_S),
    failed(_STAGE, translation_raises, "encoder"),
)
