
// A cache of q8: four i8 in a word, and for each block of 32 values of a head an f32 scale, a word of its own.
alias CacheWord = u32;
const CACHE_SCALES: u32 = 1u;

fn pack_cache(values: vec4<f32>, scale: f32) -> CacheWord {
    let inverse = select(0.0, 1.0 / scale, scale > 0.0);
    let v = bitcast<vec4<u32>>(vec4<i32>(clamp(round(values * inverse), vec4<f32>(-127.0), vec4<f32>(127.0))));
    let bytes = (v & vec4<u32>(255u)) << vec4<u32>(0u, 8u, 16u, 24u);
    return bytes.x | bytes.y | bytes.z | bytes.w;
}
// Still to be multiplied by the scale of their block.
fn unpack_cache(word: CacheWord) -> vec4<f32> {
    let w = bitcast<i32>(word);
    return vec4<f32>(vec4<i32>(w << 24u, w << 16u, w << 8u, w) >> vec4<u32>(24u));
}

var<workgroup> peaks: array<f32, WORKGROUP>;

// The scale of the block that a lane's four values belong to: those of eight neighbouring lanes, from a multiple of eight
// on. Every lane calls it, once.
fn block_scale(lane: u32, values: vec4<f32>) -> f32 {
    let v = abs(values);
    peaks[lane] = max(max(v.x, v.y), max(v.z, v.w));
    workgroupBarrier();
    var peak = 0.0;
    for (var i = 0u; i < 8u; i++) { peak = max(peak, peaks[lane / 8u * 8u + i]); }
    // So small that dividing by it might overflow: zeros.
    return select(0.0, peak * 0.007874016, peak > 1e-30);
}
fn pack_scale(scale: f32) -> CacheWord { return bitcast<u32>(scale); }
fn unpack_scale(word: CacheWord) -> f32 { return bitcast<f32>(word); }

// Half of a word, which waits as it is until its block is whole.
alias CachePair = vec2<f32>;

fn pack_pair(pair: vec2<f32>) -> CachePair { return pair; }
