//! Value by value: bias, activation, residual and gate, alone or at the end of a matmul.

use super::{Binding::*, Constants, Dispatch, Grid, Kernel, Resource, Rows, RowsMut, stride};
use crate::plan::{Activation, Combine, Epilogue, Plan, View};

params! { struct Params { width: u32, x_start: u32, x_stride: u32, y_start: u32, y_stride: u32 } }

/// `shaders/pointwise.wgsl`.
pub const KERNEL: Kernel = kernel!("pointwise", workgroup 64, Params, [Read("x"), Read("bias"), Write("y")]);

/// `y = combine(y, activation(x + bias))`.
pub fn lower(plan: &Plan, x: View, epilogue: Epilogue, y: View) -> Dispatch {
    let params = Params {
        width: x.width,
        x_start: x.start,
        x_stride: stride(plan, x.tensor),
        y_start: y.start,
        y_stride: stride(plan, y.tensor),
    };
    Dispatch {
        kernel: &KERNEL,
        constants: constants(epilogue),
        params: bytemuck::bytes_of(&params).to_vec(),
        resources: vec![Resource::Tensor(x.tensor), bias(epilogue), Resource::Tensor(y.tensor)],
        matrix: None,
        grid: Grid::new(x.width.div_ceil(KERNEL.workgroup), y.tensor, 1),
    }
}

/// The constants of `shaders/lib/epilogue.wgsl`.
pub fn constants(epilogue: Epilogue) -> Constants {
    let activation = match epilogue.activation {
        Activation::Identity => 0.0,
        Activation::Silu => 1.0,
        Activation::GeluTanh => 2.0,
        Activation::GeluErf => 3.0,
        Activation::Relu => 4.0,
    };
    let combine = match epilogue.combine {
        Combine::Store => 0.0,
        Combine::Add => 1.0,
        Combine::Multiply => 2.0,
    };
    let has_bias = f64::from(u8::from(epilogue.bias.is_some()));
    vec![("HAS_BIAS", has_bias), ("ACTIVATION", activation), ("COMBINE", combine)]
}

/// What is bound as `bias`.
pub fn bias(epilogue: Epilogue) -> Resource {
    epilogue.bias.map_or(Resource::Unused, Resource::Vector)
}

/// The same, plainly; an empty `bias` is none.
pub fn reference(rows: usize, x: Rows, bias: &[f32], activation: Activation, combine: Combine, mut y: RowsMut) {
    for t in 0..rows {
        for (i, (y, x)) in y.row(t).iter_mut().zip(x.row(t)).enumerate() {
            let value = x + bias.get(i).copied().unwrap_or(0.0);
            *y = combined(*y, activated(value, activation), combine);
        }
    }
}

/// An activation of one value.
pub fn activated(x: f32, activation: Activation) -> f32 {
    match activation {
        Activation::Identity => x,
        Activation::Silu => x / (1.0 + (-x).exp()),
        Activation::GeluTanh => {
            let inner = (2.0 / std::f32::consts::PI).sqrt() * (x + 0.044715 * x * x * x);
            0.5 * x * (1.0 + inner.tanh())
        }
        Activation::GeluErf => 0.5 * x * (1.0 + libm::erff(x * std::f32::consts::FRAC_1_SQRT_2)),
        Activation::Relu => x.max(0.0),
    }
}

/// What `y` becomes.
pub fn combined(y: f32, value: f32, combine: Combine) -> f32 {
    match combine {
        Combine::Store => value,
        Combine::Add => y + value,
        Combine::Multiply => y * value,
    }
}
