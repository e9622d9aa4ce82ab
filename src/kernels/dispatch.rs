//! A step of a plan -> the dispatches that carry it out, still without a device.

use super::matmul_few::FEW_ROWS;
use super::tuning::{Choice, Features, Tuning};
use super::{
    CacheFormat, Kernel, attention, attention_decode, choose, embed, heads, last_row, layer_norm, matmul, matvec,
    pointwise, rms_norm, rope, store,
};
use crate::format::BLOCK;
use crate::plan::{Live, Plan, Side, Step, Tensor, View};
use crate::weights::{Catalogue, Layout, WeightId};
use crate::{Error, Result};

/// Values of `override` constants by name. `WORKGROUP` is the kernel's own where it does not stand among them.
pub type Constants = Vec<(&'static str, f64)>;

/// One dispatch: a kernel, its constants, parameters and operands.
#[derive(Debug, Clone, PartialEq)]
pub struct Dispatch {
    /// What is run.
    pub kernel: &'static Kernel,
    /// What is fixed when the kernel is compiled.
    pub constants: Constants,
    /// The bytes of `Params`.
    pub params: Vec<u8>,
    /// What is bound, in the order of the kernel's bindings.
    pub resources: Vec<Resource>,
    /// The matrix of group 2: a weight and which of its parts.
    pub matrix: Option<(WeightId, usize)>,
    /// How many workgroups.
    pub grid: Grid,
}

impl Dispatch {
    /// The constants that the kernel is compiled with, `WORKGROUP` among them.
    pub fn compiled_with(&self) -> Constants {
        let mut constants = self.constants.clone();
        if constants.iter().all(|(name, _)| *name != "WORKGROUP") {
            constants.push(("WORKGROUP", f64::from(self.kernel.workgroup)));
        }
        constants
    }
}

/// What a storage binding of group 1 refers to.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum Resource {
    /// A tensor of the plan.
    Tensor(Tensor),
    /// A weight that is a vector.
    Vector(WeightId),
    /// A binding that this step does not use: a few zeros.
    Unused,
    /// The tokens of the pass, u32.
    Tokens,
    /// Keys or values of a layer.
    Cache(u32, Side),
    /// Keys of a layer, and its values behind them.
    WholeCache(u32),
    /// So many values in between, from one dispatch of a step to the next.
    Scratch(u32),
    /// How the next token is chosen: [`choose::Sampling`].
    Sampling,
    /// What is added to each token's logit, f32.
    Bias,
    /// For each token twice the number of times it was generated, and one more if it stands in the prompt, u32.
    Counts,
}

/// Workgroups of a dispatch: `x`, `y`, and in z one for each `rows_each` of the live rows of `rows_of`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Grid {
    /// Workgroups in x.
    pub x: u32,
    /// Workgroups in y.
    pub y: u32,
    /// The tensor whose live rows are counted.
    pub rows_of: Tensor,
    /// Rows that one workgroup serves.
    pub rows_each: u32,
    /// What the live positions and rows make of it.
    pub reach: Reach,
}

/// How the live positions and rows bear on a grid: the host knows them, so no dispatch is indirect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Not at all.
    Any,
    /// So many workgroups in y as there are [splits](attention_decode::splits) of the cache.
    Splits,
    /// No workgroups as long as all positions stand in one split.
    Merge,
    /// No workgroups for more rows than [`FEW_ROWS`].
    Few,
    /// No workgroups for as many or fewer.
    Many,
}

/// Greatest number of workgroups in one dimension, WebGPU's default.
const MOST_GROUPS: u32 = 65_535;

impl Grid {
    /// `groups` workgroups for every `rows_each` rows; counts past WebGPU's limit are folded into y.
    pub fn new(groups: u32, rows_of: Tensor, rows_each: u32) -> Grid {
        let y = groups.div_ceil(MOST_GROUPS);
        Grid { x: groups.div_ceil(y), y, rows_of, rows_each, reach: Reach::Any }
    }

    /// The three counts of a run; zeros where there is nothing to dispatch.
    pub fn size(&self, plan: &Plan, live: Live) -> [u32; 3] {
        let (rows, splits) = (plan.live_rows(self.rows_of, live), attention_decode::splits(live));
        let z = rows.div_ceil(self.rows_each);
        match self.reach {
            Reach::Splits => [self.x, splits, z],
            Reach::Merge if splits == 1 => [0; 3],
            Reach::Few if rows > FEW_ROWS => [0; 3],
            Reach::Many if rows <= FEW_ROWS => [0; 3],
            _ => [self.x, self.y, z],
        }
    }
}

/// Which kind of kernel carries out a step; which one is faster differs by adapter by a factor of ten, so it is measured.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum Variant {
    /// Lanes work together through shared memory: what GPUs like.
    #[default]
    Shared,
    /// Every lane on its own: what software rasterisers like.
    Lane,
}

impl Choice for Variant {
    const ALL: &'static [Variant] = &[Variant::Shared, Variant::Lane];

    fn name(self) -> &'static str {
        match self {
            Variant::Shared => "shared",
            Variant::Lane => "lane",
        }
    }
}

/// The same of attention of one row, and of the choice of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Default)]
pub enum RowVariant {
    /// As [`Variant::Shared`].
    #[default]
    Shared,
    /// As [`Variant::Lane`].
    Lane,
    /// Lanes work together by subgroups, and through shared memory for what spans these.
    Subgroups,
}

impl Choice for RowVariant {
    const ALL: &'static [RowVariant] = &[RowVariant::Shared, RowVariant::Lane, RowVariant::Subgroups];

    fn name(self) -> &'static str {
        match self {
            RowVariant::Shared => "shared",
            RowVariant::Lane => "lane",
            RowVariant::Subgroups => "subgroups",
        }
    }

    fn is_available(self, features: Features) -> bool {
        features.subgroups || self != RowVariant::Subgroups
    }
}

impl From<Variant> for RowVariant {
    fn from(variant: Variant) -> RowVariant {
        match variant {
            Variant::Shared => RowVariant::Shared,
            Variant::Lane => RowVariant::Lane,
        }
    }
}

/// Values from one row of a tensor to the next: its width up to whole blocks. What lies between stays zero.
pub fn stride(plan: &Plan, tensor: Tensor) -> u32 {
    plan.info(tensor).width.next_multiple_of(BLOCK)
}

/// The dispatches of a step over a cache in that format; most steps are one, a matrix in several parts takes one for each,
/// and some serve few rows and many by dispatches of their own, of which a run has one.
///
/// # Errors
/// Where a shape passes what the kernels can do within WebGPU's default limits.
pub fn lower(
    plan: &Plan,
    catalogue: &Catalogue,
    step: &Step,
    tuning: &Tuning,
    cache: CacheFormat,
) -> Result<Vec<Dispatch>> {
    let dispatches = dispatches(plan, catalogue, step, tuning, cache)?;
    match dispatches.iter().find(|dispatch| dispatch.grid.y > 1 && !dispatch.kernel.folds()) {
        None => Ok(dispatches),
        Some(Dispatch { kernel, .. }) => {
            let message = format!("{} would need more than {MOST_GROUPS} workgroups for a row", kernel.name);
            Err(Error::Unsupported(message))
        }
    }
}

fn dispatches(
    plan: &Plan,
    catalogue: &Catalogue,
    step: &Step,
    tuning: &Tuning,
    cache: CacheFormat,
) -> Result<Vec<Dispatch>> {
    let one = |dispatch| Ok(vec![dispatch]);
    let team = |layout: &Layout, part: usize| tuning.team(layout, &layout.parts[part]);
    let tile = |layout: &Layout, part: usize| tuning.tile(layout, &layout.parts[part]);
    match step {
        Step::Embed { table, index, combine, y } => {
            Ok(embed::lower(plan, (*table, catalogue.layout(*table)), *index, *combine, *y))
        }
        Step::RmsNorm { x, gain, groups, epsilon, y } => one(rms_norm::lower(plan, *x, *gain, *groups, *epsilon, *y)),
        Step::LayerNorm { x, gain, bias, epsilon, y } => one(layer_norm::lower(plan, *x, *gain, *bias, *epsilon, *y)),
        Step::Matmul { x, norm, matrix, epilogue, y } => {
            check_whole(plan, catalogue, *x, *matrix)?;
            let layout = catalogue.layout(*matrix);
            let input = matvec::Input { x: *x, norm: norm.as_ref() };
            let part = |place| {
                let (matrix, team) = ((*matrix, layout, place), team(layout, place));
                match plan.rows_of(y.tensor) {
                    1 => vec![matvec::lower(plan, &input, matrix, *epilogue, *y, team)],
                    _ => matmul::lower(plan, *x, matrix, *epilogue, *y, (tile(layout, place), team)),
                }
            };
            Ok((0..layout.parts.len()).flat_map(part).collect())
        }
        Step::Gated { x, norm, matrix, bias, activation, y } => {
            check_whole(plan, catalogue, *x, *matrix)?;
            let input = matvec::Input { x: *x, norm: norm.as_ref() };
            let matrix = (*matrix, catalogue.layout(*matrix));
            one(matvec::lower_gated(&input, matrix, (*bias, *activation), *y, team(matrix.1, 0)))
        }
        Step::MatmulHeads { x, norm, matrix, bias, rotation, layer, y } => {
            check_whole(plan, catalogue, *x, *matrix)?;
            let input = matvec::Input { x: *x, norm: norm.as_ref() };
            let matrix = (*matrix, catalogue.layout(*matrix));
            let (layer, team) = ((*layer, cache), team(matrix.1, 0));
            Ok(matvec::lower_heads(plan, &input, matrix, *bias, *rotation, layer, *y, team))
        }
        Step::Pointwise { x, epilogue, y } => one(pointwise::lower(plan, *x, *epilogue, *y)),
        Step::Rope { x, table, head_width, rotary, pairing, y } => {
            one(rope::lower(plan, *x, *table, *head_width, *rotary, *pairing, *y))
        }
        Step::Store { x, layer, side } => one(store::lower(plan, *x, *layer, *side)),
        Step::Heads { x, layer, norms, rotation, y } => {
            attention::check_head(plan.cache)?;
            one(heads::lower(plan, *x, *layer, *norms, *rotation, *y))
        }
        Step::Attention { q, layer, heads, scale, y } => {
            attention::check_head(plan.cache)?;
            if plan.rows_of(*y) == 1 {
                let variant = tuning.attention_decode(*heads, plan.cache);
                return Ok(attention_decode::lower(plan, *q, *layer, *heads, *scale, *y, variant));
            }
            let variant = tuning.attention(*heads, plan.cache);
            one(attention::lower(plan, *q, *layer, *heads, *scale, *y, variant))
        }
        Step::LastRow { x, y } => one(last_row::lower(plan, *x, *y)),
        Step::Choose { logits, y } => choose::lower(plan, *logits, *y, tuning.choosing()),
    }
}

/// Matmuls read whole rows.
fn check_whole(plan: &Plan, catalogue: &Catalogue, x: View, matrix: WeightId) -> Result<()> {
    if x.start == 0 && x.width == plan.info(x.tensor).width {
        return Ok(());
    }
    let name = catalogue.name(matrix);
    Err(Error::Unsupported(format!("{name} multiplies columns of a tensor, not a whole one")))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::format::Format;
    use crate::plan::{Activation, Builder, CacheShape};
    use crate::weights::Shape;

    #[test]
    fn more_workgroups_than_x_holds_are_folded_or_refused() {
        const WIDTH: u32 = 1 << 25;
        let mut catalogue = Catalogue::default();
        let layout = Layout::new(Format::Q4, Shape::Matrix { outputs: WIDTH, inputs: 32 }, 1 << 30).unwrap();
        let matrix = catalogue.add("wide", layout);
        let mut p = Builder::new(&catalogue, 1, CacheShape { layers: 0, kv_heads: 1, head_width: 2, context: 1 });
        let x = p.input("x", 32);
        let y = p.matmul("y", x, matrix);
        let y = p.activate("z", y, Activation::Relu);
        let plan = p.finish(y);
        let lowered = |step: &Step| lower(&plan, &catalogue, step, &Tuning::default(), CacheFormat::F16);
        let grid = lowered(&plan.steps[0]).unwrap()[0].grid;
        assert!(grid.y > 1 && grid.x <= MOST_GROUPS && grid.x * grid.y * 256 >= WIDTH, "{grid:?}");
        let error = lowered(&plan.steps[1]).unwrap_err();
        assert_eq!(error.to_string(), "pointwise would need more than 65535 workgroups for a row");
    }
}
