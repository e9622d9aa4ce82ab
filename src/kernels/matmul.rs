//! Rows times a matrix in any format, with an epilogue: the step that carries the time.

use super::{Binding::*, Dispatch, Grid, Kernel, Resource, Rows, RowsMut, Variant, Variants, pointwise, stride};
use crate::plan::{Activation, Combine, Epilogue, Plan, View};
use crate::weights::{Layout, Part, WeightId};

/// The parameters of one row at a time.
mod vector {
    params! { struct Params { first_output: u32, outputs: u32, blocks: u32, y_start: u32, y_stride: u32 } }

    use crate::kernels::{Binding::*, Kernel};

    /// A team of lanes per four outputs, sums in shared memory.
    pub const MATVEC: Kernel = kernel!("matvec", workgroup 64, Params, [Read("x"), Read("bias"), Write("y")]);

    /// An invocation per four outputs.
    pub const MATVEC_LANE: Kernel = kernel!("matvec_lane", workgroup 64, Params, [Read("x"), Read("bias"), Write("y")]);

    pub fn params(first_output: u32, outputs: u32, blocks: u32, y_start: u32, y_stride: u32) -> Vec<u8> {
        bytemuck::bytes_of(&Params { first_output, outputs, blocks, y_start, y_stride }).to_vec()
    }
}

params! { struct Params { first_output: u32, outputs: u32, blocks: u32, rows: u32, y_start: u32, y_stride: u32 } }

pub use vector::{MATVEC, MATVEC_LANE};

/// Tiles of 32 rows by 32 outputs through shared memory.
pub const MATMUL: Kernel = kernel!("matmul", workgroup 64, Params, [Read("x"), Read("bias"), Write("y")]);

/// An invocation per eight rows by four outputs.
pub const MATMUL_LANE: Kernel = kernel!("matmul_lane", workgroup 64, Params, [Read("x"), Read("bias"), Write("y")]);

/// Lanes of `matvec` that share four outputs.
const TEAM: u32 = 16;

/// `y[t] = epilogue(matrix x[t])`; one dispatch for each part of the matrix.
pub fn lower(
    plan: &Plan,
    x: View,
    matrix: (WeightId, &Layout),
    epilogue: Epilogue,
    y: View,
    variants: Variants,
) -> Vec<Dispatch> {
    let (weight, layout) = matrix;
    let parts = layout.parts.iter().enumerate();
    parts
        .map(|(part, run)| {
            let (kernel, constants, params, grid) = one_part(plan, layout, run, y, variants);
            Dispatch {
                kernel,
                constants: pointwise::constants(epilogue).into_iter().chain(constants).collect(),
                params,
                resources: vec![Resource::Tensor(x.tensor), pointwise::bias(epilogue), Resource::Tensor(y.tensor)],
                matrix: Some((weight, part)),
                grid,
            }
        })
        .collect()
}

type Chosen = (&'static Kernel, Option<(&'static str, f64)>, Vec<u8>, Grid);

fn one_part(plan: &Plan, layout: &Layout, run: &Part, y: View, variants: Variants) -> Chosen {
    let (blocks, y_stride, rows) = (layout.row_blocks(), stride(plan, y.tensor), plan.rows_of(y.tensor));
    let quads = run.outputs.div_ceil(4);
    if rows == 1 {
        let params = vector::params(run.first_output, run.outputs, blocks, y.start, y_stride);
        return match variants.matvec {
            Variant::Shared => {
                let groups = quads.div_ceil(MATVEC.workgroup / TEAM);
                (&MATVEC, Some(("TEAM", f64::from(TEAM))), params, Grid::new(groups, y.tensor, 1))
            }
            Variant::Lane => {
                let groups = quads.div_ceil(MATVEC_LANE.workgroup);
                (&MATVEC_LANE, None, params, Grid::new(groups, y.tensor, 1))
            }
        };
    }
    let params =
        Params { first_output: run.first_output, outputs: run.outputs, blocks, rows, y_start: y.start, y_stride };
    let params = bytemuck::bytes_of(&params).to_vec();
    match variants.matmul {
        Variant::Shared => (&MATMUL, None, params, Grid::new(run.outputs.div_ceil(32), y.tensor, 32)),
        Variant::Lane => (&MATMUL_LANE, None, params, Grid::new(quads.div_ceil(MATMUL_LANE.workgroup), y.tensor, 8)),
    }
}

/// The same, plainly. `row(o, values)` decodes row `o` of the matrix; an empty `bias` is none.
pub fn reference(
    rows: usize,
    x: Rows,
    row: impl Fn(u32, &mut [f32]),
    bias: &[f32],
    activation: Activation,
    combine: Combine,
    mut y: RowsMut,
) {
    let mut weights = vec![0.0; x.width];
    for output in 0..y.width {
        row(output as u32, &mut weights);
        let bias = bias.get(output).copied().unwrap_or(0.0);
        for t in 0..rows {
            let value = pointwise::activated(dot(&weights, x.row(t)) + bias, activation);
            let y = &mut y.row(t)[output];
            *y = pointwise::combined(*y, value, combine);
        }
    }
}

/// Sum of products, in eight running sums: f32 rounding grows with the length of a sum.
fn dot(a: &[f32], b: &[f32]) -> f32 {
    let mut sums = [0.0f32; 8];
    let (a_runs, b_runs) = (a.chunks_exact(8), b.chunks_exact(8));
    let rest: f32 = a_runs.remainder().iter().zip(b_runs.remainder()).map(|(a, b)| a * b).sum();
    for (a, b) in a_runs.zip(b_runs) {
        for i in 0..8 {
            sums[i] += a[i] * b[i];
        }
    }
    sums.iter().sum::<f32>() + rest
}
