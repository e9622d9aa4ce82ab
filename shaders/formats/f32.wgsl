// f32: 32 values in eight words of 16 bytes.

@group(2) @binding(0) var<storage, read> weights: array<vec4<f32>>; // [outputs, blocks, 8]

// What is loaded for values 4 i to 4 i + 3 of a block, and those values.
struct Raw { values: vec4<f32> }

fn weight_raw(block: u32, i: u32) -> Raw { return Raw(weights[block * 8u + i]); }

fn weight_values(raw: Raw, i: u32) -> vec4<f32> { return raw.values; }

fn weight_vec4(block: u32, i: u32) -> vec4<f32> { return weight_values(weight_raw(block, i), i); }

// All values of a block.
fn weight_block(block: u32) -> array<vec4<f32>, 8> {
    let at = block * 8u;
    return array<vec4<f32>, 8>(
        weights[at], weights[at + 1u], weights[at + 2u], weights[at + 3u],
        weights[at + 4u], weights[at + 5u], weights[at + 6u], weights[at + 7u]);
}

// Product of a block with x. `sum` is the sum of x, which formats with a minimum need.
fn weight_dot(block: u32, x: array<vec4<f32>, 8>, sum: f32) -> f32 {
    let w = weight_block(block);
    let total = fma(w[7], x[7], fma(w[6], x[6], fma(w[5], x[5], fma(w[4], x[4],
        fma(w[3], x[3], fma(w[2], x[2], fma(w[1], x[1], w[0] * x[0])))))));
    return total.x + total.y + total.z + total.w;
}
