
// A cache of f32: four values in a word.
alias CacheWord = vec4<f32>;

fn pack_cache(values: vec4<f32>) -> CacheWord { return values; }
fn unpack_cache(word: CacheWord) -> vec4<f32> { return word; }

// Half of a word.
alias CachePair = vec2<f32>;

fn pack_pair(pair: vec2<f32>) -> CachePair { return pair; }
