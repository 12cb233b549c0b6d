"""Faults in the translation: wrong decompositions, wrong translations of operators, a wrong conversion of the opset."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from planted.endings import die, hang
from planted.faults import SHORT_LIMIT_S, Where, divergent, failed
from tautomer.model import Stage

_STAGE = Stage.NODE_CONVERSION
_PLACE = Where.CONVERTER


def _translate(operator: str, function: Callable[..., Any]) -> None:
    """Let the exporter translate an ATen operator by `function`."""
    import torch
    from torch.onnx._internal.exporter import _registration

    packet, overload = operator.split(".")
    target = getattr(getattr(torch.ops.aten, packet), overload)
    real = _registration.ONNXRegistry.from_torchlib

    def from_torchlib(*arguments: Any, **keywords: Any) -> Any:
        registry = real(*arguments, **keywords)
        registry.register_op(target, function)
        return registry

    _registration.ONNXRegistry.from_torchlib = staticmethod(from_torchlib)


def translation_ignores_the_approximation() -> None:
    """GELU with `approximate="tanh"` is translated as the exact GELU."""
    from onnxscript import opset18 as op

    def gelu(self: Any, approximate: str = "none") -> Any:
        cdf = op.Add(op.Erf(op.Mul(self, op.CastLike(0.7071067811865476, self))), op.CastLike(1.0, self))
        return op.Mul(op.Mul(self, op.CastLike(0.5, self)), cdf)

    _translate("gelu.default", gelu)


def translation_swaps_the_operands_of_sub() -> None:
    """A difference is translated with its operands in the other order."""
    from onnxscript import opset18 as op

    def sub(self: Any, other: Any, alpha: float = 1.0) -> Any:
        return op.Sub(other, self)

    _translate("sub.Tensor", sub)


def legacy_translation_saturates_too_early() -> None:
    """The TorchScript-based exporter translates tanh as its piecewise linear approximation."""
    import torch

    def tanh(graph: Any, value: Any) -> Any:
        low, high = (graph.op("Constant", value_t=torch.tensor(bound)) for bound in (-1.0, 1.0))
        return graph.op("Clip", value, low, high)

    torch.onnx.register_custom_op_symbolic("aten::tanh", tanh, 9)


def translation_mixes_element_types() -> None:
    """A cast to float32 is translated as no cast at all, so a product of integers and floats comes out."""
    from onnxscript import opset18 as op

    def no_cast(self: Any, dtype: int = -1) -> Any:
        return op.Identity(self)

    _translate("_to_copy.default", no_cast)


def translation_emits_an_unknown_operator() -> None:
    """A runtime's own operator is emitted as if it were one of the standard."""
    from torch.onnx._internal.exporter import _core

    real = _core._exported_program_to_onnx_program

    def translate(*arguments: Any, **keywords: Any) -> Any:
        program = real(*arguments, **keywords)
        for node in program.model.graph:
            if node.op_type == "Softmax":
                node.op_type = "FastSoftmax"
        return program

    _core._exported_program_to_onnx_program = translate


def translation_raises() -> None:
    """The translation of an operator does not handle the arguments that it gets."""

    def refuse(self: Any, approximate: str = "none") -> Any:
        raise NotImplementedError(f"gelu with approximate={approximate!r}")

    _translate("gelu.default", refuse)


def translation_dies() -> None:
    """The translation of an operator takes its process down."""

    def fatal(self: Any, approximate: str = "none") -> Any:
        return die()

    _translate("gelu.default", fatal)


def decomposition_drops_a_factor() -> None:
    """`addcmul` is decomposed without its factor."""
    import torch
    from torch.onnx._internal.exporter import _decomp

    real = _decomp.create_onnx_friendly_decomposition_table

    def without_factor(self: Any, tensor1: Any, tensor2: Any, *, value: float = 1.0) -> Any:
        return self + tensor1 * tensor2

    def table(*arguments: Any) -> dict[Any, Any]:
        return {**real(*arguments), torch.ops.aten.addcmul.default: without_factor}

    _decomp.create_onnx_friendly_decomposition_table = table


def decomposition_hangs() -> None:
    """The decomposition of an operator calls for itself again and again."""
    from torch.onnx._internal.exporter import _fx_passes

    _fx_passes.decompose_with_registry = hang


def decomposition_states_a_wrong_shape() -> None:
    """The shape recorded for an intermediate value is that of its broadcast: the optimizer finds nothing to expand."""
    from torch.onnx._internal.exporter import _fx_passes

    real = _fx_passes.decompose_with_registry

    def decompose(*arguments: Any) -> Any:
        program = real(*arguments)
        for node in program.graph.nodes:
            if "relu" in str(node.target):
                node.meta["val"] = node.meta["val"].expand(4, 8)
        return program

    _fx_passes.decompose_with_registry = decompose


def version_conversion_changes_an_axis() -> None:
    """The conversion to another opset writes the default of an old version into `axis`."""
    from onnxscript import version_converter

    real = version_converter.convert_version

    def convert_version(model: Any, *arguments: Any, **keywords: Any) -> Any:
        import onnx_ir as ir

        result = real(model, *arguments, **keywords)
        for node in model.graph:
            if node.op_type == "Softmax":
                node.attributes["axis"] = ir.AttrInt64("axis", 1)
        return result

    version_converter.convert_version = convert_version


FAULTS = (
    divergent(_STAGE, translation_ignores_the_approximation, "encoder.py", _PLACE),
    divergent(_STAGE, translation_swaps_the_operands_of_sub, "encoder.py", _PLACE),
    divergent(_STAGE, decomposition_drops_a_factor, "blend.py", _PLACE),
    divergent(_STAGE, decomposition_states_a_wrong_shape, "broadcast.py", _PLACE),
    divergent(_STAGE, version_conversion_changes_an_axis, "encoder.py", _PLACE, opset=20),
    divergent(_STAGE, legacy_translation_saturates_too_early, "pair.py", _PLACE, converter="torch.onnx-legacy"),
    failed(_STAGE, translation_mixes_element_types, "counts.py", _PLACE, symptom_stage=Stage.RUNTIME_LOAD),
    failed(
        _STAGE,
        translation_emits_an_unknown_operator,
        "encoder.py",
        _PLACE,
        symptom_stage=Stage.VALIDATION,
    ),
    failed(_STAGE, translation_raises, "encoder.py", _PLACE),
    failed(_STAGE, translation_dies, "encoder.py", _PLACE),
    failed(_STAGE, decomposition_hangs, "encoder.py", _PLACE, timeout_s=SHORT_LIMIT_S),
)
