//! The queries of one row against the cache -> mixed values, the cache split among workgroups (Dao et al. 2023,
//! "Flash-Decoding for long-context inference").
//!
//! `shaders/attention_decode.wgsl`, 128 lanes for a head of the cache and a split of 256 positions. Per chunk of 128
//! positions of an f16 cache, by the query heads that share it:
//!
//! | heads of 64 | multiply-adds | bytes of the cache | for each byte | shared memory | registers |
//! | --- | --- | --- | --- | --- | --- |
//! | 1 | 16,384 | 32 KiB | 0.5 | 3.3 KiB | some 40 |
//! | 3 | 49,152 | 32 KiB | 1.5 | 4.8 KiB | some 48 |
//! | 4 | 65,536 | 32 KiB | 2 | 5.5 KiB | some 56 |
//! | 8 | 131,072 | 32 KiB | 4 | 8.5 KiB | some 80 |
//!
//! - Bound: by reading the cache, once for up to eight heads; past a few hundred positions. Before that by latency: a
//!   model with 8 heads of the cache has 8 workgroups up to 256 positions, 128 at 4,096.
//! - Occupancy: 128 lanes, whole warps and waves; by shared memory 32 KiB (Apple) hold 3 to 9 workgroups.
//! - Barriers: four a chunk, and two for each head at the end.
//! - Banks: queries are read by all lanes alike, scores by neighbours side by side, values' shares by 16 lanes alike.
//! - Coalescing: scores take a position a lane, and keys stand so that 64 positions' words are neighbours, 512 bytes;
//!   sums take a word a lane, and a position's values stand in a row, 128 bytes.
//! - Evidence: llama.cpp splits as well, by 64 lanes and 16 positions; ONNX Runtime's went from 4.7 to 1.1 ms by
//!   joining scores and sums, and from 0.83 to 0.47 with 128 lanes. On Apple attention was 1.6 % of a token at short
//!   contexts. For AMD, Adreno and Mali nothing is published.
//!
//! `shaders/attention_merge.wgsl` reads 4 bytes for each value of a head and split and is bound by being started.
//! `shaders/attention_decode_lane.wgsl`: eight lanes to a query head, each of every eighth four positions, and one
//! barrier.

use super::cache::{capacity, words};
use super::{Binding::*, Dispatch, Grid, Kernel, Reach, Resource, RowVariant};
use crate::plan::{CacheShape, Live, Plan, Side, Tensor, View};

params! { struct Params { head_width: u32, group: u32, words: u32, capacity: u32, q_start: u32, scale: f32 } }

/// `shaders/attention_decode.wgsl`: a workgroup per head of the cache.
pub const DECODE: Kernel = kernel!("attention_decode", workgroup 128, Params, [
    Read("q"), Read("keys"), Read("values"), Write("partials"), Write("y"),
]);

/// The same by subgroups.
pub const DECODE_SUBGROUPS: Kernel = DECODE.with_subgroups();

/// `shaders/attention_decode_lane.wgsl`: a workgroup per query head.
pub const DECODE_LANE: Kernel = kernel!("attention_decode_lane", workgroup 8, Params, [
    Read("q"), Read("keys"), Read("values"), Write("partials"), Write("y"),
]);

/// `shaders/attention_merge.wgsl`.
pub const MERGE: Kernel = merge::KERNEL;

mod merge {
    params! { struct Params { heads: u32, head_width: u32, words: u32 } }

    use crate::kernels::{Binding::*, Kernel};

    pub const KERNEL: Kernel = kernel!("attention_merge", workgroup 64, Params, [Read("partials"), Write("y")]);

    pub fn params(heads: u32, head_width: u32, words: u32) -> Vec<u8> {
        bytemuck::bytes_of(&Params { heads, head_width, words }).to_vec()
    }
}

/// Positions in a split, unless the splits would be more than [`MOST_SPLITS`].
const SPLIT: u32 = 256;
/// Greatest number of splits.
pub const MOST_SPLITS: u32 = 64;
/// Query heads in a workgroup: so many sums a lane has registers for.
const MOST_GROUP: u32 = 8;
/// Words of queries that a workgroup has room for: 8 heads of 128 values, 4 of 256.
const MOST_QUERY_WORDS: u32 = 256;

/// How many splits the positions of a run stand in.
pub fn splits(live: Live) -> u32 {
    let positions = live.position + live.rows;
    positions.div_ceil(SPLIT * positions.div_ceil(SPLIT * MOST_SPLITS))
}

/// The query row of `q` over the positions up to and with its own: a dispatch, and one that joins splits where there are
/// several.
pub fn lower(
    plan: &Plan,
    q: View,
    layer: u32,
    heads: u32,
    scale: f32,
    y: Tensor,
    variant: RowVariant,
) -> Vec<Dispatch> {
    let CacheShape { kv_heads, head_width, context, .. } = plan.cache;
    let (group, words) = (heads / kv_heads, words(plan.cache));
    let parts = group.div_ceil(MOST_GROUP.min(MOST_QUERY_WORDS / words));
    let params = Params { head_width, group, words, capacity: capacity(plan.cache), q_start: q.start, scale };
    let partials = Resource::Scratch(heads * MOST_SPLITS * (words + 1) * 4);
    let sizes = vec![("SPLIT", f64::from(SPLIT)), ("MOST_SPLITS", f64::from(MOST_SPLITS))];
    let mut constants = sizes.clone();
    constants.push(("WORDS", f64::from(words)));
    let (kernel, groups) = match variant {
        RowVariant::Shared | RowVariant::Subgroups => {
            constants.push(("GROUP", f64::from(group.div_ceil(parts))));
            let by_subgroups = variant == RowVariant::Subgroups;
            (if by_subgroups { &DECODE_SUBGROUPS } else { &DECODE }, kv_heads * parts)
        }
        RowVariant::Lane => (&DECODE_LANE, heads),
    };
    let decode = Dispatch {
        kernel,
        constants,
        params: bytemuck::bytes_of(&params).to_vec(),
        resources: vec![
            Resource::Tensor(q.tensor),
            Resource::Cache(layer, Side::Keys),
            Resource::Cache(layer, Side::Values),
            partials,
            Resource::Tensor(y),
        ],
        matrix: None,
        grid: Grid { reach: Reach::Splits, ..Grid::new(groups, y, 1) },
    };
    let merge = Dispatch {
        kernel: &MERGE,
        constants: sizes,
        params: merge::params(heads, head_width, words),
        resources: vec![partials, Resource::Tensor(y)],
        matrix: None,
        grid: Grid { reach: Reach::Merge, ..Grid::new((heads * words).div_ceil(MERGE.workgroup), y, 1) },
    };
    if context > SPLIT { vec![decode, merge] } else { vec![decode] }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn splits_grow_in_number_and_then_in_length() {
        let at = |position| splits(Live { position, rows: 1, place: 0, slot: 0 });
        assert_eq!([0, 255, 256, 511, 512].map(at), [1, 1, 2, 2, 3]);
        assert_eq!([16_383, 16_384, 32_767, 32_768].map(at), [64, 33, 64, 43]);
    }
}
