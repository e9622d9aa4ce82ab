//! A plan -> dispatches with their pipelines and bind groups, ready to be replayed.

use super::device::{Buffer, Device, Tally};
use super::flights::{Flights, MOST_TOKENS};
use super::pipelines::Pipelines;
use super::readback::Staging;
use super::{Gpu, Weight};
use crate::executor::{Readback, check_readback, nothing_was_run};
use crate::format::Format;
use crate::kernels::{self, CacheFormat, Dispatch, Resource, Tuning, choose, stride};
use crate::plan::{Live, Plan, Rows, Side, Slots, Step, Tensor};
use crate::weights::Catalogue;
use crate::{Error, Result};

/// Uniforms of steps stand this many bytes apart: WebGPU's default offset alignment.
const UNIFORM_STEP: usize = 256;

/// Bytes of [`Live`].
const LIVE_BYTES: u64 = 16;

/// A plan on the device.
pub struct Lowered {
    pub plan: Plan,
    slots: Slots,
    /// One for each slot, then those that are only bound: parameters, what is in between, and zeros for unused bindings.
    buffers: Vec<Buffer>,
    /// What varies, [`UNIFORM_STEP`] bytes apart for each run of a submit.
    live: Buffer,
    live_group: wgpu::BindGroup,
    dispatches: Vec<Ready>,
    pub logits_back: Staging,
    /// Rows with logits of the last run.
    pub last_rows: u32,
    /// Tokens must be below this, if the plan looks tokens up.
    pub vocab: Option<u32>,
    /// Bytes of matrices that one run goes through, and how many of them serve only the choice of a token.
    weight_bytes: u64,
    choice_bytes: u64,
}

/// A dispatch ready to be replayed.
pub struct Ready {
    pipeline: wgpu::ComputePipeline,
    step_group: wgpu::BindGroup,
    /// The step that it carries out, or a part of: its place in the plan.
    pub step: usize,
    pub dispatch: Dispatch,
}

/// Makes everything that runs of the plan need.
pub fn lower(gpu: &mut Gpu, plan: &Plan, catalogue: &Catalogue) -> Result<Lowered> {
    let mut dispatches = Vec::new();
    let cache = gpu.cache_format();
    for (step, recorded) in plan.steps.iter().enumerate() {
        let lowered = kernels::lower(plan, catalogue, recorded, &gpu.tuning, cache)?;
        dispatches.extend(lowered.into_iter().map(|dispatch| (step, dispatch)));
    }
    let device = &gpu.device;
    let slots = Slots::new(plan);
    for (tensor, slot) in slots.of.iter().enumerate() {
        let bytes = slot.map_or(0, |slot| slots.lengths[slot] as u64 * 4);
        if bytes > device.binding_limit() {
            let (name, limit) = (&plan.tensors[tensor].name, device.binding_limit());
            return Err(Error::Memory(format!("{name} takes {bytes} bytes; the device binds at most {limit}")));
        }
    }
    let mut buffers: Vec<_> = slots.lengths.iter().map(|length| device.storage("tensor", *length as u64 * 4)).collect();
    let runs = if plan.choice.is_some() { MOST_TOKENS as usize } else { 1 };
    let usage = wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST;
    let live = device.buffer("live", (runs * UNIFORM_STEP) as u64, usage);
    let size = std::num::NonZero::new(LIVE_BYTES);
    let resource = wgpu::BindingResource::Buffer(wgpu::BufferBinding { buffer: &live, offset: 0, size });
    let entry = wgpu::BindGroupEntry { binding: 0, resource };
    let live_group = device.bind_group(&gpu.pipelines.live, &[entry]);
    let staging =
        |label, tensor, rows| Staging::new(device, label, rows, plan.info(tensor).width, stride(plan, tensor));
    let logits_back = staging("logits", plan.logits, plan.rows_of(plan.logits));

    let (dispatches, bound) = ready(gpu, &slots, &buffers, dispatches)?;
    buffers.extend(bound);
    let vocab = plan.token_table().map(|table| catalogue.layout(table).outputs);
    Ok(Lowered {
        plan: plan.clone(),
        slots,
        buffers,
        live,
        live_group,
        dispatches,
        logits_back,
        last_rows: 0,
        vocab,
        weight_bytes: weight_bytes(plan, catalogue, |_| true),
        choice_bytes: weight_bytes(plan, catalogue, |step| serves_choice(plan, step)),
    })
}

/// Makes dispatches ready, over the plan's tensors and buffers of their own: parameters, what is in between, and zeros.
fn ready(
    gpu: &mut Gpu,
    slots: &Slots,
    buffers: &[Buffer],
    dispatches: Vec<(usize, Dispatch)>,
) -> Result<(Vec<Ready>, [Buffer; 3])> {
    let uniforms = uniforms(&gpu.device, &dispatches);
    let unused = gpu.device.storage("unused", 16);
    let scratch = gpu.device.storage("scratch", scratch_bytes(&dispatches));
    let binder = Binder { slots, buffers, scratch: &scratch, unused: &unused };
    let dispatches = dispatches.into_iter().enumerate();
    let dispatches = dispatches.map(|(place, (step, dispatch))| binder.ready(gpu, step, dispatch, &uniforms, place));
    let dispatches = dispatches.collect::<Result<_>>()?;
    Ok((dispatches, [uniforms, scratch, unused]))
}

/// Bytes that the matmuls among some steps of a run read: every matrix once.
fn weight_bytes(plan: &Plan, catalogue: &Catalogue, among: impl Fn(&&Step) -> bool) -> u64 {
    let matrices = plan.steps.iter().filter(among).filter_map(Step::matrix);
    matrices.map(|matrix| catalogue.layout(matrix).bytes()).sum()
}

/// Whether a step serves only the choice of the next token: it works on the last row alone.
fn serves_choice(plan: &Plan, step: &Step) -> bool {
    plan.choice.is_some() && step.output().is_some_and(|y| plan.info(y).rows != Rows::All)
}

/// Bytes that the greediest of the dispatches needs in between.
fn scratch_bytes(dispatches: &[(usize, Dispatch)]) -> u64 {
    let resources = dispatches.iter().flat_map(|(_, dispatch)| &dispatch.resources);
    let values = resources.map(|resource| match resource {
        Resource::Scratch(values) => u64::from(*values),
        _ => 0,
    });
    values.max().unwrap_or(0).max(4) * 4
}

/// The parameters of all dispatches in one buffer.
fn uniforms(device: &Device, dispatches: &[(usize, Dispatch)]) -> Buffer {
    let mut bytes = vec![0; dispatches.len().max(1) * UNIFORM_STEP];
    for ((_, dispatch), room) in dispatches.iter().zip(bytes.chunks_mut(UNIFORM_STEP)) {
        room[..dispatch.params.len()].copy_from_slice(&dispatch.params);
    }
    let usage = wgpu::BufferUsages::UNIFORM | wgpu::BufferUsages::COPY_DST;
    let buffer = device.buffer("params", bytes.len() as u64, usage);
    device.write(&buffer, 0, &bytes);
    buffer
}

/// Turns resources into bindings.
struct Binder<'a> {
    slots: &'a Slots,
    buffers: &'a [Buffer],
    scratch: &'a Buffer,
    unused: &'a Buffer,
}

impl Binder<'_> {
    fn ready(&self, gpu: &mut Gpu, step: usize, dispatch: Dispatch, uniforms: &Buffer, place: usize) -> Result<Ready> {
        let format =
            dispatch.matrix.map_or(Format::F32, |(weight, part)| gpu.weights[weight.0].layout.parts[part].format);
        let cache = gpu.cache_format();
        let pipeline = gpu.pipelines.get(&gpu.device, &dispatch, format, cache);
        let layout = gpu.pipelines.step_layout(&gpu.device, dispatch.kernel).clone();
        let params = wgpu::BindingResource::Buffer(wgpu::BufferBinding {
            buffer: uniforms,
            offset: (place * UNIFORM_STEP) as u64,
            size: std::num::NonZero::new(dispatch.params.len() as u64),
        });
        let mut entries = vec![wgpu::BindGroupEntry { binding: 0, resource: params }];
        for (i, resource) in dispatch.resources.iter().enumerate() {
            entries.push(wgpu::BindGroupEntry { binding: i as u32 + 1, resource: self.binding(gpu, *resource)? });
        }
        let step_group = gpu.device.bind_group(&layout, &entries);
        Ok(Ready { pipeline, step_group, step, dispatch })
    }

    fn binding<'b>(&'b self, gpu: &'b Gpu, resource: Resource) -> Result<wgpu::BindingResource<'b>> {
        let choosing = || {
            let choosing = gpu.choosing.as_ref();
            choosing.ok_or_else(|| Error::Device("what choosing takes was not made before the plan".into()))
        };
        let buffer = match resource {
            Resource::Tensor(tensor) => {
                &self.buffers[self.slots.of[tensor.0].expect("a tensor that a step uses has a slot")]
            }
            Resource::Vector(weight) => &gpu.weights[weight.0].parts[0],
            Resource::Unused => self.unused,
            Resource::Scratch(_) => self.scratch,
            Resource::Tokens => &gpu.tokens,
            Resource::Sampling => &choosing()?.sampling,
            Resource::Bias => &choosing()?.bias,
            Resource::Counts => &choosing()?.counts,
            Resource::Cache(layer, _) | Resource::WholeCache(layer) => {
                let cache = gpu.cache.as_ref();
                let cache = cache.ok_or_else(|| Error::Device("the cache was not made before the plan".into()))?;
                let buffer = &cache.layers[layer as usize];
                if let Resource::Cache(_, side) = resource {
                    let offset = if side == Side::Values { cache.half } else { 0 };
                    let size = std::num::NonZero::new(cache.half);
                    return Ok(wgpu::BindingResource::Buffer(wgpu::BufferBinding { buffer, offset, size }));
                }
                buffer
            }
        };
        Ok(buffer.as_entire_binding())
    }
}

impl Lowered {
    /// Submits one run from `live` on, all dispatches in one pass, and the copy that `readback` asks for.
    pub fn run(
        &mut self,
        device: &Device,
        weights: &[Weight],
        live: Live,
        (readback, flights): (Readback, Option<&mut Flights>),
    ) -> Result<()> {
        check_readback(&self.plan, readback)?;
        if readback == Readback::Choice {
            return self.chain(device, weights, live, (1, flights));
        }
        self.write_live(device, [live].into_iter());
        let mut encoder = device.raw.create_command_encoder(&wgpu::CommandEncoderDescriptor { label: None });
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
        let leaves_out = |step: &Step| match readback {
            Readback::Nothing => serves_choice(&self.plan, step),
            _ => matches!(step, Step::Choose { .. }),
        };
        let wanted = |ready: &&Ready| !leaves_out(&self.plan.steps[ready.step]);
        let dispatched = self.encode(&mut pass, self.dispatches.iter().filter(wanted), weights, (live, 0));
        drop(pass);
        let unread = if readback == Readback::Nothing { self.choice_bytes } else { 0 };
        self.tally(device, dispatched, self.weight_bytes - unread);
        self.last_rows = self.plan.live_rows(self.plan.logits, live);
        if readback == Readback::Logits {
            self.logits_back.copy(&mut encoder, self.tensor(self.plan.logits), 0..self.last_rows);
        }
        device.submit(encoder);
        Ok(())
    }

    /// Submits `count` runs in one pass, from `live` on; the token that one chooses is what the next looks up.
    pub fn chain(
        &mut self,
        device: &Device,
        weights: &[Weight],
        live: Live,
        (count, flights): (u32, Option<&mut Flights>),
    ) -> Result<()> {
        let (Some(flights), Some(choice)) = (flights, self.plan.choice) else { return Err(nothing_was_run()) };
        let runs = (0..count).map(|i| Live { position: live.position + i, place: live.place + i, slot: i, ..live });
        self.write_live(device, runs.clone());
        let mut encoder = device.raw.create_command_encoder(&wgpu::CommandEncoderDescriptor { label: None });
        let mut pass = encoder.begin_compute_pass(&wgpu::ComputePassDescriptor::default());
        let dispatched: u64 = runs.map(|run| self.encode(&mut pass, &self.dispatches, weights, (run, run.slot))).sum();
        drop(pass);
        self.tally(device, dispatched, self.weight_bytes * u64::from(count));
        self.last_rows = self.plan.live_rows(self.plan.logits, live);
        flights.launch(device, encoder, self.tensor(choice), count)
    }

    fn tally(&self, device: &Device, dispatches: u64, weight_bytes: u64) {
        Tally::add(&device.tally.dispatches, dispatches);
        Tally::add(&device.tally.weight_bytes, weight_bytes);
    }

    /// Writes what the runs of the next submit vary.
    pub fn write_live(&self, device: &Device, runs: impl Iterator<Item = Live>) {
        let mut bytes = Vec::new();
        for (place, live) in runs.enumerate() {
            bytes.resize(place * UNIFORM_STEP, 0);
            bytes.extend_from_slice(bytemuck::cast_slice(&live.words()));
        }
        device.write(&self.live, 0, &bytes);
    }

    /// The dispatches that a run has, in order.
    pub fn live_dispatches(&self, live: Live) -> impl Iterator<Item = &Ready> {
        self.dispatches.iter().filter(move |ready| ready.dispatch.grid.size(&self.plan, live)[0] > 0)
    }

    /// Parts of steps, each the same in kind and shape, as another tuning carries them out; of attention all is one part.
    /// What they write stands in the plan's tensors.
    pub fn otherwise(
        &self,
        gpu: &mut Gpu,
        catalogue: &Catalogue,
        parts: &[(usize, usize)],
        tuning: &Tuning,
    ) -> Result<(Vec<Ready>, [Buffer; 3])> {
        let mut dispatches = Vec::new();
        for (step, part) in parts {
            let lowered = kernels::lower(&self.plan, catalogue, &self.plan.steps[*step], tuning, gpu.cache_format())?;
            // What multiplies no matrix serves the dispatch behind it or, at the end, before it.
            let part_of = |place: usize| {
                let (before, behind) = lowered.split_at(place);
                behind.iter().chain(before.iter().rev()).find_map(|dispatch| dispatch.matrix)
            };
            let wanted = |place: &usize| part_of(*place).is_none_or(|(_, place)| place == *part);
            let wanted: Vec<_> = (0..lowered.len()).filter(wanted).collect();
            dispatches.extend(wanted.into_iter().map(|place| (*step, lowered[place].clone())));
        }
        ready(gpu, &self.slots, &self.buffers, dispatches)
    }

    /// Takes the kernel that chooses by all that may be asked for, or the one that only takes the greatest.
    pub fn choose_by(&mut self, device: &Device, pipelines: &mut Pipelines, full: bool) {
        let constants = choose::constants(full);
        for Ready { dispatch, pipeline, .. } in &mut self.dispatches {
            if dispatch.kernel.name == choose::CHOOSE.name && dispatch.constants != constants {
                dispatch.constants.clone_from(&constants);
                *pipeline = pipelines.get(device, dispatch, Format::F32, CacheFormat::F32);
            }
        }
    }

    /// Records dispatches of the plan into a pass, as the run of a submit that has that place in it; returns how many
    /// there were.
    pub fn encode<'a>(
        &self,
        pass: &mut wgpu::ComputePass,
        dispatches: impl IntoIterator<Item = &'a Ready>,
        weights: &[Weight],
        (live, place): (Live, u32),
    ) -> u64 {
        let mut count = 0;
        pass.set_bind_group(0, &self.live_group, &[place * UNIFORM_STEP as u32]);
        for ready in dispatches {
            let [x, y, z] = ready.dispatch.grid.size(&self.plan, live);
            if x == 0 {
                continue;
            }
            count += 1;
            pass.set_pipeline(&ready.pipeline);
            pass.set_bind_group(1, &ready.step_group, &[]);
            if let Some((weight, part)) = ready.dispatch.matrix {
                pass.set_bind_group(2, &weights[weight.0].bind_groups[part], &[]);
            }
            pass.dispatch_workgroups(x, y, z);
        }
        count
    }

    fn tensor(&self, tensor: Tensor) -> &Buffer {
        &self.buffers[self.slots.of[tensor.0].expect("a tensor that is read back has a slot")]
    }

    /// Fills a tensor from `[rows, width]`.
    pub fn write_tensor(&self, device: &Device, tensor: Tensor, values: &[f32]) {
        let (width, stride) = (self.plan.info(tensor).width as usize, stride(&self.plan, tensor) as usize);
        for (t, row) in values.chunks(width).enumerate() {
            device.write(self.tensor(tensor), (t * stride * 4) as u64, bytemuck::cast_slice(row));
        }
    }

    /// The values of a tensor, `[rows, width]`.
    pub async fn read_tensor(&self, device: &Device, tensor: Tensor) -> Result<Vec<f32>> {
        self.read_rows(device, tensor, self.plan.rows_of(tensor)).await
    }

    /// The values of its first rows.
    pub async fn read_rows(&self, device: &Device, tensor: Tensor, rows: u32) -> Result<Vec<f32>> {
        let staging = Staging::new(device, "inspect", rows, self.plan.info(tensor).width, stride(&self.plan, tensor));
        let mut encoder = device.raw.create_command_encoder(&wgpu::CommandEncoderDescriptor { label: None });
        staging.copy(&mut encoder, self.tensor(tensor), 0..rows);
        device.submit(encoder);
        Ok(staging.read(device, rows).await?.into_iter().map(f32::from_bits).collect())
    }
}
