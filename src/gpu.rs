//! Runs a plan on a GPU: the only place that names wgpu.
//!
//! Every pipeline, bind group and buffer is made when a plan is prepared; a run writes the tokens and the position, replays
//! the dispatches in one compute pass, and copies out what the host asked for, all in one submit. Runs that choose tokens
//! may follow one another without the host: each looks up the token that the one before chose.

mod choosing;
mod device;
mod flights;
mod keep;
mod measure;
mod pipelines;
mod prepared;
mod probe;
mod profile;
mod prove;
mod readback;

pub use device::GpuOptions;
pub use flights::{DEPTH, MOST_TOKENS};

use crate::executor::{AdapterInfo, Counts, Prepared, Readback, check_tokens, nothing_was_run};
use crate::kernels::tuning::Features;
use crate::kernels::{CacheFormat, Tuning, choose};
use crate::plan::{CacheShape, Live, Plan, Tensor};
use crate::sampler::{Chosen, Options};
use crate::weights::{Catalogue, Layout, Sink, WeightId};
use crate::{Error, Result};
use choosing::Choosing;
use device::{Buffer, Device};
use pipelines::Pipelines;
use prepared::Lowered;

/// Rows of the largest plan that can be prepared.
const MOST_ROWS: u64 = 4096;

/// Weights, cache and prepared plans on one device.
pub struct Gpu {
    device: Device,
    pipelines: Pipelines,
    tuning: Tuning,
    weights: Vec<Weight>,
    cache: Option<Cache>,
    /// The tokens of a run; the first is overwritten by a token that is chosen.
    tokens: Buffer,
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
    shape: CacheShape,
    format: CacheFormat,
    half: u64,
    layers: Vec<Buffer>,
}

impl Gpu {
    /// Opens the adapter, with the kernels that the options name or those that adapters of its kind begin with. Kernels that
    /// it can't run are refused.
    pub async fn open(options: GpuOptions) -> Result<Gpu> {
        let (forced, device) = (options.tuning.clone(), Device::open(options).await?);
        let pipelines = Pipelines::new(&device);
        let (weights, prepared, tokens) = (Vec::new(), Vec::new(), device.storage("tokens", MOST_ROWS * 4));
        let tuning = Tuning::default();
        let mut gpu = Gpu { device, pipelines, tuning, weights, cache: None, tokens, choosing: None, prepared };
        gpu.tuning = forced.unwrap_or_else(|| gpu.start());
        gpu.tuning.check(gpu.features())?;
        Ok(gpu)
    }

    /// What computes.
    pub fn adapter(&self) -> AdapterInfo {
        AdapterInfo { variants: self.tuning.summary(), ..self.device.info() }
    }

    /// What choices may need.
    pub fn features(&self) -> Features {
        self.device.features()
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
        self.cache = Some(Cache { shape, format, half, layers });
    }

    /// How the cache is stored; plans without one don't ask.
    fn cache_format(&self) -> CacheFormat {
        self.cache.as_ref().map_or(CacheFormat::F32, |cache| cache.format)
    }

    /// Lowers a plan to dispatches and makes everything that they need.
    pub fn prepare(&mut self, plan: &Plan, catalogue: &Catalogue) -> Result<Prepared> {
        if u64::from(plan.rows) > MOST_ROWS {
            return Err(Error::Option(format!("a plan of {} rows; at most {MOST_ROWS}", plan.rows)));
        }
        self.prepare_choosing(plan)?;
        let lowered = self.lower(plan, catalogue)?;
        self.prepared.push(lowered);
        Ok(Prepared(self.prepared.len() - 1))
    }

    fn lower(&mut self, plan: &Plan, catalogue: &Catalogue) -> Result<Lowered> {
        let mut lowered = prepared::lower(self, plan, catalogue)?;
        let full = self.choosing.as_ref().is_some_and(|choosing| choosing.full);
        // A browser compiles beside us, most of it while weights still come: no answer is to wait for it.
        if cfg!(target_arch = "wasm32") {
            lowered.choose_by(&self.device, &mut self.pipelines, !full);
        }
        lowered.choose_by(&self.device, &mut self.pipelines, full);
        Ok(lowered)
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
        let lowered = &mut self.prepared[prepared.0];
        let live = lowered.plan.live(tokens.len(), position)?;
        if let Some(vocab) = lowered.vocab {
            check_tokens(tokens, vocab)?;
        }
        self.device.write(&self.tokens, 0, bytemuck::cast_slice(tokens));
        let live = Live { place: self.choosing.as_ref().map_or(0, |choosing| choosing.place), ..live };
        let flights = self.choosing.as_mut().map(|choosing| &mut choosing.flights);
        lowered.run(&self.device, &self.weights, live, (readback, flights))?;
        self.chosen(u32::from(readback == Readback::Choice));
        Ok(())
    }

    /// Submits `count` runs of one row, from `position` on: the first takes the token that was chosen last.
    pub fn chain(&mut self, prepared: Prepared, position: u32, count: u32) -> Result<()> {
        self.device.check()?;
        let lowered = &mut self.prepared[prepared.0];
        if !(1..=MOST_TOKENS).contains(&count) {
            return Err(Error::Option(format!("{count} tokens in a submit of 1 to {MOST_TOKENS}")));
        }
        lowered.plan.live(1, position.saturating_add(count - 1))?;
        let live = lowered.plan.live(1, position)?;
        let live = Live { place: self.choosing.as_ref().map_or(0, |choosing| choosing.place), ..live };
        let flights = self.choosing.as_mut().map(|choosing| &mut choosing.flights);
        lowered.chain(&self.device, &self.weights, live, (count, flights))?;
        self.chosen(count);
        Ok(())
    }

    /// So many more tokens are chosen, or will be.
    fn chosen(&mut self, count: u32) {
        if let Some(choosing) = &mut self.choosing {
            choosing.place += count;
        }
    }

    /// Holds the tokens that are chosen back for so long after the device is done with them.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn hold_back(&mut self, delay: std::time::Duration) {
        self.device.readback_delay = Some(delay);
    }

    /// How many submits that choose are on their way.
    pub fn under_way(&self) -> usize {
        self.choosing.as_ref().map_or(0, |choosing| choosing.flights.under_way())
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

    /// The tokens that the oldest submit on its way chose.
    pub async fn choices(&mut self) -> Result<Vec<Result<Chosen>>> {
        let choosing = self.choosing.as_mut().ok_or_else(nothing_was_run)?;
        let records = choosing.flights.collect(&self.device).await?;
        Ok(records.iter().map(|record| choose::decode(record)).collect())
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
