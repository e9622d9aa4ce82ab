//! Rows of a table, looked up by token or by position.

use super::{Binding::*, Constants, Dispatch, Grid, Kernel, Resource, RowsMut};
use crate::format::BLOCK;
use crate::plan::{Combine, Index, Plan, Tensor};
use crate::weights::{Layout, WeightId};

params! { struct Params { first_output: u32, outputs: u32, blocks: u32, width: u32 } }

/// `shaders/embed.wgsl`.
pub const KERNEL: Kernel = kernel!("embed", workgroup 64, Params, [Read("tokens"), Write("y")]);

/// `y[t] = table[index of t]`, or added; one dispatch for each part of the table.
pub fn lower(plan: &Plan, table: (WeightId, &Layout), index: Index, combine: Combine, y: Tensor) -> Vec<Dispatch> {
    let (weight, layout) = table;
    let blocks = layout.row_blocks();
    let constants: Constants = vec![
        ("BY_POSITION", f64::from(u8::from(index == Index::Position))),
        ("ADD", f64::from(u8::from(combine == Combine::Add))),
    ];
    let dispatch = |(part, run): (usize, &crate::weights::Part)| {
        let params = Params { first_output: run.first_output, outputs: run.outputs, blocks, width: plan.info(y).width };
        Dispatch {
            kernel: &KERNEL,
            constants: constants.clone(),
            params: bytemuck::bytes_of(&params).to_vec(),
            resources: vec![Resource::Tokens, Resource::Tensor(y)],
            matrix: Some((weight, part)),
            grid: Grid::new(blocks.div_ceil(KERNEL.workgroup), y, 1),
        }
    };
    debug_assert_eq!(layout.row_blocks(), plan.info(y).width.div_ceil(BLOCK));
    layout.parts.iter().enumerate().map(dispatch).collect()
}

/// The same, plainly. `indices[t]` is the token or the position; `row(i, values)` decodes row `i` of the table.
pub fn reference(row: impl Fn(u32, &mut [f32]), indices: &[u32], combine: Combine, mut y: RowsMut) {
    let mut values = vec![0.0; y.width];
    for (t, &index) in indices.iter().enumerate() {
        row(index, &mut values);
        for (y, value) in y.row(t).iter_mut().zip(&values) {
            *y = super::pointwise::combined(*y, *value, combine);
        }
    }
}
