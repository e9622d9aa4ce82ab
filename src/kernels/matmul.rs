//! Several rows times a matrix in any format, with an epilogue: the step that carries the time of a prompt.
//!
//! `shaders/matmul.wgsl` for GPUs, by [`Tile`]. Per workgroup and slice of 16 inputs, of q4 (10 bytes for 16 weights):
//!
//! | tile | lanes | multiply-adds | bytes read | for each byte | shared memory | of it read for each multiply-add |
//! | --- | --- | --- | --- | --- | --- | --- |
//! | 32x32 | 64 | 16,384 | 2,368 | 6.9 | 5 KiB | 2 bytes |
//! | 32x64 | 128 | 32,768 | 2,688 | 12.2 | 7.5 KiB | 2 bytes |
//! | 64x64 | 256 | 65,536 | 4,736 | 13.8 | 10 KiB | 2 bytes |
//! | 128x64 | 256 | 131,072 | 8,832 | 14.8 | 15 KiB | 1.5 bytes |
//!
//! Tiles named f16 hold halves there, where a device has `shader-f16`: half the shared memory, and half of it read for
//! each multiply-add. Weights and inputs are then within 2^-11 of themselves (f16 matrices and anything small exact),
//! and so each product within 2^-10; inputs beyond 65,504 become that; sums stay f32. A matrix that stands in f32 is
//! not multiplied so.
//!
//! - Registers: 16 sums, 16 weights, 4 inputs and what is on its way (up to 12): some 64 with addresses, 80 in a tall
//!   tile. At 64 an NVIDIA multiprocessor (65,536 registers) holds 1,024 lanes, an AMD SIMD 16 waves of 32 (RDNA).
//! - Occupancy: workgroups are whole warps of 32 and waves of 64. By shared memory, 32 KiB (Apple) hold 6, 4, 3 or 2 of
//!   them; 64 KiB (AMD, Intel) 12, 8, 6 or 4; 100 KiB (NVIDIA) 20, 13, 10 or 6.
//! - Banks: lanes next to each other read elements 5 apart, which in 32 banks of 4 bytes, 8 lanes at a time (16 of
//!   halves), meet nowhere; lanes above each other read the same weights, which are broadcast. Of 8 lanes' writes two
//!   meet.
//! - Coalescing: four lanes read half a block: 16 bytes of q4, 16 of q8, 32 of f16, 64 of f32, and 64 of inputs; the
//!   other half comes from the cache of level 1. Results are written to neighbours by neighbours.
//! - Latency: a slice is loaded while the one before it is multiplied, 256 or 512 multiply-adds a lane, and decoded
//!   after.
//! - Evidence: 4 x 4 sums to a lane in 32x32 is what llama.cpp and TVM ship, 64x64 by 256 lanes what ONNX Runtime does;
//!   wide tiles took an Intel GPU from 15 to 328 tokens/s there; searching tiles GPU by GPU took llama.cpp from 59 to
//!   80 % of each one's best (RTX 5080, 7900 XT, Arc B580, M2). So none is the best throughout, and they are measured.
//!   Halves: llama.cpp stages them, gpu.cpp was seen at 3,500 GFLOP/s with them and 2,500 without (M1 Max). Apple's,
//!   AMD's and Intel's units take them as operands of f32 multiply-adds; NVIDIA's convert them first, which may cost
//!   what they save.

use super::matmul_few::{self, FEW_ROWS, MATMUL_FEW};
use super::matmul_packed::{self, MATMUL_LANE_PACKED, MATMUL_PACKED};
use super::matvec::Team;
use super::quantise::{self, Planes};
use super::tuning::{Choice, Features};
use super::{Binding::*, Constants, Dispatch, Grid, Kernel, Reach, Resource, Rows, RowsMut, pointwise, stride};
use crate::cpu::Activations;
use crate::format::Format;
use crate::plan::{Activation, Combine, Epilogue, Plan, View};
use crate::weights::{Layout, Part, WeightId};

params! { struct Params { first_output: u32, outputs: u32, blocks: u32, rows: u32, y_start: u32, y_stride: u32 } }

/// Tiles through shared memory; how large they are is put in.
pub const MATMUL: Kernel = kernel!("matmul", workgroup 64, Params, [Read("x"), Read("bias"), Write("y")]);

/// The same with halves in shared memory.
pub const MATMUL_HALF: Kernel = kernel!("matmul_half", workgroup 64, Params, [Read("x"), Read("bias"), Write("y")]);

/// An invocation per 16 rows by eight outputs. A rasteriser's few processors share out small workgroups evenly.
pub const MATMUL_LANE: Kernel = kernel!("matmul_lane", workgroup 16, Params, [Read("x"), Read("bias"), Write("y")]);

/// Rows by outputs that are computed together.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Tile {
    /// 32 rows by 32 outputs by 64 lanes: the smallest, for GPUs that larger ones would leave idle.
    #[default]
    Small,
    /// 32 rows by 64 outputs by 128 lanes.
    Wide,
    /// 64 by 64 by 256 lanes.
    Large,
    /// 128 rows by 64 outputs by 256 lanes, each of 8 rows by 4 outputs: for long chunks of a prompt.
    Tall,
    /// [`Tile::Small`] with halves in shared memory: the least of it, for phones.
    SmallHalf,
    /// [`Tile::Large`] with halves in shared memory.
    LargeHalf,
    /// [`Tile::Tall`] with halves in shared memory.
    TallHalf,
    /// Up to 16 rows by 8 outputs by one lane, without shared memory: what software rasterisers like.
    Lane,
    /// 64 by 64 by 256 lanes, of activations of 16 bits; of other formats than q4 and q8 [`Tile::Large`].
    LargeInt16,
    /// The same of 8 bits.
    LargeInt8,
    /// As [`Tile::Lane`], of activations of 16 bits.
    LaneInt16,
    /// The same of 8 bits.
    LaneInt8,
}

impl Choice for Tile {
    const ALL: &'static [Tile] = &[
        Tile::Small,
        Tile::Wide,
        Tile::Large,
        Tile::Tall,
        Tile::SmallHalf,
        Tile::LargeHalf,
        Tile::TallHalf,
        Tile::Lane,
        Tile::LargeInt16,
        Tile::LargeInt8,
        Tile::LaneInt16,
        Tile::LaneInt8,
    ];

    fn name(self) -> &'static str {
        match self {
            Tile::Small => "32x32",
            Tile::Wide => "32x64",
            Tile::Large => "64x64",
            Tile::Tall => "128x64",
            Tile::SmallHalf => "32x32 f16",
            Tile::LargeHalf => "64x64 f16",
            Tile::TallHalf => "128x64 f16",
            Tile::Lane => "lane",
            Tile::LargeInt16 => "64x64 int16",
            Tile::LargeInt8 => "64x64 int8",
            Tile::LaneInt16 => "lane int16",
            Tile::LaneInt8 => "lane int8",
        }
    }

    fn is_available(self, features: Features) -> bool {
        let halves = matches!(self, Tile::SmallHalf | Tile::LargeHalf | Tile::TallHalf);
        self == self.under(features.activations)
            && (features.f16 || !halves)
            && (features.packed || self.planes().is_none())
    }
}

impl Tile {
    /// The same with f32 throughout.
    fn in_full(self) -> Tile {
        match self {
            Tile::SmallHalf => Tile::Small,
            Tile::LargeHalf | Tile::LargeInt16 | Tile::LargeInt8 => Tile::Large,
            Tile::TallHalf => Tile::Tall,
            Tile::LaneInt16 | Tile::LaneInt8 => Tile::Lane,
            other => other,
        }
    }

    /// What activations are turned into, where they are.
    pub fn planes(self) -> Option<Planes> {
        match self {
            Tile::LargeInt16 | Tile::LaneInt16 => Some(Planes::Two),
            Tile::LargeInt8 | Tile::LaneInt8 => Some(Planes::One),
            _ => None,
        }
    }

    /// Itself where activations may be so, else what comes nearest. Unasked nothing is chosen that is coarser than 16 bits.
    #[must_use]
    pub fn under(self, activations: Activations) -> Tile {
        let packed = |large, lane| if self.in_full() == Tile::Lane { lane } else { large };
        match (activations, self.planes()) {
            (Activations::Auto, Some(Planes::One)) | (Activations::Int16, _) => {
                packed(Tile::LargeInt16, Tile::LaneInt16)
            }
            (Activations::Int8, _) => packed(Tile::LargeInt8, Tile::LaneInt8),
            (Activations::F32, Some(_)) => self.in_full(),
            (Activations::Auto | Activations::F32, _) => self,
        }
    }

    /// Whether it differs from others over matrices in this format: packed products are of q4 and q8.
    pub fn suits(self, format: Format) -> bool {
        self.planes().is_none() || matmul_packed::takes(format)
    }

    /// Rows and outputs that a workgroup computes, and rows to a lane; a tile's outputs are four to a lane.
    fn size(self) -> [u32; 3] {
        match self.in_full() {
            Tile::Small => [32, 32, 4],
            Tile::Wide => [32, 64, 4],
            Tile::Large => [64, 64, 4],
            Tile::Tall => [128, 64, 8],
            _ => [16, 8 * MATMUL_LANE.workgroup, 16],
        }
    }

    fn constants(self) -> Constants {
        let [rows, outputs, rows_each] = self.size();
        if let Some(planes) = self.planes() {
            return planes.constants();
        }
        if self == Tile::Lane {
            return Vec::new();
        }
        let lanes = rows / rows_each * outputs / 4;
        let (tall, size) = (f64::from(u8::from(rows_each == 8)), f64::from);
        vec![("WORKGROUP", size(lanes)), ("TILE_T", size(rows)), ("TILE_O", size(outputs)), ("TALL", tall)]
    }
}

/// `y[t] = epilogue(matrix x[t])` by one part of the matrix: a dispatch that tiles the rows, one before it that makes them
/// whole numbers where it multiplies such, and, where a tile would be mostly padding for a few rows, one that takes those
/// instead.
pub fn lower(
    plan: &Plan,
    x: View,
    (weight, layout, place): (WeightId, &Layout, usize),
    epilogue: Epilogue,
    y: View,
    (tile, team): (Tile, Team),
) -> Vec<Dispatch> {
    let Part { first_output, outputs, format, .. } = layout.parts[place];
    // Who keeps a matrix in f32 wants its products so.
    let tile = if format == Format::F32 || !tile.suits(format) { tile.in_full() } else { tile };
    let (rows, y_stride) = (plan.rows_of(y.tensor), stride(plan, y.tensor));
    let params = Params { first_output, outputs, blocks: layout.row_blocks(), rows, y_start: y.start, y_stride };
    let dispatch_of = |kernel, constants: Constants, x, grid| Dispatch {
        kernel,
        constants: pointwise::constants(epilogue).into_iter().chain(constants).collect(),
        params: bytemuck::bytes_of(&params).to_vec(),
        resources: vec![x, pointwise::bias(epilogue), Resource::Tensor(y.tensor)],
        matrix: Some((weight, place)),
        grid,
    };
    let dispatch = |kernel, constants, grid| dispatch_of(kernel, constants, Resource::Tensor(x.tensor), grid);
    let blocks = layout.row_blocks();
    let packed = |planes: Planes, kernel, grid: Grid| {
        let quantise = quantise::lower(plan, (x.tensor, blocks), planes, y.tensor);
        let quantise = Dispatch { grid: Grid { reach: grid.reach, ..quantise.grid }, ..quantise };
        let place = planes.place(plan.rows_of(x.tensor), blocks);
        [quantise, dispatch_of(kernel, planes.constants(), place, grid)]
    };
    let [rows_each, outputs_each, _] = tile.size();
    let tiles = Grid::new(outputs.div_ceil(outputs_each), y.tensor, rows_each);
    match (tile.in_full(), tile.planes()) {
        (Tile::Lane, None) => return vec![dispatch(&MATMUL_LANE, tile.constants(), tiles)],
        (Tile::Lane, Some(planes)) => return packed(planes, &MATMUL_LANE_PACKED, tiles).into(),
        _ => {}
    }
    let few = Grid::new(outputs.div_ceil(matmul_few::outputs_each(team)), y.tensor, FEW_ROWS);
    let few = dispatch(&MATMUL_FEW, matmul_few::constants(team), Grid { reach: Reach::Few, ..few });
    if rows <= FEW_ROWS {
        return vec![few];
    }
    let tiles = Grid { reach: Reach::Many, ..tiles };
    if let Some(planes) = tile.planes() {
        return std::iter::once(few).chain(packed(planes, &MATMUL_PACKED, tiles)).collect();
    }
    let kernel = if tile == tile.in_full() { &MATMUL } else { &MATMUL_HALF };
    vec![few, dispatch(kernel, tile.constants(), tiles)]
}

/// The same, plainly. `row(o, values)` decodes row `o` of the matrix; an empty `bias` is none.
pub fn reference(
    rows: usize,
    x: Rows,
    row: impl Fn(u32, &mut [f32]),
    bias: &[f32],
    activation: Activation,
    combine: Combine,
    mut y: RowsMut,
) {
    let mut weights = vec![0.0; x.width];
    for output in 0..y.width {
        row(output as u32, &mut weights);
        let bias = bias.get(output).copied().unwrap_or(0.0);
        for t in 0..rows {
            let value = pointwise::activated(dot(&weights, x.row(t)) + bias, activation);
            let y = &mut y.row(t)[output];
            *y = pointwise::combined(*y, value, combine);
        }
    }
}

/// The gated product, plainly: two rows of the matrix for each output.
pub fn gated_reference(
    rows: usize,
    x: Rows,
    row: impl Fn(u32, &mut [f32]),
    bias: &[f32],
    activation: Activation,
    mut y: RowsMut,
) {
    let mut weights = vec![0.0; x.width];
    let outputs = y.width;
    for output in 0..outputs {
        for (half, combine) in [(0, Combine::Store), (outputs, Combine::Multiply)] {
            row((half + output) as u32, &mut weights);
            let bias = bias.get(half + output).copied().unwrap_or(0.0);
            let activation = if half == 0 { activation } else { Activation::Identity };
            for t in 0..rows {
                let value = pointwise::activated(dot(&weights, x.row(t)) + bias, activation);
                let y = &mut y.row(t)[output];
                *y = pointwise::combined(*y, value, combine);
            }
        }
    }
}

/// Sum of products, in eight running sums: f32 rounding grows with the length of a sum.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0f32; 8];
    let (a_runs, b_runs) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest: f32 = a_runs.remainder().iter().zip(b_runs.remainder()).map(|(a, b)| a * b).sum();
    for (a, b) in a_runs.zip(b_runs) {
        for i in 0..8 {
            sums[i] += a[i] * b[i];
        }
    }
    sums.iter().sum::<f32>() + rest
}
