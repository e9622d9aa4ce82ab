//! Queries against the cache -> mixed values (Vaswani et al. 2017, arXiv 1706.03762; grouped: arXiv 2305.13245).
//!
//! `shaders/attention.wgsl`, 128 lanes for 32 queries that share a head of the cache. Per tile of 64 positions, an f16
//! cache:
//!
//! | values in a head | multiply-adds | bytes of the cache | for each byte | bytes of queries, from caches | barriers | registers |
//! | --- | --- | --- | --- | --- | --- | --- |
//! | 64 | 262,144 | 16 KiB | 16 | 8 KiB | 18 | some 64 |
//! | 128 | 524,288 | 32 KiB | 16 | 16 KiB | 34 | some 80 |
//! | 256 | 1,048,576 | 64 KiB | 16 | 32 KiB | 66 | some 112 |
//!
//! - Bound: by arithmetic where a device does fewer than 16 multiply-adds while it reads a byte; else keys and values
//!   come from the cache of level 2: 128 rows of one head are 4 workgroups that read the same, of eight heads 32.
//! - Shared memory: 14.1 KiB; 32 KiB (Apple) hold 2 workgroups, 64 KiB (AMD, Intel) 4, 100 KiB (NVIDIA) 7: 256, 512 and
//!   896 lanes, whole warps of 32 and waves of 64. 2 bytes of it are read for each multiply-add, as in a tile of a
//!   matmul.
//! - Banks: 16 lanes read the same queries and shares, which are broadcast, and keys and values side by side. Queries
//!   are written 34 elements apart for each of four words, so that eight lanes' writes meet nowhere.
//! - Coalescing: keys stand by tiles of 64 positions, word by word: 64 lanes read 512 bytes in a row. Values of a
//!   position stand in a row: 128 bytes and more. Of a query four lanes read 64 bytes.
//! - Grouped heads: as many of those that share keys as fit 32 queries, so the cache is read once for all of them.
//! - Evidence: tiles of 64 positions with f16 in shared memory are llama.cpp's; ONNX Runtime's flash attention took an
//!   Intel GPU from 105 to 234 tokens/s at 1,024 positions; an M4 Pro was seen at 1.0 TFLOP/s. For NVIDIA, AMD, Adreno
//!   and Mali nothing is published by kernel; on Mali and PowerVR llama.cpp's crashed at 2,048 positions, within the
//!   same limits.
//!
//! `shaders/attention_lane.wgsl`: a head of a row to each lane, four positions at a time, without shared memory.

use super::cache::{capacity, words};
use super::{Binding::*, Dispatch, Grid, Kernel, Resource, Rows, RowsMut, Variant, stride};
use crate::plan::{CacheShape, Plan, Side, Tensor, View};
use crate::{Error, Result};

/// The parameters of a workgroup per tile.
mod shared {
    params! {
        struct Params {
            head_width: u32, group: u32, words: u32, capacity: u32,
            q_start: u32, q_stride: u32, y_stride: u32, scale: f32,
        }
    }

    use crate::kernels::{Binding::*, Kernel};

    /// `shaders/attention.wgsl`: a workgroup per tile of queries.
    pub const ATTENTION: Kernel =
        kernel!("attention", workgroup 128, Params, [Read("q"), Read("keys"), Read("values"), Write("y")]);

    pub fn params(lane: &super::Params) -> Vec<u8> {
        let super::Params { head_width, group, words, capacity, q_start, q_stride, y_stride, scale, .. } = *lane;
        bytemuck::bytes_of(&Params { head_width, group, words, capacity, q_start, q_stride, y_stride, scale }).to_vec()
    }
}

params! {
    struct Params {
        head_width: u32, group: u32, words: u32, capacity: u32, heads: u32, rows: u32,
        q_start: u32, q_stride: u32, y_stride: u32, scale: f32,
    }
}

pub use shared::ATTENTION;

/// `shaders/attention_lane.wgsl`: an invocation per head.
pub const ATTENTION_LANE: Kernel =
    kernel!("attention_lane", workgroup 32, Params, [Read("q"), Read("keys"), Read("values"), Write("y")]);

/// Queries in a tile: rows times heads that share keys and values.
const TILE_QUERIES: u32 = 32;

/// Values in the widest head that the kernels have room for.
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
pub fn lower(plan: &Plan, q: View, layer: u32, heads: u32, scale: f32, y: Tensor, variant: Variant) -> Dispatch {
    let CacheShape { kv_heads, head_width, .. } = plan.cache;
    let rows = plan.rows_of(y);
    let params = Params {
        head_width,
        group: heads / kv_heads,
        words: words(plan.cache),
        capacity: capacity(plan.cache),
        heads,
        rows,
        q_start: q.start,
        q_stride: stride(plan, q.tensor),
        y_stride: stride(plan, y),
        scale,
    };
    let mut constants = Vec::new();
    let (kernel, params, grid) = match variant {
        Variant::Shared => {
            let parts = params.group.div_ceil(TILE_QUERIES);
            let group = params.group.div_ceil(parts);
            constants.extend([("WORDS", f64::from(params.words)), ("GROUP", f64::from(group))]);
            (&ATTENTION, shared::params(&params), Grid::new(kv_heads * parts, y, TILE_QUERIES / group))
        }
        Variant::Lane => {
            let groups = (rows * heads).div_ceil(ATTENTION_LANE.workgroup);
            (&ATTENTION_LANE, bytemuck::bytes_of(&params).to_vec(), Grid::new(groups, y, rows))
        }
    };
    Dispatch {
        kernel,
        constants,
        params,
        resources: vec![
            Resource::Tensor(q.tensor),
            Resource::Cache(layer, Side::Keys),
            Resource::Cache(layer, Side::Values),
            Resource::Tensor(y),
        ],
        matrix: None,
        grid,
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
