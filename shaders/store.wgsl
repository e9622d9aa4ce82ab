// cache[h, position + t, d] = x[t, h, d]: keys or values of a layer
// One invocation per four values of a head; a head is padded with zeros to a multiple of four.
#import live
#import cache
#import cells

struct Params { kv_heads: u32, head_width: u32, words: u32, capacity: u32, keys: u32, x_start: u32, x_stride: u32 }

@group(1) @binding(0) var<uniform>             params: Params;
@group(1) @binding(1) var<storage, read>       x:      array<f32>;       // [rows, kv_heads, head_width]
@group(1) @binding(2) var<storage, read_write> cache:  array<CacheWord>; // [kv_heads, positions, words], keys by tiles

override WORKGROUP: u32;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let words = params.words;
    let head = id.x / words;
    let word = id.x % words;
    let busy = head < params.kv_heads;
    let x_at = id.z * params.x_stride + params.x_start + head * params.head_width;
    var values = vec4<f32>(0.0);
    for (var i = 0u; i < 4u; i++) {
        let d = word * 4u + i;
        if busy && d < params.head_width { values[i] = x[x_at + d]; }
    }
    let scale = block_scale(lane, values);
    if !busy { return; }
    cache[place(head, id.z, cell(word))] = pack_cache(values, scale);
    if CACHE_SCALES == 1u && word % BLOCK_WORDS == 0u { cache[place(head, id.z, scale_cell(word))] = pack_scale(scale); }
}

fn place(head: u32, row: u32, cell_of_head: u32) -> u32 {
    if params.keys == 1u { return key_cell(head, live.position + row, cell_of_head); }
    return value_cell(head, live.position + row, cell_of_head);
}
