// y[t, h] = sum over p <= position + t of softmax over p (scale * q[t, h] . keys[g, p]) values[g, p], g = h / group
// One invocation per head h of a row t, without shared memory: for software rasterisers, where a barrier is very dear.
#import live
#import cache
#import cells
#import attend

struct Params {
    head_width: u32, group: u32, words: u32, capacity: u32, heads: u32, rows: u32,
    q_start: u32, q_stride: u32, y_stride: u32, scale: f32,
}

@group(1) @binding(0) var<uniform>             params: Params;
@group(1) @binding(1) var<storage, read>       q:      array<f32>;       // [rows, heads, head_width]
@group(1) @binding(2) var<storage, read>       keys:   array<CacheWord>; // [kv_heads, tiles, words, positions]
@group(1) @binding(3) var<storage, read>       values: array<CacheWord>; // [kv_heads, capacity, words]
@group(1) @binding(4) var<storage, read_write> y:      array<f32>;       // [rows, heads, head_width]

override WORKGROUP: u32;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    let head = id.x % params.heads;
    let row = id.x / params.heads;
    if row >= min(live.rows, params.rows) { return; }
    take_query(row * params.q_stride + params.q_start + head * params.head_width);
    let positions = live.position + row + 1u;
    for (var p = 0u; p < positions; p += 4u) { attend(head / params.group, p, positions - p); }
    let y_at = row * params.y_stride + head * params.head_width;
    for (var i = 0u; i < params.head_width; i++) { y[y_at + i] = sums[i / 4u][i % 4u] / total; }
}
