//! The command line -> the library -> standard output. Bad input ends with a message and status 2.

mod arguments;
mod bench;
mod generate;
mod inspect;
mod load;
mod logits;
mod npy;
mod output;
mod perplexity;
mod predict;
mod profile;
mod roofline;
mod tuning;

use arguments::{Cli, Command, Tokenize};
use clap::Parser;
use oriel::Result;
use std::process::ExitCode;

fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Generate(arguments) => generate::run(&arguments),
        Command::Logits(arguments) => logits::run(&arguments),
        Command::Tokenize(arguments) => tokenize(&arguments),
        Command::Perplexity(arguments) => perplexity::run(&arguments),
        Command::Bench(arguments) => bench::run(&arguments),
        Command::Inspect(arguments) => inspect::run(&arguments),
        Command::Tune(arguments) => tuning::run(&arguments),
        Command::Predict(arguments) => predict::run(&arguments),
    };
    match done {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            output::note(&format!("error: {error}"));
            ExitCode::from(2)
        }
    }
}

/// The tokens of a text as `generate` would run them.
fn tokenize(arguments: &Tokenize) -> Result<()> {
    let text = load::heads(&arguments.model, false)?.into_text()?;
    output::print_json(&text.prompt(&arguments.text)?.into())
}
