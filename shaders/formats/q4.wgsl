// q4: 32 x u4 in one word of 16 bytes, an f16 scale and an f16 minimum. w = scale * q + minimum

@group(2) @binding(0) var<storage, read> weights: array<vec4<u32>>; // [outputs, blocks]
@group(2) @binding(1) var<storage, read> scales:  array<u32>;       // [outputs, blocks], scale low and minimum high

// What a value that is left at its byte's place is multiplied by: powers of two, so nothing is lost. Software rasterisers
// shift lane by lane, which would take most of the time.
const PLACES: vec4<f32> = vec4<f32>(1.0, 0.00390625, 0.0000152587890625, 0.000000059604644775390625);

// Four values of 0 to 15, one in each byte, at their places. Signed conversions are far cheaper on software rasterisers.
fn nibbles(word: u32) -> vec4<f32> {
    return vec4<f32>(vec4<i32>(bitcast<i32>(word)) & vec4<i32>(0xf, 0xf00, 0xf0000, 0xf000000));
}

// Four values by their scale at each place, and minimum.
fn scaled(steps: vec4<f32>, minimum: f32, word: u32) -> vec4<f32> { return fma(steps, nibbles(word), vec4(minimum)); }

// What is loaded for values 4 i to 4 i + 3 of a block, and those values: the low half of the bytes first, then the high.
struct Raw { word: u32, scales: u32 }

fn weight_raw(block: u32, i: u32) -> Raw { return Raw(weights[block][i & 3u], scales[block]); }

fn weight_values(raw: Raw, i: u32) -> vec4<f32> {
    let pair = unpack2x16float(raw.scales);
    return scaled(pair.x * PLACES, pair.y, raw.word >> ((i / 4u) * 4u));
}

fn weight_vec4(block: u32, i: u32) -> vec4<f32> { return weight_values(weight_raw(block, i), i); }

// All values of a block.
fn weight_block(block: u32) -> array<vec4<f32>, 8> {
    let pair = unpack2x16float(scales[block]);
    let steps = pair.x * PLACES;
    let low = weights[block];
    let high = low >> vec4<u32>(4u);
    return array<vec4<f32>, 8>(
        scaled(steps, pair.y, low.x), scaled(steps, pair.y, low.y),
        scaled(steps, pair.y, low.z), scaled(steps, pair.y, low.w),
        scaled(steps, pair.y, high.x), scaled(steps, pair.y, high.y),
        scaled(steps, pair.y, high.z), scaled(steps, pair.y, high.w));
}

// Product of a block with x, whose sum is `sum`: the minimum is taken out of the loop, and the places are.
fn weight_dot(block: u32, x: array<vec4<f32>, 8>, sum: f32) -> f32 {
    let pair = unpack2x16float(scales[block]);
    let low = weights[block];
    let high = low >> vec4<u32>(4u);
    var total = fma(nibbles(low.y), x[1], nibbles(low.x) * x[0]);
    total = fma(nibbles(low.w), x[3], fma(nibbles(low.z), x[2], total));
    total = fma(nibbles(high.y), x[5], fma(nibbles(high.x), x[4], total));
    total = fma(nibbles(high.w), x[7], fma(nibbles(high.z), x[6], total));
    return pair.x * dot(total, PLACES) + pair.y * sum;
}

// The values of a block as bytes, before its scale and minimum.
struct Bytes { low: vec4<u32>, high: vec4<u32>, pair: vec2<f32> }

const HAS_MINIMUM: bool = true;

fn weight_pair(block: u32) -> vec2<f32> { return unpack2x16float(scales[block]); }

fn weight_half(block: u32, half: u32) -> vec4<u32> {
    return (weights[block] >> vec4<u32>(half * 4u)) & vec4<u32>(0x0f0f0f0fu);
}

fn weight_bytes(block: u32) -> Bytes {
    let both = weights[block];
    let mask = vec4<u32>(0x0f0f0f0fu);
    return Bytes(both & mask, (both >> vec4<u32>(4u)) & mask, weight_pair(block));
}
