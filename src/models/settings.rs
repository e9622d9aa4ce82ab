//! Settings that several families read in the same way.

use super::tensors::holds;
use crate::manifest::{Manifest, Settings, Source};
use crate::plan::Activation;
use crate::{Error, Result};

/// Activations by the names that `config.json` gives them.
const ACTIVATIONS: &[(&str, Activation)] = &[
    ("silu", Activation::Silu),
    ("swish", Activation::Silu),
    ("gelu_new", Activation::GeluTanh),
    ("gelu_pytorch_tanh", Activation::GeluTanh),
    ("gelu_fast", Activation::GeluTanh),
    ("gelu", Activation::GeluErf),
    ("relu", Activation::Relu),
];

/// The activation of the feed-forward network; a GGUF file has no such setting.
///
/// # Errors
/// `Unsupported` for a name that is not in the list.
pub fn activation(settings: &Settings, name: &str, default: Activation) -> Result<Activation> {
    let Some(asked) = settings.text(&[name])? else { return Ok(default) };
    if let Some((_, activation)) = ACTIVATIONS.iter().find(|(known, _)| *known == asked) {
        return Ok(*activation);
    }
    let known: Vec<&str> = ACTIVATIONS.iter().map(|(name, _)| *name).collect();
    Err(Error::Unsupported(format!("setting {name} is {asked:?}; supported: {}", known.join(", "))))
}

/// Number of tokens: a setting of Hugging Face's, the length of the table of embeddings in GGUF.
///
/// # Errors
/// `Model` where it is missing or no size.
pub fn vocab(manifest: &Manifest) -> Result<u32> {
    const TABLE: &str = "token_embd.weight";
    const MOST: u64 = (1 << 31) - 1;
    if manifest.settings.source == Source::HuggingFace {
        return manifest.settings.size(&["vocab_size"]);
    }
    let Some(table) = manifest.tensors.iter().find(|entry| entry.name == TABLE) else {
        return Err(Error::Model(format!("tensor {TABLE} is missing")));
    };
    match table.shape[..] {
        [tokens @ 1..=MOST, _] => Ok(tokens as u32),
        _ => Err(Error::Model(format!("{TABLE} has shape {:?}, expected [tokens, width]", table.shape))),
    }
}

/// Whether the head is a matrix of its own; otherwise the table of embeddings serves. GGUF says so by the tensor's
/// presence, Hugging Face by a setting; where that is left out, a family that is `usually_tied` is.
///
/// # Errors
/// `Model` where the setting is no truth value.
pub fn has_head(manifest: &Manifest, usually_tied: bool) -> Result<bool> {
    const TIED: &[&str] = &["tie_word_embeddings"];
    let settings = &manifest.settings;
    match (settings.source, settings.get(TIED)) {
        (Source::Gguf, _) => Ok(holds(manifest, "output.weight")),
        (Source::HuggingFace, Some(_)) => Ok(!settings.flag_or(TIED, usually_tied)?),
        (Source::HuggingFace, None) => Ok(!usually_tied && holds(manifest, "lm_head.weight")),
    }
}
