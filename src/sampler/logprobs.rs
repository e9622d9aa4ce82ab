//! Logits -> log-probabilities by the model's own distribution: before bias, penalties and temperature have a say.

use super::Candidate;

/// The log softmax of one row of logits, and its greatest values.
#[derive(Debug, Clone, Default)]
pub struct LogProbabilities {
    logits: Vec<f32>,
    /// `ln(sum of exp(logit))`.
    norm: f64,
    top: Vec<Candidate>,
}

impl LogProbabilities {
    /// Takes a row in, and finds its `count` greatest values.
    pub fn set(&mut self, logits: &[f32], count: usize) {
        self.logits.clear();
        self.logits.extend_from_slice(logits);
        let greatest = logits.iter().copied().fold(f32::NEG_INFINITY, f32::max);
        let sum: f64 = logits.iter().map(|logit| (f64::from(*logit) - f64::from(greatest)).exp()).sum();
        self.norm = f64::from(greatest) + sum.ln();
        let possible = (0..).zip(logits).filter(|(_, logit)| **logit != f32::NEG_INFINITY);
        self.top.clear();
        if count == 0 {
            return;
        }
        self.top.extend(possible.map(|(token, &logit)| Candidate { token, logit, weight: 0.0 }));
        if count < self.top.len() {
            self.top.select_nth_unstable_by(count - 1, Candidate::order);
            self.top.truncate(count);
        }
        self.top.sort_unstable_by(Candidate::order);
    }

    /// Of a token of the vocabulary.
    pub fn of(&self, token: u32) -> f32 {
        self.by_logit(self.logits[token as usize])
    }

    /// The likeliest tokens first, the lower id first among equals.
    pub fn top(&self) -> Vec<(u32, f32)> {
        self.top.iter().map(|candidate| (candidate.token, self.by_logit(candidate.logit))).collect()
    }

    fn by_logit(&self, logit: f32) -> f32 {
        (f64::from(logit) - self.norm) as f32
    }
}
