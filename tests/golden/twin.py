"""A `transformers` model -> the GGUF file that llama.cpp's converter would make of it; part of make.py."""

import json

import gguf
import numpy as np
from gguf.quants import quantize


def write_gguf(model, bpe, kind, path):
    """Matrices as `kind` (`F32`, `F16`, `BF16`), vectors as F32, the byte-level BPE as vocabulary."""
    config = model.config
    writer = gguf.GGUFWriter(path, config.model_type)
    (write_gpt2_settings if config.model_type == "gpt2" else write_rotary_settings)(writer, config)
    write_vocabulary(writer, bpe)
    architecture = {name: arch for arch, name in gguf.MODEL_ARCH_NAMES.items()}[config.model_type]
    names = gguf.get_tensor_name_map(architecture, config.num_hidden_layers)
    tied = config.tie_word_embeddings
    for name, parameter in model.state_dict().items():
        if tied and name == "lm_head.weight":
            continue
        values = as_stored(config, name, parameter.numpy())
        encoding = gguf.GGMLQuantizationType[kind if values.ndim > 1 else "F32"]
        stored_name = names.get_name(name, try_suffixes=(".weight", ".bias"))
        writer.add_tensor(stored_name, quantize(values, encoding), raw_dtype=encoding)
    if config.model_type != "gpt2" and config.rope_parameters["rope_type"] == "llama3":
        rotary = model.model.rotary_emb
        plain = config.rope_parameters["rope_theta"] ** (-np.arange(0, config.head_dim, 2) / config.head_dim)
        writer.add_tensor("rope_freqs.weight", (plain / rotary.inv_freq.numpy()).astype(np.float32))
    writer.write_header_to_file()
    writer.write_kv_data_to_file()
    writer.write_tensors_to_file()
    writer.close()


def as_stored(config, name, values):
    """Conv1D's matrices turned to [outputs, inputs]; rows of Llama's queries and keys so that rotated pairs adjoin."""
    if name.endswith(("c_attn.weight", "c_proj.weight", "c_fc.weight")):
        return np.ascontiguousarray(values.T)
    for projection, heads in (("q_proj", "num_attention_heads"), ("k_proj", "num_key_value_heads")):
        if config.model_type == "llama" and projection in name:
            halves = values.reshape(getattr(config, heads), 2, config.head_dim // 2, *values.shape[1:])
            return np.ascontiguousarray(halves.swapaxes(1, 2)).reshape(values.shape)
    return values


def write_gpt2_settings(writer, config):
    writer.add_context_length(config.n_positions)
    writer.add_embedding_length(config.n_embd)
    writer.add_feed_forward_length(config.n_inner)
    writer.add_block_count(config.n_layer)
    writer.add_head_count(config.n_head)
    writer.add_layer_norm_eps(config.layer_norm_epsilon)


def write_rotary_settings(writer, config):
    writer.add_context_length(config.max_position_embeddings)
    writer.add_embedding_length(config.hidden_size)
    writer.add_feed_forward_length(config.intermediate_size)
    writer.add_block_count(config.num_hidden_layers)
    writer.add_head_count(config.num_attention_heads)
    writer.add_head_count_kv(config.num_key_value_heads)
    writer.add_layer_norm_rms_eps(config.rms_norm_eps)
    if head_width := getattr(config, "head_dim", None):
        writer.add_key_length(head_width)
        writer.add_value_length(head_width)
    rope = config.rope_parameters
    writer.add_rope_freq_base(rope["rope_theta"])
    if rope["rope_type"] == "yarn":
        writer.add_rope_scaling_type(gguf.RopeScalingType.YARN)
        writer.add_rope_scaling_factor(rope["factor"])
        writer.add_rope_scaling_orig_ctx_len(rope["original_max_position_embeddings"])


def write_vocabulary(writer, bpe):
    size = bpe.get_vocab_size()
    writer.add_tokenizer_model("gpt2")
    writer.add_tokenizer_pre("gpt-2")
    writer.add_token_list([bpe.id_to_token(token) for token in range(size)])
    writer.add_token_types([gguf.TokenType.CONTROL] + [gguf.TokenType.NORMAL] * (size - 1))
    writer.add_token_merges([" ".join(merge) for merge in json.loads(bpe.to_str())["model"]["merges"]])
    writer.add_bos_token_id(0)
    writer.add_eos_token_id(0)
