//! A prompt and options -> tokens and their text, one step at a time, until something ends them.

use super::GenerateOptions;
use super::model::Model;
use crate::sampler::{Chosen, Options};
use crate::tokenizer::{Emitted, StopStrings, TextStream};
use crate::{Error, Result};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicU64, Ordering::Relaxed};
use web_time::Instant;

/// Answers that were begun: each has a number of its own.
static BEGUN: AtomicU64 = AtomicU64::new(0);

/// An answer on its way. It holds everything but the model, so that several may take turns on one.
pub struct Generation {
    number: u64,
    /// The prompt, then the new tokens.
    history: Vec<u32>,
    prompt_tokens: usize,
    most: usize,
    ignore_eos: bool,
    sampling: Options,
    /// Tokens that have come and were not asked for yet.
    arrived: VecDeque<Result<Chosen>>,
    /// When the last of them came.
    arrival: Option<Instant>,
    /// Until the answer has ended.
    writer: Option<Writer>,
    text: String,
    finish: Option<FinishReason>,
    timings: Timings,
    /// When the first step began.
    begun: Option<Instant>,
}

/// Why an answer ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum FinishReason {
    /// The model ended it, or a stop string came.
    Stop,
    /// There were as many new tokens as were asked for, or the context is full.
    Length,
}

impl FinishReason {
    /// The name in JSON: `stop` or `length`.
    pub fn name(self) -> &'static str {
        match self {
            FinishReason::Stop => "stop",
            FinishReason::Length => "length",
        }
    }
}

/// What a step brought.
#[derive(Debug, Clone, PartialEq)]
pub enum Step {
    /// Some of the prompt was run, not yet all.
    Prompt {
        /// Tokens that stand in the cache.
        done: usize,
        /// Tokens of the prompt.
        total: usize,
    },
    /// A new token.
    Token(Chunk),
    /// Nothing: the answer has ended.
    Finished,
}

/// A new token and the text that is certain with it.
#[derive(Debug, Clone, PartialEq)]
pub struct Chunk {
    /// The token.
    pub token: u32,
    /// What it adds to the text. Empty while a character, or what may become a stop string, is incomplete.
    pub text: String,
    /// The token's log-probability, where [`Options::top_logprobs`] asks for it.
    pub logprob: Option<f32>,
    /// The likeliest tokens with their log-probabilities, as many as were asked for.
    pub top: Vec<(u32, f32)>,
}

/// Where the time of an answer went.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Timings {
    /// Time in steps up to the first new token.
    pub prefill_ms: f64,
    /// From the beginning of the first step to the first new token, whatever happened between the steps.
    pub first_token_ms: f64,
    /// Time in the steps after the first new token.
    pub decode_ms: f64,
    /// Tokens of the prompt that were computed.
    pub prompt_tokens: usize,
    /// Tokens of the prompt that stood in the cache already.
    pub cached_tokens: usize,
    /// Tokens of the answer.
    pub new_tokens: usize,
    /// Those of them that it was taken up after, on a device that took none of this time for them.
    pub resumed_tokens: usize,
}

impl Timings {
    /// Tokens of the prompt computed in a second; 0 before there is a figure.
    pub fn prefill_tokens_per_s(&self) -> f64 {
        per_second(self.prompt_tokens, self.prefill_ms)
    }

    /// New tokens in a second, the first aside; 0 before there is a figure.
    pub fn decode_tokens_per_s(&self) -> f64 {
        per_second(self.new_tokens.saturating_sub(self.resumed_tokens + 1), self.decode_ms)
    }
}

fn per_second(tokens: usize, ms: f64) -> f64 {
    if tokens == 0 || ms <= 0.0 { 0.0 } else { tokens as f64 * 1000.0 / ms }
}

impl Model {
    /// Begins an answer to a prompt. Nothing is run yet.
    ///
    /// # Errors
    /// [`Error::Option`] for options out of range, and for a prompt without tokens or with one, or a
    /// bias for one, outside the vocabulary; [`Error::Context`] for a prompt longer than the context.
    pub fn start(&self, prompt: &[u32], options: GenerateOptions) -> Result<Generation> {
        self.resume(prompt, options, &[])
    }

    /// Takes up an answer after the tokens that it had come to, perhaps on another device: what follows is what would have
    /// followed, text, penalties, random numbers and all.
    ///
    /// # Errors
    /// As [`start`](Model::start); [`Error::Option`] for tokens outside the vocabulary or after the answer's end.
    pub fn resume(&self, prompt: &[u32], options: GenerateOptions, tokens: &[u32]) -> Result<Generation> {
        let mut generation = self.fresh(prompt, options)?;
        if !tokens.is_empty() && tokens.len() <= generation.most {
            self.check(tokens)?;
        }
        for token in tokens {
            if generation.finish.is_some() {
                return Err(Error::Option("the tokens to go on from do not stop where the answer has ended".into()));
            }
            let ends = !generation.ignore_eos && self.text().tokenizer().end_tokens().contains(token);
            generation.take(Chosen { token: *token, logprob: None, top: Vec::new() }, ends);
        }
        generation.timings.resumed_tokens = tokens.len();
        Ok(generation)
    }

    fn fresh(&self, prompt: &[u32], options: GenerateOptions) -> Result<Generation> {
        options.check()?;
        options.sampling.check_vocab(self.shape().vocab)?;
        self.check(prompt)?;
        // Scores after the last position give one more token, which need not stand in the cache itself.
        let room = self.context() as usize + 1 - prompt.len();
        let most = room.min(options.max_tokens as usize);
        Ok(Generation {
            number: BEGUN.fetch_add(1, Relaxed),
            history: prompt.to_vec(),
            prompt_tokens: prompt.len(),
            most,
            ignore_eos: options.ignore_eos,
            sampling: options.sampling,
            arrived: VecDeque::new(),
            arrival: None,
            writer: Some(Writer {
                stream: TextStream::after(self.text().tokenizer(), prompt),
                stop: StopStrings::new(options.stop)?,
            }),
            text: String::new(),
            finish: (most == 0).then_some(FinishReason::Length),
            timings: Timings::default(),
            begun: None,
        })
    }

    /// The next token, or none where the answer has ended. The first call runs the whole prompt.
    pub async fn next(&mut self, generation: &mut Generation) -> Result<Option<Chunk>> {
        loop {
            match self.step(generation).await? {
                Step::Prompt { .. } => {}
                Step::Token(chunk) => return Ok(Some(chunk)),
                Step::Finished => return Ok(None),
            }
        }
    }

    /// Some of the prompt, or a new token. Between two steps an answer can be given up at the cost of what is on its way.
    pub async fn step(&mut self, generation: &mut Generation) -> Result<Step> {
        if generation.finish.is_some() {
            return Ok(Step::Finished);
        }
        let start = Instant::now();
        if generation.begun.is_none() {
            generation.begun = Some(start);
            generation.timings.cached_tokens = self.reusable(&generation.history).min(generation.prompt_tokens);
            generation.timings.prompt_tokens = generation.prompt_tokens - generation.timings.cached_tokens;
        }
        if let Some(done) = self.repay(&generation.history).await? {
            self.turn = None;
            generation.spend(start);
            return Ok(Step::Prompt { done, total: generation.history.len() });
        }
        // Whatever fails below leaves it open what the executor has chosen by, and what is on its way.
        let turn = self.turn.take();
        if turn != Some(generation.number) {
            generation.arrived.clear();
            generation.arrival = None;
            self.land().await?;
            self.begin_choosing(&generation.sampling, generation.prompt(), generation.tokens())?;
        }
        let chosen = match generation.arrived.pop_front() {
            Some(chosen) => chosen,
            None => {
                let left = if self.expected() == 0 { self.advance(&generation.history)? } else { 0 };
                if left > 0 {
                    self.settle().await?;
                    self.turn = Some(generation.number);
                    generation.spend(start);
                    let total = generation.history.len();
                    return Ok(Step::Prompt { done: total - left, total });
                }
                self.next_chosen(generation).await?
            }
        };
        let chosen = chosen?;
        generation.spend(start);
        let ends = !generation.ignore_eos && self.text().tokenizer().end_tokens().contains(&chosen.token);
        let chunk = generation.take(chosen, ends);
        self.turn = generation.finish.is_none().then_some(generation.number);
        Ok(Step::Token(chunk))
    }

    /// Keeps the device busy with the tokens that follow, and takes the oldest that is on its way. What follows an end that
    /// the host sees late is computed in vain, at most a few tokens; none of it reaches the text.
    async fn next_chosen(&mut self, generation: &mut Generation) -> Result<Result<Chosen>> {
        while !self.is_busy(self.pace.depth()) {
            let wanted = generation.most - generation.tokens().len() - self.expected();
            let count = self.pace.tokens().min(u32::try_from(wanted).unwrap_or(u32::MAX));
            if count == 0 {
                break;
            }
            self.go_on(count)?;
        }
        let arrived = self.arrive().await?;
        match generation.arrival.replace(Instant::now()) {
            Some(before) => self.pace.arrived(arrived.len() as u32, before.elapsed()),
            None => self.pace.begin(),
        }
        generation.arrived.extend(arrived);
        generation.arrived.pop_front().ok_or_else(|| Error::Device("a submit brought no token".into()))
    }
}

impl Generation {
    /// Why the answer ended, once it has.
    pub fn finish_reason(&self) -> Option<FinishReason> {
        self.finish
    }

    /// The number that tells it from others.
    pub(super) fn number(&self) -> u64 {
        self.number
    }

    /// The prompt's tokens, then the new ones.
    pub(super) fn history(&self) -> &[u32] {
        &self.history
    }

    /// The prompt's tokens.
    pub fn prompt(&self) -> &[u32] {
        &self.history[..self.prompt_tokens]
    }

    /// The new tokens; the last one may be the one that ended the answer.
    pub fn tokens(&self) -> &[u32] {
        &self.history[self.prompt_tokens..]
    }

    /// The text so far: without the token or the stop string that ended it.
    pub fn text(&self) -> &str {
        &self.text
    }

    /// Where the time went.
    pub fn timings(&self) -> Timings {
        self.timings
    }

    /// Books the time of a step that began at `start`.
    fn spend(&mut self, start: Instant) {
        let ms = start.elapsed().as_secs_f64() * 1000.0;
        if self.tokens().len() == self.timings.resumed_tokens {
            self.timings.prefill_ms += ms;
            self.timings.first_token_ms = self.begun.unwrap_or(start).elapsed().as_secs_f64() * 1000.0;
        } else {
            self.timings.decode_ms += ms;
        }
    }

    /// Appends a token; `ends` where it is one that ends a text.
    fn take(&mut self, chosen: Chosen, ends: bool) -> Chunk {
        let Chosen { token, logprob, top } = chosen;
        self.history.push(token);
        self.timings.new_tokens = self.tokens().len();
        let Some(mut writer) = self.writer.take() else { return Chunk { token, text: String::new(), logprob, top } };
        let (mut text, mut stopped) = (String::new(), false);
        if !ends {
            Emitted { text, stopped } = writer.push(token);
        }
        let full = self.tokens().len() == self.most;
        if !stopped && (ends || full) {
            let rest = writer.finish();
            text += &rest.text;
            stopped = rest.stopped;
        } else if !stopped {
            self.writer = Some(writer);
        }
        self.finish = match (ends || stopped, full) {
            (true, _) => Some(FinishReason::Stop),
            (false, true) => Some(FinishReason::Length),
            (false, false) => None,
        };
        self.text += &text;
        Chunk { token, text, logprob, top }
    }
}

/// Tokens -> the text that is certain: whole characters that cannot become a stop string.
struct Writer {
    stream: TextStream,
    stop: StopStrings,
}

impl Writer {
    fn push(&mut self, token: u32) -> Emitted {
        self.stop.push(&self.stream.push(token))
    }

    /// What was held back, now that nothing follows.
    fn finish(mut self) -> Emitted {
        let mut rest = self.stop.push(&self.stream.finish());
        if !rest.stopped {
            rest.text += &self.stop.finish();
        }
        rest
    }
}
