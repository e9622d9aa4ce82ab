//! Runs a plan on a GPU: the only place that names wgpu.
//!
//! Every pipeline, bind group and buffer is made when a plan is prepared; a run writes the tokens and the position, replays
//! the dispatches in one compute pass, and copies out what the host asked for, all in one submit.

mod device;
mod pipelines;
mod prepared;
mod probe;
mod profile;
mod readback;

pub use device::GpuOptions;

use crate::Result;
use crate::executor::{AdapterInfo, Counts, Prepared, Readback, check_tokens, nothing_was_run};
use crate::kernels::{CacheFormat, Tuning};
use crate::plan::{CacheShape, Plan, Tensor};
use crate::weights::{Catalogue, Layout, Sink, WeightId};
use device::{Buffer, Device};
use pipelines::Pipelines;
use prepared::Lowered;

/// Weights, cache and prepared plans on one device.
pub struct Gpu {
    device: Device,
    pipelines: Pipelines,
    tuning: Tuning,
    weights: Vec<Weight>,
    cache: Option<Cache>,
    prepared: Vec<Lowered>,
}

/// A weight: a buffer, and its bind group as a matrix, for each part.
struct Weight {
    name: String,
    layout: Layout,
    parts: Vec<Buffer>,
    bind_groups: Vec<wgpu::BindGroup>,
}

/// Keys of each layer and, from byte `half` on, its values.
struct Cache {
    format: CacheFormat,
    half: u64,
    layers: Vec<Buffer>,
}

impl Gpu {
    /// Opens the adapter, with the kernels that the options name or those that adapters of its kind begin with.
    pub async fn open(options: GpuOptions) -> Result<Gpu> {
        let (forced, device) = (options.tuning.clone(), Device::open(options).await?);
        let pipelines = Pipelines::new(&device);
        let tuning = forced.unwrap_or_else(|| Tuning::start(device.vendor()));
        Ok(Gpu { device, pipelines, tuning, weights: Vec::new(), cache: None, prepared: Vec::new() })
    }

    /// What computes.
    pub fn adapter(&self) -> AdapterInfo {
        AdapterInfo { variants: self.tuning.summary(), ..self.device.info() }
    }

    /// Greatest number of bytes in one binding.
    pub fn binding_limit(&self) -> u64 {
        self.device.binding_limit()
    }

    /// What was done so far.
    pub fn counts(&self) -> Counts {
        self.device.counts()
    }

    /// Makes the cache.
    pub fn allocate_cache(&mut self, shape: CacheShape, format: CacheFormat) {
        let half = format.bytes(shape);
        let layers = (0..shape.layers).map(|layer| self.device.storage(&format!("cache.{layer}"), 2 * half)).collect();
        self.cache = Some(Cache { format, half, layers });
    }

    /// Lowers a plan to dispatches and makes everything that they need.
    pub fn prepare(&mut self, plan: &Plan, catalogue: &Catalogue) -> Result<Prepared> {
        let lowered = prepared::lower(self, plan, catalogue)?;
        self.prepared.push(lowered);
        Ok(Prepared(self.prepared.len() - 1))
    }

    /// Submits a run.
    pub fn run(&mut self, prepared: Prepared, tokens: &[u32], position: u32, readback: Readback) -> Result<()> {
        self.device.check()?;
        if let Some(vocab) = self.prepared[prepared.0].vocab {
            check_tokens(tokens, vocab)?;
        }
        let weights = &self.weights;
        self.prepared[prepared.0].run(&self.device, weights, tokens, position, readback)
    }

    /// Waits until everything that was submitted is done; reports what the device refused meanwhile.
    pub async fn settle(&mut self) -> Result<()> {
        self.device.settle().await
    }
}

impl Sink for Gpu {
    fn allocate(&mut self, name: &str, layout: &Layout) -> Result<WeightId> {
        self.device.check()?;
        let parts: Vec<_> = layout.parts.iter().map(|part| self.device.storage(name, part.bytes)).collect();
        let bind_groups = layout.parts.iter().zip(&parts);
        let bind_groups =
            bind_groups.map(|(part, buffer)| self.pipelines.bind_matrix(&self.device, part, buffer)).collect();
        self.weights.push(Weight { name: name.to_string(), layout: layout.clone(), parts, bind_groups });
        Ok(WeightId(self.weights.len() - 1))
    }

    fn write(&mut self, weight: WeightId, part: usize, offset: u64, bytes: &[u8]) -> Result<()> {
        self.device.check()?;
        self.device.write(&self.weights[weight.0].parts[part], offset, bytes);
        Ok(())
    }
}

impl Gpu {
    /// Logits of the last run.
    pub async fn read_logits(&mut self, prepared: Prepared) -> Result<Vec<f32>> {
        let lowered = &self.prepared[prepared.0];
        let words = lowered.logits_back.read(&self.device, lowered.last_rows).await?;
        Ok(words.into_iter().map(f32::from_bits).collect())
    }

    /// The greatest token of the last row of the last run.
    pub async fn read_choice(&mut self, prepared: Prepared) -> Result<u32> {
        let lowered = &self.prepared[prepared.0];
        let words = lowered.choice_back.read(&self.device, lowered.last_rows).await?;
        words.last().copied().ok_or_else(nothing_was_run)
    }

    /// Fills a tensor: for tests of kernels.
    pub fn write_tensor(&mut self, prepared: Prepared, tensor: Tensor, values: &[f32]) {
        self.prepared[prepared.0].write_tensor(&self.device, tensor, values);
    }

    /// The values of a tensor: for tests of kernels.
    pub async fn read_tensor(&mut self, prepared: Prepared, tensor: Tensor) -> Result<Vec<f32>> {
        self.prepared[prepared.0].read_tensor(&self.device, tensor).await
    }
}
