//! Options as the worker writes them -> the core's. A name that is not known is refused.

use crate::Result;
use crate::cpu::Activations;
use crate::sampler;
use crate::session::{CachePrecision, Device, GenerateOptions, LoadOptions, Tune};
use crate::weights::Precision;
use serde::Deserialize;
use serde_json::Value;

/// The options of [`Loading::open`](super::Loading::open).
#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
pub(super) struct AskedOfLoad {
    precision: String,
    cache: String,
    context: Option<u32>,
    activations: Option<String>,
    #[serde(rename = "frameBudget")]
    frame_budget_ms: Option<u32>,
    tuning: Value,
    kept: Option<Value>,
    pub(super) adapter: Option<String>,
}

impl AskedOfLoad {
    /// The package lets no other text through.
    pub(super) fn tune(&self) -> Tune {
        match self.tuning.as_str() {
            Some("auto") => Tune::Measure(self.kept.clone()),
            Some(_) => Tune::Start,
            None => Tune::Given(self.tuning.clone()),
        }
    }

    pub(super) fn checked(self, device: Device) -> Result<LoadOptions> {
        let (precision, cache) = (Precision::parse(&self.precision)?, CachePrecision::parse(&self.cache)?);
        let activations = self.activations.as_deref().map_or(Ok(Activations::Auto), Activations::parse)?;
        let AskedOfLoad { context, frame_budget_ms, .. } = self;
        Ok(LoadOptions { device, precision, cache, context, activations, frame_budget_ms, threads: None })
    }
}

/// The options of [`Model::start`](super::Model::start).
#[derive(Deserialize)]
#[serde(rename_all = "camelCase", deny_unknown_fields, default)]
pub(super) struct AskedOfGeneration {
    max_tokens: u32,
    temperature: f32,
    top_k: u32,
    top_p: f32,
    min_p: f32,
    repetition_penalty: f32,
    frequency_penalty: f32,
    presence_penalty: f32,
    logit_bias: Vec<(u32, f32)>,
    top_logprobs: Option<u32>,
    seed: u64,
    stop: Vec<String>,
    ignore_eos: bool,
    /// Tokens of the answer that there were before.
    pub(super) resume: Vec<u32>,
}

impl Default for AskedOfGeneration {
    fn default() -> AskedOfGeneration {
        let GenerateOptions { sampling, max_tokens, stop, ignore_eos } = GenerateOptions::default();
        AskedOfGeneration {
            max_tokens,
            temperature: sampling.temperature,
            top_k: sampling.top_k,
            top_p: sampling.top_p,
            min_p: sampling.min_p,
            repetition_penalty: sampling.repetition_penalty,
            frequency_penalty: sampling.frequency_penalty,
            presence_penalty: sampling.presence_penalty,
            logit_bias: sampling.logit_bias,
            top_logprobs: sampling.top_logprobs,
            seed: sampling.seed,
            stop,
            ignore_eos,
            resume: Vec::new(),
        }
    }
}

impl From<AskedOfGeneration> for GenerateOptions {
    fn from(asked: AskedOfGeneration) -> GenerateOptions {
        let sampling = sampler::Options {
            temperature: asked.temperature,
            top_k: asked.top_k,
            top_p: asked.top_p,
            min_p: asked.min_p,
            repetition_penalty: asked.repetition_penalty,
            frequency_penalty: asked.frequency_penalty,
            presence_penalty: asked.presence_penalty,
            logit_bias: asked.logit_bias,
            top_logprobs: asked.top_logprobs,
            seed: asked.seed,
        };
        let AskedOfGeneration { max_tokens, stop, ignore_eos, .. } = asked;
        GenerateOptions { sampling, max_tokens, stop, ignore_eos }
    }
}
