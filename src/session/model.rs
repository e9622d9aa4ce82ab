//! A loaded model: tokens in, scores of the next token out, over a cache that remembers what stands in it.

use super::assembly::{Assembly, Bound, FormatUse};
use super::chunks::{Chunks, frame_budget};
use super::kept::{Mark, Shelf};
use super::ledger::{Change, Ledger, Pass};
use super::pace::Pace;
use super::text::Text;
use crate::executor::{AdapterInfo, CacheLayout, Counts, Executor, Prepared, Readback};
use crate::kernels::CacheFormat;
use crate::kernels::tuning::{Fault, Measured, Way};
use crate::models::ModelShape;
use crate::plan::Output;
use crate::sampler::{Chosen, Options};
use crate::{Error, Result};
use serde_json::Value;
use std::collections::VecDeque;
use web_time::Instant;

/// Passes of one row that are submitted without a look at the device.
const REPAID_AT_ONCE: usize = 16;

/// A model on a device, ready to run. Dropping it frees what it holds there.
///
/// It has one cache of keys and values, and knows which tokens stand in it: whatever is run next reuses the longest
/// common beginning, and computes the rest.
pub struct Model {
    executor: Executor,
    assembly: Assembly,
    text: Text,
    notice: Option<String>,
    passes: Passes,
    /// Rows that a part of a prompt takes.
    chunks: Chunks,
    /// What was measured when it was loaded.
    tuned: Vec<Measured>,
    /// The same with scores for every row, and its rows; made when it is first needed.
    scoring: Option<(Prepared, u32)>,
    /// The tokens whose keys and values stand in the cache, by position.
    pub(super) cached: Vec<u32>,
    /// By which passes they came there.
    pub(super) ledger: Ledger,
    /// What stood there before, for other answers.
    pub(super) shelf: Shelf,
    /// Which model it is.
    pub(super) mark: Mark,
    /// The answer whose options the executor chooses tokens by, if that is still sure.
    pub(super) turn: Option<u64>,
    /// The token that was chosen last, of those that came back; its keys and values are not in the cache yet.
    last: Option<u32>,
    /// Submits on their way: how many tokens each runs that are not in `cached` yet.
    flights: VecDeque<usize>,
    pub(super) pace: Pace,
}

/// The passes over the weights, ready to run.
#[derive(Clone, Copy)]
pub(super) struct Passes {
    /// One row: the next token.
    decode: Prepared,
    /// Up to `most_rows` rows of a prompt.
    prompt: Prepared,
    most_rows: u32,
}

impl Passes {
    /// Builds them, and all that running them needs, on a device that has the cache and room for all weights.
    pub(super) fn prepare(executor: &mut Executor, assembly: &Assembly) -> Result<Passes> {
        let [decode, prompt] = assembly.plans(Bound::of(executor))?;
        let most_rows = prompt.rows;
        let decode = executor.prepare(&decode, &assembly.catalogue)?;
        let prompt = executor.prepare(&prompt, &assembly.catalogue)?;
        Ok(Passes { decode, prompt, most_rows })
    }
}

/// What a model is and what it takes.
#[derive(Debug, Clone, PartialEq)]
pub struct Info {
    /// The architecture, by its name in the checkpoint.
    pub architecture: String,
    /// The sizes of the model.
    pub shape: ModelShape,
    /// Positions that there is room for.
    pub context: u32,
    /// Weights on the device, by format.
    pub formats: Vec<FormatUse>,
    /// How the cache of keys and values is held.
    pub cache: CacheFormat,
    /// Bytes of all buffers on the device.
    pub gpu_bytes: u64,
    /// What computes.
    pub adapter: AdapterInfo,
    /// Why the model runs on another device than the best one.
    pub notice: Option<String>,
}

impl Model {
    /// What has come together, on the device that has it all.
    pub(super) fn new(
        executor: Executor,
        (assembly, text): (Assembly, Text),
        passes: Passes,
        (notice, mark): (Option<String>, Mark),
    ) -> Model {
        let first_rows = assembly.prompt_rows(Bound::of(&executor));
        let budget = frame_budget(assembly.options.frame_budget_ms, &executor);
        Model {
            chunks: Chunks::new(first_rows, passes.most_rows, budget),
            executor,
            assembly,
            text,
            notice,
            passes,
            tuned: Vec::new(),
            scoring: None,
            cached: Vec::new(),
            ledger: Ledger::default(),
            shelf: Shelf::default(),
            mark,
            turn: None,
            last: None,
            flights: VecDeque::new(),
            pace: Pace::new(budget),
        }
    }

    /// What the model is and what it takes.
    pub fn info(&self) -> Info {
        Info {
            architecture: self.assembly.architecture.clone(),
            shape: self.shape(),
            context: self.context(),
            formats: self.assembly.formats(),
            cache: self.assembly.cache_format(),
            gpu_bytes: self.executor.counts().gpu_bytes,
            adapter: self.executor.adapter(),
            notice: self.notice.clone(),
        }
    }

    /// Which kernels are taken, as JSON, to be kept and handed to [`Loading::tune`](super::Loading::tune) another time; none
    /// where the processor computes.
    pub fn tuning(&self) -> Option<Value> {
        self.executor.tuning()
    }

    /// What was measured to choose them when the model was loaded; nothing where all was known.
    pub fn tuned(&self) -> &[Measured] {
        &self.tuned
    }

    /// Times every way to carry out every kind of step and shape, and takes the best: this may take minutes where some are
    /// slow. What stood in the cache is forgotten.
    ///
    /// # Errors
    /// `Unsupported` on the processor; `Lost` where the device did not survive it.
    pub async fn tune(&mut self) -> Result<&[Measured]> {
        self.measure(None, &async |_| ()).await?;
        Ok(&self.tuned)
    }

    /// Times what is not known yet, for so many seconds or to the end; `keep` is told before each try.
    pub(super) async fn measure(&mut self, budget_s: Option<f64>, keep: &impl AsyncFn(Value)) -> Result<()> {
        self.land().await?;
        self.forget();
        self.tuned = self.executor.tune(&self.assembly.catalogue, budget_s, keep).await?;
        let is_wrong = |way: &Way| way.fault == Some(Fault::Wrong);
        if self.tuned.iter().flat_map(|measured| &measured.ways).any(is_wrong)
            && let Some(wrong) = self.executor.left_out_for(Fault::Wrong)
        {
            let what = format!("kernels are left out whose results are wrong here: {wrong}");
            self.notice = Some(self.notice.take().map_or(what.clone(), |before| format!("{before}; {what}")));
        }
        Ok(())
    }

    /// The sizes of the model.
    pub fn shape(&self) -> ModelShape {
        self.assembly.family.shape()
    }

    /// Positions that there is room for.
    pub fn context(&self) -> u32 {
        self.assembly.context
    }

    /// What turns text into tokens and back.
    pub fn text(&self) -> &Text {
        &self.text
    }

    /// What the device has done since it was opened.
    pub fn counts(&self) -> Counts {
        self.executor.counts()
    }

    /// Forgets the tokens in the cache: what is run next is computed from its first token.
    pub fn forget(&mut self) {
        self.cached.clear();
        self.ledger.cut(0);
    }

    /// By which passes the tokens in the cache came there: what has changed since the last call, if anything. Whoever keeps
    /// it can have the same cache made on another device, by [`restore`](Model::restore).
    pub fn changed(&mut self) -> Option<Change> {
        self.ledger.tell()
    }

    /// Takes over what stood in the cache of the same model with the same tuning. The passes are made again, by the same
    /// kernels and so to the bit, as far as the next answer has a use for them. Of several caches that took turns, the one
    /// that stood there last comes last.
    ///
    /// # Errors
    /// [`Error::Option`] where the passes do not follow one another, or do not fit this model.
    pub async fn restore(&mut self, passes: Vec<Pass>) -> Result<()> {
        if let Some(pass) = passes.iter().find(|pass| !pass.alone && pass.tokens.len() > self.most_rows() as usize) {
            return Err(Error::Option(format!("a pass has {} rows, more than here", pass.tokens.len())));
        }
        let vocab = self.shape().vocab;
        if let Some(token) = passes.iter().flat_map(|pass| &pass.tokens).find(|token| **token >= vocab) {
            return Err(Error::Option(format!("token {token} is outside the vocabulary of {vocab}")));
        }
        let ledger = Ledger::owing(passes)?;
        let cached = ledger.tokens();
        if cached.len() > self.context() as usize {
            return Err(Error::Context(format!("{} positions are more than the context has", cached.len())));
        }
        self.set_aside().await?;
        (self.cached, self.ledger) = (cached, ledger);
        Ok(())
    }

    /// Makes some of the passes that are owed, of those that are of use for `tokens`; how many positions stand in the cache
    /// then, or none where nothing is owed.
    pub(super) async fn repay(&mut self, tokens: &[u32]) -> Result<Option<usize>> {
        if self.ledger.next_owed().is_none() {
            return Ok(None);
        }
        let common = self.reusable(tokens);
        self.ledger.cut(common as u32);
        self.cached = self.ledger.tokens();
        let Some(Pass { start, alone, tokens }) = self.ledger.next_owed().cloned() else { return Ok(None) };
        let (pass, rows) = if alone { (self.passes.decode, 1) } else { (self.passes.prompt, tokens.len()) };
        for (index, run) in tokens.chunks(rows).enumerate() {
            self.executor.run(pass, run, start + (index * rows) as u32, Readback::Nothing)?;
            if index % REPAID_AT_ONCE == REPAID_AT_ONCE - 1 {
                self.executor.settle().await?;
            }
        }
        self.executor.settle().await?;
        self.ledger.pay();
        Ok(Some(self.ledger.paid()))
    }

    /// Checks tokens that are to be run.
    ///
    /// # Errors
    /// [`Error::Option`] where there are none or one is outside the vocabulary; [`Error::Context`] where there are more
    /// than positions.
    pub fn check(&self, tokens: &[u32]) -> Result<()> {
        if tokens.is_empty() {
            return Err(Error::Option("the prompt holds no token; expected at least one".into()));
        }
        let vocab = self.shape().vocab;
        if let Some(token) = tokens.iter().find(|token| **token >= vocab) {
            return Err(Error::Option(format!("token {token} is outside the vocabulary of {vocab}")));
        }
        if tokens.len() > self.context() as usize {
            let (tokens, context) = (tokens.len(), self.context());
            return Err(Error::Context(format!("the prompt has {tokens} tokens, the context {context} positions")));
        }
        Ok(())
    }

    /// How many of `tokens` need not be run again. The last one always is: its scores are wanted.
    pub(super) fn reusable(&self, tokens: &[u32]) -> usize {
        let common = self.cached.iter().zip(tokens).take_while(|(a, b)| a == b).count();
        common.min(tokens.len().saturating_sub(1))
    }

    /// Runs the next tokens of `tokens` that the cache lacks, at most a pass of them, and says how many are left to run.
    /// With none left, the token that follows is chosen, and on its way.
    pub(super) fn advance(&mut self, tokens: &[u32]) -> Result<usize> {
        let start = self.reusable(tokens);
        let left = tokens.len() - start;
        let rows = self.chunks.of(left);
        let pass = if left == 1 { self.passes.decode } else { self.passes.prompt };
        let readback = if rows == left { Readback::Choice } else { Readback::Nothing };
        if rows < left {
            self.chunks.begin(rows as u32);
        }
        self.run(pass, start, &tokens[start..start + rows], readback)?;
        if rows == left {
            self.flights.push_back(0);
        }
        Ok(left - rows)
    }

    /// The most rows of a pass.
    pub(super) fn most_rows(&self) -> u32 {
        self.passes.most_rows
    }

    /// A hash of what was computed aside of the weights.
    pub(super) fn aside(&self) -> u64 {
        self.assembly.aside
    }

    /// How keys and values stand on the device.
    pub(super) fn cache_layout(&self) -> Option<CacheLayout> {
        self.executor.cache_layout()
    }

    fn run(&mut self, pass: Prepared, start: usize, tokens: &[u32], readback: Readback) -> Result<()> {
        // What a pass that fails leaves behind is not known.
        let mut cached = std::mem::take(&mut self.cached);
        let mut ledger = std::mem::take(&mut self.ledger);
        self.ledger.cut(0);
        self.executor.run(pass, tokens, start as u32, readback)?;
        cached.truncate(start);
        cached.extend_from_slice(tokens);
        ledger.note(start as u32, pass == self.passes.decode, tokens);
        (self.cached, self.ledger) = (cached, ledger);
        Ok(())
    }

    /// The device: for measurements.
    pub(super) fn executor(&mut self) -> &mut Executor {
        &mut self.executor
    }

    /// Goes on from the last token that was or will be chosen: `count` more, without waiting for it.
    pub(super) fn go_on(&mut self, count: u32) -> Result<()> {
        let position = self.cached.len() + self.flights.iter().sum::<usize>();
        let ran = self.executor.chain(self.passes.decode, position as u32, count);
        if ran.is_err() {
            self.forget();
        }
        self.flights.push_back(count as usize);
        ran
    }

    /// Holds tokens back for so long after a GPU has chosen them: to measure what a slow way to the host costs.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn hold_back(&mut self, delay: std::time::Duration) {
        self.executor.hold_back(delay);
    }

    /// Whether as many submits are on their way as the device takes, or `most`.
    pub(super) fn is_busy(&self, most: usize) -> bool {
        self.flights.len() >= most.min(self.executor.depth())
    }

    /// Tokens that are on their way.
    pub(super) fn expected(&self) -> usize {
        // The first of an answer comes of the prompt's own pass.
        self.flights.iter().map(|tokens| (*tokens).max(1)).sum()
    }

    /// The tokens of the oldest submit on its way.
    pub(super) async fn arrive(&mut self) -> Result<Vec<Result<Chosen>>> {
        let chosen = self.executor.choices().await?;
        let ran = self.flights.pop_front().unwrap_or_default();
        for chosen in chosen.iter().flatten() {
            if ran > 0
                && let Some(last) = self.last
            {
                self.ledger.note(self.cached.len() as u32, true, &[last]);
                self.cached.push(last);
            }
            self.last = Some(self.in_vocabulary(chosen)?);
        }
        Ok(chosen)
    }

    fn in_vocabulary(&self, chosen: &Chosen) -> Result<u32> {
        match (chosen.token, self.shape().vocab) {
            (token, vocab) if token < vocab => Ok(token),
            (token, vocab) => Err(Error::Device(format!("the device chose token {token} of a vocabulary of {vocab}"))),
        }
    }

    /// Waits for what is on its way, which nobody wants any more. It stands in the cache all the same.
    pub(super) async fn land(&mut self) -> Result<()> {
        while self.executor.under_way() > 0 {
            self.arrive().await?;
        }
        self.flights.clear();
        Ok(())
    }

    /// The device, and the pass that takes so many tokens: for measurements, which leave nothing of use in the cache.
    pub(super) fn measured(&mut self, rows: u32) -> (&mut Executor, Prepared) {
        self.forget();
        (&mut self.executor, if rows == 1 { self.passes.decode } else { self.passes.prompt })
    }

    /// Tokens that a pass over a prompt takes at once, before it is known how quick the device is.
    pub fn prompt_rows(&self) -> u32 {
        self.assembly.prompt_rows(Bound::of(&self.executor))
    }

    /// Waits until the device has done what was given to it.
    pub(super) async fn settle(&mut self) -> Result<()> {
        self.executor.settle().await?;
        self.chunks.end();
        Ok(())
    }

    /// Learns how long it takes to hear of a device that has nothing to do.
    pub(super) async fn learn_latency(&mut self) -> Result<()> {
        let begun = Instant::now();
        self.executor.settle().await?;
        self.chunks.heard_after(begun.elapsed());
        Ok(())
    }

    /// Says how tokens are chosen from now on, after `prompt` and `generated`.
    pub(super) fn begin_choosing(&mut self, options: &Options, prompt: &[u32], generated: &[u32]) -> Result<()> {
        self.executor.begin_choosing(options, prompt, generated)
    }

    /// Hands over the scores after every token, as many rows `[rows, vocab]` at a time as the device has room for, in
    /// order. What stands in the cache is not reused: its scores are gone.
    ///
    /// # Errors
    /// As for a prompt; and the first one of `take`.
    pub async fn score(&mut self, tokens: &[u32], mut take: impl FnMut(&[f32]) -> Result<()>) -> Result<()> {
        self.check(tokens)?;
        self.land().await?;
        let (pass, rows) = self.scoring()?;
        for (index, chunk) in tokens.chunks(rows as usize).enumerate() {
            self.run(pass, index * rows as usize, chunk, Readback::Logits)?;
            take(&self.executor.read_logits(pass).await?)?;
        }
        Ok(())
    }

    /// The scores after every token: `[tokens, vocab]`.
    pub async fn logits(&mut self, tokens: &[u32]) -> Result<Vec<f32>> {
        let mut all = Vec::new();
        self.score(tokens, |rows| {
            all.extend_from_slice(rows);
            Ok(())
        })
        .await?;
        Ok(all)
    }

    fn scoring(&mut self) -> Result<(Prepared, u32)> {
        if let Some(scoring) = self.scoring {
            return Ok(scoring);
        }
        let row_bytes = u64::from(self.shape().vocab) * size_of::<f32>() as u64;
        let rows = (self.executor.binding_limit() / row_bytes).clamp(1, u64::from(self.prompt_rows())) as u32;
        let plan = self.assembly.plan(rows, Output::All)?;
        let scoring = (self.executor.prepare(&plan, &self.assembly.catalogue)?, rows);
        self.scoring = Some(scoring);
        Ok(scoring)
    }
}

#[cfg(test)]
impl Model {
    /// Makes a token end an answer.
    pub(super) fn end_with(&mut self, token: u32) {
        self.text.end_with(token);
    }
}
