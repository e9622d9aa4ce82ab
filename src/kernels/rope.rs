//! Heads rotated by position (Su et al. 2021, arXiv 2104.09864).

use super::{Binding::*, Dispatch, Grid, Kernel, Resource, Rows, RowsMut, stride};
use crate::plan::{Pairing, Plan, Tensor, View};
use crate::weights::WeightId;

params! {
    struct Params {
        heads: u32, head_width: u32, rotary: u32, adjacent: u32,
        x_start: u32, x_stride: u32, y_stride: u32,
    }
}

/// `shaders/rope.wgsl`.
pub const KERNEL: Kernel = kernel!("rope", workgroup 64, Params, [Read("x"), Read("table"), Write("y")]);

/// The first `rotary` values of each head of `x`, rotated pair by pair; `table` is `[context, rotary / 2]` of cosine and
/// sine.
pub fn lower(
    plan: &Plan,
    x: View,
    table: WeightId,
    head_width: u32,
    rotary: u32,
    pairing: Pairing,
    y: Tensor,
) -> Dispatch {
    let params = Params {
        heads: x.width / head_width,
        head_width,
        rotary,
        adjacent: u32::from(pairing == Pairing::Adjacent),
        x_start: x.start,
        x_stride: stride(plan, x.tensor),
        y_stride: stride(plan, y),
    };
    Dispatch {
        kernel: &KERNEL,
        constants: Vec::new(),
        params: bytemuck::bytes_of(&params).to_vec(),
        resources: vec![Resource::Tensor(x.tensor), Resource::Vector(table), Resource::Tensor(y)],
        matrix: None,
        grid: Grid::new((x.width / head_width * head_width.div_ceil(2)).div_ceil(KERNEL.workgroup), y, 1),
    }
}

/// The same, plainly.
pub fn reference(
    rows: usize,
    position: usize,
    x: Rows,
    table: &[f32],
    (head_width, rotary): (usize, usize),
    pairing: Pairing,
    mut y: RowsMut,
) {
    for t in 0..rows {
        let turns = &table[(position + t) * rotary..][..rotary];
        for (x, y) in x.row(t).chunks(head_width).zip(y.row(t).chunks_mut(head_width)) {
            y.copy_from_slice(x);
            for i in 0..rotary / 2 {
                let (a, b) = match pairing {
                    Pairing::Adjacent => (2 * i, 2 * i + 1),
                    Pairing::Halves => (i, i + rotary / 2),
                };
                let (cosine, sine) = (turns[2 * i], turns[2 * i + 1]);
                y[a] = x[a] * cosine - x[b] * sine;
                y[b] = x[a] * sine + x[b] * cosine;
            }
        }
    }
}
