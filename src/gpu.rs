//! Runs a plan on a GPU: the only place that names wgpu.
//!
//! Every pipeline, bind group and buffer is made when a plan is prepared; a run writes the tokens and the position, replays
//! the dispatches in one compute pass, and copies out what the host asked for, all in one submit.

mod choosing;
mod device;
mod pipelines;
mod prepared;
mod probe;
mod profile;
mod readback;

pub use device::GpuOptions;

use crate::executor::{AdapterInfo, Counts, Prepared, Readback, check_tokens};
use crate::kernels::{CacheFormat, Tuning, choose};
use crate::plan::{CacheShape, Plan, Tensor};
use crate::sampler::{Chosen, Options};
use crate::weights::{Catalogue, Layout, Sink, WeightId};
use crate::{Error, Result};
use choosing::Choosing;
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
    /// Made with the first plan that chooses.
    choosing: Option<Choosing>,
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
        let (weights, prepared) = (Vec::new(), Vec::new());
        Ok(Gpu { device, pipelines, tuning, weights, cache: None, choosing: None, prepared })
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
        self.prepare_choosing(plan)?;
        let mut lowered = prepared::lower(self, plan, catalogue)?;
        let full = self.choosing.as_ref().is_some_and(|choosing| choosing.full);
        lowered.choose_by(&self.device, &mut self.pipelines, full);
        self.prepared.push(lowered);
        Ok(Prepared(self.prepared.len() - 1))
    }

    /// Makes what choosing takes, once for all plans.
    fn prepare_choosing(&mut self, plan: &Plan) -> Result<()> {
        let vocab = plan.info(plan.logits).width;
        match &self.choosing {
            _ if plan.choice.is_none() => Ok(()),
            Some(choosing) if choosing.vocab == vocab => Ok(()),
            Some(choosing) => {
                let message = format!("a plan chooses from {vocab} tokens, another one from {}", choosing.vocab);
                Err(Error::Device(message))
            }
            None if Choosing::bytes(vocab) > self.device.binding_limit() => {
                Err(Error::Memory(format!("the device can't bind a number for each of {vocab} tokens")))
            }
            None => {
                self.choosing = Some(Choosing::new(&self.device, vocab));
                Ok(())
            }
        }
    }

    /// Says how the tokens of the runs that follow are chosen. The first options that ask for more than the greatest
    /// compile the kernel that they take.
    pub fn begin_choosing(&mut self, options: &Options, prompt: &[u32], generated: &[u32]) -> Result<()> {
        options.check()?;
        let choosing = self.choosing.as_mut();
        let choosing = choosing.ok_or_else(|| Error::Device("no plan that chooses was prepared".into()))?;
        choosing.begin(&self.device, options, prompt, generated);
        for lowered in &mut self.prepared {
            lowered.choose_by(&self.device, &mut self.pipelines, choosing.full);
        }
        Ok(())
    }

    /// Submits a run.
    pub fn run(&mut self, prepared: Prepared, tokens: &[u32], position: u32, readback: Readback) -> Result<()> {
        self.device.check()?;
        if let Some(vocab) = self.prepared[prepared.0].vocab {
            check_tokens(tokens, vocab)?;
        }
        let place = self.choosing.as_ref().map_or(0, |choosing| choosing.place);
        let weights = &self.weights;
        self.prepared[prepared.0].run(&self.device, weights, (tokens, position, place), readback)?;
        if let Some(choosing) = self.choosing.as_mut().filter(|_| readback == Readback::Choice) {
            choosing.place += 1;
        }
        Ok(())
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

    /// The token that the last run chose.
    pub async fn read_choice(&mut self, prepared: Prepared) -> Result<Chosen> {
        choose::decode(&self.prepared[prepared.0].read_choice(&self.device).await?)
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
