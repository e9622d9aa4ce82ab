//! What the command says of a model and of a text.

use crate::{golden, oriel, scratch, smollm2};
use serde_json::{Value, json};

#[test]
fn logits_are_a_file_that_numpy_reads() {
    let (model, out) = (golden("llama.gguf"), scratch("logits.npy"));
    let expected: Value = serde_json::from_slice(&read(&golden("llama.json"))).expect("golden JSON");
    let prompt: Vec<String> =
        expected["cases"][0]["prompt"].as_array().expect("a list").iter().map(Value::to_string).collect();
    let (tokens, out) = (prompt.join(","), out.display().to_string());
    let arguments = ["logits", "--model", &model, "--device", "cpu", "--precision", "f32", "--tokens", &tokens];
    oriel(&[&arguments[..], &["--out", &out]].concat()).text();

    let bytes = read(&out);
    let (head, values) = bytes.split_at(128);
    assert!(head.starts_with(b"\x93NUMPY\x01\x00\x76\x00{'descr': '<f4', 'fortran_order': False, "));
    let shape = format!("'shape': ({}, 272), }}", prompt.len());
    assert!(String::from_utf8_lossy(head).contains(&shape), "{shape}");
    let golden = read(&golden("llama.logits"));
    assert_eq!(values.len(), prompt.len() * 272 * 4);
    for (place, (value, expected)) in floats(values).zip(floats(&golden)).enumerate() {
        assert!((value - expected).abs() < 2e-2, "logit {place} is {value}, expected {expected}");
    }
}

fn read(path: &str) -> Vec<u8> {
    std::fs::read(path).expect("the file is there")
}

fn floats(bytes: &[u8]) -> impl Iterator<Item = f32> {
    bytes.chunks_exact(4).map(|bytes| f32::from_le_bytes([bytes[0], bytes[1], bytes[2], bytes[3]]))
}

#[test]
fn tokens_are_a_json_array() {
    let smollm2 = smollm2();
    let tokens = oriel(&["tokenize", "--model", &smollm2, "--text", "Hello world<|im_end|>"]).json();
    assert_eq!(tokens, json!([19556, 905, 2]));
    let folder = golden("llama");
    let of_folder = oriel(&["tokenize", "--model", &folder, "--text", "the cat"]).json();
    assert_eq!(of_folder, oriel(&["tokenize", "--model", &golden("llama.gguf"), "--text", "the cat"]).json());
}

#[test]
fn inspection_needs_no_weights_and_agrees_with_the_file() {
    let model = smollm2();
    let report = oriel(&["inspect", "--model", &model, "--json"]).json();
    assert_eq!(report["architecture"], "llama");
    assert_eq!(report["tensors"].as_array().expect("a list").len(), 272);
    let embedding = &report["tensors"].as_array().expect("a list")[0];
    assert_eq!((&embedding["name"], &embedding["shape"]), (&json!("token_embd.weight"), &json!([49152, 576])));
    assert_eq!(embedding["encoding"], "Q8_0");
    let tensors = |name| {
        let formats = report["formats"].as_array().expect("a list");
        formats.iter().find(|entry| entry["format"] == name).map_or(Value::Null, |entry| entry["tensors"].clone())
    };
    assert_eq!(
        (tensors("q4"), tensors("q8"), tensors("f32"), tensors("f16")),
        (json!(210), json!(1), json!(61), Value::Null)
    );
    assert_eq!((&report["greatest_context"], &report["context"]), (&json!(8192), &json!(4096)));
    // 30 layers, keys and values, 3 heads of 64 halves.
    assert_eq!(report["cache_bytes"], 30 * 2 * 3 * 64 * 2 * 4096);
    let packed = oriel(&["inspect", "--model", &model, "--json", "--cache", "q8"]).json();
    assert_eq!((&report["cache"], &packed["cache"]), (&json!("f16"), &json!("q8")));
    // A byte a value, and four for every 32.
    assert_eq!(packed["cache_bytes"], 30 * 2 * 3 * (64 + 8) * 4096);
    let bytes = |report: &Value, name: &str| report[name].as_u64().expect("a number");
    let saved = bytes(&report, "cache_bytes") - bytes(&packed, "cache_bytes");
    assert_eq!(bytes(&report, "gpu_bytes") - bytes(&packed, "gpu_bytes"), saved);
    let (weights, all) = (report["weight_bytes"].as_u64(), report["gpu_bytes"].as_u64());
    assert!(weights > Some(95_000_000) && all > weights, "{weights:?} {all:?}");
    assert!(oriel(&["inspect", "--model", &model]).text().starts_with("llama: 30 layers"));
}

#[test]
fn inspection_of_shards_reads_every_head() {
    let report = oriel(&["inspect", "--model", &golden("llama"), "--json", "--context", "50"]).json();
    assert_eq!((&report["context"], &report["greatest_context"]), (&json!(50), &json!(96)));
    // Two layers of nine tensors, the embedding, the norm and the head.
    assert_eq!(report["tensors"].as_array().expect("a list").len(), 21);
}

#[test]
fn perplexity_is_that_of_the_scores() {
    let (model, file) = (golden("llama.gguf"), scratch("text.txt"));
    std::fs::write(&file, "the cat sat on the mat and then the other cat ate the hat ".repeat(8))
        .expect("it can be written");
    let file = file.display().to_string();
    let arguments = ["perplexity", "--model", &model, "--file", &file, "--device", "cpu", "--context", "32", "--json"];
    let report = oriel(&arguments).json();
    let perplexity = report["perplexity"].as_f64().expect("a number");
    assert!(perplexity > 1.0 && perplexity.is_finite(), "{report}");
    let text = std::fs::read_to_string(&file).expect("it was written");
    let count = oriel(&["tokenize", "--model", &model, "--text", &text]).json().as_array().expect("a list").len();
    let windows = count.div_ceil(32) - usize::from(count % 32 == 1);
    assert_eq!((&report["windows"], &report["tokens"]), (&json!(windows), &json!(count - count.div_ceil(32))));
}

#[test]
fn a_token_makes_nothing_on_the_gpu() {
    let model = golden("llama.gguf");
    let arguments = ["bench", "--model", &model, "--device", "gpu", "--prompt-tokens", "20", "--new-tokens", "8"];
    let report = oriel(&[&arguments[..], &["--json"]].concat()).json();
    let figure = |name: &str| report[name].as_f64().unwrap_or_else(|| panic!("{name} is no number: {report}"));
    for name in ["buffers_created_per_token", "bind_groups_created_per_token", "pipelines_created_per_token"] {
        assert_eq!(figure(name), 0.0, "{name}");
    }
    // Short tokens share a submit.
    for name in ["submits_per_token", "readbacks_per_token"] {
        assert!(figure(name) > 0.0 && figure(name) <= 1.0, "{name}");
    }
    let positive =
        ["prefill_tokens_per_s", "decode_tokens_per_s", "dispatches_per_token", "weight_bytes_read_per_token"];
    for name in positive.into_iter().chain(["gpu_bytes"]) {
        assert!(figure(name) > 0.0, "{name}");
    }
}

#[test]
fn the_benchmark_gives_a_table_of_medians_and_leaves_nothing_out_silently() {
    let model = golden("llama.gguf");
    let arguments =
        ["bench", "--model", &model, "--device", "gpu", "--prefill", "8,200", "--decode", "16", "--runs", "2"];
    let report = oriel(&[&arguments[..], &["--json"]].concat()).json();
    let [short, long] = [&report["prefill"][0], &report["prefill"][1]];
    assert_eq!((&short["tokens"], &short["reason"]), (&json!(8), &Value::Null));
    assert_eq!(
        (&long["tokens_per_s"], &long["reason"]),
        (&Value::Null, &json!("200 tokens and 1 new do not fit the context of 96 positions"))
    );
    let spread = &report["decode"][0]["tokens_per_s"];
    assert!(spread["min"].as_f64() <= spread["median"].as_f64() && spread["median"].as_f64() <= spread["max"].as_f64());
    assert_eq!(report["decode_tokens_per_s"], spread["median"]);
    assert!(report["weight_read_ratio"].as_f64().is_some_and(|ratio| ratio > 0.0 && ratio <= 1.05), "{report}");
    assert!(report["gpu_bytes_peak"].as_u64() >= report["gpu_bytes"].as_u64());
    assert!(report["load_ms"].as_f64() > Some(0.0) && report["adapter"]["variants"].is_string());
    let page = oriel(&arguments).text();
    assert!(page.contains("prefill of 200 tokens") && page.contains("decode at 16 positions"), "{page}");
}
