// Queries, keys and values of a row, side by side in x: queries to y, keys and values to the cache. Before that queries and
// keys are scaled to unit mean square head by head (HAS_NORMS) and rotated by position (HAS_ROTATION).
// One invocation per four values of a head; all of a head's stand in one workgroup, for the sum of its squares.
#import live
#import cache
#import cells
#import rotate

struct Params {
    heads: u32, kv_heads: u32, head_width: u32, words: u32, capacity: u32, rotary: u32, adjacent: u32,
    x_stride: u32, y_stride: u32, epsilon: f32,
}

@group(1) @binding(0) var<uniform>             params:     Params;
@group(1) @binding(1) var<storage, read>       x:          array<f32>;       // [rows, heads + 2 kv_heads, head_width]
@group(1) @binding(2) var<storage, read>       query_gain: array<f32>;       // [head_width]
@group(1) @binding(3) var<storage, read>       key_gain:   array<f32>;       // [head_width]
@group(1) @binding(4) var<storage, read>       table:      array<vec2<f32>>; // [context, rotary / 2]: cosine, sine
@group(1) @binding(5) var<storage, read_write> y:          array<f32>;       // [rows, heads, head_width]
@group(1) @binding(6) var<storage, read_write> keys:       array<CacheWord>; // [kv_heads, tiles, words, positions]
@group(1) @binding(7) var<storage, read_write> values:     array<CacheWord>; // [kv_heads, capacity, words]

override WORKGROUP: u32;
override HAS_NORMS: bool = false;
override HAS_ROTATION: bool = false;

var<workgroup> squares: array<f32, WORKGROUP>;

// What an invocation works on.
struct Place {
    head:     u32, // of all heads of x
    x_at:     u32, // where the head starts
    position: u32,
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let words = params.words;
    let heads_each = WORKGROUP / words;
    let place = lane / words;
    let word = lane % words;
    let head = group.x * heads_each + place;
    let busy = place < heads_each && head < params.heads + 2u * params.kv_heads;
    let at = Place(head, group.z * params.x_stride + head * params.head_width, live.position + group.z);

    var scale = 1.0;
    if HAS_NORMS {
        var sum = 0.0;
        for (var d = word * 4u; busy && d < min(word * 4u + 4u, params.head_width); d++) {
            sum += x[at.x_at + d] * x[at.x_at + d];
        }
        squares[lane] = sum;
        workgroupBarrier();
        sum = 0.0;
        for (var i = 0u; busy && i < words; i++) { sum += squares[place * words + i]; }
        scale = inverseSqrt(sum / f32(params.head_width) + params.epsilon);
    }
    var result = vec4<f32>(0.0);
    for (var i = 0u; i < 4u; i++) {
        let d = word * 4u + i;
        if busy && d < params.head_width { result[i] = finished(at, d, scale); }
    }
    let block = block_scale(lane, result);
    if !busy { return; }
    if head < params.heads {
        let y_at = group.z * params.y_stride + head * params.head_width + word * 4u;
        for (var i = 0u; i < min(4u, params.head_width - word * 4u); i++) { y[y_at + i] = result[i]; }
        return;
    }
    let kept = pack_cache(result, block);
    let is_first = CACHE_SCALES == 1u && word % BLOCK_WORDS == 0u;
    if head < params.heads + params.kv_heads {
        let key = head - params.heads;
        keys[key_at(key, at.position, word)] = kept;
        if is_first { keys[key_cell(key, at.position, scale_cell(word))] = pack_scale(block); }
    } else {
        let value = head - params.heads - params.kv_heads;
        values[value_at(value, at.position, word)] = kept;
        if is_first { values[value_cell(value, at.position, scale_cell(word))] = pack_scale(block); }
    }
}

fn finished(at: Place, d: u32, scale: f32) -> f32 {
    let own = normed(at, d, scale);
    if !HAS_ROTATION || at.head >= params.heads + params.kv_heads || d >= params.rotary { return own; }
    let pair = partner(d, params.rotary, params.adjacent == 1u);
    let turn = table[at.position * (params.rotary / 2u) + pair.turn];
    return turned(own, normed(at, pair.d, scale), turn, pair.second);
}

fn normed(at: Place, d: u32, scale: f32) -> f32 {
    let value = x[at.x_at + d];
    if !HAS_NORMS || at.head >= params.heads + params.kv_heads { return value; }
    if at.head < params.heads { return query_gain[d] * value * scale; }
    return key_gain[d] * value * scale;
}
