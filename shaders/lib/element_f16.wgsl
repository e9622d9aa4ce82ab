
// Four values in shared memory, as halves: what is too large for one becomes the largest. Needs `enable f16`.
alias Element = vec4<f16>;

fn element(values: vec4<f32>) -> Element {
    return vec4<f16>(clamp(values, vec4<f32>(-65504.0), vec4<f32>(65504.0)));
}
