//! The head of a model's files -> what the model is: settings, vocabulary, and where each tensor's bytes stand.

use crate::format::Encoding;
use crate::{Error, Result};
use serde_json::{Map, Value};
use std::collections::HashSet;

/// Where a checkpoint comes from: the two sources name settings and tensors differently, and store rotary
/// queries and keys in a different row order.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Source {
    /// A GGUF file: settings such as `embedding_length`, tensors such as `blk.0.attn_q.weight`.
    Gguf,
    /// A Hugging Face folder: settings such as `hidden_size`, tensors such as `model.layers.0.self_attn.q_proj.weight`.
    HuggingFace,
}

/// Everything known of a model before its weights arrive.
#[derive(Debug, Clone)]
pub struct Manifest {
    /// The architecture's name in its source: `llama`, `gpt2`, `qwen2`, `qwen3`.
    pub architecture: String,
    /// The settings that the model families read.
    pub settings: Settings,
    /// The tensors, by the names that stand in the file.
    pub tensors: Vec<TensorEntry>,
}

/// One tensor in a file.
#[derive(Debug, Clone, PartialEq)]
pub struct TensorEntry {
    /// The name as it stands in the file.
    pub name: String,
    /// Sizes, outermost first (row-major: the last one is contiguous), for GGUF too.
    pub shape: Vec<u64>,
    /// How the values are stored.
    pub encoding: Encoding,
    /// Which of the model's weight files holds it: 0 for a single file, the shard's place in the index otherwise.
    pub file: usize,
    /// First byte in that file.
    pub offset: u64,
    /// Length in bytes; always what `shape` and `encoding` call for.
    pub bytes: u64,
}

impl Manifest {
    /// Refuses a weight file that is shorter than its tensors need: it is truncated, or was not loaded to its end.
    pub fn check_length(&self, file: usize, length: u64) -> Result<()> {
        check_length(&self.tensors, file, length)
    }
}

/// As [`Manifest::check_length`], before there is a manifest.
pub fn check_length(tensors: &[TensorEntry], file: usize, length: u64) -> Result<()> {
    let cut =
        tensors.iter().filter(|entry| entry.file == file && entry.end() > length).min_by_key(|entry| entry.offset);
    match cut {
        None => Ok(()),
        Some(entry) => Err(Error::File(format!(
            "tensor {} ends at byte {}, but the file has only {length} bytes: it is truncated",
            entry.name,
            entry.end()
        ))),
    }
}

/// Refuses tensors that share a name, share bytes of a file, or end beyond what a number can say.
pub fn check_entries(tensors: &[TensorEntry]) -> Result<()> {
    let mut names = HashSet::new();
    if let Some(entry) = tensors.iter().find(|entry| !names.insert(entry.name.as_str())) {
        return Err(Error::File(format!("tensor {} stands twice in the file", entry.name)));
    }
    if let Some(entry) = tensors.iter().find(|entry| entry.offset.checked_add(entry.bytes).is_none()) {
        let (name, offset, bytes) = (&entry.name, entry.offset, entry.bytes);
        return Err(Error::File(format!("tensor {name} has {bytes} bytes from byte {offset} on, beyond any file")));
    }
    let mut places: Vec<&TensorEntry> = tensors.iter().filter(|entry| entry.bytes > 0).collect();
    places.sort_by_key(|entry| (entry.file, entry.offset));
    match places.windows(2).find(|pair| pair[0].file == pair[1].file && pair[0].end() > pair[1].offset) {
        None => Ok(()),
        Some(pair) => Err(Error::File(format!(
            "tensors {} and {} overlap: one ends at byte {}, the other begins at byte {}",
            pair[0].name,
            pair[1].name,
            pair[0].end(),
            pair[1].offset
        ))),
    }
}

impl TensorEntry {
    /// First byte behind it.
    pub fn end(&self) -> u64 {
        self.offset.saturating_add(self.bytes)
    }
}

/// A model's settings by name: a GGUF's metadata with the architecture's prefix cut off, or `config.json`.
#[derive(Debug, Clone)]
pub struct Settings {
    /// Which names to expect.
    pub source: Source,
    /// Name to value. Long arrays (vocabularies) are kept elsewhere.
    pub values: Map<String, Value>,
}

impl Settings {
    /// The value under the first of `names` that is there and not null; each source has its own name for a setting.
    pub fn get(&self, names: &[&str]) -> Option<&Value> {
        names.iter().filter_map(|name| self.values.get(*name)).find(|value| !value.is_null())
    }

    /// A whole number that must be there, between 1 and 2^31 - 1.
    pub fn size(&self, names: &[&str]) -> Result<u32> {
        match self.get(names) {
            None => Err(Error::Model(format!("setting {} is missing", names.join(" or ")))),
            Some(value) => whole(names, value),
        }
    }

    /// A whole number that may be left out.
    pub fn size_or(&self, names: &[&str], default: u32) -> Result<u32> {
        self.get(names).map_or(Ok(default), |value| whole(names, value))
    }

    /// A finite number that may be left out.
    pub fn number_or(&self, names: &[&str], default: f64) -> Result<f64> {
        let Some(value) = self.get(names) else { return Ok(default) };
        match value.as_f64() {
            Some(number) if number.is_finite() => Ok(number),
            _ => Err(Error::Model(format!("setting {} is {value}, expected a number", names.join(" or ")))),
        }
    }

    /// A truth value that may be left out.
    pub fn flag_or(&self, names: &[&str], default: bool) -> Result<bool> {
        let Some(value) = self.get(names) else { return Ok(default) };
        value
            .as_bool()
            .ok_or_else(|| Error::Model(format!("setting {} is {value}, expected true or false", names.join(" or "))))
    }

    /// A text that may be left out.
    pub fn text(&self, names: &[&str]) -> Result<Option<&str>> {
        let Some(value) = self.get(names) else { return Ok(None) };
        match value.as_str() {
            Some(text) => Ok(Some(text)),
            None => Err(Error::Model(format!("setting {} is {value}, expected text", names.join(" or ")))),
        }
    }
}

fn whole(names: &[&str], value: &Value) -> Result<u32> {
    match value.as_u64() {
        Some(number) if (1..1 << 31).contains(&number) => Ok(number as u32),
        _ => Err(Error::Model(format!(
            "setting {} is {value}, expected a whole number between 1 and 2147483647",
            names.join(" or ")
        ))),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_setting_is_found_by_any_of_its_names_and_checked() {
        let values =
            serde_json::json!({ "n_embd": 64, "none": null, "text": "x", "big": 1u64 << 31, "half": 0.5, "on": true });
        let Value::Object(values) = values else { panic!("an object") };
        let settings = Settings { source: Source::HuggingFace, values };
        assert_eq!(settings.size(&["hidden_size", "n_embd"]), Ok(64));
        assert_eq!(settings.size_or(&["none"], 3), Ok(3));
        assert_eq!(settings.number_or(&["half"], 0.0), Ok(0.5));
        assert_eq!(settings.flag_or(&["on"], false), Ok(true));
        assert_eq!(settings.text(&["text"]), Ok(Some("x")));
        let message = |error: Error| error.to_string();
        assert_eq!(settings.size(&["none", "gone"]).map_err(message), Err("setting none or gone is missing".into()));
        assert!(settings.size(&["big"]).is_err() && settings.size(&["half"]).is_err());
        let error = settings.flag_or(&["text"], true).map_err(message);
        assert_eq!(error, Err("setting text is \"x\", expected true or false".into()));
        assert!(settings.number_or(&["text"], 0.0).is_err() && settings.text(&["half"]).is_err());
    }
}
