
// A cache of f32: four values in a word, blocks without scales.
alias CacheWord = vec4<f32>;
const CACHE_SCALES: u32 = 0u;

fn pack_cache(values: vec4<f32>, scale: f32) -> CacheWord { return values; }
fn unpack_cache(word: CacheWord) -> vec4<f32> { return word; }

fn block_scale(lane: u32, values: vec4<f32>) -> f32 { return 1.0; }
fn pack_scale(scale: f32) -> CacheWord { return vec4<f32>(scale); }
fn unpack_scale(word: CacheWord) -> f32 { return word.x; }

// Half of a word.
alias CachePair = vec2<f32>;

fn pack_pair(pair: vec2<f32>) -> CachePair { return pair; }
