//! One row times a matrix in any format, with the norm before it and what follows it: the steps that carry the time
//! when tokens are made one by one.
//!
//! A team of lanes takes four rows of the matrix. How many lanes make a team is what differs by adapter: GPUs like 8 to
//! 32 that read neighbouring blocks, software rasterisers one, which needs no barrier.
//!
//! `matvec`, `matvec_gated` and `matvec_heads` are one loop, `shaders/lib/multiply.wgsl`, in workgroups of 64 lanes. By
//! team:
//!
//! | lanes of a team | rows of a workgroup | workgroups for 2,048 rows | bytes of inputs for each of q4 weights | barriers |
//! | --- | --- | --- | --- | --- |
//! | 4 | 64 | 32 | 0.1 | 3 |
//! | 8 | 32 | 64 | 0.2 | 4 |
//! | 16 | 16 | 128 | 0.4 | 5 |
//! | 32 | 8 | 256 | 0.8 | 6 |
//! | 64 | 4 | 512 | 1.6 | 7 |
//! | subgroups 32, in workgroups of 32 | 4 | 512 | 1.6 | 2 |
//! | subgroups 64 | 4 | 512 | 1.6 | 2 |
//!
//! - Bound: by reading weights. A block of four rows is 128 multiply-adds: 1.6 for each byte of q4 (80), 0.9 of q8
//!   (136), 0.5 of f16 (256), with some three operations to decode each of q4's and q8's; devices do 18 (Apple's M2) to
//!   29 (an RTX 4070) multiply-adds while they read a byte. Inputs come from the caches, once for each workgroup.
//! - Registers: 32 inputs, 4 sums, 8 of norms, 4 to 16 of a block: some 64. At 64 an NVIDIA multiprocessor holds 16
//!   workgroups, an AMD SIMD 16 waves of 32.
//! - Shared memory: 1.25 KiB for sums and squares, and 1 KiB more with a layer norm: never what limits occupancy. A
//!   workgroup is two warps of 32 or a wave of 64; teams up to 32 stay within a warp, of 64 within a wave.
//! - Banks: sums of 16 bytes stand side by side, in halves that are read and written by neighbours: no conflicts.
//! - Coalescing: neighbours read neighbouring blocks: of q4 16 bytes each, a team of 16 256 in one go, and 4 of scales;
//!   of q8 and f16 two or four such words, every second or fourth, whose lines are used up by the next loads. The same
//!   of inputs, eight words of 128 bytes, from the cache of level 1: what teams of one workgroup read alike.
//! - Subgroups: a workgroup that adds up by them has two barriers and one round of shared memory (0.6 KiB for 32 lanes,
//!   1.3 for 64) for what spans subgroups, whatever their size. On llvmpipe, whose subgroups of 8 are code like any
//!   other, they take about as long as teams of as many lanes through shared memory.
//! - Norms: a root mean square's scale is applied to the sums, so it costs a multiply-add for each input; a layer norm
//!   reads the row twice more and has four barriers.
//! - Evidence: Apple: four rows a group beat one by a third, eight lost 5 % to registers; 32 to 64 lanes a row beat
//!   128; subgroups gave 2 % over shared memory. NVIDIA: ONNX Runtime's 32 lanes a row gave a tenth more than 8. Intel:
//!   16 lanes. AMD: waves of 32 or 64, nothing published by team. Adreno (waves of 64 and 128) and Mali (16): nothing
//!   published either; small teams are a guess.

use super::tuning::{Choice, Features};
use super::{Binding::*, CacheFormat, Constants, Dispatch, Grid, Kernel, Resource, pointwise, stride};
use crate::plan::{Activation, CacheShape, Combine, Epilogue, Norm, Pairing, Plan, Rotation, Tensor, View};
use crate::weights::{Layout, Part, WeightId};

/// Outputs as they are.
mod rows {
    params! {
        struct Params {
            first_output: u32, outputs: u32, quads: u32, blocks: u32, width: u32, epsilon: f32,
            y_start: u32, y_stride: u32,
        }
    }

    use crate::kernels::{Binding::*, Kernel};

    /// `shaders/matvec.wgsl`.
    pub const MATVEC: Kernel = kernel!("matvec", workgroup 64, Params, [
        Read("x"), Read("gain"), Read("shift"), Read("bias"), Write("y"),
    ]);

    pub fn params(fields: [u32; 5], epsilon: f32, y_start: u32, y_stride: u32) -> Vec<u8> {
        let [first_output, outputs, quads, blocks, width] = fields;
        let params = Params { first_output, outputs, quads, blocks, width, epsilon, y_start, y_stride };
        bytemuck::bytes_of(&params).to_vec()
    }
}

pub use rows::MATVEC;

/// Heads, rotated and stored.
mod heads {
    params! {
        struct Params {
            heads: u32, kv_heads: u32, head_width: u32, rotary: u32, words: u32, capacity: u32, values_at: u32,
            quads: u32, blocks: u32, width: u32, epsilon: f32,
        }
    }

    use crate::kernels::cache::{capacity, words};
    use crate::kernels::{Binding::*, Kernel};
    use crate::plan::{CacheShape, Rotation};

    /// `shaders/matvec_heads.wgsl`.
    pub const MATVEC_HEADS: Kernel = kernel!("matvec_heads", workgroup 64, Params, [
        Read("x"), Read("gain"), Read("shift"), Read("bias"), Write("y"), Write("cache"),
    ]);

    /// `matrix`: its quads, its blocks in a row and its inputs.
    pub fn params(
        heads: u32,
        cache: CacheShape,
        rotation: Option<Rotation>,
        values_at: u32,
        matrix: [u32; 3],
        epsilon: f32,
    ) -> Vec<u8> {
        let CacheShape { kv_heads, head_width, .. } = cache;
        let (words, capacity) = (words(cache), capacity(cache));
        let rotary = rotation.map_or(0, |rotation| rotation.rotary);
        let [quads, blocks, width] = matrix;
        let params =
            Params { heads, kv_heads, head_width, rotary, words, capacity, values_at, quads, blocks, width, epsilon };
        bytemuck::bytes_of(&params).to_vec()
    }
}

pub use heads::MATVEC_HEADS;

params! { struct Params { outputs: u32, quads: u32, blocks: u32, width: u32, epsilon: f32 } }

/// `shaders/matvec_gated.wgsl`.
pub const MATVEC_GATED: Kernel = kernel!("matvec_gated", workgroup 64, Params, [
    Read("x"), Read("gain"), Read("shift"), Read("bias"), Write("y"),
]);

/// How many lanes share four rows of a matrix.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Default)]
#[expect(missing_docs, reason = "the number is the name")]
pub enum Team {
    T1,
    T4,
    T8,
    #[default]
    T16,
    T32,
    T64,
    /// A workgroup of 32 lanes that add up by subgroups.
    S32,
    /// A workgroup of 64.
    S64,
}

impl Team {
    /// The greatest of its kind that has not more lanes, nor more than `most`; the least of its kind where none has so few.
    #[must_use]
    pub fn within(self, most: u32) -> Team {
        let mut of_kind = Team::ALL.iter().copied().filter(|team| team.uses_subgroups() == self.uses_subgroups());
        let fitting = of_kind.clone().filter(|team| team.lanes() <= most.min(self.lanes()));
        fitting.max_by_key(|team| team.lanes()).or(of_kind.next()).unwrap_or(self)
    }

    pub(super) fn lanes(self) -> u32 {
        match self {
            Team::T1 => 1,
            Team::T4 => 4,
            Team::T8 => 8,
            Team::T16 => 16,
            Team::T32 | Team::S32 => 32,
            Team::T64 | Team::S64 => 64,
        }
    }

    fn uses_subgroups(self) -> bool {
        matches!(self, Team::S32 | Team::S64)
    }

    /// Lanes of a workgroup: teams of one and of subgroups have their own.
    fn workgroup(self) -> u32 {
        match self {
            Team::T1 => NARROW.workgroup,
            Team::S32 | Team::S64 => self.lanes(),
            _ => MATVEC.workgroup,
        }
    }

    /// Of a kernel in teams, on their own and by subgroups, the one that serves.
    fn kernel(self, [teams, alone, subgroups]: [&'static Kernel; 3]) -> &'static Kernel {
        match self {
            Team::T1 => alone,
            Team::S32 | Team::S64 => subgroups,
            _ => teams,
        }
    }
}

impl Choice for Team {
    const ALL: &'static [Team] = &[Team::T1, Team::T4, Team::T8, Team::T16, Team::T32, Team::T64, Team::S32, Team::S64];

    fn name(self) -> &'static str {
        match self {
            Team::T1 => "1",
            Team::T4 => "4",
            Team::T8 => "8",
            Team::T16 => "16",
            Team::T32 => "32",
            Team::T64 => "64",
            Team::S32 => "subgroups 32",
            Team::S64 => "subgroups 64",
        }
    }

    fn is_available(self, features: Features) -> bool {
        features.subgroups || !self.uses_subgroups()
    }
}

/// What goes in: a row, and the norm that is applied to it.
pub struct Input<'a> {
    /// The row.
    pub x: View,
    /// Its norm.
    pub norm: Option<&'a Norm>,
}

impl Input<'_> {
    fn epsilon(&self) -> f32 {
        match self.norm {
            None => 0.0,
            Some(Norm::Rms { epsilon, .. } | Norm::Layer { epsilon, .. }) => *epsilon,
        }
    }

    /// `x`, `gain` and `shift`.
    fn resources(&self) -> [Resource; 3] {
        let (gain, shift) = match self.norm {
            None => (Resource::Unused, Resource::Unused),
            Some(Norm::Rms { gain, .. }) => (Resource::Vector(*gain), Resource::Unused),
            Some(Norm::Layer { gain, bias, .. }) => (Resource::Vector(*gain), Resource::Vector(*bias)),
        };
        [Resource::Tensor(self.x.tensor), gain, shift]
    }

    fn constants(&self, team: Team) -> Constants {
        let norm = match self.norm {
            None => 0.0,
            Some(Norm::Rms { .. }) => 1.0,
            Some(Norm::Layer { .. }) => 2.0,
        };
        let mut constants =
            vec![("NORM", norm), ("TEAM", f64::from(team.lanes())), ("QUADS", f64::from(quads_each(team)))];
        if team.uses_subgroups() {
            constants.push(("WORKGROUP", f64::from(team.workgroup())));
        }
        constants
    }
}

/// The same kernel in small workgroups: lanes on their own have nothing to share, and a rasteriser's few processors share
/// out few workgroups evenly only if these are small.
const fn narrow(kernel: Kernel) -> Kernel {
    Kernel { workgroup: 16, ..kernel }
}

const NARROW: Kernel = narrow(MATVEC);
const NARROW_GATED: Kernel = narrow(MATVEC_GATED);
const NARROW_HEADS: Kernel = narrow(MATVEC_HEADS);

/// `shaders/matvec.wgsl` by subgroups.
pub const MATVEC_SUBGROUPS: Kernel = MATVEC.with_subgroups();
/// `shaders/matvec_gated.wgsl` by subgroups.
pub const MATVEC_GATED_SUBGROUPS: Kernel = MATVEC_GATED.with_subgroups();
/// `shaders/matvec_heads.wgsl` by subgroups.
pub const MATVEC_HEADS_SUBGROUPS: Kernel = MATVEC_HEADS.with_subgroups();

/// Quads of rows for each team: a lane on its own takes two, which share the loads of the inputs.
fn quads_each(team: Team) -> u32 {
    if team.lanes() == 1 { 2 } else { 1 }
}

/// Workgroups of teams of `team` lanes, four rows or eight each.
fn grid(quads: u32, team: Team, y: Tensor) -> Grid {
    Grid::new(quads.div_ceil(team.workgroup() / team.lanes() * quads_each(team)), y, 1)
}

/// `y = epilogue(matrix norm(x))` by one part of the matrix.
pub fn lower(
    plan: &Plan,
    input: &Input,
    (weight, layout, place): (WeightId, &Layout, usize),
    epilogue: Epilogue,
    y: View,
    team: Team,
) -> Dispatch {
    let Part { first_output, outputs, .. } = layout.parts[place];
    let quads = outputs.div_ceil(4);
    let fields = [first_output, outputs, quads, layout.row_blocks(), layout.inputs];
    let constants = pointwise::constants(epilogue).into_iter().chain(input.constants(team));
    let [x, gain, shift] = input.resources();
    Dispatch {
        kernel: team.kernel([&MATVEC, &NARROW, &MATVEC_SUBGROUPS]),
        constants: constants.collect(),
        params: rows::params(fields, input.epsilon(), y.start, stride(plan, y.tensor)),
        resources: vec![x, gain, shift, pointwise::bias(epilogue), Resource::Tensor(y.tensor)],
        matrix: Some((weight, place)),
        grid: grid(quads, team, y.tensor),
    }
}

/// `y[i] = activation(a[i]) * a[n + i]`, `a = matrix norm(x) + bias`; the matrix stands in one part.
pub fn lower_gated(
    input: &Input,
    (weight, layout): (WeightId, &Layout),
    (bias, activation): (Option<WeightId>, Activation),
    y: Tensor,
    team: Team,
) -> Dispatch {
    let outputs = layout.outputs / 2;
    let quads = outputs.div_ceil(2);
    let (blocks, width, epsilon) = (layout.row_blocks(), layout.inputs, input.epsilon());
    let epilogue = Epilogue { bias, activation, combine: Combine::Store };
    let constants = pointwise::constants(epilogue).into_iter().filter(|(name, _)| *name != "COMBINE");
    let [x, gain, shift] = input.resources();
    Dispatch {
        kernel: team.kernel([&MATVEC_GATED, &NARROW_GATED, &MATVEC_GATED_SUBGROUPS]),
        constants: constants.chain(input.constants(team)).collect(),
        params: bytemuck::bytes_of(&Params { outputs, quads, blocks, width, epsilon }).to_vec(),
        resources: vec![x, gain, shift, pointwise::bias(epilogue), Resource::Tensor(y)],
        matrix: Some((weight, 0)),
        grid: grid(quads, team, y),
    }
}

/// Whether [`lower_heads`] can serve: quads of a head's values are whole and so are those that are rotated, and there is
/// one binding for the shift of a layer norm and the table of a rotation.
pub fn serves_heads(cache: CacheShape, norm: Option<&Norm>, rotation: Option<Rotation>) -> bool {
    let whole = |values: u32| values.is_multiple_of(4);
    whole(cache.head_width)
        && rotation.is_none_or(|rotation| whole(rotation.rotary))
        && !(rotation.is_some() && matches!(norm, Some(Norm::Layer { .. })))
}

/// Heads of `matrix norm(x) + bias`: queries to `y`, keys and values to the cache of `layer`; the matrix stands in one part.
/// Where blocks of the cache have scales, teams that know four values can't write it: a second dispatch does.
#[expect(clippy::too_many_arguments, reason = "the fields of the step")]
pub fn lower_heads(
    plan: &Plan,
    input: &Input,
    (weight, layout): (WeightId, &Layout),
    bias: Option<WeightId>,
    rotation: Option<Rotation>,
    (layer, format): (u32, CacheFormat),
    y: Tensor,
    team: Team,
) -> Vec<Dispatch> {
    let quads = layout.outputs / 4;
    let heads = plan.info(y).width / plan.cache.head_width;
    // Counted in pairs of values, of which the cache of keys holds as many.
    let values_at = (CacheFormat::F16.bytes(plan.cache) / 4) as u32;
    let matrix = [quads, layout.row_blocks(), layout.inputs];
    let turns = match rotation.map(|rotation| rotation.pairing) {
        None => 0.0,
        Some(Pairing::Adjacent) => 1.0,
        Some(Pairing::Halves) => 2.0,
    };
    let has_bias = f64::from(u8::from(bias.is_some()));
    let staged = format.is_scaled();
    let constants = [("HAS_BIAS", has_bias), ("ROTATION", turns), ("STAGED", f64::from(u8::from(staged)))];
    let cache = match staged {
        true => Resource::Scratch(2 * plan.cache.kv_heads * plan.cache.head_width),
        false => Resource::WholeCache(layer),
    };
    let [x, gain, shift] = input.resources();
    let shift = rotation.map_or(shift, |rotation| Resource::Vector(rotation.table));
    let bias = bias.map_or(Resource::Unused, Resource::Vector);
    let heads = Dispatch {
        kernel: team.kernel([&MATVEC_HEADS, &NARROW_HEADS, &MATVEC_HEADS_SUBGROUPS]),
        constants: constants.into_iter().chain(input.constants(team)).collect(),
        params: heads::params(heads, plan.cache, rotation, values_at, matrix, input.epsilon()),
        resources: vec![x, gain, shift, bias, Resource::Tensor(y), cache],
        matrix: Some((weight, 0)),
        grid: grid(quads, team, y),
    };
    let store = staged.then(|| super::heads::lower_staged(plan, cache, layer, y));
    std::iter::once(heads).chain(store).collect()
}
