//! A loaded model: tokens in, scores of the next token out, over a cache that remembers what stands in it.

use super::assembly::{Assembly, FormatUse};
use super::text::Text;
use crate::executor::{AdapterInfo, Counts, Executor, Prepared, Readback};
use crate::models::ModelShape;
use crate::plan::Output;
use crate::sampler::{Chosen, Options};
use crate::{Error, Result};

/// A model on a device, ready to run. Dropping it frees what it holds there.
///
/// It has one cache of keys and values, and knows which tokens stand in it: whatever is run next reuses the longest
/// common beginning, and computes the rest.
pub struct Model {
    executor: Executor,
    assembly: Assembly,
    text: Text,
    notice: Option<String>,
    /// One row: the next token.
    decode: Prepared,
    /// Up to `prompt_rows` rows of a prompt.
    prompt: Prepared,
    prompt_rows: u32,
    /// The same with scores for every row, and its rows; made when it is first needed.
    scoring: Option<(Prepared, u32)>,
    /// The tokens whose keys and values stand in the cache, by position.
    cached: Vec<u32>,
    /// The answer whose options the executor chooses tokens by, if that is still sure.
    pub(super) turn: Option<u64>,
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
    /// Bytes of all buffers on the device.
    pub gpu_bytes: u64,
    /// What computes.
    pub adapter: AdapterInfo,
    /// Why the model runs on another device than the best one.
    pub notice: Option<String>,
}

impl Model {
    /// Builds the passes over the weights and prepares all that running them needs, on a device that has the cache.
    pub(super) fn assemble(
        mut executor: Executor,
        assembly: Assembly,
        text: Text,
        notice: Option<String>,
    ) -> Result<Model> {
        let [decode, prompt] = assembly.plans()?;
        let prompt_rows = prompt.rows;
        let decode = executor.prepare(&decode, &assembly.catalogue)?;
        let prompt = executor.prepare(&prompt, &assembly.catalogue)?;
        let (scoring, cached) = (None, Vec::new());
        Ok(Model { executor, assembly, text, notice, decode, prompt, prompt_rows, scoring, cached, turn: None })
    }

    /// What the model is and what it takes.
    pub fn info(&self) -> Info {
        Info {
            architecture: self.assembly.architecture.clone(),
            shape: self.shape(),
            context: self.context(),
            formats: self.assembly.formats(),
            gpu_bytes: self.executor.counts().gpu_bytes,
            adapter: self.executor.adapter(),
            notice: self.notice.clone(),
        }
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
    /// With none left, what `readback` asks for is that after the last token.
    pub(super) fn advance(&mut self, tokens: &[u32], readback: Readback) -> Result<Advance> {
        let start = self.reusable(tokens);
        let left = tokens.len() - start;
        let (pass, most) = if left == 1 { (self.decode, 1) } else { (self.prompt, self.prompt_rows as usize) };
        let rows = left.min(most);
        let readback = if rows == left { readback } else { Readback::Nothing };
        self.run(pass, start, &tokens[start..start + rows], readback)?;
        Ok(Advance { pass, left: left - rows })
    }

    fn run(&mut self, pass: Prepared, start: usize, tokens: &[u32], readback: Readback) -> Result<()> {
        // What a pass that fails leaves behind is not known.
        let mut cached = std::mem::take(&mut self.cached);
        self.executor.run(pass, tokens, start as u32, readback)?;
        cached.truncate(start);
        cached.extend_from_slice(tokens);
        self.cached = cached;
        Ok(())
    }

    /// The device: for measurements.
    pub(super) fn executor(&mut self) -> &mut Executor {
        &mut self.executor
    }

    /// The device, and the pass that takes so many tokens: for measurements, which leave nothing of use in the cache.
    pub(super) fn measured(&mut self, rows: u32) -> (&mut Executor, Prepared) {
        self.forget();
        (&mut self.executor, if rows == 1 { self.decode } else { self.prompt })
    }

    /// Tokens that a pass over a prompt takes at once.
    pub fn prompt_rows(&self) -> u32 {
        self.prompt_rows
    }

    /// Waits until the device has done what was given to it.
    pub(super) async fn settle(&mut self) -> Result<()> {
        self.executor.settle().await
    }

    /// Says how tokens are chosen from now on, after `prompt` and `generated`.
    pub(super) fn begin_choosing(&mut self, options: &Options, prompt: &[u32], generated: &[u32]) -> Result<()> {
        self.executor.begin_choosing(options, prompt, generated)
    }

    /// The token that a pass chose.
    pub(super) async fn choice(&mut self, pass: Prepared) -> Result<Chosen> {
        let chosen = self.executor.read_choice(pass).await?;
        let vocab = self.shape().vocab;
        if chosen.token >= vocab {
            return Err(Error::Device(format!("the device chose token {} of a vocabulary of {vocab}", chosen.token)));
        }
        Ok(chosen)
    }

    /// Hands over the scores after every token, as many rows `[rows, vocab]` at a time as the device has room for, in
    /// order. What stands in the cache is not reused: its scores are gone.
    ///
    /// # Errors
    /// As for a prompt; and the first one of `take`.
    pub async fn score(&mut self, tokens: &[u32], mut take: impl FnMut(&[f32]) -> Result<()>) -> Result<()> {
        self.check(tokens)?;
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
        let rows = (self.executor.binding_limit() / row_bytes).clamp(1, u64::from(self.prompt_rows)) as u32;
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

/// What [`Model::advance`] did.
pub(super) struct Advance {
    /// What was run.
    pub(super) pass: Prepared,
    /// Tokens still to be run.
    pub(super) left: usize,
}
