//! One row times a matrix in any format, with the norm before it and what follows it: the steps that carry the time when
//! tokens are made one by one.
//!
//! A team of lanes takes four rows of the matrix. How many lanes make a team is what differs by adapter: GPUs like 8 to 32
//! that read neighbouring blocks, software rasterisers one, which needs no barrier.

use super::{Binding::*, Constants, Dispatch, Grid, Kernel, Resource, pointwise, stride};
use crate::plan::{Activation, Combine, Epilogue, Norm, Plan, Tensor, View};
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

params! { struct Params { outputs: u32, quads: u32, blocks: u32, width: u32, epsilon: f32 } }

/// `shaders/matvec_gated.wgsl`.
pub const MATVEC_GATED: Kernel = kernel!("matvec_gated", workgroup 64, Params, [
    Read("x"), Read("gain"), Read("shift"), Read("bias"), Write("y"),
]);

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

    fn constants(&self, team: u32) -> Constants {
        let norm = match self.norm {
            None => 0.0,
            Some(Norm::Rms { .. }) => 1.0,
            Some(Norm::Layer { .. }) => 2.0,
        };
        vec![("NORM", norm), ("TEAM", f64::from(team))]
    }
}

/// Workgroups of teams of `team` lanes, four rows each.
fn grid(quads: u32, team: u32, y: Tensor) -> Grid {
    Grid::new(quads.div_ceil(MATVEC.workgroup / team), y, 1)
}

/// `y = epilogue(matrix norm(x))` by one part of the matrix.
pub fn lower(
    plan: &Plan,
    input: &Input,
    (weight, layout, place): (WeightId, &Layout, usize),
    epilogue: Epilogue,
    y: View,
    team: u32,
) -> Dispatch {
    let Part { first_output, outputs, .. } = layout.parts[place];
    let quads = outputs.div_ceil(4);
    let fields = [first_output, outputs, quads, layout.row_blocks(), layout.inputs];
    let constants = pointwise::constants(epilogue).into_iter().chain(input.constants(team));
    let [x, gain, shift] = input.resources();
    Dispatch {
        kernel: &MATVEC,
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
    team: u32,
) -> Dispatch {
    let outputs = layout.outputs / 2;
    let quads = outputs.div_ceil(2);
    let (blocks, width, epsilon) = (layout.row_blocks(), layout.inputs, input.epsilon());
    let epilogue = Epilogue { bias, activation, combine: Combine::Store };
    let constants = pointwise::constants(epilogue).into_iter().filter(|(name, _)| *name != "COMBINE");
    let [x, gain, shift] = input.resources();
    Dispatch {
        kernel: &MATVEC_GATED,
        constants: constants.chain(input.constants(team)).collect(),
        params: bytemuck::bytes_of(&Params { outputs, quads, blocks, width, epsilon }).to_vec(),
        resources: vec![x, gain, shift, pointwise::bias(epilogue), Resource::Tensor(y)],
        matrix: Some((weight, 0)),
        grid: grid(quads, team, y),
    }
}
