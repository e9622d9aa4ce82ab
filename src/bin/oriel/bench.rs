//! A made-up prompt -> tokens a second, and what the device does for each.

use crate::arguments::Bench;
use crate::{load, output};
use oriel::executor::Counts;
use oriel::session::{GenerateOptions, Model};
use oriel::{Error, Result};
use pollster::block_on;
use serde_json::{Map, Value, json};

pub fn run(arguments: &Bench) -> Result<()> {
    let mut model = load::model(&arguments.model)?;
    let (prompt, new) = (arguments.prompt_tokens, arguments.new_tokens);
    let context = model.context();
    if prompt.saturating_add(new) > context {
        let message =
            format!("{prompt} prompt tokens and {new} new ones do not fit the context of {context} positions");
        return Err(Error::Context(message));
    }
    // The first run pays for what drivers put off; it is not counted.
    block_on(measure(&mut model, prompt, 2))?;
    let figures = block_on(measure(&mut model, prompt, new))?;
    let info = model.info();
    let mut report = Map::from_iter([
        ("architecture".to_string(), json!(info.architecture)),
        ("adapter".to_string(), json!(info.adapter.name)),
        ("prompt_tokens".to_string(), json!(prompt)),
        ("new_tokens".to_string(), json!(new)),
    ]);
    report.extend(figures);
    report.insert("gpu_bytes".to_string(), json!(info.gpu_bytes));
    if arguments.json {
        return output::print_json(&Value::Object(report));
    }
    let width = report.keys().map(String::len).max().unwrap_or(0);
    let line = |(name, value): (&String, &Value)| match value {
        Value::String(text) => format!("{name:width$}  {text}\n"),
        other => format!("{name:width$}  {other}\n"),
    };
    output::print(&report.iter().map(line).collect::<String>())
}

/// Answers a prompt of `prompt` tokens with `new` ones, and divides what the device did for all but the first of them.
async fn measure(model: &mut Model, prompt: u32, new: u32) -> Result<Map<String, Value>> {
    model.forget();
    let options = GenerateOptions { max_tokens: new, ignore_eos: true, ..GenerateOptions::default() };
    let mut answer = model.start(&made_up(prompt, model.shape().vocab), options)?;
    model.next(&mut answer).await?;
    let before = model.counts();
    while model.next(&mut answer).await?.is_some() {}
    let after = model.counts();
    let per_token = |count: fn(&Counts) -> u64| (count(&after) - count(&before)) as f64 / f64::from(new - 1);
    let timings = answer.timings();
    let figures = [
        ("prefill_tokens_per_s", timings.prefill_tokens_per_s()),
        ("decode_tokens_per_s", timings.decode_tokens_per_s()),
        ("first_token_ms", timings.first_token_ms),
        ("dispatches_per_token", per_token(|counts| counts.dispatches)),
        ("submits_per_token", per_token(|counts| counts.submits)),
        ("readbacks_per_token", per_token(|counts| counts.readbacks)),
        ("buffers_created_per_token", per_token(|counts| counts.buffers_created)),
        ("bind_groups_created_per_token", per_token(|counts| counts.bind_groups_created)),
        ("pipelines_created_per_token", per_token(|counts| counts.pipelines_created)),
        ("weight_bytes_read_per_token", per_token(|counts| counts.weight_bytes_read)),
    ];
    Ok(figures.into_iter().map(|(name, value)| (name.to_string(), json!(value))).collect())
}

/// Tokens without meaning, spread over the vocabulary, the same each time.
fn made_up(count: u32, vocab: u32) -> Vec<u32> {
    (0..count).map(|index| (u64::from(index) * 7919 % u64::from(vocab)) as u32).collect()
}
