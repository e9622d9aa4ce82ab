//! What the command says of where a token's time goes.

use crate::{golden, oriel};
use serde_json::{Value, json};

fn list(value: &Value) -> &Vec<Value> {
    value.as_array().unwrap_or_else(|| panic!("a list, not {value}"))
}

fn number(value: &Value) -> f64 {
    value.as_f64().unwrap_or_else(|| panic!("a number, not {value}"))
}

#[test]
fn a_profile_times_every_dispatch_of_a_pass() {
    let model = golden("llama.gguf");
    let arguments = ["bench", "--model", &model, "--device", "gpu", "--prompt-tokens", "20", "--new-tokens", "4"];
    let arguments = [&arguments[..], &["--profile"]].concat();
    let report = oriel(&[&arguments[..], &["--json"]].concat()).json();
    assert_eq!(report["adapter"]["timestamps"], true, "lavapipe has a clock");
    let [decode, prompt] = &list(&report["profiles"])[..] else { panic!("a token and a prompt: {report}") };
    assert_eq!((&decode["rows"], &decode["position"], &prompt["position"]), (&json!(1), &json!(20), &json!(0)));
    assert_eq!(list(&decode["dispatches"]).len() as f64, number(&report["dispatches_per_token"]));
    for profile in [decode, prompt] {
        let (kernels, dispatches) = (list(&profile["kernels"]), list(&profile["dispatches"]));
        let times: f64 = kernels.iter().map(|row| number(&row["times"])).sum();
        assert_eq!(times, dispatches.len() as f64, "every dispatch is in a row");
        let shares: f64 = kernels.iter().map(|row| number(&row["time_share"])).sum();
        assert!((shares - 1.0).abs() < 1e-6, "{shares}");
        assert!(
            kernels.is_sorted_by(|a, b| {
                number(&a["us"]) * number(&a["times"]) >= number(&b["us"]) * number(&b["times"])
            })
        );
        assert!(dispatches.is_sorted_by_key(|dispatch| number(&dispatch["start_us"])), "in the order of the device");
        assert!(number(&profile["run_us"]) > 0.0);
    }
    let weights: f64 = list(&decode["dispatches"])
        .iter()
        .filter(|dispatch| dispatch["kernel"].as_str().is_some_and(|kernel| kernel.starts_with("mat")))
        .map(|dispatch| number(&dispatch["bytes_read"]))
        .sum();
    assert!(weights >= number(&report["weight_bytes_read_per_token"]), "matmuls read every matrix, and rows");
    let page = oriel(&arguments).text();
    assert!(page.contains("layer 1, ") && page.contains("ms in kernels"), "{page}");
}

#[test]
fn without_a_gpu_there_is_no_profile() {
    let model = golden("llama.gguf");
    let arguments = ["bench", "--model", &model, "--device", "cpu", "--prompt-tokens", "4", "--new-tokens", "2"];
    for (flag, said) in [("--profile", "timestamps"), ("--roofline", "of a GPU")] {
        let refused = oriel(&[&arguments[..], &[flag]].concat()).refusal();
        assert!(refused.contains(said), "{refused}");
    }
}

#[test]
fn a_roofline_bounds_every_kernel() {
    let model = golden("llama.gguf");
    let arguments = ["bench", "--model", &model, "--device", "gpu", "--prompt-tokens", "20", "--new-tokens", "4"];
    let arguments = [&arguments[..], &["--roofline"]].concat();
    let report = oriel(&[&arguments[..], &["--json"]].concat()).json();
    let probes = &report["roofline"]["probes"];
    for name in ["read_bytes_per_s", "f32_per_s", "packed_per_s", "dispatch_us", "submit_us", "readback_us"] {
        assert!(number(&probes[name]) > 0.0, "{name}");
    }
    let rates = probes["weights_per_s"].as_object().expect("rates by format");
    assert_eq!(rates.keys().collect::<Vec<_>>(), ["f16", "f32", "q4", "q8"]);
    assert!(rates.values().all(|rate| number(rate) > 1e6), "{probes}");
    let passes = list(&report["roofline"]["passes"]);
    assert_eq!((&passes[0]["rows"], &passes[1]["position"]), (&json!(1), &json!(0)));
    let times = |pass: &Value| list(&pass["kernels"]).iter().map(|kernel| number(&kernel["times"])).sum::<f64>();
    assert_eq!(times(&passes[0]), number(&report["dispatches_per_token"]));
    for kernel in passes.iter().flat_map(|pass| list(&pass["kernels"])) {
        assert!(["bandwidth", "arithmetic", "dispatch"].contains(&kernel["bound"].as_str().expect("a name")));
        let share = number(&kernel["bound_us"]) / number(&kernel["us"]);
        assert!(share > 0.0 && (share - number(&kernel["share"])).abs() <= 1e-6 * share, "{kernel}");
    }
    let page = oriel(&arguments).text();
    assert!(page.contains("at best: reads") && page.contains("of what the adapter could do"), "{page}");
}

#[test]
fn predictions_say_that_they_are_none_of_ours_to_measure() {
    let report = oriel(&["predict", "--json"]).json();
    assert!(report["what"].as_str().is_some_and(|what| what.contains("not measurements")), "{report}");
    let named = |name: &str, of: &str| {
        let found = list(&report["predictions"]).iter().find(|row| row["gpu"] == name && row["model"] == of);
        found.unwrap_or_else(|| panic!("{of} on {name}")).clone()
    };
    let row = named("Apple M3", "Llama-3.2-1B");
    assert_eq!(list(&row["published"]).len(), 2);
    assert_eq!(row["published"][0]["decode"], 58.6);
    assert!(number(&row["decode"][0]) < number(&row["decode"][1]), "{row}");
    assert!(number(&row["dispatches"]) <= 16.0 * 5.0 + 5.0, "{row}");
    let page = oriel(&["predict", "--position", "1000"]).text();
    assert!(page.contains("not measurements") && page.contains("58.6 llama.cpp, Chrome"), "{page}");
    assert!(oriel(&["predict", "--position", "1024"]).err.contains("1024"), "GPT-2 holds no more positions");
}
