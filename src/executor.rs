//! What runs plans: a GPU, or the processor, fast or by the plain reference. All take weights as they stream.

pub(crate) mod choosing;
mod host;
mod layout;

pub use host::Host;
pub use layout::CacheLayout;

use crate::cpu::{Activations, Cpu, Machine};
use crate::gpu::{Gpu, GpuOptions};
use crate::kernels::roofline::Probes;
use crate::kernels::tuning::{Fault, Features, Measured};
use crate::kernels::{CACHE_TILE, CacheFormat, Work, attention};
use crate::plan::{CacheShape, Plan, Tensor};
use crate::sampler;
use crate::weights::{Catalogue, Layout, Sink, WeightId};
use crate::{Error, Result};

pub use crate::gpu::{DEPTH, MOST_TOKENS};
use serde::Serialize;
use serde_json::Value;

/// Bytes that the processor binds at once: no limit that a model meets.
pub const CPU_BINDING_LIMIT: u64 = 1 << 40;

/// A plan made ready on an executor.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Prepared(pub(crate) usize);

/// What a run hands back to the host.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Readback {
    /// Nothing: all but the last chunk of a prompt.
    Nothing,
    /// The token that is chosen by the logits of the last row.
    Choice,
    /// All logits.
    Logits,
}

/// What computes, in words for people and reports.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AdapterInfo {
    /// Name of the adapter or processor path.
    pub name: String,
    /// The interface it is reached by: `Vulkan`, `Metal`, `BrowserWebGpu`, `cpu`.
    pub backend: String,
    /// `discrete`, `integrated`, `virtual`, `software` or `other`.
    pub kind: String,
    /// The driver, where known.
    pub driver: String,
    /// Which variants of kernels are used, by kind.
    pub variants: String,
    /// Whether each kernel of a run can be timed on the device's own clock: [`Executor::profile`].
    pub timestamps: bool,
    /// Whether kernels may use subgroups.
    pub subgroups: bool,
}

impl AdapterInfo {
    /// What tunings are kept by: another driver may make other code of a kernel.
    pub fn id(&self) -> String {
        [&self.name, &self.backend, &self.driver].map(String::as_str).join(", ").trim_end_matches(", ").to_string()
    }
}

/// What an executor has done since it was made: the difference between two readings is what a token costs.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counts {
    /// Kernels started.
    pub dispatches: u64,
    /// Command buffers handed to the queue.
    pub submits: u64,
    /// Times the host mapped a result.
    pub readbacks: u64,
    /// Buffers made.
    pub buffers_created: u64,
    /// Bind groups made.
    pub bind_groups_created: u64,
    /// Pipelines compiled.
    pub pipelines_created: u64,
    /// Bytes of the matrices that matmuls went through, each once a run.
    pub weight_bytes_read: u64,
    /// Bytes of buffers that live on the device now.
    pub gpu_bytes: u64,
    /// The most that they were.
    pub gpu_bytes_peak: u64,
}

/// What one dispatch of a run took on the device's own clock.
#[derive(Debug, Clone, PartialEq, Serialize)]
pub struct KernelTime {
    /// What it had to do.
    #[serde(flatten)]
    pub work: Work,
    /// When it began after the first of the run began, in microseconds.
    pub start_us: f64,
    /// How long it took, in microseconds.
    pub us: f64,
}

/// Refuses tokens that the table of `vocab` rows does not hold.
pub(crate) fn check_tokens(tokens: &[u32], vocab: u32) -> Result<()> {
    match tokens.iter().find(|token| **token >= vocab) {
        None => Ok(()),
        Some(token) => Err(Error::Option(format!("token {token} is beyond the vocabulary of {vocab}"))),
    }
}

/// Refuses to read a choice from a plan that makes none.
pub(crate) fn check_readback(plan: &Plan, readback: Readback) -> Result<()> {
    if readback == Readback::Choice && plan.choice.is_none() {
        return Err(Error::Device("a choice was asked of a plan that gives several rows logits".into()));
    }
    Ok(())
}

/// The error for a result that is asked for before there is one.
pub(crate) fn nothing_was_run() -> Error {
    Error::Device("a result was asked for before anything was run".into())
}

/// The error for what only makes sense on a GPU.
fn no_kernels() -> Error {
    Error::Unsupported("the time of each kernel is that of a GPU: here the processor computes".into())
}

/// A device that runs plans.
pub enum Executor {
    /// Hand-written WGSL through wgpu.
    Gpu(Box<Gpu>),
    /// The processor: fast, or by the plain reference functions.
    Cpu(Box<dyn Host>),
}

impl Executor {
    /// Opens the GPU.
    ///
    /// # Errors
    /// Where there is no adapter, or it refuses a device.
    pub async fn gpu(options: GpuOptions) -> Result<Executor> {
        Ok(Executor::Gpu(Box::new(Gpu::open(options).await?)))
    }

    /// SIMD and threads, by way of a machine.
    pub fn cpu(machine: Box<dyn Machine>, activations: Activations) -> Executor {
        Executor::Cpu(Box::new(Cpu::new(machine, activations)))
    }

    /// The plain reference kernels on one thread: exact, slow, and what the others are tested against.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn reference() -> Executor {
        Executor::Cpu(Box::new(crate::reference::Reference::default()))
    }

    /// What computes.
    pub fn adapter(&self) -> AdapterInfo {
        match self {
            Executor::Gpu(gpu) => gpu.adapter(),
            Executor::Cpu(cpu) => cpu.adapter(),
        }
    }

    /// What choices among kernels may need.
    pub fn features(&self) -> Features {
        match self {
            Executor::Gpu(gpu) => gpu.features(),
            Executor::Cpu(_) => Features::default(),
        }
    }

    /// Greatest number of bytes in one part of a weight or in a layer's cache.
    pub fn binding_limit(&self) -> u64 {
        match self {
            Executor::Gpu(gpu) => gpu.binding_limit(),
            Executor::Cpu(_) => CPU_BINDING_LIMIT,
        }
    }

    /// Makes the cache, once, before any plan is prepared.
    ///
    /// # Errors
    /// Where a layer's cache passes the binding limit or what memory there is, the kernels of a GPU are made for
    /// narrower heads, or the format for others.
    pub fn allocate_cache(&mut self, shape: CacheShape, format: CacheFormat) -> Result<()> {
        format.check(shape)?;
        let (bytes, limit) = (2 * format.bytes(shape), self.binding_limit());
        if bytes > limit {
            let tile = u64::from(CACHE_TILE);
            let tile_bytes = 2 * format.bytes(CacheShape { context: CACHE_TILE, ..shape });
            let (context, most) = (shape.context, limit / tile_bytes * tile);
            return Err(Error::Memory(format!(
                "a context of {context} takes {bytes} bytes a layer for keys and values; the device binds at most {limit}: \
                 ask for a context of at most {most}"
            )));
        }
        match self {
            Executor::Gpu(gpu) => {
                attention::check_head(shape)?;
                gpu.allocate_cache(shape, format);
                Ok(())
            }
            Executor::Cpu(cpu) => cpu.allocate_cache(shape, format),
        }
    }

    /// Makes everything that runs of the plan need: afterwards a run makes nothing.
    pub fn prepare(&mut self, plan: &Plan, catalogue: &Catalogue) -> Result<Prepared> {
        match self {
            Executor::Gpu(gpu) => gpu.prepare(plan, catalogue),
            Executor::Cpu(cpu) => cpu.prepare(plan, catalogue),
        }
    }

    /// Says that all weights have come: what is to be done with them before the first run is done now.
    ///
    /// # Errors
    /// Where there is not enough memory.
    pub fn weights_are_whole(&mut self) -> Result<()> {
        match self {
            Executor::Gpu(_) => Ok(()),
            Executor::Cpu(cpu) => cpu.weights_are_whole(),
        }
    }

    /// Runs a plan over `tokens` from `position` on. On a GPU the work is only submitted.
    pub fn run(&mut self, prepared: Prepared, tokens: &[u32], position: u32, readback: Readback) -> Result<()> {
        match self {
            Executor::Gpu(gpu) => gpu.run(prepared, tokens, position, readback),
            Executor::Cpu(cpu) => cpu.run(prepared, tokens, position, readback),
        }
    }

    /// Logits of the last run, `[rows with logits, vocab]`; it was run with [`Readback::Logits`].
    pub async fn read_logits(&mut self, prepared: Prepared) -> Result<Vec<f32>> {
        match self {
            Executor::Gpu(gpu) => gpu.read_logits(prepared).await,
            Executor::Cpu(cpu) => cpu.logits(prepared),
        }
    }

    /// Says how the tokens of the runs that follow are chosen: those after `prompt` and `generated`, which is what was
    /// chosen of the same answer before. Without a word the greatest is taken. Plans that choose are prepared before.
    /// Every run with [`Readback::Choice`] chooses the next token of the answer.
    ///
    /// # Errors
    /// As [`Options::check`](crate::sampler::Options::check).
    pub fn begin_choosing(&mut self, options: &sampler::Options, prompt: &[u32], generated: &[u32]) -> Result<()> {
        match self {
            Executor::Gpu(gpu) => gpu.begin_choosing(options, prompt, generated),
            Executor::Cpu(cpu) => cpu.begin_choosing(options, prompt, generated),
        }
    }

    /// Runs a plan of one row `count` times, from `position` on: each time with the token that was chosen before, which
    /// the host need not know yet. On a GPU all of it is one submit.
    ///
    /// # Errors
    /// `Option` for more than [`MOST_TOKENS`]; `Device` where [`depth`](Executor::depth) submits are on their way.
    pub fn chain(&mut self, prepared: Prepared, position: u32, count: u32) -> Result<()> {
        match self {
            Executor::Gpu(gpu) => gpu.chain(prepared, position, count),
            Executor::Cpu(cpu) => cpu.chain(prepared, position, count),
        }
    }

    /// Holds the tokens that a GPU chooses back for so long after it is done with them: to measure what a slow way to the
    /// host costs. The CPU has no such way.
    #[cfg(not(target_arch = "wasm32"))]
    pub fn hold_back(&mut self, delay: std::time::Duration) {
        if let Executor::Gpu(gpu) = self {
            gpu.hold_back(delay);
        }
    }

    /// How many submits that choose tokens may be on their way: runs with [`Readback::Choice`], and chains.
    pub fn depth(&self) -> usize {
        match self {
            Executor::Gpu(_) => DEPTH,
            Executor::Cpu(_) => 1,
        }
    }

    /// How many are.
    pub fn under_way(&self) -> usize {
        match self {
            Executor::Gpu(gpu) => gpu.under_way(),
            Executor::Cpu(cpu) => cpu.under_way(),
        }
    }

    /// The tokens that the oldest of them chose; for each, an error where its logits allowed none.
    ///
    /// # Errors
    /// Where there is none, or the device was lost.
    pub async fn choices(&mut self) -> Result<Vec<Result<sampler::Chosen>>> {
        match self {
            Executor::Gpu(gpu) => gpu.choices().await,
            Executor::Cpu(cpu) => cpu.choices(),
        }
    }

    /// Waits until the device has taken everything that was written and submitted; reports what it refused.
    pub async fn settle(&mut self) -> Result<()> {
        match self {
            Executor::Gpu(gpu) => gpu.settle().await,
            Executor::Cpu(_) => Ok(()),
        }
    }

    /// Runs a plan several times, each dispatch in a pass of its own between two readings of the device's clock: what
    /// each dispatch took, in order. Results are those of a run.
    ///
    /// # Errors
    /// `Unsupported` where the device has no such clock: [`AdapterInfo::timestamps`].
    pub async fn profile(&mut self, prepared: Prepared, tokens: &[u32], position: u32) -> Result<Vec<KernelTime>> {
        match self {
            Executor::Gpu(gpu) => gpu.profile(prepared, tokens, position).await,
            Executor::Cpu(_) => Err(no_kernels()),
        }
    }

    /// What each dispatch of a run of so many tokens has to do, in order.
    ///
    /// # Errors
    /// `Unsupported` on the processor, which has no dispatches; where the run does not fit.
    pub fn works(&self, prepared: Prepared, tokens: usize, position: u32) -> Result<Vec<Work>> {
        match self {
            Executor::Gpu(gpu) => gpu.works(prepared, tokens, position),
            Executor::Cpu(_) => Err(no_kernels()),
        }
    }

    /// What one dispatch of each group takes, in microseconds by the host's clock; a group is places among a run's
    /// dispatches. What the plan computes is worthless afterwards, and so is the cache.
    ///
    /// # Errors
    /// As [`works`](Executor::works).
    pub async fn time_groups(
        &mut self,
        prepared: Prepared,
        tokens: &[u32],
        position: u32,
        groups: &[Vec<usize>],
    ) -> Result<Vec<f64>> {
        match self {
            Executor::Gpu(gpu) => gpu.time_groups(prepared, tokens, position, groups).await,
            Executor::Cpu(_) => Err(no_kernels()),
        }
    }

    /// What the adapter gives at best.
    ///
    /// # Errors
    /// `Unsupported` on the processor; `Memory` where there is none for a buffer to read.
    pub async fn probe(&mut self) -> Result<Probes> {
        match self {
            Executor::Gpu(gpu) => gpu.probe().await,
            Executor::Cpu(_) => Err(no_kernels()),
        }
    }

    /// The adapter by the name that a page knows it by, which may say more than it says of itself. Before any plan.
    pub fn rename(&mut self, name: &str) {
        if let Executor::Gpu(gpu) = self {
            gpu.rename(name);
        }
    }

    /// Which kernels are taken, to be kept; none on the processor.
    pub fn tuning(&self) -> Option<Value> {
        match self {
            Executor::Gpu(gpu) => Some(gpu.tuning()),
            Executor::Cpu(_) => None,
        }
    }

    /// Ways that are left out for that reason, in words.
    pub fn left_out_for(&self, fault: Fault) -> Option<String> {
        match self {
            Executor::Gpu(gpu) => gpu.left_out_for(fault),
            Executor::Cpu(_) => None,
        }
    }

    /// Whether a kept tuning was measured on this adapter, with these kernels.
    pub fn knows(&self, tuning: &Value) -> bool {
        matches!(self, Executor::Gpu(gpu) if gpu.knows(tuning))
    }

    /// Takes over a tuning, for plans that are still to be prepared.
    ///
    /// # Errors
    /// `Option` where something in it is not understood or not available here; `Unsupported` on the processor.
    pub fn take_tuning(&mut self, tuning: &Value) -> Result<()> {
        match self {
            Executor::Gpu(gpu) => gpu.take_tuning(tuning),
            Executor::Cpu(_) => Err(no_kernels()),
        }
    }

    /// Times the ways to carry out what the prepared plans do, takes the best, and prepares the plans anew; what was chosen
    /// already is not timed again. After `budget_s` seconds what is left does as its nearest neighbour. Without a budget
    /// everything is timed, and to the end. Nothing of use is left in the cache.
    ///
    /// `keep` is told, before each way is tried, of the tuning that is right if the device does not survive it.
    ///
    /// # Errors
    /// `Unsupported` on the processor; where the device is lost.
    pub async fn tune(
        &mut self,
        catalogue: &Catalogue,
        budget_s: Option<f64>,
        keep: &impl AsyncFn(Value),
    ) -> Result<Vec<Measured>> {
        match self {
            Executor::Gpu(gpu) => gpu.tune(catalogue, budget_s, keep).await,
            Executor::Cpu(_) => Err(no_kernels()),
        }
    }

    /// What was done so far.
    pub fn counts(&self) -> Counts {
        match self {
            Executor::Gpu(gpu) => gpu.counts(),
            Executor::Cpu(cpu) => cpu.counts(),
        }
    }

    /// Fills a tensor of a prepared plan, `[rows, width]` without padding: for tests of kernels.
    pub fn write_tensor(&mut self, prepared: Prepared, tensor: Tensor, values: &[f32]) {
        match self {
            Executor::Gpu(gpu) => gpu.write_tensor(prepared, tensor, values),
            Executor::Cpu(cpu) => cpu.write_tensor(prepared, tensor, values),
        }
    }

    /// The values of a tensor after a run, `[rows, width]` without padding: for tests of kernels. Another tensor may
    /// have taken its memory since.
    pub async fn read_tensor(&mut self, prepared: Prepared, tensor: Tensor) -> Result<Vec<f32>> {
        match self {
            Executor::Gpu(gpu) => gpu.read_tensor(prepared, tensor).await,
            Executor::Cpu(cpu) => Ok(cpu.read_tensor(prepared, tensor)),
        }
    }
}

impl Sink for Executor {
    fn allocate(&mut self, name: &str, layout: &Layout) -> Result<WeightId> {
        match self {
            Executor::Gpu(gpu) => gpu.allocate(name, layout),
            Executor::Cpu(cpu) => cpu.allocate(name, layout),
        }
    }

    fn write(&mut self, weight: WeightId, part: usize, offset: u64, bytes: &[u8]) -> Result<()> {
        match self {
            Executor::Gpu(gpu) => gpu.write(weight, part, offset, bytes),
            Executor::Cpu(cpu) => cpu.write(weight, part, offset, bytes),
        }
    }
}
