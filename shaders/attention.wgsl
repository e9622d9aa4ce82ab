// y[t, h] = sum over p <= position + t of softmax over p (scale * q[t, h] . keys[g, p]) values[g, p], g = h / group
// One workgroup per head h of a row t. Scores are taken a tile of positions at a time with a running maximum and total
// (online softmax: Milakov and Gimelshein 2018, arXiv 1805.02867), so nothing grows with the context.
#import live
#import cache
#import cells

struct Params {
    head_width: u32, group: u32, words: u32, capacity: u32,
    q_start: u32, q_stride: u32, y_stride: u32, scale: f32,
}

@group(1) @binding(0) var<uniform>             params: Params;
@group(1) @binding(1) var<storage, read>       q:      array<f32>;       // [rows, heads, head_width]
@group(1) @binding(2) var<storage, read>       keys:   array<CacheWord>; // [kv_heads, tiles, words, positions]
@group(1) @binding(3) var<storage, read>       values: array<CacheWord>; // [kv_heads, capacity, words]
@group(1) @binding(4) var<storage, read_write> y:      array<f32>;       // [rows, heads, head_width]

override WORKGROUP: u32;

// Words of the widest head: 256 values.
const WORDS: u32 = 64u;
// Less than any score; an infinity may be assumed away by a compiler.
const LEAST: f32 = -1e30;

var<workgroup> query:  array<vec4<f32>, WORDS>;
var<workgroup> scores: array<f32, WORKGROUP>;
var<workgroup> shares: array<f32, WORKGROUP>;
var<workgroup> sums:   array<vec4<f32>, WORKGROUP>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let words = params.words;
    let q_at = group.z * params.q_stride + params.q_start + group.x * params.head_width;
    for (var word = lane; word < words; word += WORKGROUP) { query[word] = query_word(q_at, word); }
    workgroupBarrier();

    // Keys: a position per lane. Values: a word per lane, the tile's positions divided among `teams` of lanes.
    let kv_head = group.x / params.group;
    let teams = WORKGROUP / words;
    let team = lane / words;
    let word = lane % words;
    let positions = live.position + group.z + 1u;
    var greatest = LEAST;
    var total = 0.0;
    var sum = vec4<f32>(0.0);
    for (var first = 0u; first < positions; first += WORKGROUP) {
        let tile = min(WORKGROUP, positions - first);
        var score = LEAST;
        if lane < tile { score = key_score(kv_head, first + lane, words); }
        scores[lane] = score;
        workgroupBarrier();
        var next_greatest = greatest;
        for (var i = 0u; i < tile; i++) { next_greatest = max(next_greatest, scores[i]); }
        shares[lane] = exp(score - next_greatest);
        workgroupBarrier();
        let kept = exp(greatest - next_greatest);
        greatest = next_greatest;
        total *= kept;
        sum *= kept;
        for (var i = 0u; i < tile; i++) { total += shares[i]; }
        if team < teams {
            for (var i = team; i < tile; i += teams) {
                sum += shares[i] * unpack_cache(values[value_at(kv_head, first + i, word)]);
            }
        }
    }
    sums[lane] = sum;
    workgroupBarrier();
    if lane < words {
        for (var other = 1u; other < teams; other++) { sum += sums[other * words + lane]; }
        let y_at = group.z * params.y_stride + group.x * params.head_width;
        for (var i = 0u; i < 4u; i++) {
            let d = lane * 4u + i;
            if d < params.head_width { y[y_at + d] = sum[i] / total; }
        }
    }
}

fn query_word(q_at: u32, word: u32) -> vec4<f32> {
    var result = vec4<f32>(0.0);
    for (var i = 0u; i < 4u; i++) {
        let d = word * 4u + i;
        if d < params.head_width { result[i] = q[q_at + d] * params.scale; }
    }
    return result;
}

fn key_score(head: u32, position: u32, words: u32) -> f32 {
    var score = 0.0;
    for (var word = 0u; word < words; word++) {
        score += dot(query[word], unpack_cache(keys[key_at(head, position, word)]));
    }
    return score;
}
