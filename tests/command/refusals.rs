//! Input that cannot be used: each ends with a message that says what was expected and what was found, and status 2.

use crate::{golden, oriel, scratch};

/// The message that refuses to continue a text with a model.
fn refuse(model: &str, more: &[&str]) -> String {
    let arguments = ["generate", "--model", model, "--device", "cpu", "--prompt", "the cat", "--max-tokens", "2"];
    oriel(&[&arguments[..], more].concat()).refusal()
}

/// The small Llama with its bytes changed, as a file of its own.
fn damaged(name: &str, change: impl FnOnce(&mut Vec<u8>)) -> String {
    let mut bytes = std::fs::read(golden("llama.gguf")).expect("the golden file is there");
    change(&mut bytes);
    let path = scratch(name);
    std::fs::write(&path, bytes).expect("it can be written");
    path.display().to_string()
}

/// Where a text stands in a file.
fn find(bytes: &[u8], text: &str) -> usize {
    bytes.windows(text.len()).position(|window| window == text.as_bytes()).expect("the text is in the file")
}

fn assert_says(message: &str, parts: &[&str]) {
    for part in parts {
        assert!(message.contains(part), "{part:?} is not said: {message}");
    }
}

#[test]
fn a_file_that_is_not_there() {
    assert_says(&refuse("no/such/model.gguf", &[]), &["no/such/model.gguf", "expected a .gguf file, or a folder"]);
}

#[test]
fn a_folder_without_a_model() {
    let folder = scratch("empty-folder");
    std::fs::create_dir_all(&folder).expect("it can be made");
    let folder = folder.display().to_string();
    assert_says(&refuse(&folder, &[]), &[&folder, "holds no config.json"]);
}

#[test]
fn a_file_out_of_its_folder() {
    let path = golden("gpt2/model.safetensors");
    assert_says(&refuse(&path, &[]), &[&path, "only a part of a model; expected a .gguf file, or a folder"]);
}

#[test]
fn a_file_of_another_kind() {
    let path = scratch("page.gguf");
    std::fs::write(&path, "<!doctype html><title>404</title>").expect("it can be written");
    let path = path.display().to_string();
    assert_says(&refuse(&path, &[]), &[&path, "\"GGUF\"", "\"<!do\""]);
}

#[test]
fn a_file_that_was_cut_off() {
    let in_weights = damaged("cut-weights.gguf", |bytes| bytes.truncate(bytes.len() - 64));
    assert_says(&refuse(&in_weights, &[]), &[&in_weights, "tensor ", "truncated"]);
    let in_head = damaged("cut-head.gguf", |bytes| bytes.truncate(500));
    assert_says(&refuse(&in_head, &[]), &[&in_head, "ends after 500 bytes", "truncated"]);
}

#[test]
fn a_tensor_that_is_missing() {
    let model = damaged("missing.gguf", |bytes| {
        let place = find(bytes, "blk.1.attn_q.weight");
        bytes[place + 11] = b'x';
    });
    assert_says(&refuse(&model, &[]), &[&model, "blk.1.attn_q.weight is missing"]);
}

#[test]
fn a_quantisation_that_is_not_supported() {
    let model = damaged("iq.gguf", |bytes| {
        // After the name come the number of sizes, two sizes, and the type; 16 is IQ2_XXS.
        let place = find(bytes, "blk.1.attn_q.weight") + "blk.1.attn_q.weight".len() + 4 + 16;
        bytes[place..place + 4].copy_from_slice(&16u32.to_le_bytes());
    });
    assert_says(&refuse(&model, &[]), &[&model, "blk.1.attn_q.weight"]);
}

#[test]
fn an_architecture_that_is_not_supported() {
    let model = damaged("architecture.gguf", |bytes| {
        let place = find(bytes, "general.architecture") + "general.architecture".len() + 4 + 8;
        assert_eq!(&bytes[place..place + 5], b"llama");
        bytes[place..place + 5].copy_from_slice(b"lamba");
    });
    assert_says(&refuse(&model, &[]), &[&model, "lamba", "supported: gpt2, llama"]);
}

#[test]
fn options_that_are_out_of_range() {
    let model = golden("llama.gguf");
    assert_says(&refuse(&model, &["--precision", "q3"]), &["--precision", "q3", "auto, f32, f16, q8, q4"]);
    assert_says(&refuse(&model, &["--cache", "q4"]), &["--cache", "q4", "auto, f32, f16, q8"]);
    for device in ["reference", "cpu"] {
        let packed = ["--device", device, "--prompt", "the cat", "--cache", "q8"];
        let packed = oriel(&[&["generate", "--model", &model][..], &packed].concat()).refusal();
        assert_says(&packed, &[&model, "multiple of 32 values, not of 12"]);
    }
    let other = oriel(&["generate", "--model", &model, "--prompt", "the cat", "--device", "tpu"]).refusal();
    assert_says(&other, &["--device", "tpu", "auto, gpu, cpu"]);
    assert_says(&refuse(&model, &["--temperature", "-1"]), &["temperature is -1", "0 to 100"]);
    assert_says(&refuse(&model, &["--context", "97"]), &["97", "at most 96"]);
    assert_says(&refuse(&model, &["--context", "0"]), &["context is 0"]);
    assert_says(&refuse(&model, &["--system", "Be brief."]), &["--chat"]);
    assert_says(&refuse(&model, &["--stop", ""]), &["stop"]);
}

#[test]
fn prompts_that_cannot_be_run() {
    let model = golden("llama.gguf");
    assert_says(&refuse(&model, &["--context", "1"]), &["the prompt has ", "the context 1 positions"]);
    assert_says(&refuse(&model, &["--chat"]), &["no chat template"]);
    let out = scratch("never.npy").display().to_string();
    let logits = ["logits", "--model", &model, "--device", "cpu", "--out", &out];
    assert_says(&oriel(&[&logits[..], &["--tokens", "5,272"]].concat()).refusal(), &["token 272", "vocabulary of 272"]);
    assert_says(&oriel(&logits).refusal(), &["--prompt", "--tokens"]);
    let file = scratch("one.txt");
    std::fs::write(&file, "").expect("it can be written");
    let file = file.display().to_string();
    let perplexity = ["perplexity", "--model", &model, "--device", "cpu", "--file", &file];
    assert_says(&oriel(&perplexity).refusal(), &[&file, "expected at least 2 tokens"]);
}
