//! Keys or values of new rows, into the cache of a layer.

use super::cache::{capacity, words};
use super::{Binding::*, CacheFormat, Dispatch, Grid, Kernel, Resource, Rows, stride};
use crate::format::BLOCK;
use crate::plan::{CacheShape, Plan, Side, View};

params! { struct Params { kv_heads: u32, head_width: u32, words: u32, capacity: u32, keys: u32, x_start: u32, x_stride: u32 } }

/// `shaders/store.wgsl`.
pub const KERNEL: Kernel = kernel!("store", workgroup 64, Params, [Read("x"), Write("cache")]);

/// Appends the rows of `x`, `[rows, kv_heads, head_width]`, at the live position.
pub fn lower(plan: &Plan, x: View, layer: u32, side: Side) -> Dispatch {
    let CacheShape { kv_heads, head_width, .. } = plan.cache;
    let (words, capacity) = (words(plan.cache), capacity(plan.cache));
    let keys = u32::from(side == Side::Keys);
    let (x_start, x_stride) = (x.start, stride(plan, x.tensor));
    let params = Params { kv_heads, head_width, words, capacity, keys, x_start, x_stride };
    Dispatch {
        kernel: &KERNEL,
        constants: Vec::new(),
        params: bytemuck::bytes_of(&params).to_vec(),
        resources: vec![Resource::Tensor(x.tensor), Resource::Cache(layer, side)],
        matrix: None,
        grid: Grid::new((kv_heads * words).div_ceil(KERNEL.workgroup), x.tensor, 1),
    }
}

/// The same, plainly, into `[kv_heads, context, head_width]`.
pub fn reference(rows: usize, position: usize, x: Rows, shape: CacheShape, format: CacheFormat, cache: &mut [f32]) {
    let (head_width, context) = (shape.head_width as usize, shape.context as usize);
    for t in 0..rows {
        for (head, x) in x.row(t).chunks(head_width).enumerate() {
            let at = (head * context + position + t) * head_width;
            let kept = &mut cache[at..at + head_width];
            kept.copy_from_slice(x);
            kept.chunks_mut(BLOCK as usize).for_each(|block| format.round(block));
        }
    }
}
