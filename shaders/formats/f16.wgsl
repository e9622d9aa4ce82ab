// f16: 32 values in four words of 16 bytes, two halves in each u32; works without `shader-f16`.

@group(2) @binding(0) var<storage, read> weights: array<vec4<u32>>; // [outputs, blocks, 4]

fn halves(low: u32, high: u32) -> vec4<f32> { return vec4<f32>(unpack2x16float(low), unpack2x16float(high)); }

// What is loaded for values 4 i to 4 i + 3 of a block, and those values.
struct Raw { pair: vec2<u32> }

fn weight_raw(block: u32, i: u32) -> Raw {
    let word = weights[block * 4u + i / 2u];
    return Raw(select(word.xy, word.zw, (i & 1u) == 1u));
}

fn weight_values(raw: Raw, i: u32) -> vec4<f32> { return halves(raw.pair.x, raw.pair.y); }

fn weight_vec4(block: u32, i: u32) -> vec4<f32> { return weight_values(weight_raw(block, i), i); }

// All values of a block.
fn weight_block(block: u32) -> array<vec4<f32>, 8> {
    let at = block * 4u;
    let a = weights[at];
    let b = weights[at + 1u];
    let c = weights[at + 2u];
    let d = weights[at + 3u];
    return array<vec4<f32>, 8>(
        halves(a.x, a.y), halves(a.z, a.w), halves(b.x, b.y), halves(b.z, b.w),
        halves(c.x, c.y), halves(c.z, c.w), halves(d.x, d.y), halves(d.z, d.w));
}

// Product of a block with x. `sum` is the sum of x, which formats with a minimum need.
fn weight_dot(block: u32, x: array<vec4<f32>, 8>, sum: f32) -> f32 {
    let w = weight_block(block);
    let total = fma(w[7], x[7], fma(w[6], x[6], fma(w[5], x[5], fma(w[4], x[4],
        fma(w[3], x[3], fma(w[2], x[2], fma(w[1], x[1], w[0] * x[0])))))));
    return total.x + total.y + total.z + total.w;
}
