"""Vision architectures of transformers, in small configurations."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import torch
from entries import BATCH, Architecture, hugging_face, image

TRANSFORMER: dict[str, Any] = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "image_size": 32,
    "patch_size": 8,
}
SWIN: dict[str, Any] = {
    "image_size": 32,
    "patch_size": 2,
    "embed_dim": 16,
    "depths": [2, 2],
    "num_heads": [2, 4],
    "window_size": 4,
}
IMAGE = {"pixel_values": {0: BATCH}}


def _vision(size: int, model: str, config: str, **options: Any) -> Architecture:
    return Architecture(hugging_face(model, config, **options), image(size), IMAGE)


def _video(frames: int, size: int) -> Callable[[int, int], dict[str, torch.Tensor]]:
    return lambda batch, _: {"pixel_values": torch.randn(batch, frames, 3, size, size)}


def _detr() -> torch.nn.Module:
    import transformers

    backbone = transformers.ResNetConfig(
        embedding_size=16, hidden_sizes=[16, 32, 48, 64], depths=[1, 1, 1, 1], out_features=["stage4"]
    )
    config = transformers.DetrConfig(
        backbone_config=backbone,
        use_timm_backbone=False,
        backbone=None,
        num_queries=6,
        d_model=32,
        encoder_layers=1,
        decoder_layers=1,
        encoder_attention_heads=4,
        decoder_attention_heads=4,
        encoder_ffn_dim=64,
        decoder_ffn_dim=64,
    )
    return transformers.DetrForObjectDetection(config).eval()  # type: ignore[no-any-return]


def _sam_encoder() -> torch.nn.Module:
    import transformers

    config = transformers.SamVisionConfig(
        hidden_size=32,
        output_channels=16,
        num_hidden_layers=2,
        num_attention_heads=4,
        image_size=64,
        patch_size=8,
        window_size=3,
        global_attn_indexes=[1],
        mlp_dim=64,
        attn_implementation="eager",
    )
    return transformers.SamVisionModel(config).eval()  # type: ignore[no-any-return]


def _vitmatte() -> torch.nn.Module:
    import transformers

    backbone = transformers.VitDetConfig(
        hidden_size=16,
        num_hidden_layers=2,
        num_attention_heads=2,
        image_size=64,
        patch_size=16,
        num_channels=4,
        window_size=2,
        window_block_indices=[0],
        out_features=["stage2"],
    )
    config = transformers.VitMatteConfig(
        backbone_config=backbone,
        hidden_size=16,
        convstream_hidden_sizes=[8, 12, 16],
        fusion_hidden_sizes=[16, 12, 8, 4],
    )
    return transformers.VitMatteForImageMatting(config).eval()  # type: ignore[no-any-return]


ARCHITECTURES: dict[str, Architecture] = {
    "vit": _vision(32, "ViTModel", "ViTConfig", **TRANSFORMER),
    "deit": _vision(32, "DeiTModel", "DeiTConfig", **TRANSFORMER),
    "beit": _vision(
        32, "BeitModel", "BeitConfig", **TRANSFORMER, use_relative_position_bias=True, attn_implementation="eager"
    ),
    "dinov2": _vision(32, "Dinov2Model", "Dinov2Config", **{**TRANSFORMER, "mlp_ratio": 2}),
    "clip_vision": _vision(32, "CLIPVisionModel", "CLIPVisionConfig", **TRANSFORMER),
    "siglip_vision": _vision(32, "SiglipVisionModel", "SiglipVisionConfig", **TRANSFORMER),
    "vit_msn": _vision(32, "ViTMSNModel", "ViTMSNConfig", **TRANSFORMER),
    # With SDPA attention, torch 2.13's exporter cannot decompose Swin at all; see DEFECTS.
    "swin": _vision(32, "SwinModel", "SwinConfig", **SWIN, attn_implementation="eager"),
    "swinv2": _vision(32, "Swinv2Model", "Swinv2Config", **SWIN),
    "pvt": _vision(
        64,
        "PvtModel",
        "PvtConfig",
        image_size=64,
        hidden_sizes=[16, 24, 32, 48],
        depths=[1, 1, 1, 1],
        num_attention_heads=[1, 2, 2, 4],
        sequence_reduction_ratios=[4, 2, 1, 1],
        mlp_ratios=[2, 2, 2, 2],
    ),
    "segformer": _vision(
        64,
        "SegformerForSemanticSegmentation",
        "SegformerConfig",
        depths=[1, 1, 1, 1],
        hidden_sizes=[8, 16, 24, 32],
        decoder_hidden_size=16,
    ),
    "poolformer": _vision(
        64, "PoolFormerModel", "PoolFormerConfig", depths=[1, 1, 1, 1], hidden_sizes=[8, 16, 24, 32], mlp_ratio=2.0
    ),
    "convnext": _vision(64, "ConvNextModel", "ConvNextConfig", hidden_sizes=[16, 24, 32, 40], depths=[1, 1, 2, 1]),
    "convnextv2": _vision(
        64, "ConvNextV2Model", "ConvNextV2Config", hidden_sizes=[16, 24, 32, 40], depths=[1, 1, 2, 1]
    ),
    "focalnet": _vision(
        32,
        "FocalNetModel",
        "FocalNetConfig",
        image_size=32,
        patch_size=2,
        embed_dim=16,
        hidden_sizes=[16, 32],
        depths=[1, 1],
        focal_levels=[2, 2],
        focal_windows=[3, 3],
    ),
    "levit": _vision(
        64,
        "LevitModel",
        "LevitConfig",
        image_size=64,
        hidden_sizes=[16, 32, 48],
        num_attention_heads=[2, 4, 6],
        depths=[1, 1, 1],
        key_dim=[8, 8, 8],
    ),
    "resnet": _vision(
        48, "ResNetModel", "ResNetConfig", embedding_size=16, hidden_sizes=[16, 32, 48, 64], depths=[1, 1, 2, 1]
    ),
    "regnet": _vision(
        48,
        "RegNetModel",
        "RegNetConfig",
        embedding_size=16,
        hidden_sizes=[16, 32, 48, 64],
        depths=[1, 1, 2, 1],
        groups_width=16,
    ),
    "mobilenet_v1": _vision(
        48, "MobileNetV1Model", "MobileNetV1Config", depth_multiplier=0.25, min_depth=8, image_size=48
    ),
    "mobilenet_v2": _vision(48, "MobileNetV2Model", "MobileNetV2Config", depth_multiplier=0.35, image_size=48),
    "mobilevit": _vision(
        64,
        "MobileViTModel",
        "MobileViTConfig",
        image_size=64,
        hidden_sizes=[24, 32, 40],
        neck_hidden_sizes=[8, 12, 16, 24, 32, 40, 48],
        mlp_ratio=2.0,
    ),
    "efficientnet": _vision(
        64,
        "EfficientNetModel",
        "EfficientNetConfig",
        image_size=64,
        width_coefficient=0.25,
        depth_coefficient=0.3,
        hidden_dim=320,
    ),
    "dpt": _vision(
        32,
        "DPTForDepthEstimation",
        "DPTConfig",
        **{**TRANSFORMER, "num_hidden_layers": 4},
        backbone_out_indices=[0, 1, 2, 3],
        neck_hidden_sizes=[8, 12, 16, 16],
        fusion_hidden_size=16,
        is_hybrid=False,
    ),
    "detr": Architecture(_detr, image(64), IMAGE),
    "yolos": _vision(
        32, "YolosForObjectDetection", "YolosConfig", **{**TRANSFORMER, "image_size": [32, 32]}, num_detection_tokens=5
    ),
    "sam_encoder": Architecture(_sam_encoder, image(64), IMAGE),
    "vitmatte": Architecture(_vitmatte, image(64, channels=4), IMAGE),
    "timesformer": Architecture(
        hugging_face("TimesformerModel", "TimesformerConfig", **TRANSFORMER, num_frames=4), _video(4, 32), IMAGE
    ),
    "videomae": Architecture(
        hugging_face("VideoMAEModel", "VideoMAEConfig", **TRANSFORMER, num_frames=4, tubelet_size=2),
        _video(4, 32),
        IMAGE,
    ),
}

SWIN_WITH_SDPA = _vision(32, "SwinModel", "SwinConfig", **SWIN)
