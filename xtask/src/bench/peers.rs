//! From a model to how fast Oriel and its peers run it in the same browser, each on a page of its own.
//!
//! The peers are no dependencies of this repository: they come from `tests/peers/package.json`, and what transformers.js
//! reads is made from the model by `tests/peers/onnx_of.py`.

use super::{Arguments, command, parsed};
use crate::process::{at_root, npm, output, output_of, run_long, say};
use crate::setup::{apt, browser, firefox, node, python};
use crate::{build, paths, stamp};
use anyhow::{Context, Result, bail};
use serde_json::{Map, Value, json};
use std::path::{Path, PathBuf};
use std::process::Command;

/// Every engine, in the order in which they are run.
const ENGINES: [&str; 16] = [
    "oriel",
    "transformers.js",
    "oriel-cpu-1",
    "oriel-cpu-2",
    "native-cpu-1",
    "native-cpu-2",
    "llama.cpp-1",
    "llama.cpp-2",
    "wllama-1",
    "wllama-2",
    "transformers-q8",
    "transformers-fp32",
    "oriel-cpu-1-firefox",
    "oriel-cpu-2-firefox",
    "wllama-1-firefox",
    "wllama-2-firefox",
];

/// The same code outside of a browser, by its threads: what the browser takes of it is a ratio like the others.
const NATIVE: &str = "native-cpu-";

/// llama.cpp, compiled for this processor, by its threads: what a browser can be measured against at all.
const LLAMA_CPP: &str = "llama.cpp-";

/// What is measured where nothing is said. Longer prompts would take the slowest of them hours.
const PREFILL: [u32; 3] = [32, 128, 512];
const DECODE: [u32; 1] = [64];

/// Runs of each: as many as the figures that are published.
const RUNS: u32 = 5;

/// New tokens of an engine that takes seconds for each.
const FEW_TOKENS: u32 = 3;

/// Measures those engines that were named, or all that can run the model.
///
/// # Errors
/// When something that is needed can't be brought, an engine is not known, or a measurement fails.
pub fn measure(arguments: &Arguments, model: &Path) -> Result<Map<String, Value>> {
    let engines = engines(&arguments.engines, model)?;
    bring_packages()?;
    build::run_all()?;
    let onnx =
        if engines.iter().any(|name| name.starts_with("transformers")) { onnx_of(model)? } else { PathBuf::new() };
    let results = paths::scratch().join("peers.json");
    let prefill = arguments.prefill.as_deref().unwrap_or(&PREFILL);
    let decode = arguments.decode.as_deref().unwrap_or(&DECODE);
    let runs = arguments.runs.unwrap_or(RUNS);
    let in_browser = |name: &&str| !name.starts_with(NATIVE) && !name.starts_with(LLAMA_CPP);
    let (engines, native): (Vec<_>, Vec<_>) = engines.into_iter().partition(in_browser);
    let options = json!({
        "model": model, "onnx": onnx, "engines": engines, "precision": arguments.precision,
        "prefill": prefill, "decode": decode,
        "newTokens": arguments.new_tokens, "fewTokens": FEW_TOKENS, "runs": runs,
        "results": results, "resume": arguments.resume,
    });
    let mut reports = Map::new();
    for name in native {
        let sizes = json!({ "prefill": prefill, "decode": decode, "newTokens": arguments.new_tokens, "runs": runs });
        reports.insert(name.into(), natively(name, arguments, model, &sizes)?);
    }
    if engines.is_empty() {
        return Ok(reports);
    }
    say(format!("measuring in browsers: {}", engines.join(", ")));
    let mut node = node::bring()?;
    if engines.iter().any(|name| name.ends_with("firefox")) {
        node.env("ORIEL_FIREFOX", firefox::bring()?);
    }
    node.env("ORIEL_BROWSER", browser::bring()?).arg("tests/peers/run.mjs").arg(options.to_string());
    reports.extend(parsed(&output_of(&mut node)?)?.as_object().cloned().unwrap_or_default());
    Ok(reports)
}

/// Outside of a browser, beside the browser's with as many threads.
fn natively(name: &str, arguments: &Arguments, model: &Path, sizes: &Value) -> Result<Value> {
    let (engine, threads) = name.rsplit_once('-').context("an engine without threads")?;
    let mut command = if name.starts_with(LLAMA_CPP) {
        let mut options = sizes.clone();
        options["threads"] = json!(threads.parse::<u32>()?);
        llama_cpp(model, &options)?
    } else {
        let runs = arguments.runs.unwrap_or(RUNS);
        let list = |key: &str| -> Result<Vec<u32>> { Ok(serde_json::from_value(sizes[key].clone())?) };
        let mut command = command(arguments, model, [&list("prefill")?, &list("decode")?], runs);
        command.args(["--device", "cpu", "--threads", threads]);
        command
    };
    say(format!("measuring natively: {engine} on {threads} threads"));
    let mut report = parsed(&output_of(&mut command)?)?;
    report["against"] = json!(format!("oriel-cpu-{threads}"));
    Ok(report)
}

/// llama.cpp from its source, compiled here, which takes minutes the first time.
fn llama_cpp(model: &Path, options: &Value) -> Result<Command> {
    let peers = paths::root().join("tests/peers");
    if output(Command::new("c++").arg("--version")).is_none() {
        apt::install(&["g++"], "a C++ compiler")?;
    }
    let python = python::environment("peers-llama", &peers.join("llama-requirements.txt"))?;
    let mut command = at_root(python);
    command.arg(peers.join("llama_cpp.py")).arg(model).arg(options.to_string());
    Ok(command)
}

fn engines(asked: &[String], model: &Path) -> Result<Vec<&'static str>> {
    if let Some(unknown) = asked.iter().find(|name| !ENGINES.contains(&name.as_str())) {
        bail!("{unknown} is no engine; there are: {}", ENGINES.join(", "));
    }
    let runs = |name: &&&str| !(name.starts_with("wllama") || name.starts_with(LLAMA_CPP)) || model.is_file();
    let wanted = |name: &&&str| asked.is_empty() || asked.iter().any(|asked| asked == **name);
    let engines: Vec<_> = ENGINES.iter().filter(wanted).filter(runs).copied().collect();
    if engines.is_empty() {
        bail!("wllama and llama.cpp read GGUF files only");
    }
    Ok(engines)
}

/// Installs the peers into a folder of their own, exactly as its lock file says.
fn bring_packages() -> Result<()> {
    let folder = paths::root().join("tests/peers");
    let digest = stamp::Inputs::default().file(&folder.join("package-lock.json"))?.digest();
    if folder.join("node_modules").is_dir() && stamp::is_fresh("peers-node", &digest) {
        return Ok(());
    }
    say("installing the peers (wllama, transformers.js)");
    let arguments = ["ci", "--no-audit", "--no-fund", "--ignore-scripts"];
    run_long(npm().current_dir(&folder).args(arguments), "installing the peers")?;
    stamp::record("peers-node", &digest)
}

/// The folder with what transformers.js reads of the model.
fn onnx_of(model: &Path) -> Result<PathBuf> {
    let peers = paths::root().join("tests/peers");
    let script = peers.join("onnx_of.py");
    let weights = if model.is_dir() { model.join("model.safetensors") } else { model.to_owned() };
    let inputs = stamp::Inputs::default().file(&script)?.add("model", stamp::file_digest(&weights)?.as_bytes());
    let digest = inputs.digest();
    let name = format!("peers-onnx-{}", &digest[..12]);
    let folder = paths::scratch().join(&name);
    if folder.join("onnx/model_quantized.onnx").is_file() && stamp::is_fresh(&name, &digest) {
        return Ok(folder);
    }
    let python = python::environment("peers-python", &peers.join("requirements.txt"))?;
    say("making ONNX files of the model, for transformers.js");
    paths::recreate(&folder)?;
    run_long(at_root(python).arg(&script).arg(model).arg(&folder), "making ONNX files")?;
    stamp::record(&name, &digest)?;
    Ok(folder)
}
