"""Text architectures of transformers, in small configurations."""

from __future__ import annotations

from typing import Any

from entries import (
    BATCH,
    LENGTH,
    Architecture,
    Inputs,
    hugging_face,
    masked_tokens,
    source_and_target_tokens,
    tokens,
)
from torch.export import Dim

SMALL: dict[str, Any] = {
    "hidden_size": 32,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "intermediate_size": 64,
    "vocab_size": 99,
}
ENCODER = {**SMALL, "max_position_embeddings": 64}
DECODER = {**SMALL, "num_key_value_heads": 2, "max_position_embeddings": 64, "use_cache": False}
MIXTURE = {**DECODER, "num_local_experts": 4, "num_experts_per_tok": 2}
TRANSLATOR = {
    "d_model": 32,
    "encoder_layers": 2,
    "decoder_layers": 2,
    "encoder_attention_heads": 4,
    "decoder_attention_heads": 4,
    "encoder_ffn_dim": 64,
    "decoder_ffn_dim": 64,
    "vocab_size": 99,
    "max_position_embeddings": 64,
    "use_cache": False,
    "pad_token_id": 1,
    "bos_token_id": 0,
    "eos_token_id": 2,
    "decoder_start_token_id": 2,
}
T5 = {"d_model": 32, "d_kv": 8, "d_ff": 64, "num_layers": 2, "num_heads": 4, "vocab_size": 99}

XLNET = {"d_model": 32, "n_layer": 2, "n_head": 4, "d_inner": 64, "vocab_size": 99, "use_mems_eval": False}

TEXT = {"input_ids": {0: BATCH, 1: LENGTH}}
TEXT_MASKED = {"input_ids": {0: BATCH, 1: LENGTH}, "attention_mask": {0: BATCH, 1: LENGTH}}
TEXT_TO_TEXT = {**TEXT_MASKED, "decoder_input_ids": {0: BATCH, 1: Dim("target_length")}}


def _twelve_tokens(batch: int, _: int) -> Inputs:
    """Of one length, which the network unrolls or multiplies by a matrix of its size."""
    return tokens(batch, 12)


def _masked(model: str, config: str, **options: Any) -> Architecture:
    return Architecture(hugging_face(model, config, **options), masked_tokens, TEXT_MASKED)


def _to_text(model: str, config: str, **options: Any) -> Architecture:
    return Architecture(hugging_face(model, config, **options), source_and_target_tokens, TEXT_TO_TEXT)


ARCHITECTURES: dict[str, Architecture] = {
    "bert": _masked("BertModel", "BertConfig", **ENCODER),
    "roberta": _masked("RobertaModel", "RobertaConfig", **{**ENCODER, "max_position_embeddings": 80}),
    "distilbert": _masked(
        "DistilBertModel",
        "DistilBertConfig",
        dim=32,
        n_layers=2,
        n_heads=4,
        hidden_dim=64,
        vocab_size=99,
        max_position_embeddings=64,
    ),
    "electra": _masked("ElectraModel", "ElectraConfig", **ENCODER, embedding_size=16),
    "albert": _masked("AlbertModel", "AlbertConfig", **ENCODER, embedding_size=16),
    "mpnet": _masked("MPNetModel", "MPNetConfig", **ENCODER),
    "deberta_v2": _masked(
        "DebertaV2Model",
        "DebertaV2Config",
        **ENCODER,
        relative_attention=True,
        position_buckets=16,
        pos_att_type=["p2c", "c2p"],
        norm_rel_ebd="layer_norm",
        share_att_key=True,
    ),
    "squeezebert": _masked(
        "SqueezeBertModel", "SqueezeBertConfig", **{**ENCODER, "embedding_size": 32, "intermediate_size": 64}
    ),
    # With a mask, torch 2.13's exporter cannot decompose XLNet; see DEFECTS.
    "xlnet": Architecture(hugging_face("XLNetModel", "XLNetConfig", **XLNET), tokens, TEXT),
    "fnet": Architecture(
        hugging_face(
            "FNetModel",
            "FNetConfig",
            hidden_size=32,
            num_hidden_layers=2,
            intermediate_size=64,
            vocab_size=99,
            max_position_embeddings=64,
        ),
        _twelve_tokens,
        {"input_ids": {0: BATCH}},
    ),
    "modernbert": _masked(
        "ModernBertModel", "ModernBertConfig", **ENCODER, local_attention=8, pad_token_id=0, attn_implementation="eager"
    ),
    "gpt2": _masked(
        "GPT2LMHeadModel",
        "GPT2Config",
        use_cache=False,
        n_embd=32,
        n_layer=2,
        n_head=4,
        vocab_size=99,
        n_positions=64,
    ),
    "gpt_neo": _masked(
        "GPTNeoForCausalLM",
        "GPTNeoConfig",
        use_cache=False,
        hidden_size=32,
        num_layers=2,
        num_heads=4,
        attention_types=[[["global", "local"], 1]],
        window_size=8,
        intermediate_size=64,
        vocab_size=99,
        max_position_embeddings=64,
    ),
    "gpt_neox": _masked("GPTNeoXForCausalLM", "GPTNeoXConfig", **ENCODER, use_cache=False),
    "opt": _masked(
        "OPTForCausalLM",
        "OPTConfig",
        use_cache=False,
        hidden_size=32,
        num_hidden_layers=2,
        num_attention_heads=4,
        ffn_dim=64,
        vocab_size=99,
        max_position_embeddings=64,
        word_embed_proj_dim=32,
    ),
    "bloom": _masked(
        "BloomForCausalLM", "BloomConfig", hidden_size=32, n_layer=2, n_head=4, vocab_size=99, use_cache=False
    ),
    "llama": _masked("LlamaForCausalLM", "LlamaConfig", **DECODER),
    "mistral": _masked("MistralForCausalLM", "MistralConfig", **DECODER, sliding_window=8),
    # torch 2.13's exporter knows neither the default way to run experts nor the eager one; see DEFECTS.
    "mixtral": _masked("MixtralForCausalLM", "MixtralConfig", **MIXTURE, experts_implementation="batched_mm"),
    "qwen2": _masked("Qwen2ForCausalLM", "Qwen2Config", **DECODER),
    "qwen3": _masked("Qwen3ForCausalLM", "Qwen3Config", **DECODER, head_dim=8),
    "gemma": _masked("GemmaForCausalLM", "GemmaConfig", **DECODER, head_dim=8),
    "gemma2": _masked(
        "Gemma2ForCausalLM", "Gemma2Config", **DECODER, head_dim=8, sliding_window=8, attn_implementation="eager"
    ),
    "phi": _masked("PhiForCausalLM", "PhiConfig", **{**DECODER, "num_key_value_heads": 4}),
    "falcon": _masked(
        "FalconForCausalLM",
        "FalconConfig",
        **SMALL,
        use_cache=False,
        new_decoder_architecture=False,
        max_position_embeddings=64,
    ),
    "mamba": Architecture(
        hugging_face(
            "MambaForCausalLM",
            "MambaConfig",
            hidden_size=32,
            num_hidden_layers=2,
            state_size=8,
            vocab_size=99,
            use_cache=False,
        ),
        _twelve_tokens,
        {"input_ids": {0: BATCH}},
    ),
    "rwkv": Architecture(
        hugging_face(
            "RwkvForCausalLM",
            "RwkvConfig",
            hidden_size=32,
            attention_hidden_size=32,
            num_hidden_layers=2,
            vocab_size=99,
            context_length=64,
            use_cache=False,
        ),
        _twelve_tokens,
        {"input_ids": {0: BATCH}},
    ),
    "bart": _to_text("BartModel", "BartConfig", **TRANSLATOR),
    "marian": _to_text("MarianMTModel", "MarianConfig", **TRANSLATOR),
    "pegasus": _to_text("PegasusModel", "PegasusConfig", **TRANSLATOR),
    # With SDPA attention, torch 2.13's exporter cannot decompose T5 at all; see DEFECTS.
    "t5_encoder": _masked("T5EncoderModel", "T5Config", **T5, attn_implementation="eager"),
    "t5": _to_text(
        "T5ForConditionalGeneration",
        "T5Config",
        **T5,
        attn_implementation="eager",
        use_cache=False,
        feed_forward_proj="gated-gelu",
        decoder_start_token_id=0,
    ),
    "clip_text": _masked("CLIPTextModel", "CLIPTextConfig", **ENCODER, eos_token_id=2, bos_token_id=0),
}

MIXTRAL_WITH_GROUPED_EXPERTS = _masked("MixtralForCausalLM", "MixtralConfig", **MIXTURE)
T5_WITH_SDPA = _masked("T5EncoderModel", "T5Config", **T5)
XLNET_WITH_MASK = _masked("XLNetModel", "XLNetConfig", **XLNET)
