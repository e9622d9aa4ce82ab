//! Several rows times a matrix in any format, with an epilogue: the step that carries the time of a prompt.

use super::{Binding::*, Dispatch, Grid, Kernel, Resource, Rows, RowsMut, Variant, pointwise, stride};
use crate::plan::{Activation, Combine, Epilogue, Plan, View};
use crate::weights::{Layout, Part, WeightId};

params! { struct Params { first_output: u32, outputs: u32, blocks: u32, rows: u32, y_start: u32, y_stride: u32 } }

/// Tiles of 32 rows by 32 outputs through shared memory.
pub const MATMUL: Kernel = kernel!("matmul", workgroup 64, Params, [Read("x"), Read("bias"), Write("y")]);

/// An invocation per eight rows by four outputs.
pub const MATMUL_LANE: Kernel = kernel!("matmul_lane", workgroup 64, Params, [Read("x"), Read("bias"), Write("y")]);

/// `y[t] = epilogue(matrix x[t])` by one part of the matrix.
pub fn lower(
    plan: &Plan,
    x: View,
    (weight, layout, place): (WeightId, &Layout, usize),
    epilogue: Epilogue,
    y: View,
    variant: Variant,
) -> Dispatch {
    let Part { first_output, outputs, .. } = layout.parts[place];
    let (rows, y_stride) = (plan.rows_of(y.tensor), stride(plan, y.tensor));
    let params = Params { first_output, outputs, blocks: layout.row_blocks(), rows, y_start: y.start, y_stride };
    let (kernel, grid) = match variant {
        Variant::Shared => (&MATMUL, Grid::new(outputs.div_ceil(32), y.tensor, 32)),
        Variant::Lane => (&MATMUL_LANE, Grid::new(outputs.div_ceil(4).div_ceil(MATMUL_LANE.workgroup), y.tensor, 8)),
    };
    Dispatch {
        kernel,
        constants: pointwise::constants(epilogue),
        params: bytemuck::bytes_of(&params).to_vec(),
        resources: vec![Resource::Tensor(x.tensor), pointwise::bias(epilogue), Resource::Tensor(y.tensor)],
        matrix: Some((weight, place)),
        grid,
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

/// The gated product, plainly: two rows of the matrix for each output.
pub fn gated_reference(
    rows: usize,
    x: Rows,
    row: impl Fn(u32, &mut [f32]),
    bias: &[f32],
    activation: Activation,
    mut y: RowsMut,
) {
    let mut weights = vec![0.0; x.width];
    let outputs = y.width;
    for output in 0..outputs {
        for (half, combine) in [(0, Combine::Store), (outputs, Combine::Multiply)] {
            row((half + output) as u32, &mut weights);
            let bias = bias.get(half + output).copied().unwrap_or(0.0);
            let activation = if half == 0 { activation } else { Activation::Identity };
            for t in 0..rows {
                let value = pointwise::activated(dot(&weights, x.row(t)) + bias, activation);
                let y = &mut y.row(t)[output];
                *y = pointwise::combined(*y, value, combine);
            }
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
