//! Logits -> the next token: a pure function of the logits, the tokens so far, the options and the seed.
//!
//! The order is that of `transformers`: bias, penalties, temperature, top-k, top-p, min-p, then the draw. Each narrows what
//! the one before it left over, and probabilities are always those among what is left. This is the reference; a GPU chooses
//! by the same rules in [`kernels::choose`](crate::kernels::choose).

mod logprobs;
mod options;
mod philox;
#[cfg(test)]
mod tests;

pub use options::{MOST_BIASES, MOST_TOP_LOGPROBS, Options};
pub use philox::uniform;

use crate::{Error, Result};
use logprobs::LogProbabilities;
use std::cmp::Ordering;

/// Past any logit of a sound model, and so far from the end of f32 that no penalty overflows: what bias and penalties work
/// on is cut to this magnitude first.
pub const GREATEST_LOGIT: f32 = 1e36;

/// A token, and what was asked about it.
#[derive(Debug, Clone, PartialEq)]
pub struct Chosen {
    /// The token.
    pub token: u32,
    /// Its log-probability by the model's own distribution, where [`Options::top_logprobs`] asks for it.
    pub logprob: Option<f32>,
    /// The likeliest tokens by the same distribution with their log-probabilities, the likeliest first and the lower id
    /// among equals: as many as were asked for, fewer where fewer are possible.
    pub top: Vec<(u32, f32)>,
}

/// Chooses tokens by one set of options, greedily by default. Holds no state but buffers that are used again: the same
/// arguments always give the same token, and nothing is allocated once the buffers have grown to the size of the vocabulary.
#[derive(Debug, Clone, Default)]
pub struct Sampler {
    options: Options,
    candidates: Vec<Candidate>,
    /// How often each token of the vocabulary occurs; all zero between calls.
    counts: Vec<u32>,
    logprobs: LogProbabilities,
}

/// A token that may still be drawn.
#[derive(Debug, Clone, Copy)]
struct Candidate {
    token: u32,
    logit: f32,
    /// Its probability times a factor that all candidates share: 1 for the likeliest.
    weight: f64,
}

impl Candidate {
    /// The likeliest first; among equals the lower id.
    fn order(&self, other: &Candidate) -> Ordering {
        other.logit.partial_cmp(&self.logit).unwrap_or(Ordering::Equal).then(self.token.cmp(&other.token))
    }
}

impl Sampler {
    /// Fails as [`Options::check`] does.
    pub fn new(options: &Options) -> Result<Sampler> {
        options.check()?;
        Ok(Sampler { options: options.clone(), ..Sampler::default() })
    }

    /// The token to follow `prompt` and `generated`; `logits` has a value per token of the vocabulary and is changed.
    ///
    /// The repetition penalty looks at the tokens of both, frequency and presence at `generated` alone; ids beyond the
    /// vocabulary are ignored. The random number belongs to the seed and to the place `generated.len()`, so a generation
    /// that is taken up again goes on as it would have.
    ///
    /// Fails if a logit is NaN or positive infinity, or none is finite: the model overflowed or is damaged. Negative
    /// infinity marks a token that can't be chosen.
    pub fn sample(&mut self, logits: &mut [f32], prompt: &[u32], generated: &[u32]) -> Result<Chosen> {
        check_logits(logits)?;
        if let Some(count) = self.options.top_logprobs {
            self.logprobs.set(logits, count as usize);
        }
        let token = self.choose(logits, prompt, generated);
        Ok(match self.options.top_logprobs {
            None => Chosen { token, logprob: None, top: Vec::new() },
            Some(_) => Chosen { token, logprob: Some(self.logprobs.of(token)), top: self.logprobs.top() },
        })
    }

    fn choose(&mut self, logits: &mut [f32], prompt: &[u32], generated: &[u32]) -> u32 {
        if self.options.has_penalties() || !self.options.logit_bias.is_empty() {
            logits.iter_mut().for_each(|logit| adjust(logit, |logit| logit.clamp(-GREATEST_LOGIT, GREATEST_LOGIT)));
        }
        for (token, bias) in &self.options.logit_bias {
            if let Some(logit) = logits.get_mut(*token as usize) {
                adjust(logit, |logit| logit + bias);
            }
        }
        if self.options.has_penalties() {
            self.penalise(logits, prompt, generated);
        }
        let greatest = greatest(logits);
        if self.options.takes_the_greatest() {
            return greatest as u32;
        }
        self.gather(logits);
        self.weigh(logits[greatest]);
        self.keep_top_p();
        self.candidates.retain(|candidate| candidate.weight >= f64::from(self.options.min_p));
        self.draw(generated.len() as u64)
    }

    /// The repetition penalty as `transformers` has it: once per token, it divides a positive logit and multiplies a
    /// negative one. Frequency (for each occurrence) and presence (once) are subtracted, as OpenAI has it.
    fn penalise(&mut self, logits: &mut [f32], prompt: &[u32], generated: &[u32]) {
        let Options { repetition_penalty: repetition, frequency_penalty, presence_penalty, .. } = self.options;
        self.counts.resize(logits.len(), 0);
        visit_once(&mut self.counts, prompt.iter().chain(generated), |token, _| {
            adjust(&mut logits[token], |logit| if logit > 0.0 { logit / repetition } else { logit * repetition });
        });
        visit_once(&mut self.counts, generated.iter(), |token, count| {
            adjust(&mut logits[token], |logit| logit - (count as f32 * frequency_penalty + presence_penalty));
        });
    }

    /// Makes candidates of the `top_k` greatest logits, or of all that are finite. No order is promised.
    fn gather(&mut self, logits: &[f32]) {
        let possible = (0..).zip(logits).filter(|(_, logit)| **logit != f32::NEG_INFINITY);
        self.candidates.clear();
        self.candidates.extend(possible.map(|(token, &logit)| Candidate { token, logit, weight: 0.0 }));
        let top_k = self.options.top_k as usize;
        if (1..self.candidates.len()).contains(&top_k) {
            self.candidates.select_nth_unstable_by(top_k - 1, Candidate::order);
            self.candidates.truncate(top_k);
        }
    }

    /// Weights from logits and temperature; `greatest` is the greatest logit, which is always among the candidates.
    fn weigh(&mut self, greatest: f32) {
        let temperature = f64::from(self.options.temperature);
        for candidate in &mut self.candidates {
            candidate.weight = ((f64::from(candidate.logit) - f64::from(greatest)) / temperature).exp();
        }
    }

    /// Keeps the likeliest candidates until together they have the probability `top_p`; the one that reaches it stays.
    /// Sorts only as many as that takes, in growing portions.
    fn keep_top_p(&mut self) {
        if self.options.top_p >= 1.0 {
            return;
        }
        let total: f64 = self.candidates.iter().map(|candidate| candidate.weight).sum();
        let wanted = total * f64::from(self.options.top_p);
        let (mut sorted, mut reached, mut portion) = (0, 0.0, 64);
        while sorted < self.candidates.len() {
            let rest = &mut self.candidates[sorted..];
            let portion_here = rest.len().min(portion);
            if portion_here < rest.len() {
                rest.select_nth_unstable_by(portion_here - 1, Candidate::order);
            }
            rest[..portion_here].sort_unstable_by(Candidate::order);
            for (place, candidate) in rest[..portion_here].iter().enumerate() {
                reached += candidate.weight;
                if reached >= wanted {
                    self.candidates.truncate(sorted + place + 1);
                    return;
                }
            }
            sorted += portion_here;
            portion *= 4;
        }
    }

    /// Draws by weight: the candidates by rising id share out [0, 1), and the random number of this place falls on one.
    fn draw(&mut self, place: u64) -> u32 {
        self.candidates.sort_unstable_by_key(|candidate| candidate.token);
        let total: f64 = self.candidates.iter().map(|candidate| candidate.weight).sum();
        let target = uniform(self.options.seed, place) * total;
        let mut reached = 0.0;
        let mut drawn = 0;
        for candidate in self.candidates.iter().filter(|candidate| candidate.weight > 0.0) {
            reached += candidate.weight;
            drawn = candidate.token;
            if reached > target {
                break;
            }
        }
        drawn
    }
}

/// Changes a logit by bias or penalty; what can't be chosen stays so.
fn adjust(logit: &mut f32, by: impl Fn(f32) -> f32) {
    if *logit != f32::NEG_INFINITY {
        *logit = by(*logit);
    }
}

/// Calls `visit` once for each different token that `counts` has room for, with how often it occurs.
/// `counts` is all zero before and after.
fn visit_once<'a>(
    counts: &mut [u32],
    tokens: impl Iterator<Item = &'a u32> + Clone,
    mut visit: impl FnMut(usize, u32),
) {
    for &token in tokens.clone() {
        if let Some(count) = counts.get_mut(token as usize) {
            *count += 1;
        }
    }
    for &token in tokens {
        match counts.get_mut(token as usize).map(std::mem::take) {
            None | Some(0) => {}
            Some(count) => visit(token as usize, count),
        }
    }
}

fn check_logits(logits: &[f32]) -> Result<()> {
    if let Some(token) = logits.iter().position(|logit| logit.is_nan() || *logit == f32::INFINITY) {
        return Err(Error::Model(format!(
            "the model gave token {token} the logit {}: its numbers overflowed or its weights are damaged",
            logits[token]
        )));
    }
    if logits.iter().all(|logit| *logit == f32::NEG_INFINITY) {
        return Err(Error::Model(format!("none of the {} logits is finite, so no token can be chosen", logits.len())));
    }
    Ok(())
}

/// The place of the greatest value, the first among equals.
fn greatest(logits: &[f32]) -> usize {
    let mut best = 0;
    for (place, logit) in logits.iter().enumerate() {
        if *logit > logits[best] {
            best = place;
        }
    }
    best
}
