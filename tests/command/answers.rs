//! Prompts and the text that comes back.

use crate::{golden, oriel, smollm2};
use serde_json::{Value, json};

/// Arguments that continue a prompt with the small Llama on the CPU.
fn llama<'a>(model: &'a str, more: &[&'a str]) -> Vec<&'a str> {
    let mut arguments = vec!["generate", "--model", model, "--device", "cpu", "--prompt", "the cat sat", "--json"];
    arguments.extend(more);
    arguments
}

fn tokens(answer: &Value) -> Vec<u64> {
    answer["tokens"].as_array().expect("tokens are a list").iter().filter_map(Value::as_u64).collect()
}

#[test]
fn a_real_model_names_the_capital_of_france() {
    let model = smollm2();
    let question = "What is the capital of France?";
    let ask = |device, more: &[&str]| {
        let arguments = ["generate", "--model", &model, "--prompt", question, "--chat", "--temperature", "0"];
        oriel(&[&arguments[..], &["--max-tokens", "32", "--device", device], more].concat())
    };
    for device in ["reference", "cpu", "gpu"] {
        let packed = ask(device, &["--cache", "q8"]).text();
        assert!(packed.contains("Paris"), "with a cache of q8 on the {device}: {packed}");
    }
    for device in ["cpu", "gpu"] {
        let answer = ask(device, &["--json"]).json();
        let text = answer["text"].as_str().expect("the text is a string");
        assert!(text.contains("Paris"), "on the {device}: {text}");
        assert_eq!(answer["finish_reason"], "stop");
        assert_eq!(ask(device, &[]).text(), format!("{text}\n"), "streamed on the {device}");
    }
}

#[test]
fn one_object_says_all_of_an_answer() {
    let model = golden("llama.gguf");
    let answer = oriel(&llama(&model, &["--max-tokens", "5", "--ignore-eos"])).json();
    let names: Vec<&str> = answer.as_object().expect("an object").keys().map(String::as_str).collect();
    assert_eq!(names, ["prompt_tokens", "tokens", "text", "finish_reason", "timings"]);
    let prompt = oriel(&["tokenize", "--model", &model, "--text", "the cat sat"]).json();
    assert_eq!(answer["prompt_tokens"], prompt);
    assert_eq!(tokens(&answer).len(), 5);
    assert_eq!(answer["finish_reason"], "length");
    for name in ["prefill_ms", "first_token_ms", "decode_ms", "prefill_tokens_per_s", "decode_tokens_per_s"] {
        assert!(answer["timings"][name].as_f64().expect("a time is a number") > 0.0, "{name}");
    }
    assert_eq!(answer["timings"]["prompt_tokens"], prompt.as_array().expect("a list").len());
    assert_eq!((&answer["timings"]["cached_tokens"], &answer["timings"]["new_tokens"]), (&json!(0), &json!(5)));
}

#[test]
fn a_folder_of_shards_answers_as_the_gguf_of_the_same_weights() {
    let (file, folder) = (golden("llama.gguf"), golden("llama"));
    let more = ["--max-tokens", "24", "--precision", "f32", "--ignore-eos"];
    assert_eq!(tokens(&oriel(&llama(&file, &more)).json()), tokens(&oriel(&llama(&folder, &more)).json()));
}

#[test]
fn the_gpu_answers_as_the_cpu() {
    let model = golden("llama.gguf");
    let more = ["--max-tokens", "24", "--precision", "f32", "--ignore-eos"];
    let on = |device| {
        let mut arguments = llama(&model, &more);
        arguments[4] = device;
        tokens(&oriel(&arguments).json())
    };
    assert_eq!(on("gpu"), on("cpu"));
}

#[test]
fn the_seed_decides() {
    let model = golden("llama.gguf");
    let draw = |seed| {
        let more = ["--max-tokens", "24", "--temperature", "1.5", "--top-p", "0.95", "--ignore-eos", "--seed", seed];
        oriel(&llama(&model, &more)).json()["text"].clone()
    };
    assert_eq!(draw("1"), draw("1"));
    assert_ne!(draw("1"), draw("2"));
}

#[test]
fn likely_tokens_are_told_and_a_bias_moves_the_choice() {
    let model = golden("llama.gguf");
    for device in ["cpu", "gpu", "reference"] {
        let ask = |more: &[&str]| {
            let mut arguments = llama(&model, &[&["--max-tokens", "4", "--ignore-eos"], more].concat());
            arguments[4] = device;
            oriel(&arguments).json()
        };
        let plain = ask(&["--top-logprobs", "3"]);
        let told = plain["logprobs"].as_array().expect("a list");
        assert_eq!(told.len(), 4);
        for (entry, token) in told.iter().zip(tokens(&plain)) {
            let top = entry["top_logprobs"].as_array().expect("a list");
            assert_eq!((entry["token"].as_u64(), top.len()), (Some(token), 3), "on the {device}");
            assert_eq!((&top[0]["token"], &top[0]["logprob"]), (&entry["token"], &entry["logprob"]), "on the {device}");
            let logprobs: Vec<f64> = top.iter().filter_map(|likely| likely["logprob"].as_f64()).collect();
            assert!(logprobs.is_sorted_by(|a, b| a >= b) && logprobs[0] <= 0.0, "{logprobs:?}");
            assert!(top.iter().all(|likely| likely["text"].is_string()));
        }
        let second = &told[0]["top_logprobs"][1];
        let bias = format!("{}=-100", tokens(&plain)[0]);
        let moved = ask(&["--logit-bias", &bias, "--top-logprobs", "0"]);
        assert_eq!(moved["tokens"][0], second["token"], "on the {device}");
        assert_eq!(moved["logprobs"][0]["logprob"], second["logprob"], "the model's own, before the bias");
        assert_eq!(moved["logprobs"][0]["top_logprobs"], json!([]));
    }
    let refusal = |more| oriel(&llama(&model, more)).refusal();
    assert!(refusal(&["--top-logprobs", "21"]).contains("top_logprobs is 21, expected a whole number from 0 to 20"));
    assert!(refusal(&["--logit-bias", "3:1"]).contains("expected a token's id and a number"));
    assert!(refusal(&["--logit-bias", "99999999=1"]).contains("outside the vocabulary"));
}

#[test]
fn a_stop_string_ends_the_text_before_it() {
    let model = golden("llama.gguf");
    let whole = oriel(&llama(&model, &["--max-tokens", "24", "--ignore-eos"])).json();
    let text = whole["text"].as_str().expect("the text is a string");
    let stop: String = text.chars().skip(4).take(3).collect();
    let cut = oriel(&llama(&model, &["--max-tokens", "24", "--ignore-eos", "--stop", &stop])).json();
    assert_eq!(cut["text"], text.split(&stop).next().expect("a text"));
    assert_eq!(cut["finish_reason"], "stop");
}

#[test]
fn a_full_context_ends_with_length() {
    let model = golden("llama.gguf");
    let answer = oriel(&llama(&model, &["--max-tokens", "500", "--context", "20", "--ignore-eos"])).json();
    assert_eq!(answer["finish_reason"], "length");
    let prompt = answer["prompt_tokens"].as_array().expect("a list").len();
    assert_eq!(tokens(&answer).len(), 20 + 1 - prompt);
}

#[test]
fn no_new_tokens_give_an_empty_text() {
    let model = golden("llama.gguf");
    let answer = oriel(&llama(&model, &["--max-tokens", "0"])).json();
    assert_eq!((&answer["text"], &answer["finish_reason"]), (&json!(""), &json!("length")));
}

#[cfg(unix)]
#[test]
fn a_reader_that_goes_away_is_no_panic() {
    use std::process::{Command, Stdio};
    let model = golden("llama.gguf");
    let arguments = ["generate", "--model", &model, "--device", "cpu", "--prompt", "the cat", "--max-tokens", "60"];
    let mut child = Command::new(env!("CARGO_BIN_EXE_oriel"))
        .args(arguments)
        .arg("--ignore-eos")
        .stdout(Stdio::piped())
        .stderr(Stdio::piped())
        .spawn()
        .expect("the command starts");
    drop(child.stdout.take());
    let output = child.wait_with_output().expect("the command ends");
    assert_eq!((output.status.code(), String::from_utf8_lossy(&output.stderr).as_ref()), (Some(0), ""));
}
