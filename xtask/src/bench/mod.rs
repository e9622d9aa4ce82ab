//! From a model to one table of how fast it runs: natively, in Chromium and in Firefox, and beside its peers.

mod peers;
mod table;

use crate::process::{cargo, output_of, say};
use crate::serve::Server;
use crate::setup::{browser, firefox, model, node, vulkan};
use crate::{build, paths};
use anyhow::{Context, Result, bail};
use serde_json::{Map, Value, json};
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

/// What is measured, and where. Without a place: natively.
#[derive(clap::Args)]
pub struct Arguments {
    /// On this machine's GPU, or on lavapipe
    #[arg(long)]
    native: bool,
    /// Natively on SwiftShader, which comes with Chromium
    #[arg(long)]
    swiftshader: bool,
    /// In headless Chromium, on the built page
    #[arg(long)]
    browser: bool,
    /// In headless Firefox, on the built page
    #[arg(long)]
    firefox: bool,
    /// In headless browsers beside wllama and transformers.js, by the page's clock: some 30 minutes on a rasteriser
    #[arg(long)]
    peers: bool,
    /// Of --peers only these: oriel, transformers.js (on WebGPU), oriel-cpu-1, oriel-cpu-2 (threads), native-cpu-1,
    /// native-cpu-2 (the same code natively), llama.cpp-1, llama.cpp-2 (compiled here), wllama-1, wllama-2,
    /// transformers-q8, transformers-fp32 (on two threads), and those of oriel-cpu and wllama with -firefox after them
    #[arg(long, value_name = "NAME,...", value_delimiter = ',', requires = "peers")]
    engines: Vec<String>,
    /// Keep what an unfinished run of --peers has measured already
    #[arg(long, requires = "peers")]
    resume: bool,
    /// A .gguf file or a folder of safetensors [default: the demo model]
    #[arg(long, value_name = "PATH")]
    model: Option<PathBuf>,
    /// What float weights become: auto, f32, f16, q8 or q4
    #[arg(long, default_value = "auto")]
    precision: String,
    /// Where it computes: webgpu (natively the GPU as well), cpu, or auto, which takes the processor where there is no GPU
    /// but a rasteriser
    #[arg(long, default_value = "webgpu")]
    device: String,
    /// Lengths of the prompts that are timed, in tokens [default: 32,128,512]
    #[arg(long, value_name = "N,...", value_delimiter = ',')]
    prefill: Option<Vec<u32>>,
    /// Positions in the cache when decoding is timed [default: 64,1024; of --peers 64]
    #[arg(long, value_name = "N,...", value_delimiter = ',')]
    decode: Option<Vec<u32>>,
    /// Tokens of each answer
    #[arg(long, value_name = "N", default_value_t = 16)]
    new_tokens: u32,
    /// How often each is timed [default: 3, of --peers 5]
    #[arg(long, value_name = "N")]
    runs: Option<u32>,
    /// Print one JSON object, with the report of each place, instead of the table
    #[arg(long)]
    json: bool,
    /// Write that object to a file too
    #[arg(long, value_name = "FILE")]
    save: Option<PathBuf>,
}

const PREFILL: [u32; 3] = [32, 128, 512];
const DECODE: [u32; 2] = [64, 1024];
const RUNS: u32 = 3;

impl Arguments {
    fn prefill(&self) -> &[u32] {
        self.prefill.as_deref().unwrap_or(&PREFILL)
    }

    fn decode(&self) -> &[u32] {
        self.decode.as_deref().unwrap_or(&DECODE)
    }

    fn runs(&self) -> u32 {
        self.runs.unwrap_or(RUNS)
    }
}

/// Measures in every place that was named, and prints what came out.
///
/// # Errors
/// When something that is needed can't be brought, or a measurement fails.
pub fn run(arguments: &Arguments) -> Result<()> {
    let model = match &arguments.model {
        Some(path) => fs::canonicalize(path).with_context(|| format!("looking for {}", path.display()))?,
        None => model::bring()?,
    };
    let in_browser = arguments.browser || arguments.firefox;
    let mut reports = Map::new();
    if arguments.native || !(arguments.swiftshader || in_browser || arguments.peers) {
        let adapter = vulkan::primary()?;
        reports.insert(adapter.name.into(), native(arguments, &model, &adapter)?);
    }
    if arguments.swiftshader {
        let adapter = vulkan::second()?.context("there is no SwiftShader here")?;
        reports.insert(adapter.name.into(), native(arguments, &model, &adapter)?);
    }
    if in_browser {
        build::run_all()?;
        let page = Page::serve(&model)?;
        for (asked, name) in [(arguments.browser, "chromium"), (arguments.firefox, "firefox")] {
            if asked {
                reports.insert(name.into(), page.measure(name, arguments)?);
            }
        }
    }
    if arguments.peers {
        reports.extend(peers::measure(arguments, &model)?);
    }
    let table = table::of(&reports);
    let object = json!({ "model": model.file_name().unwrap_or_default().to_string_lossy(), "reports": reports });
    if let Some(file) = &arguments.save {
        let text = serde_json::to_string_pretty(&object)?;
        fs::write(file, text + "\n").with_context(|| format!("writing {}", file.display()))?;
    }
    if arguments.json {
        println!("{object}");
    } else {
        print!("{table}");
    }
    Ok(())
}

/// On an adapter, by the device's name as the command has it.
fn native(arguments: &Arguments, model: &Path, adapter: &vulkan::Adapter) -> Result<Value> {
    say(format!("measuring natively: {}", adapter.name));
    let device = if arguments.device == "webgpu" { "gpu" } else { &arguments.device };
    let [prefill, decode] = [arguments.prefill(), arguments.decode()];
    let mut command = command(arguments, model, [prefill, decode], arguments.runs());
    parsed(&output_of(command.args(["--device", device]).envs(adapter.environment()))?)
}

/// The command as its users run it: optimised.
fn command(arguments: &Arguments, model: &Path, [prefill, decode]: [&[u32]; 2], runs: u32) -> Command {
    let list = |sizes: &[u32]| sizes.iter().map(u32::to_string).collect::<Vec<_>>().join(",");
    let mut command = cargo();
    command.args(["run", "--release", "--quiet", "--bin", "oriel", "--", "bench", "--json", "--model"]).arg(model);
    command.args(["--precision", &arguments.precision, "--prefill", &list(prefill), "--decode", &list(decode)]);
    command.args(["--new-tokens", &arguments.new_tokens.to_string(), "--runs", &runs.to_string()]);
    command
}

/// The built page on a server, with a model beside it.
struct Page {
    server: Server,
    /// The model's address, relative to the page's.
    model: String,
}

impl Page {
    fn serve(model: &Path) -> Result<Self> {
        let (Some(folder), Some(name)) = (model.parent(), model.file_name()) else {
            bail!("{} is no model", model.display());
        };
        let server = Server::start(paths::site(), folder.to_owned(), None)?;
        let slash = if model.is_dir() { "/" } else { "" };
        Ok(Self { server, model: format!("models/{}{slash}", name.to_string_lossy()) })
    }

    /// Measures in a browser, which is brought first.
    fn measure(&self, name: &str, arguments: &Arguments) -> Result<Value> {
        let mut node = node::bring()?;
        if name == "firefox" {
            // It computes through the system's Vulkan.
            node.env("ORIEL_FIREFOX", firefox::bring()?).envs(vulkan::primary()?.environment());
        } else {
            node.env("ORIEL_BROWSER", browser::bring()?);
        }
        say(format!("measuring in {name}"));
        let options = json!({
            "precision": arguments.precision, "device": arguments.device, "prefill": arguments.prefill(), "decode": arguments.decode(),
            "newTokens": arguments.new_tokens, "runs": arguments.runs(),
        });
        node.arg("tests/page/bench.mjs").arg(name).arg(self.server.address()).arg(&self.model).arg(options.to_string());
        parsed(&output_of(&mut node)?)
    }
}

fn parsed(text: &str) -> Result<Value> {
    serde_json::from_str(text).with_context(|| format!("a report that is no JSON: {text}"))
}
