"""Faults of windows and grids: padding, dilation, pooling and resizing."""

from __future__ import annotations

from collections.abc import Iterator

from tautomer.adapters.onnx_files.mutants.edit import Edit
from tautomer.adapters.onnx_files.mutants.graph_view import Spot
from tautomer.adapters.onnx_files.mutants.site import Change, Family, Kind

_POOLS = ("AveragePool", "MaxPool", "LpPool")
_OTHER_POOL = {
    "AveragePool": "MaxPool",
    "MaxPool": "AveragePool",
    "GlobalAveragePool": "GlobalMaxPool",
    "GlobalMaxPool": "GlobalAveragePool",
}


def _kernel(spot: Spot) -> list[int] | None:
    given = spot.attribute("kernel_shape")
    if given is not None:
        return [int(size) for size in given]
    tensor = spot.weight(1)
    return None if tensor is None or len(tensor.dims) < 3 else [int(size) for size in tensor.dims[2:]]


def _explicit_pads(spot: Spot, rank: int) -> list[int] | None:
    if spot.attribute("auto_pad", "NOTSET") != "NOTSET":
        return None
    return [int(pad) for pad in spot.attribute("pads", [0] * (2 * rank))]


def _shift_changes(spot: Spot) -> Iterator[Change]:
    kernel = _kernel(spot)
    pads = _explicit_pads(spot, len(kernel)) if kernel else None
    if kernel and pads and any(pads):
        axis = next(axis for axis in range(len(kernel)) if pads[axis] or pads[axis + len(kernel)])
        yield Change(str(axis), f"one element of padding of axis {axis} moved to its other end")


def _shift(edit: Edit, variant: str) -> None:
    kernel = _kernel(edit.spot)
    pads = _explicit_pads(edit.spot, len(kernel)) if kernel else None
    assert kernel is not None
    assert pads is not None
    begin, end = int(variant), int(variant) + len(kernel)
    step = 1 if pads[begin] else -1
    pads[begin] -= step
    pads[end] += step
    edit.set("pads", pads)


def _flag_changes(name: str) -> Iterator[Change]:
    yield Change("flip", f"{name} was flipped")


def _ceil_changes(spot: Spot) -> Iterator[Change]:
    strides = spot.attribute("strides")
    if strides and max(strides) > 1 and spot.attribute("auto_pad", "NOTSET") == "NOTSET":
        yield from _flag_changes("ceil_mode")


def _count_changes(spot: Spot) -> Iterator[Change]:
    if any(spot.attribute("pads", ())):
        yield from _flag_changes("count_include_pad")


def _flip(name: str, edit: Edit) -> None:
    edit.set(name, 1 - edit.spot.attribute(name, 0))


def _dilation_changes(spot: Spot) -> Iterator[Change]:
    kernel = _kernel(spot)
    if kernel is None or _explicit_pads(spot, len(kernel)) is None:
        return
    if any(size > 1 for size in kernel) and all((size - 1) % 2 == 0 for size in kernel):
        yield Change("more", "dilated by one more, and padded to the same shape")


def _dilate(edit: Edit, _variant: str) -> None:
    kernel = _kernel(edit.spot)
    assert kernel is not None
    pads = _explicit_pads(edit.spot, len(kernel))
    assert pads is not None
    dilations = [int(one) for one in edit.spot.attribute("dilations", [1] * len(kernel))]
    edit.set("dilations", [one + 1 for one in dilations])
    edit.set("pads", [pad + (size - 1) // 2 for pad, size in zip(pads, kernel * 2, strict=True)])


def _pool_changes(spot: Spot) -> Iterator[Change]:
    if not spot.output(1) and not any(one != 1 for one in spot.attribute("dilations", ())):
        yield Change(_OTHER_POOL[spot.op_type], f"{spot.op_type} became {_OTHER_POOL[spot.op_type]}")


def _change_pool(edit: Edit, variant: str) -> None:
    edit.node.op_type = variant
    for name in ("count_include_pad", "storage_order", "dilations"):
        edit.drop(name)


def _kernel_changes(spot: Spot) -> Iterator[Change]:
    tensor = spot.weight(1)
    if tensor is not None and len(tensor.dims) > 2 and max(tensor.dims[2:]) > 1:
        yield Change("flip", "the kernel was turned around in space (convolution for correlation)")


def _turn_kernel(edit: Edit, _variant: str) -> None:
    name = edit.spot.input(1)
    weight = edit.tensor(name)
    edit.replace_tensor(name, weight[(slice(None), slice(None), *(slice(None, None, -1),) * (weight.ndim - 2))])


def _pad_mode_changes(spot: Spot) -> Iterator[Change]:
    mode = spot.attribute("mode", "constant")
    other = "edge" if mode != "edge" else "constant"
    if spot.is_float(spot.output()):
        yield Change(other, f"padding mode {mode} became {other}")


def _pad_value_changes(spot: Spot) -> Iterator[Change]:
    if spot.opset >= 11 and spot.attribute("mode", "constant") == "constant" and spot.is_float(spot.output()):
        value = spot.scalar(2) or 0.0
        yield Change(repr(_other_pad(value)), f"padded with {_other_pad(value):.3g} instead of {value:.3g}")


def _other_pad(value: float) -> float:
    return 0.0 if value else 1.0


def _pad_shift_changes(spot: Spot) -> Iterator[Change]:
    pads = spot.constant(1)
    if spot.opset >= 11 and pads is not None and spot.is_float(spot.output()):
        rank = pads.size // 2
        moved = next((axis for axis in range(rank) if pads[axis] > 0 or pads[axis + rank] > 0), None)
        if moved is not None:
            yield Change(str(moved), f"one element of padding {moved} moved to the other end of its axis")


def _pad_shift(edit: Edit, variant: str) -> None:
    pads = edit.spot.constant(1)
    assert pads is not None
    begin, end = int(variant), int(variant) + pads.size // 2
    changed = pads.copy()
    step = 1 if pads[begin] > 0 else -1
    changed[begin] -= step
    changed[end] += step
    edit.set_input(1, edit.constant(changed))


_OTHER_COORDINATES = {
    "half_pixel": "asymmetric",
    "pytorch_half_pixel": "align_corners",
    "align_corners": "half_pixel",
    "asymmetric": "half_pixel",
    "half_pixel_symmetric": "half_pixel",
}
_OTHER_NEAREST = {
    "round_prefer_floor": "floor",
    "round_prefer_ceil": "round_prefer_floor",
    "floor": "round_prefer_ceil",
    "ceil": "floor",
}
_RESIZE_OF_MODE = {("nearest_mode", "nearest"), ("cubic_coeff_a", "cubic")}
"""Attributes of Resize that only one mode reads."""

_OTHER_RESIZE = {"nearest": "linear", "linear": "nearest", "cubic": "linear"}


def _resize_changes(attribute: str, spot: Spot) -> Iterator[Change]:
    mode = spot.attribute("mode", "nearest")
    default = {
        "coordinate_transformation_mode": "half_pixel",
        "nearest_mode": "round_prefer_floor",
        "cubic_coeff_a": -0.75,
        "mode": "nearest",
    }[attribute]
    value = spot.attribute(attribute, default)
    if (attribute, mode) not in _RESIZE_OF_MODE and attribute in ("nearest_mode", "cubic_coeff_a"):
        return
    if attribute == "cubic_coeff_a":
        yield Change("-0.5" if value == -0.75 else "-0.75", f"{attribute} {value:.4g} was replaced")
        return
    table = {"nearest_mode": _OTHER_NEAREST, "mode": _OTHER_RESIZE}.get(attribute, _OTHER_COORDINATES)
    if value in table:
        yield Change(table[value], f"{attribute} {value} became {table[value]}")


def _set_text(attribute: str, edit: Edit, variant: str) -> None:
    edit.set(attribute, variant)


def _set_cubic(edit: Edit, variant: str) -> None:
    edit.set("cubic_coeff_a", float(variant))


def _depth_changes(spot: Spot) -> Iterator[Change]:
    mode = spot.attribute("mode", "DCR")
    other = "CRD" if mode == "DCR" else "DCR"
    yield Change(other, f"mode {mode} became {other}")


def _set_pad_value(edit: Edit, variant: str) -> None:
    edit.set_input(2, edit.like(float(variant), edit.spot.input(0)))


KINDS = (
    Kind(
        "window_shift",
        Family.SEMANTIC,
        "padding of a convolution or pool is moved from one end of an axis to the other",
        ("Conv", *_POOLS),
        _shift_changes,
        _shift,
    ),
    Kind(
        "ceil_mode",
        Family.SEMANTIC,
        "ceil_mode of a pool is flipped",
        _POOLS,
        _ceil_changes,
        lambda edit, _: _flip("ceil_mode", edit),
    ),
    Kind(
        "count_include_pad",
        Family.SEMANTIC,
        "count_include_pad of an average pool is flipped",
        ("AveragePool", "LpPool"),
        _count_changes,
        lambda edit, _: _flip("count_include_pad", edit),
    ),
    Kind(
        "dilation",
        Family.SEMANTIC,
        "a convolution or max pool is dilated by one more, padded to the same shape",
        ("Conv", "MaxPool"),
        _dilation_changes,
        _dilate,
    ),
    Kind("pool_kind", Family.SEMANTIC, "mean for maximum in a pool", tuple(_OTHER_POOL), _pool_changes, _change_pool),
    Kind(
        "kernel_turned",
        Family.SEMANTIC,
        "a kernel is turned around in space",
        ("Conv", "ConvTranspose"),
        _kernel_changes,
        _turn_kernel,
    ),
    Kind(
        "pad_mode",
        Family.SEMANTIC,
        "the mode of Pad is another one",
        ("Pad",),
        _pad_mode_changes,
        lambda edit, variant: _set_text("mode", edit, variant),
    ),
    Kind("pad_value", Family.SEMANTIC, "Pad fills with another value", ("Pad",), _pad_value_changes, _set_pad_value),
    Kind("pad_shift", Family.SEMANTIC, "Pad pads the other end of an axis", ("Pad",), _pad_shift_changes, _pad_shift),
    Kind(
        "resize_coordinates",
        Family.SEMANTIC,
        "coordinate_transformation_mode of Resize is another one",
        ("Resize",),
        lambda spot: _resize_changes("coordinate_transformation_mode", spot),
        lambda edit, variant: _set_text("coordinate_transformation_mode", edit, variant),
    ),
    Kind(
        "resize_nearest_mode",
        Family.SEMANTIC,
        "nearest_mode of Resize is another one",
        ("Resize",),
        lambda spot: _resize_changes("nearest_mode", spot),
        lambda edit, variant: _set_text("nearest_mode", edit, variant),
    ),
    Kind(
        "resize_cubic_coefficient",
        Family.SEMANTIC,
        "cubic_coeff_a of Resize is -0.5 for -0.75 or the other way round",
        ("Resize",),
        lambda spot: _resize_changes("cubic_coeff_a", spot),
        _set_cubic,
    ),
    Kind(
        "resize_mode",
        Family.SEMANTIC,
        "the interpolation of Resize is another one",
        ("Resize",),
        lambda spot: _resize_changes("mode", spot),
        lambda edit, variant: _set_text("mode", edit, variant),
    ),
    Kind(
        "grid_corners",
        Family.SEMANTIC,
        "align_corners of GridSample is flipped",
        ("GridSample",),
        lambda _: _flag_changes("align_corners"),
        lambda edit, _: _flip("align_corners", edit),
    ),
    Kind(
        "depth_to_space_mode",
        Family.SEMANTIC,
        "DepthToSpace takes the channels in the other order",
        ("DepthToSpace",),
        _depth_changes,
        lambda edit, variant: _set_text("mode", edit, variant),
    ),
)
