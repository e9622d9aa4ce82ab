//! Runs a [`Plan`] on the processor, fast: lowered to a program that the crate `oriel-cpu` carries out.
//!
//! Weights, cache and tensors stand in the memory of a [`Machine`]: this process natively, a WebAssembly module of its own
//! on the web. Every address in a program is one that this module was given by the machine, for as many bytes as the shapes
//! of the plan say: that is what `oriel-cpu` relies on.

mod activations;
mod lower;
mod machine;
#[cfg(not(target_arch = "wasm32"))]
mod native;

pub use activations::Activations;
pub use machine::{Address, Machine};
#[cfg(not(target_arch = "wasm32"))]
pub use native::{Native, instructions};

use crate::executor::choosing::Choosing;
use crate::executor::{
    AdapterInfo, CacheLayout, Counts, Host, Prepared, Readback, check_readback, check_tokens, nothing_was_run,
};
use crate::format::Format;
use crate::kernels::CacheFormat;
use crate::plan::{CacheShape, Plan, Tensor};
use crate::sampler::{Chosen, Options};
use crate::weights::{Catalogue, Layout, Part, Sink, WeightId};
use crate::{Error, Result};
use lower::Lowered;
use oriel_cpu::op;

/// Rows of a panel.
const LANES: u32 = oriel_cpu::lanes::LANES as u32;

/// Rows of the largest plan that can be prepared.
const MOST_ROWS: usize = 4096;

/// Weights, cache and tensors in a machine's memory.
pub struct Cpu {
    machine: Box<dyn Machine>,
    activations: Activations,
    weights: Vec<Weight>,
    cache: Option<Cache>,
    /// Address of a run's tokens, once there is room for them.
    tokens: Option<Address>,
    prepared: Vec<Lowered>,
    choosing: Choosing,
    weight_bytes_read: u64,
}

/// A weight: where each of its parts stands.
struct Weight {
    layout: Layout,
    parts: Vec<Place>,
    state: State,
}

/// What order a weight's rows stand in.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// As they come: what is no matrix stays so.
    Rows,
    /// The same, and a plan multiplies by it or looks rows up in it: it has the room of whole panels.
    Awaited,
    /// In panels, as matmuls and lookups read them.
    Panels,
}

/// Where the values and the scales of a part stand, and their bytes.
#[derive(Debug, Clone, Copy)]
struct Place {
    values: Address,
    scales: Address,
    bytes: [u64; 2],
}

struct Cache {
    shape: CacheShape,
    layers: Vec<op::Cache>,
}

impl Cpu {
    /// Over a machine.
    pub fn new(machine: Box<dyn Machine>, activations: Activations) -> Cpu {
        Cpu {
            machine,
            activations: activations.on_the_processor(),
            weights: Vec::new(),
            cache: None,
            tokens: None,
            prepared: Vec::new(),
            choosing: Choosing::default(),
            weight_bytes_read: 0,
        }
    }

    /// Where a layer's keys (`side` 0) or values (1) begin.
    fn cache_side(&self, layer: usize, side: usize) -> Option<Address> {
        let cache = self.cache.as_ref()?.layers.get(layer)?;
        Some(if side == 0 { cache.keys } else { cache.values })
    }

    /// Makes a weight one that is put in order before the first run: plans are prepared before their weights come.
    fn await_matrix(&mut self, id: WeightId) -> Result<()> {
        let weight = &mut self.weights[id.0];
        if weight.state != State::Rows {
            return Ok(());
        }
        weight.state = State::Awaited;
        for (part, place) in weight.layout.parts.iter().zip(&mut weight.parts) {
            if part.outputs == 1 {
                // It was given the room of a vector, less than a panel.
                let panel = place_for(&mut *self.machine, part, weight.layout.inputs, LANES)?;
                for (from, to, bytes) in
                    [(place.values, panel.values, place.bytes[0]), (place.scales, panel.scales, place.bytes[1])]
                {
                    let mut row = vec![0; bytes as usize];
                    self.machine.read(from, &mut row);
                    self.machine.write(to, &row);
                }
                *place = panel;
            }
        }
        Ok(())
    }

    /// Puts the weights that wait for it in order, now that they are whole.
    fn pack(&mut self) -> Result<()> {
        for weight in self.weights.iter_mut().filter(|weight| weight.state == State::Awaited) {
            for (part, place) in weight.layout.parts.iter().zip(&weight.parts) {
                self.machine.pack(&lower::matrix(part, place, weight.layout.inputs))?;
            }
            weight.state = State::Panels;
        }
        Ok(())
    }

    fn pass(&mut self, prepared: Prepared, tokens: &[u32], position: u32, readback: Readback) -> Result<()> {
        self.pack()?;
        let lowered = &mut self.prepared[prepared.0];
        check_readback(&lowered.plan, readback)?;
        let live = lowered.plan.live(tokens.len(), position)?;
        if let Some(table) = lowered.plan.token_table() {
            check_tokens(tokens, self.weights[table.0].layout.outputs)?;
        }
        let room = self.tokens.ok_or_else(nothing_was_run)?;
        self.machine.write(room, bytemuck::cast_slice(tokens));
        self.machine.run(lowered.program, op::Live { position: live.position, rows: live.rows })?;
        lowered.last = Some(live);
        self.weight_bytes_read += lowered.weight_bytes;
        Ok(())
    }

    /// `[rows, width]` of a tensor, without padding.
    fn rows(&self, lowered: &Lowered, tensor: Tensor, rows: u32) -> Vec<f32> {
        let place = lowered.rows(tensor);
        let width = place.width as usize;
        let mut values = vec![0.0f32; rows as usize * width];
        for (t, row) in values.chunks_mut(width).enumerate() {
            self.machine.read(place.at + 4 * t * place.stride as usize, bytemuck::cast_slice_mut(row));
        }
        values
    }
}

impl Host for Cpu {
    fn adapter(&self) -> AdapterInfo {
        let activations = self.activations.name();
        let threads = self.machine.threads();
        AdapterInfo {
            name: format!("processor, {threads} thread{}", if threads == 1 { "" } else { "s" }),
            backend: "cpu".into(),
            kind: "software".into(),
            driver: String::new(),
            variants: format!("{}, activations {activations}", self.machine.instructions()),
            timestamps: false,
            subgroups: false,
        }
    }

    fn counts(&self) -> Counts {
        let bytes = self.machine.bytes();
        let weight_bytes_read = self.weight_bytes_read;
        Counts { gpu_bytes: bytes, gpu_bytes_peak: bytes, weight_bytes_read, ..Counts::default() }
    }

    fn allocate_cache(&mut self, shape: CacheShape, format: CacheFormat) -> Result<()> {
        let CacheShape { layers, kv_heads, head_width, context } = shape;
        let capacity = context.checked_next_multiple_of(LANES);
        let capacity = capacity.ok_or_else(|| Error::Memory(format!("a context of {context} positions")))?;
        format.check(shape)?;
        let (format, block_bytes) = match format {
            CacheFormat::F32 => (op::CacheFormat::F32, 32 * 4),
            CacheFormat::F16 => (op::CacheFormat::F16, 32 * 2),
            // 32 i8 and their scale.
            CacheFormat::Q8 => (op::CacheFormat::Q8, 32 + 4),
        };
        let values = u64::from(kv_heads) * u64::from(head_width) * u64::from(capacity);
        let mut side = |more: u64| {
            let blocks = values.checked_add(more).map(|values| values.div_ceil(op::BLOCK as u64));
            let bytes = blocks.and_then(|blocks| blocks.checked_mul(block_bytes));
            let bytes = bytes.ok_or_else(|| Error::Memory("more bytes than can be counted".into()));
            bytes
                .and_then(|bytes| self.machine.allocate(bytes))
                .map_err(|error| error.at(format!("a context of {context}")))
        };
        // Values are read eight at a time, to the end of a head and past it.
        let layer =
            |_| Ok(op::Cache { keys: side(0)?, values: side(LANES.into())?, kv_heads, head_width, capacity, format });
        let layers = (0..layers).map(layer).collect::<Result<_>>()?;
        self.cache = Some(Cache { shape, layers });
        Ok(())
    }

    fn cache_layout(&self) -> Option<CacheLayout> {
        let cache = self.cache.as_ref()?;
        let op::Cache { kv_heads, head_width: cells, capacity, format, .. } = *cache.layers.first()?;
        let (cell_bytes, scales) = match format {
            op::CacheFormat::F32 => (4, 0),
            op::CacheFormat::F16 => (2, 0),
            op::CacheFormat::Q8 => (1, cells / op::BLOCK as u32),
        };
        let layers = cache.shape.layers;
        Some(CacheLayout { layers, kv_heads, capacity, tile: LANES, cells, cell_bytes, scales })
    }

    fn read_head(&self, layer: usize, side: usize, first: usize, bytes: &mut [u8]) {
        if let Some(at) = self.cache_side(layer, side) {
            self.machine.read(at + first, bytes);
        }
    }

    fn write_head(&mut self, layer: usize, side: usize, first: usize, bytes: &[u8]) {
        if let Some(at) = self.cache_side(layer, side) {
            self.machine.write(at + first, bytes);
        }
    }

    fn prepare(&mut self, plan: &Plan, catalogue: &Catalogue) -> Result<Prepared> {
        if plan.rows as usize > MOST_ROWS {
            return Err(Error::Option(format!("a plan of {} rows; at most {MOST_ROWS}", plan.rows)));
        }
        if self.tokens.is_none() {
            self.tokens = Some(self.machine.allocate(4 * MOST_ROWS as u64)?);
        }
        for matrix in lower::matrices(plan) {
            self.await_matrix(matrix)?;
        }
        let lowered = lower::lower(self, plan, catalogue)?;
        self.prepared.push(lowered);
        Ok(Prepared(self.prepared.len() - 1))
    }

    fn weights_are_whole(&mut self) -> Result<()> {
        self.pack()
    }

    fn begin_choosing(&mut self, options: &Options, prompt: &[u32], generated: &[u32]) -> Result<()> {
        self.choosing.begin(options, prompt, generated)
    }

    fn run(&mut self, prepared: Prepared, tokens: &[u32], position: u32, readback: Readback) -> Result<()> {
        self.pass(prepared, tokens, position, readback)?;
        if readback == Readback::Choice {
            let mut logits = self.logits(prepared)?;
            let chosen = self.choosing.sample(&mut logits);
            self.choosing.push(vec![chosen]);
        }
        Ok(())
    }

    fn chain(&mut self, prepared: Prepared, position: u32, count: u32) -> Result<()> {
        let mut chosen = Vec::new();
        for place in 0..count {
            let token = self.choosing.last().ok_or_else(nothing_was_run)?;
            self.pass(prepared, &[token], position.saturating_add(place), Readback::Choice)?;
            let mut logits = self.logits(prepared)?;
            chosen.push(self.choosing.sample(&mut logits));
            if chosen.last().is_some_and(Result::is_err) {
                break;
            }
        }
        self.choosing.push(chosen);
        Ok(())
    }

    fn under_way(&self) -> usize {
        self.choosing.under_way()
    }

    fn choices(&mut self) -> Result<Vec<Result<Chosen>>> {
        self.choosing.take()
    }

    fn logits(&self, prepared: Prepared) -> Result<Vec<f32>> {
        let lowered = &self.prepared[prepared.0];
        let logits = lowered.plan.logits;
        let rows = lowered.last.map_or(0, |live| lowered.plan.live_rows(logits, live));
        match rows {
            0 => Err(nothing_was_run()),
            rows => Ok(self.rows(lowered, logits, rows)),
        }
    }

    fn write_tensor(&mut self, prepared: Prepared, tensor: Tensor, values: &[f32]) {
        let place = self.prepared[prepared.0].rows(tensor);
        for (t, row) in values.chunks(place.width as usize).enumerate() {
            self.machine.write(place.at + 4 * t * place.stride as usize, bytemuck::cast_slice(row));
        }
    }

    fn read_tensor(&self, prepared: Prepared, tensor: Tensor) -> Vec<f32> {
        let lowered = &self.prepared[prepared.0];
        self.rows(lowered, tensor, lowered.plan.rows_of(tensor))
    }
}

/// Room for a part of so many rows.
fn place_for(machine: &mut dyn Machine, part: &Part, inputs: u32, rows: u32) -> Result<Place> {
    let bytes = oriel_cpu::pack::bytes(lower::format(part.format), rows, inputs);
    // Of a vector only its own row.
    let bytes = if rows == 1 { bytes.map(|bytes| bytes / u64::from(LANES)) } else { bytes };
    let values = machine.allocate(bytes[0])?;
    let scales = if bytes[1] == 0 { values } else { machine.allocate(bytes[1])? };
    Ok(Place { values, scales, bytes })
}

impl Sink for Cpu {
    fn allocate(&mut self, _name: &str, layout: &Layout) -> Result<WeightId> {
        let place = |part: &Part| place_for(&mut *self.machine, part, layout.inputs, part.outputs);
        let parts = layout.parts.iter().map(place).collect::<Result<_>>()?;
        self.weights.push(Weight { layout: layout.clone(), parts, state: State::Rows });
        Ok(WeightId(self.weights.len() - 1))
    }

    fn write(&mut self, weight: WeightId, part: usize, offset: u64, bytes: &[u8]) -> Result<()> {
        let Weight { layout, parts, state } = &self.weights[weight.0];
        if *state == State::Panels {
            return Err(Error::Device("a weight is written after a run that read it".into()));
        }
        let (scales_at, place) = (layout.parts[part].scales_at, parts[part]);
        let (values, scales) = bytes.split_at(scales_at.saturating_sub(offset).min(bytes.len() as u64) as usize);
        // Between values and scales, and after them, a part may be padded: there is no room for that here.
        let mut region = |at: Address, room: u64, offset: u64, bytes: &[u8]| {
            let fitting = room.saturating_sub(offset).min(bytes.len() as u64) as usize;
            if fitting > 0 {
                self.machine.write(at + offset as usize, &bytes[..fitting]);
            }
        };
        region(place.values, place.bytes[0], offset, values);
        region(place.scales, place.bytes[1], offset.saturating_sub(scales_at), scales);
        Ok(())
    }
}

/// Whether a format is multiplied as whole numbers.
fn is_quantised(format: Format) -> bool {
    matches!(format, Format::Q8 | Format::Q4)
}
