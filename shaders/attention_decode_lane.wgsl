// y[h] = sum over p <= position of softmax over p (scale * q[h] . keys[g, p]) values[g, p], g = h / group, for one row
// One workgroup per query head h and split of the cache; each lane takes every WORKGROUP-th four positions, and one barrier
// stands before they are joined: for software rasterisers, where barriers and shared memory are dear.
#import live
#import cache
#import cells
#import attend
#import splits

struct Params {
    head_width: u32, group: u32, words: u32, capacity: u32,
    q_start: u32, scale: f32,
}

@group(1) @binding(0) var<uniform>             params:   Params;
@group(1) @binding(1) var<storage, read>       q:        array<f32>;       // [heads, head_width]
@group(1) @binding(2) var<storage, read>       keys:     array<CacheWord>; // [kv_heads, tiles, words, positions]
@group(1) @binding(3) var<storage, read>       values:   array<CacheWord>; // [kv_heads, capacity, words]
@group(1) @binding(4) var<storage, read_write> partials: array<vec4<f32>>; // [heads, splits, words + 1]
@group(1) @binding(5) var<storage, read_write> y:        array<f32>;       // [heads, head_width]

override WORKGROUP: u32;
override WORDS: u32 = MOST_WORDS; // of a head
override MIXED: u32 = WORDS * WORKGROUP;

var<workgroup> mixed: array<vec4<f32>, MIXED>;     // [WORKGROUP, WORDS]
var<workgroup> about: array<vec2<f32>, WORKGROUP>; // of each lane the greatest score and the total

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let head = group.x;
    let positions = live.position + 1u;
    let length = split_length(positions);
    let end = min((group.y + 1u) * length, positions);
    take_query(params.q_start + head * params.head_width);
    for (var p = group.y * length + lane * 4u; p < end; p += WORKGROUP * 4u) {
        attend(head / params.group, p, end - p);
    }
    about[lane] = vec2<f32>(greatest, total);
    for (var word = 0u; word < WORDS; word++) { mixed[lane * WORDS + word] = sums[word]; }
    workgroupBarrier();

    greatest = LEAST;
    for (var i = 0u; i < WORKGROUP; i++) { greatest = max(greatest, about[i].x); }
    for (var word = lane; word < WORDS; word += WORKGROUP) {
        var sum = vec4<f32>(0.0);
        total = 0.0;
        for (var i = 0u; i < WORKGROUP; i++) {
            let worth = exp(about[i].x - greatest);
            sum += worth * mixed[i * WORDS + word];
            total += worth * about[i].y;
        }
        if length < positions {
            let at = (head * MOST_SPLITS + group.y) * (WORDS + 1u);
            partials[at + word] = sum;
            if word == 0u { partials[at + WORDS] = vec4<f32>(greatest, total, 0.0, 0.0); }
        } else {
            let y_at = head * params.head_width + word * 4u;
            for (var i = 0u; i < min(4u, params.head_width - word * 4u); i++) { y[y_at + i] = sum[i] / total; }
        }
    }
}
