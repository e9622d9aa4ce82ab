
// Four inputs of a row by four outputs, sixteen multiply-adds without a sum across: column i of w is input i's weights.
fn add_products(sums: vec4<f32>, v: vec4<f32>, w: mat4x4<f32>) -> vec4<f32> {
    return fma(vec4(v.w), w[3], fma(vec4(v.z), w[2], fma(vec4(v.y), w[1], fma(vec4(v.x), w[0], sums))));
}
