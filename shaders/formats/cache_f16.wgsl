
// A cache of f16: four values in a word, blocks without scales; works without `shader-f16`.
alias CacheWord = vec2<u32>;
const CACHE_SCALES: u32 = 0u;

fn pack_cache(values: vec4<f32>, scale: f32) -> CacheWord {
    let v = clamp(values, vec4<f32>(-65504.0), vec4<f32>(65504.0));
    return vec2<u32>(pack2x16float(v.xy), pack2x16float(v.zw));
}
fn unpack_cache(word: CacheWord) -> vec4<f32> {
    return vec4<f32>(unpack2x16float(word.x), unpack2x16float(word.y));
}

fn block_scale(lane: u32, values: vec4<f32>) -> f32 { return 1.0; }
fn pack_scale(scale: f32) -> CacheWord { return vec2<u32>(bitcast<u32>(scale), 0u); }
fn unpack_scale(word: CacheWord) -> f32 { return bitcast<f32>(word.x); }

// Half of a word.
alias CachePair = u32;

fn pack_pair(pair: vec2<f32>) -> CachePair {
    return pack2x16float(clamp(pair, vec2<f32>(-65504.0), vec2<f32>(65504.0)));
}
