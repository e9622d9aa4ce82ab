//! A made-up prompt -> tokens a second, and what the device does for each.

use crate::arguments::Bench;
use crate::{load, output, profile, roofline};
use indicatif::{ProgressBar, ProgressStyle};
use oriel::session::bench::{self, BenchOptions, DecodeRow, PrefillRow, Progress, Spread};
use oriel::{Error, Result};
use pollster::block_on;
use serde_json::{Value, json};
use std::time::{Duration, Instant};

pub fn run(arguments: &Bench) -> Result<()> {
    let begun = Instant::now();
    let about_gpu = arguments.profile || arguments.roofline || arguments.readback_delay_ms.is_some();
    let mut model = load::model(&if about_gpu { arguments.model.on_gpu() } else { arguments.model.clone() })?;
    let load_ms = begun.elapsed().as_secs_f64() * 1000.0;
    if let Some(delay) = arguments.readback_delay_ms {
        model.hold_back(Duration::from_millis(delay));
    }
    let options = options(arguments, model.context())?;
    let progress = progress();
    let report = block_on(bench::run(&mut model, options, |step| show(&progress, &step)))?;
    progress.finish_and_clear();
    let mut value = serde_json::to_value(&report).map_err(|error| Error::Io(format!("the report: {error}")))?;
    value["load_ms"] = json!(load_ms);
    if arguments.json {
        return output::print_json(&value);
    }
    let page = page(&value, &report.prefill, &report.decode);
    let profiles = report.profiles.iter().map(profile::page);
    output::print(&profiles.chain(report.roofline.iter().map(roofline::page)).fold(page, |page, more| page + &more))
}

/// The sizes of the arguments; a single prompt where they name one or, of all sizes, only the new tokens.
fn options(arguments: &Bench, context: u32) -> Result<BenchOptions> {
    let Bench { profile, roofline, .. } = *arguments;
    let usual = BenchOptions { profile, roofline, ..BenchOptions::default() };
    let in_table = arguments.prefill.is_some() || arguments.decode.is_some();
    if arguments.prompt_tokens.is_none() && (arguments.new_tokens.is_none() || in_table) {
        return Ok(BenchOptions {
            prefill: arguments.prefill.clone().unwrap_or(usual.prefill),
            decode: arguments.decode.clone().unwrap_or(usual.decode),
            new_tokens: arguments.new_tokens.unwrap_or(usual.new_tokens),
            runs: arguments.runs.unwrap_or(usual.runs),
            ..usual
        });
    }
    let (prompt, new) = (arguments.prompt_tokens.unwrap_or(128), arguments.new_tokens.unwrap_or(64));
    if prompt.saturating_add(new) > context {
        let message =
            format!("{prompt} prompt tokens and {new} new ones do not fit the context of {context} positions");
        return Err(Error::Context(message));
    }
    let runs = arguments.runs.unwrap_or(1);
    Ok(BenchOptions { prefill: vec![prompt], decode: vec![prompt], new_tokens: new, runs, ..usual })
}

/// A line on standard error, where that is a terminal.
fn progress() -> ProgressBar {
    let bar = ProgressBar::new(1);
    match ProgressStyle::with_template("{msg} {wide_bar} {percent} %") {
        Ok(style) => bar.with_style(style),
        Err(_) => bar,
    }
}

fn show(bar: &ProgressBar, step: &Progress) {
    bar.set_length(step.total);
    bar.set_position(step.done);
    bar.set_message(format!("{} {}, run {} of {}", step.phase, step.tokens, step.run, step.runs));
}

/// The report for people: the rows first, then everything else that is one value.
fn page(report: &Value, prefill: &[PrefillRow], decode: &[DecodeRow]) -> String {
    let mut page = format!("{:<24}{:>12}{:>12}{:>12}  tokens a second\n", "", "median", "least", "greatest");
    for row in prefill {
        page += &line(format!("prefill of {} tokens", row.tokens), row.tokens_per_s, row.reason.as_deref());
    }
    for row in decode {
        page += &line(format!("decode at {} positions", row.positions), row.tokens_per_s, row.reason.as_deref());
    }
    page.push('\n');
    let single =
        report.as_object().into_iter().flatten().filter(|(name, value)| !value.is_array() && *name != "roofline");
    let mut adapter = Vec::new();
    for (name, value) in single {
        match value {
            Value::Object(fields) if name == "adapter" => adapter.extend(fields),
            value => page += &pair(name, value),
        }
    }
    page + &adapter.into_iter().map(|(name, value)| pair(&format!("adapter {name}"), value)).collect::<String>()
}

fn line(what: String, spread: Option<Spread>, reason: Option<&str>) -> String {
    match spread {
        Some(Spread { median, min, max }) => format!("{what:<24}{median:>12.2}{min:>12.2}{max:>12.2}\n"),
        None => format!("{what:<24}{:>12}  {}\n", "-", reason.unwrap_or_default()),
    }
}

fn pair(name: &str, value: &Value) -> String {
    match value {
        Value::String(text) => format!("{name:<32}{text}\n"),
        other => format!("{name:<32}{other}\n"),
    }
}
