//! The index of the greatest value of a row: the next token when nothing is drawn.

use super::{Binding::*, Dispatch, Grid, Kernel, Resource, Rows, RowsMut, stride};
use crate::plan::{Plan, Tensor, View};

params! { struct Params { width: u32, x_start: u32, x_stride: u32, y_stride: u32 } }

/// `shaders/argmax.wgsl`.
pub const KERNEL: Kernel = kernel!("argmax", workgroup 256, Params, [Read("x"), Write("y")]);

/// The index that is given for a row with a value that is no number, or that is infinite upwards: numbers overflowed.
pub const NONE: u32 = u32::MAX;

/// For each row the lowest index with the greatest value, as u32.
pub fn lower(plan: &Plan, x: View, y: Tensor) -> Dispatch {
    let params =
        Params { width: x.width, x_start: x.start, x_stride: stride(plan, x.tensor), y_stride: stride(plan, y) };
    Dispatch {
        kernel: &KERNEL,
        constants: Vec::new(),
        params: bytemuck::bytes_of(&params).to_vec(),
        resources: vec![Resource::Tensor(x.tensor), Resource::Tensor(y)],
        matrix: None,
        grid: Grid::new(1, y, 1),
    }
}

/// The same, plainly. The index stands in `y` as the bits of a u32.
pub fn reference(rows: usize, x: Rows, mut y: RowsMut) {
    for t in 0..rows {
        y.row(t)[0] = f32::from_bits(greatest(x.row(t)));
    }
}

/// The lowest index with the greatest value, or [`NONE`].
pub fn greatest(values: &[f32]) -> u32 {
    if values.iter().any(|value| value.is_nan() || *value == f32::INFINITY) {
        return NONE;
    }
    let mut best = 0;
    for (i, value) in values.iter().enumerate() {
        if *value > values[best] {
            best = i;
        }
    }
    best as u32
}
