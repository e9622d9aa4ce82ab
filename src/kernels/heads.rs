//! Queries, keys and values side by side -> queries, and keys and values in the cache: normed head by head (Dehghani et al.
//! 2023, arXiv 2302.05442) and rotated by position (Su et al. 2021, arXiv 2104.09864) where the model asks for it.

use super::cache::{capacity, words};
use super::{Binding::*, CacheFormat, Dispatch, Grid, Kernel, Resource, Rows, RowsMut, rms_norm, rope, store, stride};
use crate::plan::{CacheShape, HeadNorms, Pairing, Plan, Rotation, Side, Tensor, View};

params! {
    struct Params {
        heads: u32, kv_heads: u32, head_width: u32, words: u32, capacity: u32, rotary: u32, adjacent: u32,
        x_stride: u32, y_stride: u32, epsilon: f32,
    }
}

/// `shaders/heads.wgsl`.
pub const KERNEL: Kernel = kernel!("heads", workgroup 64, Params, [
    Read("x"), Read("query_gain"), Read("key_gain"), Read("table"), Write("y"), Write("keys"), Write("values"),
]);

/// The whole of `x`, `[rows, heads + 2 kv_heads, head_width]`: queries to `y`, the rest to the cache of `layer`.
pub fn lower(
    plan: &Plan,
    x: View,
    layer: u32,
    norms: Option<HeadNorms>,
    rotation: Option<Rotation>,
    y: Tensor,
) -> Dispatch {
    let CacheShape { kv_heads, head_width, .. } = plan.cache;
    let heads = plan.info(y).width / head_width;
    let params = Params {
        heads,
        kv_heads,
        head_width,
        words: words(plan.cache),
        capacity: capacity(plan.cache),
        rotary: rotation.map_or(0, |rotation| rotation.rotary),
        adjacent: u32::from(rotation.is_some_and(|rotation| rotation.pairing == Pairing::Adjacent)),
        x_stride: stride(plan, x.tensor),
        y_stride: stride(plan, y),
        epsilon: norms.map_or(0.0, |norms| norms.epsilon),
    };
    let gain = |gain: fn(HeadNorms) -> _| norms.map_or(Resource::Unused, |norms| Resource::Vector(gain(norms)));
    let constant = |name, given: bool| (name, f64::from(u8::from(given)));
    let heads_each = KERNEL.workgroup / words(plan.cache);
    Dispatch {
        kernel: &KERNEL,
        constants: vec![constant("HAS_NORMS", norms.is_some()), constant("HAS_ROTATION", rotation.is_some())],
        params: bytemuck::bytes_of(&params).to_vec(),
        resources: vec![
            Resource::Tensor(x.tensor),
            gain(|norms| norms.queries),
            gain(|norms| norms.keys),
            rotation.map_or(Resource::Unused, |rotation| Resource::Vector(rotation.table)),
            Resource::Tensor(y),
            Resource::Cache(layer, Side::Keys),
            Resource::Cache(layer, Side::Values),
        ],
        matrix: None,
        grid: Grid::new((heads + 2 * kv_heads).div_ceil(heads_each), y, 1),
    }
}

/// What [`lower_heads`](super::matvec::lower_heads) left of keys and values in between, into the cache of `layer`: where
/// blocks of a head share a scale. `y` is bound and not touched.
pub fn lower_staged(plan: &Plan, staged: Resource, layer: u32, y: Tensor) -> Dispatch {
    let CacheShape { kv_heads, head_width, .. } = plan.cache;
    let (words, capacity) = (words(plan.cache), capacity(plan.cache));
    let params = Params {
        heads: 0,
        kv_heads,
        head_width,
        words,
        capacity,
        rotary: 0,
        adjacent: 0,
        x_stride: 2 * kv_heads * head_width,
        y_stride: stride(plan, y),
        epsilon: 0.0,
    };
    Dispatch {
        kernel: &KERNEL,
        constants: vec![("HAS_NORMS", 0.0), ("HAS_ROTATION", 0.0)],
        params: bytemuck::bytes_of(&params).to_vec(),
        resources: vec![
            staged,
            Resource::Unused,
            Resource::Unused,
            Resource::Unused,
            Resource::Tensor(y),
            Resource::Cache(layer, Side::Keys),
            Resource::Cache(layer, Side::Values),
        ],
        matrix: None,
        grid: Grid::new((2 * kv_heads).div_ceil(KERNEL.workgroup / words), y, 1),
    }
}

/// The gains of queries and of keys, and epsilon.
pub type Norms<'a> = (&'a [f32], &'a [f32], f32);
/// The table, `[context, rotary / 2]` of cosine and sine; how many values of a head are rotated; in which pairs.
pub type Turns<'a> = (&'a [f32], usize, Pairing);

/// The same, by the plain functions of the steps that this one replaces; `cache` is keys and values,
/// each `[kv_heads, context, head_width]`.
pub fn reference(
    (rows, position): (usize, usize),
    x: Rows,
    (norms, turns): (Option<Norms>, Option<Turns>),
    (shape, format, cache): (CacheShape, CacheFormat, &mut [Vec<f32>; 2]),
    mut y: RowsMut,
) {
    let head_width = shape.head_width as usize;
    let kv_width = shape.kv_heads as usize * head_width;
    let finished = |start: usize, width: usize, gain: Option<&[f32]>| {
        let mut values: Vec<f32> = (0..rows).flat_map(|t| x.row(t)[start..start + width].to_vec()).collect();
        if let (Some(gain), Some((.., epsilon))) = (gain, norms) {
            let from = values.clone();
            rms_norm::reference(rows, Rows::whole(&from, width), gain, epsilon, RowsMut::whole(&mut values, width));
        }
        if let Some((table, rotary, pairing)) = turns {
            let (from, widths) = (values.clone(), (head_width, rotary));
            let to = RowsMut::whole(&mut values, width);
            rope::reference(rows, position, Rows::whole(&from, width), table, widths, pairing, to);
        }
        values
    };
    let queries = finished(0, y.width, norms.map(|norms| norms.0));
    let keys = finished(y.width, kv_width, norms.map(|norms| norms.1));
    for (t, queries) in queries.chunks(y.width).enumerate() {
        y.row(t).copy_from_slice(queries);
    }
    let [to_keys, to_values] = cache;
    store::reference(rows, position, Rows::whole(&keys, kv_width), shape, format, to_keys);
    let values = x.columns(y.width + kv_width, kv_width);
    store::reference(rows, position, values, shape, format, to_values);
}
