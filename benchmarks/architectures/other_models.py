"""Audio, multimodal, decision and time-series architectures of transformers, in small configurations."""

from __future__ import annotations

from typing import Any

import torch
from entries import BATCH, LENGTH, Architecture, hugging_face, masked_tokens, waveform
from text_models import ENCODER, SMALL
from vision_models import TRANSFORMER

SOUND = {"input_values": {0: BATCH}}
SPEECH: dict[str, Any] = {
    **SMALL,
    "conv_dim": (16, 16, 16),
    "conv_kernel": (10, 3, 3),
    "conv_stride": (5, 2, 2),
    "num_feat_extract_layers": 3,
    "num_conv_pos_embeddings": 16,
    "num_conv_pos_embedding_groups": 4,
    "mask_time_prob": 0.0,
}


def _whisper_config() -> Any:
    import transformers

    return transformers.WhisperConfig(
        d_model=32,
        encoder_layers=2,
        encoder_attention_heads=4,
        encoder_ffn_dim=64,
        num_mel_bins=16,
        max_source_positions=24,
        pad_token_id=0,
        decoder_layers=1,
        decoder_attention_heads=4,
        decoder_ffn_dim=64,
        vocab_size=99,
        use_cache=False,
        bos_token_id=1,
        eos_token_id=2,
        decoder_start_token_id=1,
    )


def _whisper() -> torch.nn.Module:
    import transformers

    return transformers.WhisperModel(_whisper_config()).eval()  # type: ignore[no-any-return]


def _whisper_encoder() -> torch.nn.Module:
    import transformers

    return transformers.WhisperModel(_whisper_config()).encoder.eval()  # type: ignore[no-any-return]


def _clip() -> torch.nn.Module:
    import transformers

    config = transformers.CLIPConfig(
        text_config={**ENCODER, "eos_token_id": 2, "bos_token_id": 0}, vision_config=TRANSFORMER, projection_dim=16
    )
    return transformers.CLIPModel(config).eval()  # type: ignore[no-any-return]


class _Agent(torch.nn.Module):
    """A decision transformer, with positional arguments: states, actions, returns to go, timesteps."""

    def __init__(self) -> None:
        super().__init__()
        self.transformer = hugging_face(
            "DecisionTransformerModel",
            "DecisionTransformerConfig",
            state_dim=5,
            act_dim=3,
            hidden_size=32,
            max_ep_len=64,
            n_layer=2,
            n_head=4,
            use_cache=False,
        )()

    def forward(
        self, states: torch.Tensor, actions: torch.Tensor, returns_to_go: torch.Tensor, timesteps: torch.Tensor
    ) -> tuple[torch.Tensor, ...]:
        """Predicted states, actions and returns."""
        mask = torch.ones_like(timesteps)
        found = self.transformer(
            states=states, actions=actions, returns_to_go=returns_to_go, timesteps=timesteps, attention_mask=mask
        )
        return found.state_preds, found.action_preds, found.return_preds


def _episode(batch: int, length: int) -> tuple[torch.Tensor, ...]:
    steps = torch.arange(length).expand(batch, length) + torch.randint(0, 20, (batch, 1))
    return (torch.randn(batch, length, 5), torch.randn(batch, length, 3), torch.randn(batch, length, 1), steps)


class _Forecast(torch.nn.Module):
    """The encoder and decoder of a time series transformer with its scaling of the past."""

    def __init__(self) -> None:
        super().__init__()
        self.model = hugging_face(
            "TimeSeriesTransformerModel",
            "TimeSeriesTransformerConfig",
            prediction_length=6,
            context_length=10,
            lags_sequence=[1, 2],
            scaling="std",
            num_time_features=2,
            d_model=16,
            encoder_layers=1,
            decoder_layers=1,
            encoder_attention_heads=2,
            decoder_attention_heads=2,
            encoder_ffn_dim=32,
            decoder_ffn_dim=32,
            use_cache=False,
        )()

    def forward(
        self, past: torch.Tensor, past_time: torch.Tensor, future: torch.Tensor, future_time: torch.Tensor
    ) -> tuple[torch.Tensor, ...]:
        """The decoder's states, the location and the scale of the past."""
        found = self.model(
            past_values=past,
            past_time_features=past_time,
            past_observed_mask=torch.ones_like(past),
            future_values=future,
            future_time_features=future_time,
        )
        return found.last_hidden_state, found.loc, found.scale


def _series(batch: int, _: int) -> tuple[torch.Tensor, ...]:
    past = torch.randn(batch, 12).cumsum(1) + 10
    return (past, torch.randn(batch, 12, 2), torch.randn(batch, 6).cumsum(1) + 10, torch.randn(batch, 6, 2))


ARCHITECTURES: dict[str, Architecture] = {
    "whisper_encoder": Architecture(
        _whisper_encoder,
        lambda batch, _: {"input_features": torch.randn(batch, 16, 48)},
        {"input_features": {0: BATCH}},
    ),
    "whisper": Architecture(
        _whisper,
        lambda batch, length: {
            "input_features": torch.randn(batch, 16, 48),
            "decoder_input_ids": torch.randint(3, 99, (batch, length)),
        },
        {"input_features": {0: BATCH}, "decoder_input_ids": {0: BATCH, 1: LENGTH}},
    ),
    "wav2vec2": Architecture(hugging_face("Wav2Vec2Model", "Wav2Vec2Config", **SPEECH), waveform(2000), SOUND),
    "hubert": Architecture(hugging_face("HubertModel", "HubertConfig", **SPEECH), waveform(2000), SOUND),
    "wavlm": Architecture(
        hugging_face("WavLMModel", "WavLMConfig", **SPEECH, num_buckets=32, max_bucket_distance=80),
        waveform(2000),
        SOUND,
    ),
    "audio_spectrogram_transformer": Architecture(
        hugging_face(
            "ASTModel",
            "ASTConfig",
            hidden_size=32,
            num_hidden_layers=2,
            num_attention_heads=4,
            intermediate_size=64,
            max_length=48,
            num_mel_bins=16,
            patch_size=8,
            time_stride=8,
            frequency_stride=8,
        ),
        lambda batch, _: {"input_values": torch.randn(batch, 48, 16)},
        SOUND,
    ),
    "clip": Architecture(
        _clip,
        lambda batch, length: {**masked_tokens(batch, length), "pixel_values": torch.randn(batch, 3, 32, 32)},
        {"input_ids": {0: BATCH, 1: LENGTH}, "attention_mask": {0: BATCH, 1: LENGTH}, "pixel_values": {0: BATCH}},
    ),
    "decision_transformer": Architecture(
        lambda: _Agent().eval(), _episode, tuple({0: BATCH, 1: LENGTH} for _ in "sart")
    ),
    "time_series_transformer": Architecture(lambda: _Forecast().eval(), _series, tuple({0: BATCH} for _ in "ptfu")),
    "patchtst": Architecture(
        hugging_face(
            "PatchTSTForPrediction",
            "PatchTSTConfig",
            num_input_channels=3,
            context_length=32,
            patch_length=8,
            patch_stride=4,
            prediction_length=6,
            d_model=16,
            num_attention_heads=4,
            num_hidden_layers=2,
            ffn_dim=32,
            do_mask_input=False,
        ),
        lambda batch, _: {"past_values": torch.randn(batch, 32, 3).cumsum(1)},
        {"past_values": {0: BATCH}},
    ),
}
