//! An adapter -> what it gives at best: how fast it reads, multiplies and starts things, by kernels made for that; and
//! kernels of a plan -> what each takes, where there may be no timestamps.
//!
//! Times are the host's: work is made large enough to be long, waited for, and what an empty submit takes is taken off.

use super::Gpu;
use super::device::{Buffer, Device};
use super::readback::Staging;
use crate::executor::Prepared;
use crate::format::Format;
use crate::kernels::roofline::{Probes, measured_formats};
use crate::kernels::{CacheFormat, Kernel, probe};
use crate::{Error, Result};
use std::sync::atomic::Ordering::Relaxed;
use web_time::Instant;

/// What is timed should take this many seconds at least.
const WORTH_S: f64 = 0.02;

/// Kernels of a plan are timed one after another, as many as may take this many seconds.
const GROUP_S: f64 = 0.2;

/// How often it is timed then; the least counts, as whatever else the machine does only adds to it.
const RUNS: usize = 3;

/// Invocations of a probe of arithmetic: enough to fill large GPUs.
const LANES: u32 = 1 << 18;

/// Invocations of the probe of reading, and the bytes that they read: as many as the device gives, at most these, as caches
/// of tens of MiB are common.
const READERS: u32 = 1 << 16;
const READ_BYTES: [u64; 3] = [128 << 20, 64 << 20, 32 << 20];

/// Rounds that no device needs to be timed by.
const MOST_ROUNDS: u32 = 1 << 22;

/// Dispatches in a pass, and submits in a row, that are timed against one.
const DISPATCHES: u32 = 512;
const SUBMITS: u32 = 32;

impl Gpu {
    /// What the adapter gives at best.
    pub async fn probe(&mut self) -> Result<Probes> {
        self.device.check()?;
        let prober = Prober::new(&self.device).await?;
        let read_bytes_per_s = prober.read_bytes_per_s().await?;
        let f32_per_s = prober.arithmetic(&probe::FMA, Format::F32, probe::FMA_MADDS).await?;
        let f32_per_s = f32_per_s.ok_or_else(|| Error::Device("the GPU refused a kernel of multiply-adds".into()))?;
        let mut weights_per_s = std::collections::BTreeMap::from([(Format::F32.name(), f32_per_s)]);
        for format in measured_formats() {
            let rate = prober.arithmetic(&probe::DOT, format, probe::DOT_MADDS).await?;
            weights_per_s.extend(rate.map(|rate| (format.name(), rate)));
        }
        let packed_per_s = prober.arithmetic(&probe::PACKED, Format::F32, probe::PACKED_MADDS).await?;
        let (dispatch_us, submit_us) = prober.starting_us().await?;
        let readback_us = prober.readback_us().await?;
        Ok(Probes { read_bytes_per_s, f32_per_s, weights_per_s, packed_per_s, dispatch_us, submit_us, readback_us })
    }

    /// What one dispatch of each group takes, in microseconds: those of a group (places in the plan) are run one after
    /// another in one pass, as many and as often as it takes to be timed. A group's matrices differ, so caches help as
    /// little as in a run, unless there is only one. What the plan computes is worthless afterwards.
    pub async fn time_groups(
        &mut self,
        prepared: Prepared,
        tokens: &[u32],
        position: u32,
        groups: &[Vec<usize>],
    ) -> Result<Vec<f64>> {
        self.device.check()?;
        let prober = Prober::new(&self.device).await?;
        let lowered = &self.prepared[prepared.0];
        let live = lowered.plan.live(tokens.len(), position)?;
        self.device.write(&self.tokens, 0, bytemuck::cast_slice(tokens));
        lowered.write_live(&self.device, std::iter::once(live));
        let dispatches: Vec<_> = lowered.live_dispatches(live).collect();
        let mut times = Vec::new();
        for group in groups {
            let first = [dispatches[group[0]]];
            let alone = prober.pass(|pass| {
                lowered.encode(pass, first, &self.weights, (live, 0));
            });
            let alone = alone.await?;
            let some = ((GROUP_S / alone.max(1e-9)) as usize).clamp(1, group.len());
            let ready = || group[..some].iter().map(|place| dispatches[*place]);
            let seconds = prober.seconds(|pass, repeats| {
                for _ in 0..repeats {
                    lowered.encode(pass, ready(), &self.weights, (live, 0));
                }
            });
            times.push(seconds.await? * 1e6 / some as f64);
        }
        Ok(times)
    }
}

/// Times passes on a device.
pub(super) struct Prober<'a> {
    device: &'a Device,
    /// Seconds that a submit of an empty pass takes.
    pub(super) empty_s: f64,
}

/// A kernel of [`probe`], ready to run.
struct Loaded {
    pipeline: wgpu::ComputePipeline,
    /// There is nothing in group 0.
    nothing: wgpu::BindGroup,
    step: wgpu::BindGroup,
    params: Buffer,
    /// What is written, kept as long as it may be.
    _y: Buffer,
    /// Invocations.
    lanes: u32,
    workgroups: u32,
}

impl Loaded {
    fn encode(&self, pass: &mut wgpu::ComputePass, dispatches: u32) {
        pass.set_pipeline(&self.pipeline);
        pass.set_bind_group(0, &self.nothing, &[]);
        pass.set_bind_group(1, &self.step, &[]);
        (0..dispatches).for_each(|_| pass.dispatch_workgroups(self.workgroups, 1, 1));
    }
}

impl Prober<'_> {
    pub(super) async fn new(device: &Device) -> Result<Prober<'_>> {
        let mut prober = Prober { device, empty_s: 0.0 };
        let mut least = f64::MAX;
        for _ in 0..=RUNS {
            least = least.min(prober.pass(|_| ()).await?);
        }
        prober.empty_s = least;
        Ok(prober)
    }

    /// One that knows what an empty submit takes.
    pub(super) fn with(device: &Device, empty_s: f64) -> Prober<'_> {
        Prober { device, empty_s }
    }

    /// Seconds that a pass takes.
    pub(super) async fn pass(&self, record: impl FnOnce(&mut wgpu::ComputePass)) -> Result<f64> {
        let mut encoder = self.device.raw.create_command_encoder(&wgpu::CommandEncoderDescriptor { label: None });
        record(&mut encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default()));
        let begun = Instant::now();
        self.device.submit(encoder);
        self.device.settle().await?;
        Ok((begun.elapsed().as_secs_f64() - self.empty_s).max(0.0))
    }

    /// Seconds of one repetition, of as many as are worth timing.
    async fn seconds(&self, record: impl Fn(&mut wgpu::ComputePass, u32)) -> Result<f64> {
        let mut repeats = 1;
        // The first one compiles.
        self.pass(|pass| record(pass, repeats)).await?;
        let mut least = self.pass(|pass| record(pass, repeats)).await?;
        while least < WORTH_S && repeats < MOST_ROUNDS {
            repeats *= more(least);
            least = self.pass(|pass| record(pass, repeats)).await?;
        }
        for _ in 1..RUNS {
            least = least.min(self.pass(|pass| record(pass, repeats)).await?);
        }
        Ok(least / f64::from(repeats))
    }

    /// A probe over `lanes` invocations, of which each writes a word; none where the compiler doesn't know what it says.
    async fn load(
        &self,
        kernel: &'static Kernel,
        constants: &[(&str, f64)],
        format: Format,
        (x, lanes): (Option<&Buffer>, u32),
    ) -> Result<Option<Loaded>> {
        let Device { raw, .. } = self.device;
        let params = self.device.buffer("params", 16, wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST);
        let y = self.device.storage("probed", u64::from(lanes) * 4);
        let scope = raw.push_error_scope(wgpu::ErrorFilter::Validation);
        let module = raw.create_shader_module(wgpu::ShaderModuleDescriptor {
            label: Some(kernel.name),
            source: wgpu::ShaderSource::Wgsl(kernel.link(format, CacheFormat::F32).into()),
        });
        let mut constants = constants.to_vec();
        constants.push(("WORKGROUP", f64::from(kernel.workgroup)));
        let layout = |entries: &[wgpu::BindGroupLayoutEntry]| {
            raw.create_bind_group_layout(&wgpu::BindGroupLayoutDescriptor { label: None, entries })
        };
        let (nothing, step) = (layout(&[]), super::pipelines::step_layout(self.device, kernel));
        let pipeline_layout = raw.create_pipeline_layout(&wgpu::PipelineLayoutDescriptor {
            label: Some(kernel.name),
            bind_group_layouts: &[Some(&nothing), Some(&step)],
            immediate_size: 0,
        });
        let pipeline = raw.create_compute_pipeline(&wgpu::ComputePipelineDescriptor {
            label: Some(kernel.name),
            layout: Some(&pipeline_layout),
            module: &module,
            entry_point: Some("main"),
            compilation_options: wgpu::PipelineCompilationOptions { constants: &constants, ..Default::default() },
            cache: None,
        });
        if scope.pop().await.is_some() {
            return Ok(None);
        }
        let bound = std::iter::once(&params).chain(x).chain([&y]).enumerate();
        let entries: Vec<_> = bound
            .map(|(place, buffer)| wgpu::BindGroupEntry { binding: place as u32, resource: buffer.as_entire_binding() })
            .collect();
        let (nothing, step) = (self.device.bind_group(&nothing, &[]), self.device.bind_group(&step, &entries));
        let workgroups = lanes.div_ceil(kernel.workgroup);
        Ok(Some(Loaded { pipeline, nothing, step, params, _y: y, lanes, workgroups }))
    }

    /// Multiply-adds a second, of so many in each round of a lane.
    async fn arithmetic(&self, kernel: &'static Kernel, format: Format, madds: u32) -> Result<Option<f64>> {
        let Some(loaded) = self.load(kernel, &[], format, (None, LANES)).await? else { return Ok(None) };
        let time = async |rounds: u32| {
            self.device.write(&loaded.params, 0, &probe::params(rounds, loaded.lanes));
            self.pass(|pass| loaded.encode(pass, 1)).await
        };
        let mut rounds = 1;
        time(rounds).await?;
        let mut least = time(rounds).await?;
        while least < WORTH_S && rounds < MOST_ROUNDS {
            rounds *= more(least);
            least = time(rounds).await?;
        }
        for _ in 1..RUNS {
            least = least.min(time(rounds).await?);
        }
        Ok(Some(f64::from(LANES) * f64::from(madds) * f64::from(rounds) / least))
    }

    /// The better of two ways to share a buffer among lanes.
    async fn read_bytes_per_s(&self) -> Result<f64> {
        let x = self.filled().await?;
        let rounds = (x.size() / 16) as u32 / READERS;
        let mut best: f64 = 0.0;
        for runs in [0.0, 1.0] {
            let loaded = self.load(&probe::READ, &[("RUNS", runs)], Format::F32, (Some(&x), READERS)).await?;
            let Some(loaded) = loaded else { continue };
            self.device.write(&loaded.params, 0, &probe::params(rounds, READERS));
            best = best.max(x.size() as f64 / self.seconds(|pass, repeats| loaded.encode(pass, repeats)).await?);
        }
        if best > 0.0 { Ok(best) } else { Err(Error::Device("the GPU refused a kernel that reads".into())) }
    }

    /// A large buffer of words that differ: memory that was never written may not be there.
    async fn filled(&self) -> Result<Buffer> {
        const CHUNK: u64 = 1 << 20;
        let mut made = None;
        for bytes in READ_BYTES.into_iter().filter(|bytes| *bytes <= self.device.binding_limit()) {
            let buffer = self.device.storage("read", bytes);
            if self.device.hear_of_buffers().await.is_ok() {
                made = Some(buffer);
                break;
            }
            drop(buffer);
            self.device.tally.refused_bytes.store(0, Relaxed);
        }
        let message = "the GPU has no memory for a measurement";
        let buffer = made.ok_or_else(|| Error::Memory(message.into()))?;
        let chunk = self.device.storage("chunk", CHUNK);
        let words: Vec<u32> = (0..CHUNK as u32 / 4).map(|word| word.wrapping_mul(0x9e37_79b9)).collect();
        self.device.write(&chunk, 0, bytemuck::cast_slice(&words));
        let mut encoder = self.device.raw.create_command_encoder(&wgpu::CommandEncoderDescriptor { label: None });
        for offset in (0..buffer.size()).step_by(CHUNK as usize) {
            encoder.copy_buffer_to_buffer(&chunk, 0, &buffer, offset, CHUNK);
        }
        self.device.submit(encoder);
        self.device.settle().await?;
        Ok(buffer)
    }

    /// Microseconds that a further dispatch of a pass costs, and a further submit.
    async fn starting_us(&self) -> Result<(f64, f64)> {
        let loaded = self.load(&probe::EMPTY, &[], Format::F32, (None, 1)).await?;
        let loaded = loaded.ok_or_else(|| Error::Device("the GPU refused an empty kernel".into()))?;
        self.device.write(&loaded.params, 0, &probe::params(1, 1));
        let [mut one, mut many, mut apart] = [f64::MAX; 3];
        for _ in 0..=RUNS {
            one = one.min(self.pass(|pass| loaded.encode(pass, 1)).await?);
            many = many.min(self.pass(|pass| loaded.encode(pass, DISPATCHES)).await?);
            let begun = Instant::now();
            for _ in 1..SUBMITS {
                let mut encoder =
                    self.device.raw.create_command_encoder(&wgpu::CommandEncoderDescriptor { label: None });
                loaded.encode(&mut encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default()), 1);
                self.device.submit(encoder);
            }
            let before = begun.elapsed().as_secs_f64();
            apart = apart.min(before + self.pass(|pass| loaded.encode(pass, 1)).await?);
        }
        let each = |many: f64, count: u32| (many - one).max(0.0) / f64::from(count - 1) * 1e6;
        Ok((each(many, DISPATCHES), each(apart, SUBMITS)))
    }

    /// Microseconds until a copy of 4 bytes has arrived: the middle of several.
    async fn readback_us(&self) -> Result<f64> {
        let word = self.device.storage("word", 4);
        let staging = Staging::new(self.device, "word", 1, 1, 1);
        let mut times = Vec::new();
        for _ in 0..2 * RUNS + 1 {
            let begun = Instant::now();
            let mut encoder = self.device.raw.create_command_encoder(&wgpu::CommandEncoderDescriptor { label: None });
            staging.copy(&mut encoder, &word, 0..1);
            self.device.submit(encoder);
            staging.read(self.device, 1).await?;
            times.push(begun.elapsed().as_secs_f64() * 1e6);
        }
        times.sort_by(f64::total_cmp);
        Ok(times[RUNS])
    }
}

/// How many times more is worth timing, where this much took so long.
fn more(seconds: f64) -> u32 {
    (1.5 * WORTH_S / seconds.max(1e-9)).ceil().clamp(2.0, 16.0) as u32
}
