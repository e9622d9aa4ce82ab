//! Kernels that are measured, kept, shown and forced.

use crate::{golden, oriel, scratch};
use serde_json::{Value, json};
use std::path::PathBuf;

/// A cache of its own, empty.
fn cache(name: &str) -> PathBuf {
    let folder = scratch(name);
    let _ = std::fs::remove_dir_all(&folder);
    folder
}

/// The files that are kept in a cache.
fn kept(cache: &std::path::Path) -> Vec<PathBuf> {
    let entries = std::fs::read_dir(cache.join("oriel")).expect("the folder was made");
    entries.map(|entry| entry.expect("an entry").path()).collect()
}

#[test]
fn a_load_measures_once_and_keeps_what_it_found() {
    let (model, cache) = (golden("llama.gguf"), cache("tuning-once"));
    let arguments =
        ["generate", "--model", &model, "--device", "gpu", "--prompt", "the cat", "--max-tokens", "4", "--json"];
    let run = || crate::oriel_with_cache(&arguments, &cache);
    let first = run();
    let files = kept(&cache);
    assert_eq!(files.len(), 1, "{files:?}: {}", first.err);
    let tokens = first.json()["tokens"].clone();
    let tuning = std::fs::read_to_string(&files[0]).expect("it can be read");
    let parsed: Value = serde_json::from_str(&tuning).expect("JSON");
    assert!(parsed["matvec"]["shapes"].as_object().is_some_and(|shapes| !shapes.is_empty()), "{tuning}");

    // What is kept is used, not measured again.
    let mut marked = parsed.clone();
    marked["matvec"]["usual"] = json!("64");
    std::fs::write(&files[0], marked.to_string()).expect("it can be written");
    let second = run();
    assert!(!second.err.contains("note"), "{}", second.err);
    assert_eq!(second.json()["tokens"], tokens);
    assert_eq!(std::fs::read_to_string(&files[0]).expect("it can be read"), marked.to_string());

    let changed = tuning.replace(parsed["oriel"].as_str().expect("a version"), "0.0.0");
    marked["matvec"]["shapes"]["q8 4096x4096"] = json!("33");
    for broken in ["{", &changed, &marked.to_string()] {
        std::fs::write(&files[0], broken).expect("it can be written");
        let again = run();
        assert!(again.err.contains("kernels are measured again"), "{}", again.err);
        assert_eq!(again.json()["tokens"], tokens);
        let parsed: Value = serde_json::from_slice(&std::fs::read(&files[0]).expect("it was written")).expect("JSON");
        assert_ne!(parsed["oriel"], "0.0.0");
        assert_eq!(parsed["matvec"]["shapes"]["q8 4096x4096"], Value::Null);
    }
}

#[test]
fn a_kernel_in_whose_first_run_the_command_ended_is_tried_once_more_and_then_left_out() {
    let (model, cache) = (golden("llama.gguf"), cache("tuning-lost"));
    let arguments = ["generate", "--model", &model, "--device", "gpu", "--prompt", "the cat", "--max-tokens", "4"];
    let read = || -> Option<(PathBuf, Value)> {
        let path = std::fs::read_dir(cache.join("oriel")).ok()?.find_map(|entry| {
            let path = entry.ok()?.path();
            path.extension().is_some_and(|kind| kind == "json").then_some(path)
        })?;
        let tuning = serde_json::from_slice(&std::fs::read(&path).ok()?).ok()?;
        Some((path, tuning))
    };
    let left_out = || read().map_or(json!({}), |(_, tuning)| tuning["left_out"].clone());
    let mut child = crate::command(&cache).args(arguments).spawn().expect("the command starts");
    while left_out() == json!({}) {
        assert!(child.try_wait().expect("it can be asked").is_none(), "it ended before a kernel was tried");
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
    child.kill().expect("it ends");
    child.wait().expect("it has ended");
    let (path, tuning) = read().expect("it is kept what was being tried");
    let (kind, ways) = tuning["left_out"].as_object().and_then(|kinds| kinds.iter().next()).expect("a kind");
    let way = ways.as_object().and_then(|ways| ways.keys().next()).expect("a way");
    assert_eq!(ways[way], "tried");
    let next = crate::oriel_with_cache(&arguments, &cache);
    assert!(next.status == 0 && !next.err.contains("did not survive"), "{}", next.err);
    assert_eq!(left_out(), json!({}), "it survived");

    // As if it had ended there once more.
    let mut ended = tuning.clone();
    ended["left_out"][kind][way] = "lost".into();
    std::fs::write(path, ended.to_string()).expect("it can be written");
    let note = format!("did not survive: {kind} {way}");
    for _ in 0..2 {
        let next = crate::oriel_with_cache(&arguments, &cache);
        assert!(next.status == 0 && next.err.contains(&note), "{}", next.err);
        assert_eq!(left_out(), ended["left_out"]);
    }
}

#[test]
fn everything_is_measured_shown_and_handed_out() {
    let (model, cache, out) = (golden("llama.gguf"), cache("tuning-all"), scratch("tuning.json"));
    let out = out.display().to_string();
    // What a load kept, what another model's did, and what one left out: whoever measures everything tries that too.
    let load = ["generate", "--model", &model, "--device", "gpu", "--prompt", "the cat", "--max-tokens", "1"];
    crate::oriel_with_cache(&load, &cache).text();
    let file = &kept(&cache)[0];
    let read = || -> Value { serde_json::from_slice(&std::fs::read(file).expect("it was kept")).expect("JSON") };
    let mut before = read();
    before["matvec"]["shapes"] = json!({ "q8 4096x4096": "32" });
    before["left_out"] = json!({ "attention": { "lane": "lost" } });
    std::fs::write(file, before.to_string()).expect("it can be written");
    let report = crate::oriel_with_cache(&["tune", "--model", &model, "--json", "--out", &out], &cache).json();
    let tuning: Value = serde_json::from_slice(&std::fs::read(&out).expect("it was written")).expect("JSON");
    assert_eq!(report["tuning"], tuning);
    assert_eq!(kept(&cache).len(), 1);
    let mut after = read();
    let shapes = after["matvec"]["shapes"].as_object_mut().expect("shapes");
    assert_eq!(shapes.remove("q8 4096x4096"), Some(json!("32")));
    assert_eq!(after, tuning, "what is measured now goes before what was kept");
    for measured in report["measured"].as_array().expect("a list") {
        let ways = measured["ways"].as_array().expect("a list");
        assert!(ways.len() > 1 && ways.iter().any(|way| way["name"] == measured["chosen"]), "{measured}");
    }
    let page = crate::oriel_with_cache(&["tune", "--model", &model, "--tuning", "start"], &cache).text();
    assert!(page.contains("matvec") && page.contains("matmul") && page.contains('*'), "{page}");

    let forced = ["bench", "--model", &model, "--device", "gpu", "--prompt-tokens", "4", "--new-tokens", "2", "--json"];
    let report = oriel(&[&forced[..], &["--tuning", &out]].concat()).json();
    assert_eq!(report["tuning"], tuning);
}

#[test]
fn a_file_that_is_no_tuning_is_refused() {
    let path = scratch("no-tuning.json");
    let path = path.display().to_string();
    let model = golden("llama.gguf");
    let load = ["tune", "--model", &model, "--tuning", &path];
    for (text, said) in [
        ("{", "expected JSON"),
        ("[]", "expected an object"),
        (json!({ "matvec": { "usual": "3" } }).to_string().as_str(), "is no way to do it; supported: 1, 4"),
    ] {
        std::fs::write(&path, text).expect("it can be written");
        let message = oriel(&load).refusal();
        assert!(message.contains(said) && message.contains(&path), "{message}");
    }
    assert!(oriel(&["tune", "--model", &model, "--tuning", "no/such.json"]).refusal().contains("no/such.json"));
    assert!(oriel(&["tune", "--model", &model, "--device", "cpu"]).refusal().contains("the processor computes"));
}

#[test]
fn a_software_adapter_is_measured_once_against_the_processor() {
    let (model, cache) = (golden("llama.gguf"), cache("speeds"));
    let run = || {
        let arguments = ["generate", "--model", &model, "--prompt", "the cat", "--max-tokens", "1"];
        crate::oriel_with_cache(&arguments, &cache)
    };
    let first = run();
    assert!(first.err.contains("which is software, multiplies "), "{}", first.err);
    let speeds = |path: &PathBuf| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("speeds-"));
    let file = kept(&cache).into_iter().find(speeds).expect("the speeds were kept");
    let kept: Value = serde_json::from_slice(&std::fs::read(&file).expect("it can be read")).expect("JSON");
    let of = |name: &str| kept[name].as_f64().expect("a speed");
    let place = if of("adapter") > of("processor") { "a software adapter" } else { "the processor" };
    assert!(first.err.contains(&format!("runs on {place}")), "{}", first.err);

    // What is kept decides, whichever way.
    for (adapter, place) in [(9e9, "runs on a software adapter"), (1e9, "runs on the processor")] {
        std::fs::write(&file, json!({ "adapter": adapter, "processor": 5e9 }).to_string()).expect("it can be written");
        let said = run().err;
        let figures = format!("multiplies {:.1} GB/s of weights, the processor 5.0", adapter / 1e9);
        assert!(said.contains(place) && said.contains(&figures), "{said}");
    }
    std::fs::write(&file, "{").expect("it can be written");
    assert!(run().err.contains("GB/s of weights"), "damaged, it is measured again");
    assert_ne!(std::fs::read(&file).expect("it was written"), b"{");
}
