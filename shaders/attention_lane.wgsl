// y[t, h] = sum over p <= position + t of softmax over p (scale * q[t, h] . keys[g, p]) values[g, p], g = h / group
// One invocation per head h of a row t, position by position with a running maximum and total, without shared memory:
// for software rasterisers, where a barrier is very dear.
#import live
#import cache
#import cells

struct Params {
    head_width: u32, group: u32, context: u32, heads: u32, rows: u32,
    q_start: u32, q_stride: u32, y_stride: u32, scale: f32,
}

@group(1) @binding(0) var<uniform>             params: Params;
@group(1) @binding(1) var<storage, read>       q:      array<f32>;       // [rows, heads, head_width]
@group(1) @binding(2) var<storage, read>       keys:   array<CacheWord>; // [kv_heads, tiles, words, positions]
@group(1) @binding(3) var<storage, read>       values: array<CacheWord>; // [kv_heads, context, words]
@group(1) @binding(4) var<storage, read_write> y:      array<f32>;       // [rows, heads, head_width]

override WORKGROUP: u32;

// Words of the widest head: 256 values.
const WORDS: u32 = 64u;
// Less than any score; an infinity may be assumed away by a compiler.
const LEAST: f32 = -1e30;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let head = id.x % params.heads;
    let row = id.x / params.heads;
    if row >= min(live.rows, params.rows) { return; }
    let words = (params.head_width + 3u) / 4u;
    let q_at = row * params.q_stride + params.q_start + head * params.head_width;
    var query: array<vec4<f32>, WORDS>;
    var sums: array<vec4<f32>, WORDS>;
    for (var i = 0u; i < words * 4u; i++) {
        if i < params.head_width { query[i / 4u][i % 4u] = q[q_at + i] * params.scale; }
    }
    let kv_head = head / params.group;
    var greatest = LEAST;
    var total = 0.0;
    for (var p = 0u; p <= live.position + row; p++) {
        var products = vec4<f32>(0.0);
        for (var word = 0u; word < words; word++) {
            let key = unpack_cache(keys[key_at(kv_head, p, word, words, params.context)]);
            products += query[word] * key;
        }
        let score = products.x + products.y + products.z + products.w;
        let next_greatest = max(greatest, score);
        let kept = exp(greatest - next_greatest);
        let share = exp(score - next_greatest);
        greatest = next_greatest;
        total = total * kept + share;
        let at = value_at(kv_head, p, 0u, words, params.context);
        for (var word = 0u; word < words; word++) {
            sums[word] = sums[word] * kept + share * unpack_cache(values[at + word]);
        }
    }
    let y_at = row * params.y_stride + head * params.head_width;
    for (var i = 0u; i < params.head_width; i++) { y[y_at + i] = sums[i / 4u][i % 4u] / total; }
}
