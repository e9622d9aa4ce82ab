
// A function of one value, and whether a bias is added before it.
override HAS_BIAS: bool = false;
override ACTIVATION: u32 = 0u; // 0 identity, 1 silu, 2 gelu by tanh, 3 gelu by erf, 4 relu

fn activate(x: f32) -> f32 {
    switch ACTIVATION {
        case 1u: { return x / (1.0 + exp(-clamp(x, -80.0, 80.0))); }
        // tanh overflows to NaN on some drivers; past 15 it is 1 in f32.
        case 2u: { return 0.5 * x * (1.0 + tanh(clamp(0.7978845608 * (x + 0.044715 * x * x * x), -15.0, 15.0))); }
        case 3u: { return 0.5 * x * (1.0 + erf(x * 0.7071067812)); }
        case 4u: { return max(x, 0.0); }
        default: { return x; }
    }
}

// Abramowitz and Stegun 7.1.26: within 1.5e-7.
fn erf(x: f32) -> f32 {
    let t = 1.0 / (1.0 + 0.3275911 * abs(x));
    let series = ((((1.061405429 * t - 1.453152027) * t + 1.421413741) * t - 0.284496736) * t + 0.254829592) * t;
    return sign(x) * (1.0 - series * exp(-min(x * x, 80.0)));
}
