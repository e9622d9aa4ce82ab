//! Headers and indexes, sound and damaged -> what the reader makes of them.

use super::writer::{file, with_header};
use super::*;
use proptest::prelude::*;

fn small() -> Vec<u8> {
    file(&[
        ("b", "F32", &[2, 3], &[1; 24]),
        ("a", "BF16", &[5], &[2; 10]),
        ("mask", "BOOL", &[1, 1, 3], &[3; 3]),
        ("empty", "F16", &[0, 4], &[]),
        ("four", "F4", &[3], &[4; 2]),
    ])
}

fn read(bytes: &[u8]) -> Result<Vec<TensorEntry>> {
    let mut head = Head::new();
    let tensors = head.push(bytes)?;
    let tensors = tensors.ok_or_else(|| head.unfinished())?;
    crate::manifest::check_length(&tensors, 0, bytes.len() as u64)?;
    Ok(tensors)
}

#[test]
fn a_whole_header_is_read() {
    let bytes = small();
    let tensors = read(&bytes).unwrap();
    let names: Vec<&str> = tensors.iter().map(|tensor| tensor.name.as_str()).collect();
    assert_eq!(names, ["b", "a", "mask", "empty", "four"]);
    let (a, data_offset) = (&tensors[1], tensors[0].offset);
    assert_eq!((a.encoding, a.shape.as_slice(), a.offset, a.bytes), (Encoding::BF16, &[5][..], data_offset + 24, 10));
    assert_eq!(tensors[2].encoding, Encoding::Unsupported("BOOL"));
    assert_eq!(bytes[a.offset as usize..a.end() as usize], [2; 10]);
}

#[test]
fn chunks_of_any_size_give_the_same() {
    let bytes = small();
    let whole = read(&bytes).unwrap();
    let header_bytes = whole[0].offset;
    for size in [1, 7, 64] {
        let mut head = Head::with_length(bytes.len() as u64);
        let mut given = 0;
        let tensors = bytes.chunks(size).find_map(|chunk| {
            given += chunk.len() as u64;
            head.push(chunk).unwrap()
        });
        assert_eq!(tensors.as_ref(), Some(&whole), "chunks of {size}");
        assert!(header_bytes <= given && given < header_bytes + size as u64);
    }
}

#[test]
fn a_file_cut_anywhere_is_refused() {
    let bytes = small();
    for length in 0..bytes.len() {
        let error = read(&bytes[..length]).expect_err(&format!("cut at byte {length}"));
        assert_eq!(error.code(), "file-damaged");
        assert!(error.to_string().contains("it is truncated"), "cut at byte {length}: {error}");
    }
}

#[test]
fn absurd_lengths_are_refused_at_once() {
    for (length, with_length) in [(u64::MAX, false), (MOST_HEADER_BYTES + 1, false), (1, false), (93, true)] {
        let bytes = [&length.to_le_bytes()[..], &[b' '; 92]].concat();
        let mut head = if with_length { Head::with_length(100) } else { Head::new() };
        let error = head.push(&bytes).unwrap_err().to_string();
        assert!(error.contains(&format!("its header would have {length} bytes")), "{error}");
    }
}

#[test]
fn headers_that_contradict_themselves_are_refused() {
    let nested = "[".repeat(5000);
    let cases = [
        (
            r#"{"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 4]}}"#,
            "has 4 bytes, which is not what its sizes [2] in F32 take",
        ),
        (r#"{"a": {"dtype": "F32", "shape": [2], "data_offsets": [8, 0]}}"#, "bytes 8 to 0, which is no place"),
        (r#"{"a": {"dtype": "X9", "shape": [2], "data_offsets": [0, 8]}}"#, r#"is of the unknown type "X9""#),
        (
            r#"{"a": {"dtype": "F32", "shape": [4294967296, 4294967296], "data_offsets": [0, 8]}}"#,
            "is not what its sizes",
        ),
        (r#"{"a": {"dtype": "F32", "shape": [-1], "data_offsets": [0, 8]}}"#, "invalid value"),
        (r#"{"a": {"dtype": "F32", "shape": [1,1,1,1,1,1,1,1,1], "data_offsets": [0, 4]}}"#, "has 9 dimensions"),
        (
            r#"{"a": {"dtype": "F32", "shape": [0], "data_offsets": [18446744073709551615, 18446744073709551615]}}"#,
            "which is no place",
        ),
        (
            r#"{"a": {"dtype": "U8", "shape": [8], "data_offsets": [0, 8]}, "b": {"dtype": "U8", "shape": [8], "data_offsets": [4, 12]}}"#,
            "tensors a and b overlap",
        ),
        (
            r#"{"a": {"dtype": "U8", "shape": [8], "data_offsets": [0, 8]}, "a": {"dtype": "U8", "shape": [8], "data_offsets": [8, 16]}}"#,
            "tensor a stands twice",
        ),
        (r#"{"a": {"dtype": "U8", "shape": [8], "data_offsets": [8, 16]}}"#, "ahead of tensor a, belong to no tensor"),
        (r#"{"a": {"dtype": "U8"}}"#, "missing field"),
        ("[1, 2, 3]", "an object of tensors"),
        ("{\"\\ud800\": 1}", "the safetensors header is damaged"),
        (&nested, "the safetensors header is damaged"),
    ];
    for (header, expected) in cases {
        let error = read(&with_header(header, &[0; 64])).unwrap_err().to_string();
        assert!(error.contains(expected), "{error}, not {expected}");
    }
}

#[test]
fn a_folder_makes_a_manifest() {
    let made = manifest(br#"{"model_type": "qwen2", "hidden_size": 64, "pad": null}"#, Vec::new()).unwrap();
    assert_eq!(made.architecture, "qwen2");
    assert_eq!(made.settings.size(&["hidden_size"]).unwrap(), 64);
    let refusal = |config: &str| manifest(config.as_bytes(), Vec::new()).unwrap_err().to_string();
    assert!(refusal("{").contains("config.json: "));
    assert!(refusal("{}").contains("names no model_type"));
    assert!(refusal(r#"{"model_type": 3}"#).contains("expected text"));
    let error = refusal(r#"{"model_type": "llama", "quantization_config": {"quant_method": "gptq"}}"#);
    assert!(error.contains("quantised by gptq"), "{error}");
}

#[test]
fn an_index_orders_shards_and_finds_tensors() {
    let json = r#"{"metadata": {"total_size": 1}, "weight_map":
        {"x": "model-00002-of-00002.safetensors", "a": "model-00001-of-00002.safetensors", "b": "model-00001-of-00002.safetensors"}}"#;
    let index = Index::parse(json.as_bytes()).unwrap();
    assert_eq!(index.shards(), ["model-00001-of-00002.safetensors", "model-00002-of-00002.safetensors"]);
    assert_eq!(index.tensors().collect::<Vec<_>>(), [("a", 0), ("b", 0), ("x", 1)]);
    assert_eq!((index.shard_of("x"), index.shard_of("y")), (Some(1), None));
    for bad in ["../a.safetensors", "/etc/a.safetensors", "a.bin", "..", "c:a.safetensors", ".safetensors"] {
        let json = serde_json::json!({ "weight_map": { "a": bad } }).to_string();
        assert!(Index::parse(json.as_bytes()).unwrap_err().to_string().contains("no plain file name"), "{bad}");
    }
    assert!(Index::parse(br#"{"weight_map": {}}"#).is_err());
    assert!(Index::parse(b"{}").is_err());
}

proptest! {
    #[test]
    fn random_damage_never_panics(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
        let mut bytes = small();
        for (place, byte) in &changes {
            let place = place.index(bytes.len());
            bytes[place] = *byte;
        }
        if let Ok(tensors) = read(&bytes) {
            let length = bytes.len() as u64;
            prop_assert!(tensors.iter().all(|tensor| tensor.end() <= length));
        }
    }
}
