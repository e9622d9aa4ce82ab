//! Queries against the cache -> mixed values (Vaswani et al. 2017, arXiv 1706.03762; grouped: arXiv 2305.13245).

use super::{Binding::*, Dispatch, Grid, Kernel, Resource, Rows, RowsMut, stride};
use crate::plan::{CacheShape, Plan, Side, Tensor, View};
use crate::{Error, Result};

params! {
    struct Params {
        head_width: u32, group: u32, context: u32,
        q_start: u32, q_stride: u32, y_stride: u32, scale: f32,
    }
}

/// `shaders/attention.wgsl`.
pub const KERNEL: Kernel =
    kernel!("attention", workgroup 64, Params, [Read("q"), Read("keys"), Read("values"), Write("y")]);

/// Values in the widest head that the kernel's shared memory holds.
pub const WIDEST_HEAD: u32 = 256;

/// Refuses heads that are too wide for the kernel.
///
/// # Errors
/// `Unsupported`, with the widths.
pub fn check_head(shape: CacheShape) -> Result<()> {
    let width = shape.head_width;
    if width <= WIDEST_HEAD {
        return Ok(());
    }
    Err(Error::Unsupported(format!("heads of {width} values; supported on a GPU: up to {WIDEST_HEAD}")))
}

/// Each query row over the positions up to and with its own.
pub fn lower(plan: &Plan, q: View, layer: u32, heads: u32, scale: f32, y: Tensor) -> Dispatch {
    let CacheShape { kv_heads, head_width, context, .. } = plan.cache;
    let params = Params {
        head_width,
        group: heads / kv_heads,
        context,
        q_start: q.start,
        q_stride: stride(plan, q.tensor),
        y_stride: stride(plan, y),
        scale,
    };
    Dispatch {
        kernel: &KERNEL,
        constants: Vec::new(),
        params: bytemuck::bytes_of(&params).to_vec(),
        resources: vec![
            Resource::Tensor(q.tensor),
            Resource::Cache(layer, Side::Keys),
            Resource::Cache(layer, Side::Values),
            Resource::Tensor(y),
        ],
        matrix: None,
        grid: Grid::new(heads, y, 1),
    }
}

/// The same, plainly: `keys` and `values` are `[kv_heads, context, head_width]`.
pub fn reference(
    (rows, position): (usize, usize),
    q: Rows,
    (keys, values): (&[f32], &[f32]),
    shape: CacheShape,
    scale: f32,
    mut y: RowsMut,
) {
    let (width, context) = (shape.head_width as usize, shape.context as usize);
    let group = q.width / width / shape.kv_heads as usize;
    for t in 0..rows {
        for (head, (q, y)) in q.row(t).chunks(width).zip(y.row(t).chunks_mut(width)).enumerate() {
            let at = head / group * context * width;
            let positions = position + t + 1;
            let score = |p: usize| -> f32 {
                let key = &keys[at + p * width..][..width];
                scale * q.iter().zip(key).map(|(q, k)| q * k).sum::<f32>()
            };
            let scores: Vec<f32> = (0..positions).map(score).collect();
            let greatest = scores.iter().copied().fold(f32::NEG_INFINITY, f32::max);
            let shares: Vec<f32> = scores.iter().map(|score| (score - greatest).exp()).collect();
            let total: f32 = shares.iter().sum();
            for (d, y) in y.iter_mut().enumerate() {
                let mixed: f32 = shares.iter().enumerate().map(|(p, share)| share * values[at + p * width + d]).sum();
                *y = mixed / total;
            }
        }
    }
}
