// cache[h, position + t, d] = x[t, h, d]: keys or values of a layer
// One invocation per four values of a head; a head is padded with zeros to a multiple of four.
#import live
#import cache
#import cells

struct Params { kv_heads: u32, head_width: u32, words: u32, capacity: u32, keys: u32, x_start: u32, x_stride: u32 }

@group(1) @binding(0) var<uniform>             params: Params;
@group(1) @binding(1) var<storage, read>       x:      array<f32>;       // [rows, kv_heads, head_width]
@group(1) @binding(2) var<storage, read_write> cache:  array<CacheWord>; // [kv_heads, positions, words]

override WORKGROUP: u32;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let words = params.words;
    let head = id.x / words;
    let word = id.x % words;
    if head >= params.kv_heads { return; }
    let x_at = id.z * params.x_stride + params.x_start + head * params.head_width;
    var values = vec4<f32>(0.0);
    for (var i = 0u; i < 4u; i++) {
        let d = word * 4u + i;
        if d < params.head_width { values[i] = x[x_at + d]; }
    }
    let position = live.position + id.z;
    var at = value_at(head, position, word);
    if params.keys == 1u { at = key_at(head, position, word); }
    cache[at] = pack_cache(values);
}
