//! The last row in use: the one whose next token is wanted.

use super::{Binding::*, Dispatch, Grid, Kernel, Resource, Rows, RowsMut, stride};
use crate::plan::{Plan, Tensor, View};

params! { struct Params { width: u32, x_start: u32, x_stride: u32 } }

/// `shaders/last_row.wgsl`.
pub const KERNEL: Kernel = kernel!("last_row", workgroup 64, Params, [Read("x"), Write("y")]);

/// `y[0] = x[last row in use]`.
pub fn lower(plan: &Plan, x: View, y: Tensor) -> Dispatch {
    let params = Params { width: x.width, x_start: x.start, x_stride: stride(plan, x.tensor) };
    Dispatch {
        kernel: &KERNEL,
        constants: Vec::new(),
        params: bytemuck::bytes_of(&params).to_vec(),
        resources: vec![Resource::Tensor(x.tensor), Resource::Tensor(y)],
        matrix: None,
        grid: Grid::new(x.width.div_ceil(KERNEL.workgroup), y, 1),
    }
}

/// The same, plainly.
pub fn reference(rows: usize, x: Rows, mut y: RowsMut) {
    y.row(0).copy_from_slice(x.row(rows - 1));
}
