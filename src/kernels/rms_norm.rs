//! Rows, or heads of rows, scaled to unit mean square (Zhang and Sennrich 2019, arXiv 1910.07467).

use super::{Binding::*, Dispatch, Grid, Kernel, Resource, Rows, RowsMut, stride};
use crate::plan::{Plan, Tensor, View};
use crate::weights::WeightId;

params! { struct Params { width: u32, x_start: u32, x_stride: u32, y_stride: u32, epsilon: f32 } }

/// `shaders/rms_norm.wgsl`.
pub const KERNEL: Kernel = kernel!("rms_norm", workgroup 64, Params, [Read("x"), Read("gain"), Write("y")]);

/// Each row of `x` in `groups` equal runs, each scaled by itself and then by `gain`.
pub fn lower(plan: &Plan, x: View, gain: WeightId, groups: u32, epsilon: f32, y: Tensor) -> Dispatch {
    let params = Params {
        width: x.width / groups,
        x_start: x.start,
        x_stride: stride(plan, x.tensor),
        y_stride: stride(plan, y),
        epsilon,
    };
    Dispatch {
        kernel: &KERNEL,
        constants: Vec::new(),
        params: bytemuck::bytes_of(&params).to_vec(),
        resources: vec![Resource::Tensor(x.tensor), Resource::Vector(gain), Resource::Tensor(y)],
        matrix: None,
        grid: Grid::new(groups, y, 1),
    }
}

/// The same, plainly; `gain` is as long as a run.
pub fn reference(rows: usize, x: Rows, gain: &[f32], epsilon: f32, mut y: RowsMut) {
    for t in 0..rows {
        for (x, y) in x.row(t).chunks(gain.len()).zip(y.row(t).chunks_mut(gain.len())) {
            let mean = x.iter().map(|x| x * x).sum::<f32>() / x.len() as f32;
            let scale = 1.0 / (mean + epsilon).sqrt();
            for ((y, x), gain) in y.iter_mut().zip(x).zip(gain) {
                *y = gain * x * scale;
            }
        }
    }
}
