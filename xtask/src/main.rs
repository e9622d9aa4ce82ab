//! From a word on the command line to a chore done: `cargo xtask demo | test | build | model | golden | bench`.
//!
//! Every chore brings what it needs first (`setup/`), says in a line what it is doing, and can be run again at once.

mod bench;
mod build;
mod demo;
mod golden;
mod paths;
mod process;
mod seeded;
mod serve;
mod setup;
mod stamp;
mod test;

use anyhow::Result;
use clap::{Parser, Subcommand};
use seeded::Checkpoint;
use std::process::ExitCode;

/// The chores of this repository. They need Rust, Node.js and Python 3, and install the rest.
#[derive(Parser)]
#[command(name = "cargo xtask", bin_name = "cargo xtask")]
struct Arguments {
    #[command(subcommand)]
    chore: Chore,
}

#[derive(Subcommand)]
enum Chore {
    /// Build everything, bring the model, serve the page and print its address
    Demo {
        /// Open the page in headless Chromium instead, ask it this, and print its answer
        #[arg(long, value_name = "PROMPT")]
        headless: Option<String>,
        /// The port to serve on; without it, 8080 or the next free one
        #[arg(long)]
        port: Option<u16>,
    },
    /// Run every test, or only the named groups
    Test {
        #[arg(value_enum)]
        groups: Vec<test::Group>,
    },
    /// Build the WebAssembly module, the npm package and the page
    Build,
    /// Bring the demo model to models/, or make one with random weights there, for benchmarks
    Model {
        /// Make models/gpt2-124m: GPT-2 at its real size, 249 MB
        #[arg(long)]
        gpt2: bool,
        /// Make models/seeded-small: a Llama of five million parameters, 10 MB
        #[arg(long)]
        seeded_small: bool,
    },
    /// Make the golden files anew, with Python
    Golden {
        /// Scripts of tests/golden/, by file name; without any, all of them
        scripts: Vec<String>,
    },
    /// Measure how fast a model runs: natively, in Chromium, in Firefox
    Bench(bench::Arguments),
}

fn main() -> ExitCode {
    match run(Arguments::parse().chore) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("error: {error:#}");
            ExitCode::FAILURE
        }
    }
}

fn run(chore: Chore) -> Result<()> {
    match chore {
        Chore::Demo { headless: Some(prompt), port } => demo::headless(&prompt, port),
        Chore::Demo { headless: None, port } => demo::serve(port),
        Chore::Test { groups } => test::run_groups(&groups),
        Chore::Build => build::run_all(),
        Chore::Model { gpt2, seeded_small } => model(gpt2, seeded_small),
        Chore::Golden { scripts } => golden::run_scripts(&scripts),
        Chore::Bench(arguments) => bench::run(&arguments),
    }
}

fn model(gpt2: bool, seeded_small: bool) -> Result<()> {
    let asked = [(gpt2, Checkpoint::Gpt2), (seeded_small, Checkpoint::Small)];
    for (_, checkpoint) in asked.iter().filter(|(asked, _)| *asked) {
        seeded::bring(*checkpoint)?;
    }
    if !(gpt2 || seeded_small) {
        setup::model::bring()?;
    }
    Ok(())
}
