// y[h] = sum over p <= position of softmax over p (scale * q[h] . keys[g, p]) values[g, p], g = h / group, for one row
// One workgroup per head g of the cache, split of its positions and GROUP of the query heads that share it, so that keys
// and values are read once for all of them. A chunk of positions at a time, with a running maximum and total (online
// softmax: Milakov and Gimelshein 2018, arXiv 1805.02867): scores with a position per lane, then sums with a word per lane.
// Of several splits each leaves its sums, maximum and total for attention_merge (Dao et al. 2023, Flash-Decoding).
#import live
#import cache
#import cells
#import cached
#import splits
#import shares

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
override WORDS: u32 = 32u; // of a head
override GROUP: u32 = 8u;  // query heads in a workgroup, at most 8
override QUERY_WORDS: u32 = WORDS * GROUP;
override SCORES: u32 = WORKGROUP * GROUP;

// Less than any score; an infinity may be assumed away by a compiler.
const LEAST: f32 = -1e30;

var<workgroup> queries:  array<vec4<f32>, QUERY_WORDS>; // [words, GROUP]
var<workgroup> scores:   array<f32, SCORES>;            // [GROUP, WORKGROUP], then shares
var<workgroup> kept:     array<f32, 8>;                 // by head: what earlier sums are worth, then the maximum
var<workgroup> mixed:    array<vec4<f32>, WORKGROUP>;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let parts = (params.group + GROUP - 1u) / GROUP;
    let kv_head = group.x / parts;
    let head = kv_head * params.group + group.x % parts * GROUP;
    let heads = min(GROUP, (kv_head + 1u) * params.group - head);
    load_queries(lane, head, heads);

    let positions = live.position + 1u;
    let length = split_length(positions);
    let start = group.y * length;
    let end = min(start + length, positions);
    let teams = WORKGROUP / WORDS;
    var sums: array<vec4<f32>, 8>;
    for (var first = start; first < end; first += WORKGROUP) {
        workgroupBarrier();
        let count = min(WORKGROUP, end - first);
        score(lane, kv_head, first, count);
        share(lane);
        for (var h = 0u; h < GROUP; h++) { sums[h] *= kept[h]; }
        if lane < teams * WORDS {
            // Four positions at a time: loads that don't wait for each other.
            let word = lane % WORDS;
            for (var i = lane / WORDS; i < count; i += 4u * teams) {
                for (var j = 0u; j < 4u; j++) {
                    let place = i + j * teams;
                    let value = value_word(kv_head, first + min(place, count - 1u), word);
                    for (var h = 0u; h < GROUP; h++) {
                        sums[h] += select(0.0, scores[h * WORKGROUP + min(place, count - 1u)], place < count) * value;
                    }
                }
            }
        }
    }
    settle(lane);
    let several = length < positions;
    for (var h = 0u; h < GROUP; h++) {
        workgroupBarrier();
        mixed[lane] = sums[h];
        workgroupBarrier();
        if h < heads && lane < WORDS {
            for (var other = 1u; other < teams; other++) { sums[h] += mixed[other * WORDS + lane]; }
            let total_of_head = whole(h);
            if several {
                let at = ((head + h) * MOST_SPLITS + group.y) * (WORDS + 1u);
                partials[at + lane] = sums[h];
                if lane == 0u { partials[at + WORDS] = vec4<f32>(kept[h], total_of_head, 0.0, 0.0); }
            } else {
                write(head + h, lane, sums[h] / total_of_head);
            }
        }
    }
}

fn load_queries(lane: u32, head: u32, heads: u32) {
    for (var i = lane; i < QUERY_WORDS; i += WORKGROUP) {
        let h = i % GROUP;
        var word = vec4<f32>(0.0);
        for (var j = 0u; j < 4u; j++) {
            let d = i / GROUP * 4u + j;
            if h < heads && d < params.head_width {
                word[j] = q[params.q_start + (head + h) * params.head_width + d] * params.scale;
            }
        }
        queries[i] = word;
    }
}

// The scores of the lane's position with every head.
fn score(lane: u32, kv_head: u32, first: u32, count: u32) {
    var result: array<f32, 8>;
    if lane < count {
        var scale = 1.0;
        for (var word = 0u; word < WORDS; word++) {
            if word % BLOCK_WORDS == 0u { scale = key_scale(kv_head, first + lane, word); }
            let key = scale * unpack_cache(keys[key_at(kv_head, first + lane, word)]);
            for (var h = 0u; h < GROUP; h++) { result[h] += dot(queries[word * GROUP + h], key); }
        }
    }
    for (var h = 0u; h < GROUP; h++) { scores[h * WORKGROUP + lane] = select(LEAST, result[h], lane < count); }
}

fn write(head: u32, word: u32, result: vec4<f32>) {
    for (var i = 0u; i < 4u; i++) {
        let d = word * 4u + i;
        if d < params.head_width { y[head * params.head_width + d] = result[i]; }
    }
}
