//! Activations -> whole numbers, block by block, for products of packed bytes: what a matmul of several rows begins with
//! where it multiplies such. `oriel-cpu` does the same on the processor.
//!
//! A block of 32 values becomes one scale and numbers of 16 bits in two planes of bytes, or of 8 bits in one; each is off
//! by at most half a step, 1/65,278 or 1/254 of the block's greatest magnitude.
//!
//! `shaders/quantise.wgsl` reads 128 bytes for each block and writes 80 (48 of one plane): for 64 rows of 2,048 values
//! 524 KB and 328 KB, beside the 2.6 MB of a q4 matrix of as many outputs. A block is a lane's, whose eight loads use up a
//! line of 128 bytes; it is bound by being started. It is a dispatch of its own because every workgroup of the matmul
//! reads all of a row's blocks: by themselves they would do the same work once for every 64 outputs.

use super::{Binding::*, Constants, Dispatch, Grid, Kernel, Resource};
use crate::cpu::Activations;
use crate::format::BLOCK;
use crate::plan::{Plan, Tensor};

params! { struct Params { blocks: u32 } }

/// `shaders/quantise.wgsl`: an invocation per block.
pub const KERNEL: Kernel = kernel!("quantise", workgroup 32, Params, [Read("x"), Write("q")]);

/// Bytes to a number.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Planes {
    /// Eight bits.
    One,
    /// Sixteen.
    Two,
}

impl Planes {
    /// What these activations are on a GPU, if they are whole numbers.
    pub fn of(activations: Activations) -> Option<Planes> {
        match activations {
            Activations::Auto | Activations::F32 => None,
            Activations::Int16 => Some(Planes::Two),
            Activations::Int8 => Some(Planes::One),
        }
    }

    fn count(self) -> u32 {
        match self {
            Planes::One => 1,
            Planes::Two => 2,
        }
    }

    /// The number that the greatest magnitude of a block becomes.
    fn greatest(self) -> f32 {
        match self {
            Planes::One => 127.0,
            Planes::Two => 32_639.0,
        }
    }

    /// What kernels of whole numbers are compiled with.
    pub(super) fn constants(self) -> Constants {
        vec![("PLANES", f64::from(self.count()))]
    }

    /// Where the numbers of `rows` rows of so many blocks stand in between: a block's, its scale and its sum in words of 16
    /// bytes.
    pub(super) fn place(self, rows: u32, blocks: u32) -> Resource {
        Resource::Scratch(rows * blocks * (2 * self.count() + 1) * 4)
    }
}

/// The whole of `x`, of so many blocks a row, into `q`. The grid's rows are those of `y`, which the matmul writes.
pub fn lower(plan: &Plan, (x, blocks): (Tensor, u32), planes: Planes, y: Tensor) -> Dispatch {
    let grid = Grid::new(blocks.div_ceil(KERNEL.workgroup), y, 1);
    Dispatch {
        kernel: &KERNEL,
        constants: planes.constants(),
        params: bytemuck::bytes_of(&Params { blocks }).to_vec(),
        resources: vec![Resource::Tensor(x), planes.place(plan.rows_of(x), blocks)],
        matrix: None,
        grid,
    }
}

/// The same, plainly: a row of values becomes what its numbers stand for.
pub fn reference(row: &mut [f32], planes: Planes) {
    for block in row.chunks_mut(BLOCK as usize) {
        let most = block.iter().fold(0.0f32, |most, value| most.max(value.abs()));
        let inverse = if most > 1e-30 { planes.greatest() / most } else { 0.0 };
        let scale = most / planes.greatest();
        for value in block {
            *value = scale * (*value * inverse).round_ties_even();
        }
    }
}
