//! Rows shifted and scaled to mean 0 and variance 1 (Ba, Kiros and Hinton 2016, arXiv 1607.06450).

use super::{Binding::*, Dispatch, Grid, Kernel, Resource, Rows, RowsMut, stride};
use crate::plan::{Plan, Tensor, View};
use crate::weights::WeightId;

params! { struct Params { width: u32, x_start: u32, x_stride: u32, y_stride: u32, epsilon: f32 } }

/// `shaders/layer_norm.wgsl`.
pub const KERNEL: Kernel =
    kernel!("layer_norm", workgroup 64, Params, [Read("x"), Read("gain"), Read("bias"), Write("y")]);

/// Each row of `x`, normalised, times `gain`, plus `bias`.
pub fn lower(plan: &Plan, x: View, gain: WeightId, bias: WeightId, epsilon: f32, y: Tensor) -> Dispatch {
    let params = Params {
        width: x.width,
        x_start: x.start,
        x_stride: stride(plan, x.tensor),
        y_stride: stride(plan, y),
        epsilon,
    };
    Dispatch {
        kernel: &KERNEL,
        constants: Vec::new(),
        params: bytemuck::bytes_of(&params).to_vec(),
        resources: vec![
            Resource::Tensor(x.tensor),
            Resource::Vector(gain),
            Resource::Vector(bias),
            Resource::Tensor(y),
        ],
        matrix: None,
        grid: Grid::new(1, y, 1),
    }
}

/// The same, plainly.
pub fn reference(rows: usize, x: Rows, gain: &[f32], bias: &[f32], epsilon: f32, mut y: RowsMut) {
    for t in 0..rows {
        let x = x.row(t);
        let mean = x.iter().sum::<f32>() / x.len() as f32;
        let variance = x.iter().map(|x| (x - mean) * (x - mean)).sum::<f32>() / x.len() as f32;
        let scale = 1.0 / (variance + epsilon).sqrt();
        for (i, y) in y.row(t).iter_mut().enumerate() {
            *y = gain[i] * ((x[i] - mean) * scale) + bias[i];
        }
    }
}
