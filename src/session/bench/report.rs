//! Timed runs -> the report that `oriel bench --json`, the package and the benchmark's page give alike.

use super::{Bench, Run, fits};
use crate::executor::{AdapterInfo, Counts};
use crate::session::{Model, Profile, Roofline};
use serde::Serialize;
use serde_json::Value;
use std::collections::BTreeMap;

/// The prompt whose speed stands for all: the longest measured one up to this.
const USUAL_PROMPT: u32 = 128;

/// How fast a model is on a device.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Report {
    /// The model's architecture.
    pub architecture: String,
    /// Its layers.
    pub layers: u32,
    /// Positions that there is room for.
    pub context: u32,
    /// Bytes of its weights by format.
    pub formats: BTreeMap<&'static str, u64>,
    /// How its cache of keys and values is held.
    pub cache: &'static str,
    /// Bytes of its weights.
    pub weight_bytes: u64,
    /// What computes, and by which variants of kernels.
    pub adapter: AdapterInfo,
    /// Which kernels were taken, shape by shape; none where the processor computed.
    pub tuning: Option<Value>,
    /// How often each was timed.
    pub runs: u32,
    /// Tokens of each answer.
    pub new_tokens: u32,
    /// Of the longest prompt up to 128 tokens that was timed, or else of the shortest.
    pub prefill_tokens_per_s: Option<f64>,
    /// Of the same prompt: from the beginning to the first new token.
    pub first_token_ms: Option<f64>,
    /// After the fewest positions that were timed.
    pub decode_tokens_per_s: Option<f64>,
    /// What a token of that answer took.
    #[serde(flatten)]
    pub per_token: Option<PerToken>,
    /// `weight_bytes_read_per_token` over `weight_bytes`: 1 where every weight is read once.
    pub weight_read_ratio: Option<f64>,
    /// Bytes of buffers on the device at the end.
    pub gpu_bytes: u64,
    /// The most that they were since the device was opened.
    pub gpu_bytes_peak: u64,
    /// Each prompt.
    pub prefill: Vec<PrefillRow>,
    /// Each answer.
    pub decode: Vec<DecodeRow>,
    /// Where the time of a token and of a prompt goes, where that was asked for.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub profiles: Vec<Profile>,
    /// How close the kernels come to what the adapter gives, where that was asked for.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub roofline: Option<Roofline>,
}

/// Several runs of the same.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Spread {
    /// The middle one, or the mean of the middle two.
    pub median: f64,
    /// The least.
    pub min: f64,
    /// The greatest.
    pub max: f64,
}

/// How fast a prompt is taken.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct PrefillRow {
    /// Its length.
    pub tokens: u32,
    /// Tokens a second; none where it was not timed.
    pub tokens_per_s: Option<Spread>,
    /// From the beginning to the first new token, in milliseconds.
    pub first_token_ms: Option<Spread>,
    /// Kernels started for it.
    pub dispatches: Option<u64>,
    /// Command buffers handed over for it.
    pub submits: Option<u64>,
    /// Why it was not timed.
    pub reason: Option<String>,
}

/// How fast new tokens come.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct DecodeRow {
    /// Positions that stood in the cache before.
    pub positions: u32,
    /// Tokens a second; none where it was not timed.
    pub tokens_per_s: Option<Spread>,
    /// What a token took.
    #[serde(flatten)]
    pub per_token: Option<PerToken>,
    /// Why it was not timed.
    pub reason: Option<String>,
}

/// What the device did for each token of an answer.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
#[allow(missing_docs, reason = "each is the mean of the field of the same name in `Counts`")]
pub struct PerToken {
    pub dispatches_per_token: f64,
    pub submits_per_token: f64,
    pub readbacks_per_token: f64,
    pub buffers_created_per_token: f64,
    pub bind_groups_created_per_token: f64,
    pub pipelines_created_per_token: f64,
    pub weight_bytes_read_per_token: f64,
}

/// What a measurement has come to.
pub(super) fn report(bench: &Bench, model: &Model) -> Report {
    let info = model.info();
    let prefill: Vec<PrefillRow> = bench
        .options
        .prefill
        .iter()
        .zip(&bench.prompts)
        .map(|(tokens, runs)| prompt(*tokens, runs, info.context))
        .collect();
    let new = bench.options.new_tokens;
    let decode: Vec<DecodeRow> = bench
        .options
        .decode
        .iter()
        .zip(&bench.answers)
        .map(|(at, runs)| answer(*at, new, runs, info.context))
        .collect();
    let measured = || prefill.iter().filter(|row| row.tokens_per_s.is_some());
    let usual = measured().filter(|row| row.tokens <= USUAL_PROMPT).max_by_key(|row| row.tokens);
    let usual = usual.or(measured().min_by_key(|row| row.tokens));
    let first = decode.iter().filter(|row| row.tokens_per_s.is_some()).min_by_key(|row| row.positions);
    let per_token = first.and_then(|row| row.per_token);
    let weight_bytes = info.formats.iter().map(|used| used.bytes).sum();
    Report {
        architecture: info.architecture,
        layers: info.shape.layers,
        context: info.context,
        formats: info.formats.iter().map(|used| (used.format.name(), used.bytes)).collect(),
        cache: info.cache.name(),
        weight_bytes,
        adapter: info.adapter,
        tuning: model.tuning(),
        runs: bench.options.runs,
        new_tokens: new,
        prefill_tokens_per_s: usual.and_then(|row| median(row.tokens_per_s)),
        first_token_ms: usual.and_then(|row| median(row.first_token_ms)),
        decode_tokens_per_s: first.and_then(|row| median(row.tokens_per_s)),
        per_token,
        weight_read_ratio: per_token.map(|counts| counts.weight_bytes_read_per_token / weight_bytes as f64),
        gpu_bytes: info.gpu_bytes,
        gpu_bytes_peak: bench.closer.gpu_bytes_peak.unwrap_or_else(|| model.counts().gpu_bytes_peak),
        prefill,
        decode,
        profiles: bench.closer.profiles.clone(),
        roofline: bench.closer.roofline.clone(),
    }
}

fn median(spread: Option<Spread>) -> Option<f64> {
    spread.map(|spread| spread.median)
}

fn prompt(tokens: u32, runs: &[Run], context: u32) -> PrefillRow {
    let per_run = |count: fn(&Counts) -> u64| runs.last().map(|run| count(&run.after) - count(&run.before));
    PrefillRow {
        tokens,
        tokens_per_s: spread(runs.iter().map(|run| run.tokens_per_s)),
        first_token_ms: spread(runs.iter().map(|run| run.first_token_ms)),
        dispatches: per_run(|counts| counts.dispatches),
        submits: per_run(|counts| counts.submits),
        reason: reason(tokens, 1, runs, context),
    }
}

fn answer(positions: u32, new: u32, runs: &[Run], context: u32) -> DecodeRow {
    DecodeRow {
        positions,
        tokens_per_s: spread(runs.iter().map(|run| run.tokens_per_s)),
        per_token: runs.last().map(|run| PerToken::of(run, new)),
        reason: reason(positions, new, runs, context),
    }
}

impl PerToken {
    /// Of an answer that found its prompt in the cache: its first token is a pass like the others.
    fn of(run: &Run, new: u32) -> PerToken {
        let mean = |count: fn(&Counts) -> u64| (count(&run.after) - count(&run.before)) as f64 / f64::from(new);
        PerToken {
            dispatches_per_token: mean(|counts| counts.dispatches),
            submits_per_token: mean(|counts| counts.submits),
            readbacks_per_token: mean(|counts| counts.readbacks),
            buffers_created_per_token: mean(|counts| counts.buffers_created),
            bind_groups_created_per_token: mean(|counts| counts.bind_groups_created),
            pipelines_created_per_token: mean(|counts| counts.pipelines_created),
            weight_bytes_read_per_token: mean(|counts| counts.weight_bytes_read),
        }
    }
}

/// Why there are no runs, if there are none.
fn reason(prompt: u32, new: u32, runs: &[Run], context: u32) -> Option<String> {
    match runs {
        [] if fits(prompt, new, context) => Some("not run yet".into()),
        [] => Some(format!("{prompt} tokens and {new} new do not fit the context of {context} positions")),
        _ => None,
    }
}

fn spread(values: impl Iterator<Item = f64>) -> Option<Spread> {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    let (min, max) = (*values.first()?, *values.last()?);
    let (low, high) = (values[(values.len() - 1) / 2], values[values.len() / 2]);
    Some(Spread { median: f64::midpoint(low, high), min, max })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_median_of_an_even_number_of_runs_lies_between_the_middle_two() {
        assert_eq!(spread([4.0, 1.0, 3.0, 2.0].into_iter()), Some(Spread { median: 2.5, min: 1.0, max: 4.0 }));
        assert_eq!(spread([3.0, 1.0, 2.0].into_iter()).map(|spread| spread.median), Some(2.0));
        assert_eq!(spread(std::iter::empty()), None);
    }
}
