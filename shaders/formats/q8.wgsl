// q8: 32 x i8 in two words of 16 bytes, and an f16 scale. w = scale * q

@group(2) @binding(0) var<storage, read> weights: array<vec4<u32>>; // [outputs, blocks, 2]
@group(2) @binding(1) var<storage, read> scales:  array<u32>;       // [outputs, blocks] halves, two in a word

fn weight_scale(block: u32) -> f32 {
    return unpack2x16float(scales[block / 2u] >> ((block & 1u) * 16u)).x;
}

// Four signed bytes. Signed conversions are far cheaper than unsigned ones on software rasterisers.
fn bytes(word: u32) -> vec4<f32> {
    let w = bitcast<i32>(word);
    return vec4<f32>(vec4<i32>(w << 24u, w << 16u, w << 8u, w) >> vec4<u32>(24u));
}

// What is loaded for values 4 i to 4 i + 3 of a block, and those values.
struct Raw { word: u32, scale: f32 }

fn weight_raw(block: u32, i: u32) -> Raw {
    return Raw(weights[block * 2u + i / 4u][i & 3u], weight_scale(block));
}

fn weight_values(raw: Raw, i: u32) -> vec4<f32> { return raw.scale * bytes(raw.word); }

fn weight_vec4(block: u32, i: u32) -> vec4<f32> { return weight_values(weight_raw(block, i), i); }

// All values of a block.
fn weight_block(block: u32) -> array<vec4<f32>, 8> {
    let scale = weight_scale(block);
    let a = weights[block * 2u];
    let b = weights[block * 2u + 1u];
    return array<vec4<f32>, 8>(
        scale * bytes(a.x), scale * bytes(a.y), scale * bytes(a.z), scale * bytes(a.w),
        scale * bytes(b.x), scale * bytes(b.y), scale * bytes(b.z), scale * bytes(b.w));
}

// Product of a block with x. `sum` is the sum of x, which formats with a minimum need.
fn weight_dot(block: u32, x: array<vec4<f32>, 8>, sum: f32) -> f32 {
    let a = weights[block * 2u];
    let b = weights[block * 2u + 1u];
    var total = fma(bytes(a.y), x[1], bytes(a.x) * x[0]);
    total = fma(bytes(a.w), x[3], fma(bytes(a.z), x[2], total));
    total = fma(bytes(b.y), x[5], fma(bytes(b.x), x[4], total));
    total = fma(bytes(b.w), x[7], fma(bytes(b.z), x[6], total));
    return weight_scale(block) * (total.x + total.y + total.z + total.w);
}

// The values of a block as bytes, before its scale; there is no minimum.
struct Bytes { low: vec4<u32>, high: vec4<u32>, pair: vec2<f32> }

const HAS_MINIMUM: bool = false;

fn weight_pair(block: u32) -> vec2<f32> { return vec2<f32>(weight_scale(block), 0.0); }

fn weight_half(block: u32, half: u32) -> vec4<u32> { return weights[block * 2u + half]; }

fn weight_bytes(block: u32) -> Bytes {
    return Bytes(weights[block * 2u], weights[block * 2u + 1u], weight_pair(block));
}
