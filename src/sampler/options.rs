//! What the caller asks of the choice of tokens, checked.

use crate::{Error, Result};

/// Most tokens that a bias may be given for: several times what a request to a hosted model may hold.
pub const MOST_BIASES: usize = 4096;

/// Most of the likeliest tokens that can be asked for.
pub const MOST_TOP_LOGPROBS: u32 = 20;

/// How the next token is chosen. The default is greedy: always the likeliest token.
#[derive(Debug, Clone, PartialEq)]
pub struct Options {
    /// Logits are divided by it: below 1 the likely tokens gain, above 1 the unlikely ones. 0 takes the likeliest token.
    pub temperature: f32,
    /// Only this many of the likeliest tokens are drawn from; 0 for all.
    pub top_k: u32,
    /// Only the likeliest tokens that together have this probability are drawn from; 1 for all.
    pub top_p: f32,
    /// Only tokens at least this times as probable as the likeliest are drawn from; 0 for all.
    pub min_p: f32,
    /// Makes tokens of the prompt and the text less likely (above 1) or likelier (below 1); 1 for neither.
    pub repetition_penalty: f32,
    /// Taken off a token's logit for each time it stands in the generated text.
    pub frequency_penalty: f32,
    /// Taken off the logit of every token that stands in the generated text.
    pub presence_penalty: f32,
    /// Tokens with what is added to their logits, from -100 to 100, before anything else is done; no token twice.
    pub logit_bias: Vec<(u32, f32)>,
    /// Asks for the log-probability of the chosen token and of so many of the likeliest, by the model's own distribution:
    /// before bias, penalties and temperature.
    pub top_logprobs: Option<u32>,
    /// Decides the draws: the same seed, model, device and prompt give the same text.
    pub seed: u64,
}

impl Default for Options {
    fn default() -> Options {
        Options {
            temperature: 0.0,
            top_k: 0,
            top_p: 1.0,
            min_p: 0.0,
            repetition_penalty: 1.0,
            frequency_penalty: 0.0,
            presence_penalty: 0.0,
            logit_bias: Vec::new(),
            top_logprobs: None,
            seed: 0,
        }
    }
}

impl Options {
    /// Fails with the option's name, its value and what is allowed, if one is out of range.
    pub fn check(&self) -> Result<()> {
        within("temperature", self.temperature, 0.0, 100.0)?;
        within("top_p", self.top_p, 0.0, 1.0)?;
        within("min_p", self.min_p, 0.0, 1.0)?;
        within("repetition_penalty", self.repetition_penalty, 0.01, 100.0)?;
        within("frequency_penalty", self.frequency_penalty, -2.0, 2.0)?;
        within("presence_penalty", self.presence_penalty, -2.0, 2.0)?;
        self.check_bias()?;
        match self.top_logprobs {
            Some(count) if count > MOST_TOP_LOGPROBS => Err(Error::Option(format!(
                "top_logprobs is {count}, expected a whole number from 0 to {MOST_TOP_LOGPROBS}"
            ))),
            _ => Ok(()),
        }
    }

    /// Fails where a token with a bias is not in a vocabulary of `vocab` tokens.
    pub fn check_vocab(&self, vocab: u32) -> Result<()> {
        match self.logit_bias.iter().find(|(token, _)| *token >= vocab) {
            None => Ok(()),
            Some((token, _)) => Err(Error::Option(format!(
                "logit_bias names token {token}, which is outside the vocabulary of {vocab}"
            ))),
        }
    }

    fn check_bias(&self) -> Result<()> {
        if self.logit_bias.len() > MOST_BIASES {
            let message = format!("logit_bias has {} tokens, expected at most {MOST_BIASES}", self.logit_bias.len());
            return Err(Error::Option(message));
        }
        let mut tokens: Vec<u32> = self.logit_bias.iter().map(|(token, _)| *token).collect();
        tokens.sort_unstable();
        if let Some(pair) = tokens.windows(2).find(|pair| pair[0] == pair[1]) {
            return Err(Error::Option(format!("logit_bias names token {} more than once", pair[0])));
        }
        for (token, bias) in &self.logit_bias {
            within(&format!("logit_bias of token {token}"), *bias, -100.0, 100.0)?;
        }
        Ok(())
    }

    /// Whether the likeliest token is taken, so that nothing is drawn.
    pub(crate) fn takes_the_greatest(&self) -> bool {
        self.temperature == 0.0 || self.top_k == 1
    }

    /// Whether tokens that stand in the text already are weighed differently.
    pub(crate) fn has_penalties(&self) -> bool {
        self.repetition_penalty != 1.0 || self.frequency_penalty != 0.0 || self.presence_penalty != 0.0
    }
}

fn within(name: &str, value: f32, least: f32, most: f32) -> Result<()> {
    if (least..=most).contains(&value) {
        return Ok(());
    }
    Err(Error::Option(format!("{name} is {value}, expected a number from {least} to {most}")))
}
