//! Public models on public GPUs -> tokens a second by a cost model. Predictions, not measurements.
//!
//! The passes are the real ones: a family is opened over a model's settings, its plan is built, fused and lowered as when
//! it is loaded, and every dispatch's bytes and multiply-adds are counted ([`Work`]). Only the device is a row of a table.
//! A pass then takes
//!
//! ```text
//! sum over dispatches of max(bytes / (share of bandwidth * bandwidth), 2 * multiply-adds / (share of f32 * f32))
//!   + dispatches * gap + submit
//! ```
//!
//! since a dispatch waits for the one before it, and moves bytes while it computes. Each share and gap is a range, from what
//! engines on WebGPU were seen to reach to the best that any was; [`gpus`] says by whom. So is the answer. A prompt is
//! taken in chunks of as many rows as on a device that is quick.
//!
//! What the model leaves out: how well a small matrix fills a large GPU, clocks that fall under load, and the browser's own
//! work beside ours. Whoever has such a GPU can measure it: `oriel bench --json`, or the benchmark's page.

pub mod gpus;
pub mod models;

use super::assembly::Bound;
use super::survey::planned;
use crate::Result;
use crate::kernels::{CACHE_TILE, Setting, Tuning, Work, lower};
use crate::plan::{CacheShape, Output, Plan};
use gpus::{GPUS, Gpu, PUBLISHED};
use models::{MODELS, Model};
use serde::Serialize;

/// Tokens of the prompt that is predicted.
pub const PROMPT: u32 = 512;

/// Desktop adapters bind at least this many bytes at once.
const BINDING_LIMIT: u64 = 1 << 30;

/// What one pass has to do.
#[derive(Debug, Clone, PartialEq)]
pub struct Pass {
    /// Each dispatch.
    pub works: Vec<Work>,
    /// Bytes of the matrices that are multiplied by.
    pub weight_bytes: u64,
    /// Bytes of keys and values that attention reads.
    pub cache_bytes: u64,
}

/// The passes of a model.
#[derive(Debug, Clone, PartialEq)]
pub struct Passes {
    /// Of one token after so many positions.
    pub token: Pass,
    /// Of a prompt from its beginning, chunk by chunk.
    pub prompt: Vec<Pass>,
}

/// Speeds that the cost model gives, from cautious to hopeful, in tokens a second.
pub type Range = [f64; 2];

/// A model on a GPU.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct Prediction {
    /// The GPU's name.
    pub gpu: &'static str,
    /// The model's name.
    pub model: &'static str,
    /// How its weights stand on the device.
    pub weights: &'static str,
    /// Dispatches for a token.
    pub dispatches: usize,
    /// Bytes of weights that a token reads.
    pub weight_bytes: u64,
    /// Bytes of keys and values that it reads.
    pub cache_bytes: u64,
    /// Multiply-adds for it.
    pub operations: u64,
    /// New tokens a second.
    pub decode: Range,
    /// Tokens a second of a prompt of [`PROMPT`].
    pub prefill: Range,
    /// What others published for this GPU and model.
    pub published: Vec<Published>,
}

/// A figure that others published.
#[derive(Debug, Clone, Copy, PartialEq, Serialize)]
pub struct Published {
    /// The GPU's name in [`GPUS`].
    #[serde(skip)]
    pub gpu: &'static str,
    /// The model's name in [`MODELS`].
    #[serde(skip)]
    pub model: &'static str,
    /// The engine, with what is particular about the run.
    pub engine: &'static str,
    /// New tokens a second.
    pub decode: Option<f64>,
    /// Tokens a second of a prompt.
    pub prefill: Option<f64>,
    /// Where it stands.
    pub source: &'static str,
}

/// Every model on every GPU, decoding after so many positions.
///
/// # Errors
/// `Context` where a model is not made for as many positions.
pub fn predict(position: u32) -> Result<Vec<Prediction>> {
    let passes = MODELS.iter().map(|model| model.passes(position)).collect::<Result<Vec<_>>>()?;
    let pairs = GPUS.iter().flat_map(|gpu| MODELS.iter().zip(&passes).map(move |pair| (gpu, pair)));
    Ok(pairs.map(|(gpu, (model, passes))| prediction(gpu, model, passes)).collect())
}

fn prediction(gpu: &Gpu, model: &Model, passes: &Passes) -> Prediction {
    let Passes { token, prompt } = passes;
    let per_second = |tokens: u32, passes: &[Pass]| {
        [0, 1].map(|hope| f64::from(tokens) / passes.iter().map(|pass| gpu.seconds(pass, hope)).sum::<f64>())
    };
    let same = |published: &&Published| (published.gpu, published.model) == (gpu.name, model.name);
    Prediction {
        gpu: gpu.name,
        model: model.name,
        weights: model.weights(),
        dispatches: token.works.len(),
        weight_bytes: token.weight_bytes,
        cache_bytes: token.cache_bytes,
        operations: token.works.iter().map(|work| work.operations).sum(),
        decode: per_second(1, std::slice::from_ref(token)),
        prefill: per_second(PROMPT, prompt),
        published: PUBLISHED.iter().filter(same).copied().collect(),
    }
}

impl Gpu {
    /// How long a pass takes, at the cautious (0) or the hopeful (1) end of each range.
    fn seconds(&self, pass: &Pass, hope: usize) -> f64 {
        let bandwidth = self.bandwidth_share[hope] * self.bandwidth_gb_s * 1e9;
        let f32_rate = self.f32_share[hope] * self.f32_tflops * 1e12;
        let dispatch = |work: &Work| (work.bytes() as f64 / bandwidth).max(2.0 * work.operations as f64 / f32_rate);
        let starting_us = self.gap_us[hope] * pass.works.len() as f64 + gpus::SUBMIT_US;
        pass.works.iter().map(dispatch).sum::<f64>() + starting_us * 1e-6
    }
}

impl Model {
    /// The passes of a token after `position` cached ones, and of a prompt.
    ///
    /// # Errors
    /// `Context` where the model is not made for as many positions.
    pub fn passes(&self, position: u32) -> Result<Passes> {
        let (manifest, options) = self.manifest()?;
        let assembly = planned(&manifest, options, BINDING_LIMIT)?;
        let (catalogue, format) = (&assembly.catalogue, assembly.cache_format());
        let pass = |plan: &Plan, rows: u32, position: u32| -> Result<Pass> {
            let live = plan.live(rows as usize, position)?;
            let weight = |weight| (catalogue.name(weight), catalogue.layout(weight));
            let setting = Setting { plan, weight: &weight, cache: format, live };
            let mut works = Vec::new();
            for step in &plan.steps {
                let dispatches = lower(plan, catalogue, step, &Tuning::default(), format)?;
                let live = dispatches.iter().filter(|dispatch| dispatch.grid.size(plan, live)[0] > 0);
                works.extend(live.map(|dispatch| Work::new(&setting, step, dispatch)));
            }
            let weight_bytes = plan.weight_bytes(catalogue);
            let tile = CacheShape { context: CACHE_TILE, ..plan.cache };
            let position_bytes = 2 * u64::from(plan.cache.layers) * format.bytes(tile) / u64::from(CACHE_TILE);
            Ok(Pass { works, weight_bytes, cache_bytes: position_bytes * u64::from(position + rows) })
        };
        let token = pass(&assembly.plan(1, Output::Last)?, 1, position)?;
        let [_, plan] = assembly.plans(Bound::GPU)?;
        let rows = plan.rows;
        let chunks = (0..PROMPT).step_by(rows as usize).map(|first| pass(&plan, rows.min(PROMPT - first), first));
        Ok(Passes { token, prompt: chunks.collect::<Result<_>>()? })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn passes(name: &str, position: u32) -> Passes {
        MODELS.iter().find(|model| model.name == name).unwrap().passes(position).unwrap()
    }

    #[test]
    fn a_layer_takes_five_dispatches_and_one_more_past_the_first_split() {
        let of_layer = |pass: &Pass, layer: u32| {
            let prefix = format!("blk.{layer}.");
            pass.works.iter().filter(|work| work.name.starts_with(&prefix)).count()
        };
        for (name, layers) in [("Llama-3.2-1B", 16), ("SmolLM2-135M", 30), ("GPT-2 124M", 12)] {
            let near = passes(name, 64).token;
            assert!(near.works.len() <= layers * 5 + 5, "{name}: {} dispatches", near.works.len());
            assert!((0..layers as u32).all(|layer| of_layer(&near, layer) <= 5), "{name}");
            let far = passes(name, 1000).token;
            assert!((0..layers as u32).all(|layer| of_layer(&far, layer) <= 6), "{name}");
        }
    }

    #[test]
    fn counts_are_those_of_the_model() {
        let Passes { token, prompt } = passes("Llama-3.2-1B", 255);
        // 16 layers of queries, keys and values, output, gate and up, and down; then the tied head. 5 bits a weight.
        let weights = 16 * 2048 * (2048 + 2 * 512 + 2048 + 3 * 8192) + 128_256 * 2048;
        assert_eq!(token.weight_bytes, weights * 5 / 8);
        // Keys and values of 8 heads of 64 halves.
        assert_eq!(token.cache_bytes, 256 * 16 * 2 * 8 * 64 * 2);
        let matrices = token.works.iter().filter(|work| work.kernel.starts_with("mat"));
        assert_eq!(matrices.map(|work| work.weights).sum::<u64>(), weights);
        let rows: u32 = PROMPT.div_ceil(prompt.len() as u32);
        assert!((16..=256).contains(&rows), "{} chunks", prompt.len());
    }

    #[test]
    fn time_is_what_the_formula_says() {
        let work = |bytes_read, operations| Work {
            name: String::new(),
            kernel: "matvec",
            variant: String::new(),
            format: None,
            shape: String::new(),
            bytes_read,
            bytes_written: 0,
            operations,
            weights: 0,
            packed: false,
        };
        let gpu = Gpu {
            name: "made up",
            bandwidth_gb_s: 100.0,
            f32_tflops: 4.0,
            bandwidth_share: [0.25, 0.5],
            f32_share: [0.25, 0.5],
            gap_us: [20.0, 5.0],
            source: "",
        };
        let works = vec![work(1_000_000_000, 1), work(1, 10_000_000_000)];
        let pass = Pass { works, weight_bytes: 0, cache_bytes: 0 };
        // Cautiously 1 GB at 25 GB/s and 20 GFLOP at 1 TFLOP/s, hopefully twice as fast; two gaps and a submit.
        let expected = [0.040 + 0.020 + 40e-6 + 100e-6, 0.020 + 0.010 + 10e-6 + 100e-6];
        for (hope, expected) in expected.into_iter().enumerate() {
            assert!((gpu.seconds(&pass, hope) - expected).abs() < 1e-9, "{expected}");
        }
    }

    #[test]
    fn published_figures_stand_beside_a_prediction() {
        let predictions = predict(256).unwrap();
        assert_eq!(predictions.len(), GPUS.len() * MODELS.len());
        let shown: usize = predictions.iter().map(|prediction| prediction.published.len()).sum();
        assert_eq!(shown, PUBLISHED.len(), "each is of a GPU and a model of the tables");
        assert!(predictions.iter().all(|p| p.decode[0] > 0.0 && p.decode[0] < p.decode[1]));
        assert!(predictions.iter().all(|p| p.prefill[0] > 0.0 && p.prefill[0] < p.prefill[1]));
    }
}
