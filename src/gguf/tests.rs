//! Headers, sound and damaged -> what the reader makes of them.

use super::writer::{Tensor, Writer};
use super::*;
use proptest::prelude::*;

fn small() -> Writer {
    Writer::new("llama")
        .u32("llama.embedding_length", 64)
        .f32("llama.attention.layer_norm_rms_epsilon", 1e-5)
        .entry("llama.long", 10, &u64::MAX.to_le_bytes())
        .entry("llama.negative", 11, &(-3i64).to_le_bytes())
        .entry("llama.endless", 12, &f64::INFINITY.to_le_bytes())
        .array("llama.sections", 3, 3, &[1, 0, 255, 255, 3, 0])
        .array("general.long", 0, 2000, &[7; 2000])
        .flag("tokenizer.ggml.add_bos_token", true)
        .text("tokenizer.ggml.model", "gpt2")
        .text("tokenizer.ggml.pre", "smollm")
        .u32("tokenizer.ggml.bos_token_id", 1)
        .texts("tokenizer.ggml.tokens", &["a", "Ġb", "ab"])
        .texts("tokenizer.ggml.merges", &["a Ġb"])
        .array("tokenizer.ggml.scores", 6, 3, bytemuck::bytes_of(&[0.5f32, -1.0, 0.0]))
        .array("tokenizer.ggml.token_type", 5, 3, bytemuck::bytes_of(&[1i32, 3, 6]))
        .text("tokenizer.chat_template", "{{ messages }}")
        .tensor("token_embd.weight", &[3, 64], Encoding::Q4_0, vec![1; 108])
        .tensor("output_norm.weight", &[64], Encoding::F32, vec![2; 256])
        .raw_tensor(Tensor { name: "extra".into(), shape: vec![2, 256], kind: 11, offset: None, data: vec![3; 220] })
}

fn read(bytes: &[u8]) -> Result<File> {
    let mut head = Head::new();
    let file = head.push(bytes)?;
    let file = file.ok_or_else(|| head.unfinished())?;
    file.manifest.check_length(0, bytes.len() as u64)?;
    Ok(file)
}

fn refusal(writer: Writer) -> String {
    read(&writer.bytes()).expect_err("a file that is to be refused").to_string()
}

#[test]
fn a_whole_header_is_read() {
    let bytes = small().bytes();
    let file = read(&bytes).unwrap();
    assert_eq!(file.manifest.architecture, "llama");
    let settings = &file.manifest.settings;
    assert_eq!(settings.size(&["embedding_length"]).unwrap(), 64);
    let epsilon = settings.number_or(&["attention.layer_norm_rms_epsilon"], 0.0).unwrap();
    assert_eq!(epsilon as f32, 1e-5);
    assert_eq!(settings.get(&["long"]).unwrap(), &Value::from(u64::MAX));
    assert_eq!(settings.get(&["negative"]).unwrap(), &Value::from(-3));
    assert_eq!(settings.get(&["sections"]).unwrap(), &Value::from(vec![1, -1, 3]));
    let error = settings.number_or(&["endless"], 0.0).unwrap_err();
    assert!(error.to_string().contains("inf"), "{error}");
    assert_eq!(settings.get(&["general.long", "tokenizer.ggml.tokens", "tokenizer.chat_template"]), None);

    let words = |texts: &[&str]| texts.iter().map(|text| text.to_string()).collect::<Vec<_>>();
    let expected = Vocabulary {
        model: "gpt2".into(),
        pre: Some("smollm".into()),
        tokens: words(&["a", "Ġb", "ab"]),
        scores: vec![0.5, -1.0, 0.0],
        kinds: vec![1, 3, 6],
        merges: words(&["a Ġb"]),
        bos: Some(1),
        add_bos: Some(true),
        ..Vocabulary::default()
    };
    assert_eq!(file.vocabulary, expected);
    assert_eq!(file.chat_template.as_deref(), Some("{{ messages }}"));

    let [embedding, norm, extra] = &file.manifest.tensors[..] else { panic!("three tensors") };
    assert_eq!((embedding.shape.as_slice(), embedding.encoding), (&[3, 64][..], Encoding::Q4_0));
    assert_eq!((embedding.offset, embedding.bytes), (file.data_offset, 108));
    assert_eq!((norm.offset, norm.bytes), (file.data_offset + 128, 256));
    assert_eq!(extra.encoding, Encoding::Unsupported("Q3_K"));
    assert_eq!(bytes[norm.offset as usize..][..256], [2; 256]);
    assert!(file.header_bytes <= file.data_offset && file.data_offset.is_multiple_of(32));
}

#[test]
fn chunks_of_any_size_give_the_same() {
    let bytes = small().bytes();
    let whole = format!("{:?}", read(&bytes).unwrap());
    for size in [1, 7, 64, 1000] {
        let mut head = Head::with_length(bytes.len() as u64);
        let mut given = 0;
        let file = bytes.chunks(size).find_map(|chunk| {
            given += chunk.len() as u64;
            head.push(chunk).unwrap()
        });
        let file = file.unwrap();
        assert!(file.header_bytes <= given && given < file.header_bytes + size as u64);
        assert_eq!(format!("{file:?}"), whole, "chunks of {size}");
    }
}

#[test]
fn version_2_and_another_alignment_are_read() {
    let mut writer = small().u32("general.alignment", 256);
    (writer.version, writer.alignment) = (2, 256);
    let file = read(&writer.bytes()).unwrap();
    assert_eq!(file.data_offset % 256, 0);
    assert_eq!(file.manifest.tensors[1].offset, file.data_offset + 256);
}

#[test]
fn a_file_cut_anywhere_is_refused() {
    let bytes = small().bytes();
    // The last tensor's padding may be missing.
    let end = read(&bytes).unwrap().manifest.tensors.last().unwrap().end() as usize;
    for length in 0..end {
        let error = read(&bytes[..length]).expect_err(&format!("cut at byte {length}"));
        assert_eq!(error.code(), "file-damaged", "cut at byte {length}: {error}");
    }
    read(&bytes[..end]).unwrap();
    let error = read(&bytes[..end - 1]).unwrap_err().to_string();
    assert_eq!(
        error,
        format!("tensor extra ends at byte {end}, but the file has only {} bytes: it is truncated", end - 1)
    );
}

#[test]
fn what_is_no_gguf_is_told_so() {
    let error = read(b"<!DOCTYPE html>").unwrap_err().to_string();
    assert_eq!(error, "GGUF header, byte 0: no GGUF file: it begins with \"<!DO\", expected \"GGUF\"");
    for (version, expected) in [(1, "GGUF version 1; supported: 2, 3"), (3 << 24, "big-endian")] {
        let mut writer = Writer::new("llama");
        writer.version = version;
        let error = refusal(writer);
        assert!(error.contains(expected), "{error}");
    }
}

#[test]
fn absurd_counts_and_lengths_are_refused_at_once() {
    let huge = u64::MAX.to_le_bytes();
    let mut counts = Writer::new("llama");
    counts.tensor_count = Some(1 << 60);
    let cases = [
        (counts, "1152921504606846976 tensors, more than the header can hold"),
        (Writer::new("llama").entry("x", 8, &huge), "a text of 18446744073709551615 bytes"),
        (Writer::new("llama").array("x", 0, u64::MAX, &[]), "an array of 18446744073709551615 values"),
        (Writer::new("llama").array("tokenizer.ggml.tokens", 8, 1 << 40, &[]), "an array of 1099511627776 values"),
        (Writer::new("llama").array("x", 9, 1, &[0; 12]), "an array of arrays, which is not supported"),
        (Writer::new("llama").array("x", 77, 1, &[]), "an array of the unknown type 77"),
        (Writer::new("llama").entry(&"x".repeat(65_536), 7, &[1]), "a key of 65536 bytes, expected at most 65535"),
        (Writer::new("llama").entry("x", 13, &[]), "a value of the unknown type 13"),
        (Writer::new("llama").entry("x", 7, &[2]), "a truth value of 2"),
        (Writer::new("llama").entry("x", 8, &[1, 0, 0, 0, 0, 0, 0, 0, 0xff]), "no UTF-8 from its byte 0 on"),
    ];
    for (writer, expected) in cases {
        let error = refusal(writer);
        assert!(error.contains(expected), "{error}");
    }
    // Of a file whose length is known, what is announced beyond its end is not awaited.
    let bytes = Writer::new("llama").entry("x", 8, &1000u64.to_le_bytes()).bytes();
    let error = Head::with_length(bytes.len() as u64).push(&bytes).unwrap_err();
    assert!(error.to_string().contains("a text of 1000 bytes"), "{error}");
    let mut preamble = [b"GGUF".as_slice(), &3u32.to_le_bytes(), &0u64.to_le_bytes()].concat();
    preamble.extend(huge);
    assert!(read(&preamble).unwrap_err().to_string().contains("18446744073709551615 entries of metadata"));
}

#[test]
fn metadata_that_contradicts_itself_is_refused() {
    let cases = [
        (Writer::new("llama").u32("a", 1).u32("a", 2), "metadata a stands twice"),
        (Writer::new("llama").u32("a", 1).u32("llama.a", 2), "metadata a stands twice"),
        (Writer::new("llama").u32("a", 1).texts("a", &["b"]), "metadata a stands twice"),
        (small().texts("tokenizer.ggml.tokens", &[]), "stands twice"),
        (Writer::new("llama").u32("general.alignment", 0), "general.alignment is 0, expected a power of two"),
        (Writer::new("llama").u32("general.alignment", 12), "general.alignment is 12"),
        (Writer::new("llama").entry("general.alignment", 10, &(1u64 << 63).to_le_bytes()), "no multiple of"),
        (Writer::new("llama").u32("tokenizer.chat_template", 1), "tokenizer.chat_template is 1, expected text"),
        (Writer::new("llama").u32("tokenizer.ggml.model", 1), "tokenizer.ggml.model is 1, expected text"),
        (Writer::new("llama").texts("tokenizer.ggml.scores", &["1"]), "an array of type 8, expected f32"),
        (Writer::new("llama").u32("split.count", 3), "one of the 3 parts of a split GGUF"),
    ];
    for (writer, expected) in cases {
        let writer =
            writer.raw_tensor(Tensor { name: "t".into(), shape: vec![1], kind: 0, offset: Some(32), data: vec![0; 4] });
        let error = refusal(writer);
        assert!(error.contains(expected), "{error}, not {expected}");
    }
    let mut nameless = Head::new();
    let bytes = [b"GGUF".as_slice(), &3u32.to_le_bytes(), &[0; 16]].concat();
    assert!(nameless.push(&bytes).unwrap_err().to_string().contains("general.architecture is missing"));
}

#[test]
fn tensors_that_cannot_be_are_refused() {
    let tensor = |shape: &[u64], kind: u32, offset: u64| {
        let tensor = Tensor { name: "t".into(), shape: shape.into(), kind, offset: Some(offset), data: vec![0; 64] };
        refusal(small().raw_tensor(tensor))
    };
    let cases = [
        (tensor(&[], 0, 0), "tensor t has 0 dimensions, expected 1 to 4"),
        (tensor(&[1; 5], 0, 0), "tensor t has 5 dimensions"),
        (tensor(&[4, 0], 0, 0), "tensor t has sizes [4, 0]: it holds nothing"),
        (tensor(&[1 << 40, 1 << 40], 0, 0), "tensor t: has sizes [1099511627776, 1099511627776]"),
        (tensor(&[33], 2, 0), "tensor t: has rows of 33 values, which are no whole blocks of 32"),
        (tensor(&[8], 98, 0), "tensor t is of the unknown type 98"),
        (tensor(&[8], 0, 33), "tensor t begins at 33, no multiple of 32"),
        (tensor(&[8], 0, u64::MAX - 31), "beyond any file"),
        (tensor(&[8], 0, u64::MAX / 64 * 32), "it is truncated"),
        (tensor(&[8], 0, 96), "tensors token_embd.weight and t overlap"),
        (
            refusal(small().tensor("output_norm.weight", &[1], Encoding::F32, vec![0; 4])),
            "tensor output_norm.weight stands twice",
        ),
    ];
    for (error, expected) in cases {
        assert!(error.contains(expected), "{error}, not {expected}");
    }
}

proptest! {
    #[test]
    fn random_damage_never_panics(changes in prop::collection::vec((any::<prop::sample::Index>(), any::<u8>()), 1..6)) {
        let mut bytes = small().bytes();
        for (place, byte) in &changes {
            let place = place.index(bytes.len());
            bytes[place] = *byte;
        }
        // Damage may hit a weight or a name and leave a readable file: then it must be one that keeps its promises.
        if let Ok(file) = read(&bytes) {
            let length = bytes.len() as u64;
            prop_assert!(file.manifest.tensors.iter().all(|entry| entry.bytes > 0 && entry.end() <= length));
        }
    }

    #[test]
    fn random_bytes_behind_a_sound_start_never_panic(tail in prop::collection::vec(any::<u8>(), 0..200), counts in any::<(u8, u8)>()) {
        let counts = [u64::from(counts.0).to_le_bytes(), u64::from(counts.1 % 4).to_le_bytes()].concat();
        let bytes = [b"GGUF".as_slice(), &3u32.to_le_bytes(), &counts, &tail].concat();
        prop_assert!(read(&bytes).is_err());
    }
}
