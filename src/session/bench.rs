//! A loaded model -> how fast it is on its device: medians and spread of prefill and decode, and what a token costs.
//!
//! Tokens without meaning are run through the session's own loop, so that what is measured is what a caller gets. A
//! prompt is timed from its first step to the first new token. Decoding is timed from the first new token to the last,
//! after a prompt that stands in the cache already; its counts are those of the whole answer, each token a pass.

mod closer;
mod report;

pub use report::{DecodeRow, PerToken, PrefillRow, Report, Spread};

use super::generation::{Generation, Step};
use super::model::Model;
use super::options::GenerateOptions;
use crate::executor::Counts;
use crate::{Error, Result};
use closer::Closer;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;
use web_time::Instant;

/// What is measured.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub struct BenchOptions {
    /// Lengths of the prompts that are timed, in tokens.
    pub prefill: Vec<u32>,
    /// Positions that stand in the cache when decoding is timed.
    pub decode: Vec<u32>,
    /// Tokens of each answer that is timed.
    pub new_tokens: u32,
    /// How often each is timed.
    pub runs: u32,
    /// Whether each dispatch of a pass is timed too, where the device gives timestamps.
    pub profile: bool,
    /// Whether each kernel is held against what the adapter gives at best.
    pub roofline: bool,
}

impl Default for BenchOptions {
    fn default() -> Self {
        let (prefill, decode) = (vec![32, 128, 512], vec![64, 1024]);
        BenchOptions { prefill, decode, new_tokens: 16, runs: 3, profile: false, roofline: false }
    }
}

/// More runs than anyone waits for.
const MOST_RUNS: u32 = 1000;

/// A clock too coarse to see a time gives no rate that JSON could hold; its grain bounds it.
const CLOCK_GRAIN_MS: f64 = 1e-3;

/// Tokens of the answers that are run before anything is timed, for what drivers put off until then.
const WARM_UP: (u32, u32) = (8, 2);

impl BenchOptions {
    fn check(&self) -> Result<()> {
        let refuse = |what: String| Err(Error::Option(what));
        if !(1..=MOST_RUNS).contains(&self.runs) {
            return refuse(format!("runs is {}; expected 1 to {MOST_RUNS}", self.runs));
        }
        if self.new_tokens < 2 {
            return refuse(format!(
                "the new tokens are {}; expected at least 2, as the first is not timed",
                self.new_tokens
            ));
        }
        if self.prefill.iter().chain(&self.decode).any(|size| *size == 0) {
            return refuse("a prompt of 0 tokens can't be timed; expected at least 1".into());
        }
        if self.prefill.is_empty() && self.decode.is_empty() {
            return refuse("neither prefill nor decode is to be timed".into());
        }
        Ok(())
    }
}

/// A measurement on its way: [`step`](Bench::step) it until it has ended, then ask for the [`report`](Bench::report).
///
/// Between two steps it can be given up at no cost.
pub struct Bench {
    options: BenchOptions,
    jobs: VecDeque<Job>,
    running: Option<Running>,
    /// The runs of each prompt, and of each answer.
    prompts: Vec<Vec<Run>>,
    answers: Vec<Vec<Run>>,
    /// Tokens of the jobs that are done, and of all.
    done: u64,
    total: u64,
    closer: Closer,
}

/// How far a measurement has come.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Progress {
    /// `warm-up`, `prefill`, `fill` (of the cache, before decoding) or `decode`; then `profile`, `probe`, `roofline`.
    pub phase: &'static str,
    /// Tokens of the prompt that is run or stands in the cache.
    pub tokens: u32,
    /// The run, from 1.
    pub run: u32,
    /// Runs of this.
    pub runs: u32,
    /// Tokens that were run, in all.
    pub done: u64,
    /// Tokens to run, in all.
    pub total: u64,
    /// Tokens a second of the timed run that ended with this step.
    pub tokens_per_s: Option<f64>,
}

#[derive(Debug, Clone, Copy, PartialEq)]
enum Phase {
    WarmUp,
    Prefill,
    Fill,
    Decode,
}

impl Phase {
    fn is_timed(self) -> bool {
        matches!(self, Phase::Prefill | Phase::Decode)
    }

    fn name(self) -> &'static str {
        match self {
            Phase::WarmUp => "warm-up",
            Phase::Prefill => "prefill",
            Phase::Fill => "fill",
            Phase::Decode => "decode",
        }
    }
}

/// One answer to be run.
#[derive(Debug, Clone, Copy)]
struct Job {
    phase: Phase,
    /// Its place among the options' sizes.
    row: usize,
    run: u32,
    prompt: u32,
    new: u32,
}

impl Job {
    /// Tokens to be run, for the progress.
    fn work(&self) -> u64 {
        let prompt = if self.phase == Phase::Decode { 0 } else { self.prompt };
        u64::from(prompt + self.new)
    }
}

struct Running {
    job: Job,
    answer: Generation,
    before: Counts,
    begun: Instant,
    /// When the first new token came.
    first: Option<Instant>,
}

/// What one answer took.
struct Run {
    /// Of the prompt or, in a decoding run, of all new tokens but the first.
    tokens_per_s: f64,
    first_token_ms: f64,
    before: Counts,
    after: Counts,
}

impl Bench {
    /// Plans the measurement. Sizes that do not fit the model's context are left out, and the report says so.
    ///
    /// # Errors
    /// [`Error::Option`] for options out of range; [`Error::Context`] where no size fits.
    pub fn new(model: &Model, options: BenchOptions) -> Result<Bench> {
        options.check()?;
        let jobs = jobs(&options, model.context());
        if jobs.is_empty() {
            let context = model.context();
            return Err(Error::Context(format!("nothing that is to be timed fits the context of {context} positions")));
        }
        Ok(Bench {
            total: jobs.iter().map(Job::work).sum(),
            prompts: options.prefill.iter().map(|_| Vec::new()).collect(),
            answers: options.decode.iter().map(|_| Vec::new()).collect(),
            jobs,
            running: None,
            done: 0,
            closer: Closer::new(model, &options)?,
            options,
        })
    }

    /// One pass of the model; none where the measurement has ended.
    pub async fn step(&mut self, model: &mut Model) -> Result<Option<Progress>> {
        let mut running = match self.running.take() {
            Some(running) => running,
            None => match self.jobs.pop_front() {
                Some(job) => Running::start(job, model)?,
                None => return self.look(model).await,
            },
        };
        let stepped = model.step(&mut running.answer).await?;
        let now = Instant::now();
        let job = running.job;
        let within = match stepped {
            Step::Prompt { done, .. } => done as u64,
            _ => u64::from(job.prompt) + running.answer.tokens().len() as u64,
        };
        if let Step::Token(_) = stepped {
            running.first.get_or_insert(now);
        }
        let ended = running.answer.finish_reason().is_some();
        // A decoding run does not count its prompt.
        let skipped = u64::from(job.prompt + job.new) - job.work();
        let done = self.done + within.saturating_sub(skipped);
        let mut tokens_per_s = None;
        if ended {
            self.done += job.work();
            let run = running.end(now, model);
            tokens_per_s = job.phase.is_timed().then_some(run.tokens_per_s);
            self.keep(job, run);
        } else {
            self.running = Some(running);
        }
        let runs = if job.phase.is_timed() { self.options.runs } else { 1 };
        let (phase, tokens, run) = (job.phase.name(), job.prompt, job.run);
        Ok(Some(Progress { phase, tokens, run, runs, done, total: self.total, tokens_per_s }))
    }

    /// What was measured so far, of the model that it was measured on.
    pub fn report(&self, model: &Model) -> Report {
        report::report(self, model)
    }

    fn keep(&mut self, job: Job, run: Run) {
        match job.phase {
            Phase::Prefill => self.prompts[job.row].push(run),
            Phase::Decode => self.answers[job.row].push(run),
            Phase::WarmUp | Phase::Fill => {}
        }
    }
}

/// Measures from beginning to end, telling `progress` of every step.
///
/// # Errors
/// As [`Bench::new`], and whatever running the model gives.
pub async fn run(model: &mut Model, options: BenchOptions, mut progress: impl FnMut(Progress)) -> Result<Report> {
    let mut bench = Bench::new(model, options)?;
    while let Some(step) = bench.step(model).await? {
        progress(step);
    }
    Ok(bench.report(model))
}

/// Whether a prompt and the answer to it fit.
fn fits(prompt: u32, new: u32, context: u32) -> bool {
    prompt.saturating_add(new) <= context
}

/// The answers to run, one after another. Prompts are beginnings of one another, so each fill of the cache goes on where
/// the prompt before it ended; the longest comes first, as shorter ones then need none.
fn jobs(options: &BenchOptions, context: u32) -> VecDeque<Job> {
    let mut jobs = VecDeque::new();
    for (row, &prompt) in options.prefill.iter().enumerate().filter(|(_, prompt)| fits(**prompt, 1, context)) {
        jobs.extend((1..=options.runs).map(|run| Job { phase: Phase::Prefill, row, run, prompt, new: 1 }));
    }
    let new = options.new_tokens;
    let decode = options.decode.iter().enumerate().filter(|(_, prompt)| fits(**prompt, new, context));
    let mut decode: Vec<(usize, u32)> = decode.map(|(row, prompt)| (row, *prompt)).collect();
    decode.sort_by_key(|(_, prompt)| std::cmp::Reverse(*prompt));
    for (row, prompt) in decode {
        jobs.push_back(Job { phase: Phase::Fill, row, run: 1, prompt, new: 1 });
        jobs.extend((1..=options.runs).map(|run| Job { phase: Phase::Decode, row, run, prompt, new }));
    }
    if let Some(first) = jobs.front() {
        let (prompt, new) = (WARM_UP.0.min(first.prompt), WARM_UP.1);
        jobs.push_front(Job { phase: Phase::WarmUp, row: 0, run: 1, prompt, new });
    }
    jobs
}

impl Running {
    fn start(job: Job, model: &mut Model) -> Result<Running> {
        if matches!(job.phase, Phase::WarmUp | Phase::Prefill) {
            model.forget();
        }
        let options = GenerateOptions { max_tokens: job.new, ignore_eos: true, ..GenerateOptions::default() };
        let answer = model.start(&made_up(job.prompt, model.shape().vocab), options)?;
        Ok(Running { job, answer, before: model.counts(), begun: Instant::now(), first: None })
    }

    fn end(self, last: Instant, model: &Model) -> Run {
        let ms = |from: Instant, to: Instant| to.saturating_duration_since(from).as_secs_f64() * 1000.0;
        let first = self.first.unwrap_or(last);
        let first_token_ms = ms(self.begun, first);
        let (tokens, time_ms) = match self.job.phase {
            Phase::Decode => (self.job.new - 1, ms(first, last)),
            _ => (self.job.prompt, first_token_ms),
        };
        let tokens_per_s = f64::from(tokens) * 1000.0 / time_ms.max(CLOCK_GRAIN_MS);
        Run { tokens_per_s, first_token_ms, before: self.before, after: model.counts() }
    }
}

/// Tokens without meaning, spread over the vocabulary, the same each time.
fn made_up(count: u32, vocab: u32) -> Vec<u32> {
    (0..count).map(|index| (u64::from(index) * 7919 % u64::from(vocab)) as u32).collect()
}
