"""Faults of wiring: operands exchanged, and terms, masks and whole operators left out."""

from __future__ import annotations

from collections.abc import Iterator

from tautomer.adapters.onnx_files.mutants.edit import Edit
from tautomer.adapters.onnx_files.mutants.graph_view import Spot
from tautomer.adapters.onnx_files.mutants.site import Change, Family, Kind

_COMPARISONS = {
    "Less": "LessOrEqual",
    "LessOrEqual": "Less",
    "Greater": "GreaterOrEqual",
    "GreaterOrEqual": "Greater",
}
_LOGIC = {"And": "Or", "Or": "And", "Xor": "Or"}
_ACTIVATIONS = (
    *("Celu", "Elu", "Erf", "Gelu", "HardSigmoid", "HardSwish", "LeakyRelu", "Mish", "PRelu", "Relu", "Selu"),
    *("Sigmoid", "Softplus", "Softsign", "Swish", "Tanh", "ThresholdedRelu", "Clip", "Softmax", "LogSoftmax"),
    *("Abs", "Neg", "Exp", "Sqrt"),
)


def _operand_changes(spot: Spot) -> Iterator[Change]:
    one, other = spot.input(0), spot.input(1)
    if one == other or not (spot.is_float(one) or spot.op_type in _COMPARISONS):
        return
    if spot.op_type == "MatMul":
        shape = spot.shape(one)
        if shape is None or shape != spot.shape(other) or len(shape) < 2 or shape[-1] != shape[-2]:
            return
    yield Change("01", "the two operands were exchanged")


def _exchange(edit: Edit, variant: str) -> None:
    edit.swap_inputs(int(variant[0]), int(variant[1]))


def _branch_changes(spot: Spot) -> Iterator[Change]:
    if spot.is_float(spot.output()) and spot.input(1) != spot.input(2):
        yield Change("12", "the branches were exchanged")


def _edge_changes(spot: Spot) -> Iterator[Change]:
    yield Change(_COMPARISONS[spot.op_type], f"{spot.op_type} became {_COMPARISONS[spot.op_type]}")


def _logic_changes(spot: Spot) -> Iterator[Change]:
    yield Change(_LOGIC[spot.op_type], f"{spot.op_type} became {_LOGIC[spot.op_type]}")


def _rename_operator(edit: Edit, variant: str) -> None:
    edit.node.op_type = variant


def _mask_changes(spot: Spot) -> Iterator[Change]:
    if spot.op_type == "Attention":
        if spot.input(3):
            yield Change("3", "the mask of Attention was left out")
        return
    if not any(user.op_type == "Softmax" for user, _ in spot.users(spot.output())):
        return
    if spot.op_type == "Where":
        kept = next((index for index in (1, 2) if not spot.is_constant(spot.input(index))), None)
        other = 3 - kept if kept else None
        if kept and other and spot.is_constant(spot.input(other)):
            yield Change(str(kept), "the mask before Softmax was left out")
        return
    scores = [index for index in (0, 1) if _from_product(spot, spot.input(index))]
    if len(scores) == 1:
        yield Change(str(scores[0]), "the mask added before Softmax was left out")


def _from_product(spot: Spot, name: str, depth: int = 3) -> bool:
    """Whether a value comes at once from a product of matrices: those are the scores, the other term is the mask."""
    producer = spot.producer(name)
    if producer is None or depth == 0:
        return False
    if producer.op_type == "MatMul":
        return True
    passes = producer.op_type in ("Mul", "Div", "Reshape", "Where")
    return passes and any(_from_product(producer, one, depth - 1) for one in producer.node.input if one)


def _drop_mask(edit: Edit, variant: str) -> None:
    if edit.spot.op_type == "Attention":
        edit.set_input(3, "")
        return
    _pass_on(edit, int(variant))


def _pass_on(edit: Edit, index: int) -> None:
    output = edit.replace()
    edit.op("Identity", edit.spot.input(index), output=output)


def _residual_changes(spot: Spot) -> Iterator[Change]:
    shapes = [spot.shape(spot.input(index)) for index in (0, 1)]
    if not spot.is_float(spot.output()) or shapes[0] is None or shapes[0] != shapes[1] or not shapes[0]:
        return
    if any(spot.is_constant(spot.input(index)) for index in (0, 1)):
        return
    for index in (0, 1):
        yield Change(str(index), f"term {1 - index} of the sum was left out")


def _drop_term(edit: Edit, variant: str) -> None:
    _pass_on(edit, int(variant))


_BIAS = {"Conv": 2, "ConvTranspose": 2, "Gemm": 2, "LayerNormalization": 2, "LSTM": 3, "GRU": 3, "RNN": 3}


def _bias_changes(spot: Spot) -> Iterator[Change]:
    if spot.op_type == "Add":
        for index in (0, 1):
            tensor = spot.weight(index)
            rank = spot.rank(spot.input(1 - index))
            other = spot.producer(spot.input(1 - index))
            small = spot.constant(index)
            if small is not None and not small.any():
                continue
            if tensor is not None and len(tensor.dims) == 1 and tensor.dims[0] > 1 and rank and other is not None:
                yield Change(str(1 - index), f"bias '{tensor.name}' was left out")
        return
    index = _BIAS[spot.op_type]
    small = spot.constant(index)
    if spot.input(index) and (small is None or small.any()):
        yield Change(f"input{index}", f"bias '{spot.input(index)}' was left out")


def _drop_bias(edit: Edit, variant: str) -> None:
    if variant.startswith("input"):
        edit.set_input(int(variant.removeprefix("input")), "")
    else:
        _pass_on(edit, int(variant))


def _activation_changes(spot: Spot) -> Iterator[Change]:
    if spot.is_float(spot.output()) or (not spot.graph.facts and spot.op_type != "Clip"):
        yield Change("0", f"{spot.op_type} was left out")


def _causal_changes(_spot: Spot) -> Iterator[Change]:
    yield Change("flip", "is_causal was flipped")


def _flip_causal(edit: Edit, _variant: str) -> None:
    edit.set("is_causal", 1 - edit.spot.attribute("is_causal", 0))


def _diagonal_changes(spot: Spot) -> Iterator[Change]:
    k = spot.constant(1)
    if not spot.input(1) or (k is not None and k.size == 1):
        start = int(k.reshape(-1)[0]) if k is not None else 0
        upper = spot.attribute("upper", 1)
        yield Change(str(start - 1 if upper else start + 1), "one more diagonal was kept")


def _set_diagonal(edit: Edit, variant: str) -> None:
    import numpy as np

    edit.set_input(1, edit.constant(np.asarray(int(variant), dtype=np.int64)))


KINDS = (
    Kind(
        "operands_exchanged",
        Family.SEMANTIC,
        "the operands of Sub, Div, Pow, a comparison or a square product are exchanged",
        ("Sub", "Div", "Pow", "MatMul", *_COMPARISONS),
        _operand_changes,
        _exchange,
    ),
    Kind(
        "branches_exchanged",
        Family.SEMANTIC,
        "the branches of Where are exchanged",
        ("Where",),
        _branch_changes,
        _exchange,
    ),
    Kind(
        "comparison_edge",
        Family.SEMANTIC,
        "a comparison takes in the equal case, or leaves it out",
        tuple(_COMPARISONS),
        _edge_changes,
        _rename_operator,
    ),
    Kind(
        "logic", Family.SEMANTIC, "Or for And, or the other way round", tuple(_LOGIC), _logic_changes, _rename_operator
    ),
    Kind(
        "mask_dropped",
        Family.SEMANTIC,
        "the mask of an attention is left out",
        ("Add", "Where", "Attention"),
        _mask_changes,
        _drop_mask,
    ),
    Kind(
        "term_dropped",
        Family.SEMANTIC,
        "one term of a sum of two computed values (a residual) is left out",
        ("Add",),
        _residual_changes,
        _drop_term,
    ),
    Kind("bias_dropped", Family.SEMANTIC, "a bias is left out", ("Add", *_BIAS), _bias_changes, _drop_bias),
    Kind(
        "activation_dropped",
        Family.SEMANTIC,
        "an elementwise function is left out",
        _ACTIVATIONS,
        _activation_changes,
        _drop_term,
    ),
    Kind(
        "causal_flipped",
        Family.SEMANTIC,
        "is_causal of Attention is flipped",
        ("Attention",),
        _causal_changes,
        _flip_causal,
    ),
    Kind(
        "diagonal",
        Family.SEMANTIC,
        "Trilu keeps one more diagonal",
        ("Trilu",),
        _diagonal_changes,
        _set_diagonal,
    ),
)
