//! Logits -> tokens by the sampler, in the order of the runs that they come of.

use crate::Result;
use crate::executor::nothing_was_run;
use crate::sampler::{Chosen, Options, Sampler};
use std::collections::VecDeque;

/// How tokens are chosen, between which others they stand, and which were not asked for yet.
#[derive(Default)]
pub struct Choosing {
    sampler: Sampler,
    prompt: Vec<u32>,
    generated: Vec<u32>,
    /// A run each.
    chosen: VecDeque<Vec<Result<Chosen>>>,
}

impl Choosing {
    /// Begins an answer to `prompt`, or takes it up after the tokens `generated`.
    pub fn begin(&mut self, options: &Options, prompt: &[u32], generated: &[u32]) -> Result<()> {
        self.sampler = Sampler::new(options)?;
        (self.prompt, self.generated) = (prompt.to_vec(), generated.to_vec());
        Ok(())
    }

    /// The token that was chosen last.
    pub fn last(&self) -> Option<u32> {
        self.generated.last().copied()
    }

    /// The next token of the answer.
    pub fn sample(&mut self, logits: &mut [f32]) -> Result<Chosen> {
        let chosen = self.sampler.sample(logits, &self.prompt, &self.generated)?;
        self.generated.push(chosen.token);
        Ok(chosen)
    }

    /// Holds the tokens of a run ready.
    pub fn push(&mut self, chosen: Vec<Result<Chosen>>) {
        self.chosen.push_back(chosen);
    }

    /// How many runs chose tokens that were not yet asked for.
    pub fn under_way(&self) -> usize {
        self.chosen.len()
    }

    /// The tokens of the oldest of them.
    pub fn take(&mut self) -> Result<Vec<Result<Chosen>>> {
        self.chosen.pop_front().ok_or_else(nothing_was_run)
    }
}
