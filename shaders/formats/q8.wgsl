// q8: 32 x i8 in two words of 16 bytes, and an f16 scale. w = scale * q

@group(2) @binding(0) var<storage, read> weights: array<vec4<u32>>; // [outputs, blocks, 2]
@group(2) @binding(1) var<storage, read> scales:  array<u32>;       // [outputs, blocks] halves, two in a word

fn weight_scale(block: u32) -> f32 {
    return unpack2x16float(scales[block / 2u] >> ((block & 1u) * 16u)).x;
}

// What a value that is left at its byte's place is multiplied by: powers of two, so nothing is lost. Software rasterisers
// shift lane by lane, which would take most of the time.
const PLACES: vec4<f32> = vec4<f32>(1.0, 0.00390625, 0.0000152587890625, 0.000000059604644775390625);

// Four signed bytes at their places: the uppermost keeps its sign, the others are made positive by 128, which is taken off
// again. Signed conversions are far cheaper than unsigned ones on software rasterisers.
fn bytes(word: u32) -> vec4<f32> {
    let w = vec4<i32>(bitcast<i32>(word ^ 0x00808080u)) & vec4<i32>(0xff, 0xff00, 0xff0000, -0x1000000);
    return vec4<f32>(w) - vec4<f32>(128.0, 32768.0, 8388608.0, 0.0);
}

// What is loaded for values 4 i to 4 i + 3 of a block, and those values.
struct Raw { word: u32, scale: f32 }

fn weight_raw(block: u32, i: u32) -> Raw {
    return Raw(weights[block * 2u + i / 4u][i & 3u], weight_scale(block));
}

fn weight_values(raw: Raw, i: u32) -> vec4<f32> { return raw.scale * PLACES * bytes(raw.word); }

fn weight_vec4(block: u32, i: u32) -> vec4<f32> { return weight_values(weight_raw(block, i), i); }

// All values of a block.
fn weight_block(block: u32) -> array<vec4<f32>, 8> {
    let steps = weight_scale(block) * PLACES;
    let a = weights[block * 2u];
    let b = weights[block * 2u + 1u];
    return array<vec4<f32>, 8>(
        steps * bytes(a.x), steps * bytes(a.y), steps * bytes(a.z), steps * bytes(a.w),
        steps * bytes(b.x), steps * bytes(b.y), steps * bytes(b.z), steps * bytes(b.w));
}

// Product of a block with x. `sum` is the sum of x, which formats with a minimum need.
fn weight_dot(block: u32, x: array<vec4<f32>, 8>, sum: f32) -> f32 {
    let a = weights[block * 2u];
    let b = weights[block * 2u + 1u];
    var total = fma(bytes(a.y), x[1], bytes(a.x) * x[0]);
    total = fma(bytes(a.w), x[3], fma(bytes(a.z), x[2], total));
    total = fma(bytes(b.y), x[5], fma(bytes(b.x), x[4], total));
    total = fma(bytes(b.w), x[7], fma(bytes(b.z), x[6], total));
    return weight_scale(block) * dot(total, PLACES);
}

// The values of a block as bytes, before its scale; there is no minimum.
struct Bytes { low: vec4<u32>, high: vec4<u32>, pair: vec2<f32> }

const HAS_MINIMUM: bool = false;

fn weight_pair(block: u32) -> vec2<f32> { return vec2<f32>(weight_scale(block), 0.0); }

fn weight_half(block: u32, half: u32) -> vec4<u32> { return weights[block * 2u + half]; }

fn weight_bytes(block: u32) -> Bytes {
    return Bytes(weights[block * 2u], weights[block * 2u + 1u], weight_pair(block));
}
