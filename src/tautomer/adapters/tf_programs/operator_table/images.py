"""TensorFlow's operators on images: resizing, crops, flips, colours, blocks."""

from __future__ import annotations

from tautomer.adapters.tf_programs.operator_table.entry import ANY, FLOATS, NUMBERS, SIGNED, numbers, operator
from tautomer.synthesis import Domain, Specification
from tautomer.synthesis.rules.elementwise import elementwise
from tautomer.synthesis.rules.images import (
    batch_to_blocks,
    blocks_to_batch,
    boxes_cut_out,
    coloured,
    cropped,
    framed,
    image_wise,
    refitted,
)
from tautomer.synthesis.rules.shapes import same_type
from tautomer.synthesis.rules.windows import resampling, shuffled

UNIT = Domain(0.05, 0.95)


def _images(name: str, graph: str) -> Specification:
    return operator(f"tf.image.{name}(x)", graph, elementwise(ranks=(3, 4)), ANY)


RESIZING: tuple[Specification, ...] = (
    *(
        operator(
            f"tf.image.resize(x, sizes, '{method}')",
            graph,
            resampling(2, corners=False, last=True),
            ("float32",),
            name=f"tf.image.resize {method}",
        )
        for method, graph in (
            ("bilinear", "ResizeBilinear"),
            ("bicubic", "ResizeBicubic"),
            ("area", "ResizeArea"),
            ("lanczos3", "ScaleAndTranslate"),
            ("gaussian", "ScaleAndTranslate"),
            ("mitchellcubic", "ScaleAndTranslate"),
        )
    ),
    operator(
        "tf.image.resize(x, sizes, 'nearest')",
        "ResizeNearestNeighbor",
        resampling(2, corners=False, last=True),
        NUMBERS,
        name="tf.image.resize nearest",
    ),
    operator(
        "tf.image.resize(x, sizes, 'bilinear', antialias=True)",
        "ScaleAndTranslate",
        resampling(2, corners=False, last=True),
        ("float32",),
        name="tf.image.resize antialiased",
    ),
    *(
        operator(
            f"tf.raw_ops.{graph}(images=x, size=sizes, align_corners=corners)",
            graph,
            resampling(2, last=True),
            ("float32",),
        )
        for graph in ("ResizeBilinear", "ResizeBicubic", "ResizeNearestNeighbor")
    ),
    operator("tf.image.crop_and_resize(x, boxes, batches, sizes)", "CropAndResize", boxes_cut_out(), ("float32",)),
    operator("tf.nn.space_to_depth(x, factor)", "SpaceToDepth", shuffled(up=False, last=True), ANY),
    operator("tf.nn.depth_to_space(x, factor)", "DepthToSpace", shuffled(up=True, last=True), ANY),
)

GEOMETRY: tuple[Specification, ...] = (
    operator("tf.image.crop_to_bounding_box(x, top, left, height, width)", "StridedSlice", cropped(), ANY),
    operator("tf.image.pad_to_bounding_box(x, top, left, height, width)", "Pad", framed(), ANY),
    operator("tf.image.resize_with_crop_or_pad(x, height, width)", "Pad", refitted(), ANY),
    _images("flip_left_right", "ReverseV2"),
    _images("flip_up_down", "ReverseV2"),
    operator(
        "tf.image.transpose(x)",
        "Transpose",
        image_wise(lambda shape: (shape[0], shape[2], shape[1], shape[3]), same_type()),
        ANY,
    ),
    operator(
        "tf.image.rot90(x)",
        "If",
        image_wise(lambda shape: (shape[0], shape[2], shape[1], shape[3]), same_type()),
        ANY,
    ),
    operator(
        "tf.image.central_crop(x, 0.5)",
        "Slice",
        image_wise(lambda shape: (shape[0], *(size - 2 * (size // 4) for size in shape[1:3]), shape[3]), same_type()),
        ANY,
    ),
    operator(
        "tf.image.sobel_edges(x)",
        "DepthwiseConv2dNative",
        image_wise(lambda shape: (*shape, 2), lambda dtype, rank: frozenset({(dtype, 5)})),
        FLOATS,
    ),
    operator(
        "tf.image.total_variation(x)",
        "Sum",
        image_wise(lambda shape: shape[:1], lambda dtype, rank: frozenset({(dtype, 1)})),
        SIGNED,
    ),
    operator("tf.space_to_batch(x, block, paddings)", "SpaceToBatchND", blocks_to_batch(), NUMBERS),
    operator("tf.batch_to_space(x, block, crops)", "BatchToSpaceND", batch_to_blocks(), NUMBERS),
)

COLOURS: tuple[Specification, ...] = (
    operator("tf.image.rgb_to_hsv(x)", "RGBToHSV", coloured(), FLOATS, x=UNIT),
    operator("tf.image.hsv_to_rgb(x)", "HSVToRGB", coloured(), FLOATS, x=UNIT),
    operator("tf.image.rgb_to_grayscale(x)", "MatMul", coloured(made=1), NUMBERS),
    operator("tf.image.grayscale_to_rgb(x)", "Tile", coloured(1, made=3), ANY),
    operator("tf.image.rgb_to_yuv(x)", "MatMul", coloured(), FLOATS),
    operator("tf.image.yuv_to_rgb(x)", "MatMul", coloured(), FLOATS),
    operator(
        "tf.image.adjust_brightness(x, delta)",
        "AddV2",
        coloured(attributes=numbers(delta=(-0.5, 0.5))),
        (*FLOATS, "int16", "int8", "uint8"),
    ),
    operator(
        "tf.image.adjust_contrast(x, factor)",
        "AdjustContrastv2",
        coloured(attributes=numbers(factor=(0.5, 2))),
        ("float32",),
    ),
    operator(
        "tf.image.adjust_saturation(x, factor)",
        "AdjustSaturation",
        coloured(attributes=numbers(factor=(0.5, 2))),
        ("float32",),
        x=UNIT,
    ),
    operator(
        "tf.image.adjust_hue(x, delta)",
        "AdjustHue",
        coloured(attributes=numbers(delta=(-0.5, 0.5))),
        ("float32",),
        x=UNIT,
    ),
    operator("tf.image.adjust_gamma(x, gamma)", "Pow", coloured(attributes=numbers(gamma=(0.5, 2))), FLOATS, x=UNIT),
    operator(
        "tf.image.per_image_standardization(x)",
        "Mean",
        image_wise(lambda shape: shape, same_type()),
        ("float32",),
    ),
)

OPERATORS = (*RESIZING, *GEOMETRY, *COLOURS)
