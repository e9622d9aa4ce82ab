// y[t, h] = sum over p <= position + t of softmax over p (scale * q[t, h] . keys[g, p]) values[g, p], g = h / group
// One workgroup per tile of 32 queries that share a head g of the cache: some rows times GROUP heads. It goes through the
// cache by tiles of 64 positions with a running maximum and total (online softmax: Milakov and Gimelshein 2018, arXiv
// 1805.02867; tiles: Dao et al. 2022, arXiv 2205.14135). A lane has four queries: for scores four positions of a tile, for
// sums every 16th word of a head. Queries, keys and values pass through shared memory, four words or a few positions at a
// time.
#import live
#import cache
#import cells
#import cached

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
override WORDS: u32 = 64u; // of a head
override GROUP: u32 = 1u;  // query heads in a tile
override SPAN: u32 = (WORDS + 15u) / 16u;

const QUERIES: u32 = 32u;
const CHUNK: u32 = 4u;   // words of queries and keys at a time
const STRIDE: u32 = 34u; // from a word of queries to the next: neighbours in a row of q fall on banks of their own
// Less than any score; an infinity may be assumed away by a compiler.
const LEAST: f32 = -1e30;

var<workgroup> part:   array<vec4<f32>, 136>; // [CHUNK, STRIDE] queries
var<workgroup> staged: array<vec4<f32>, 256>; // [CHUNK, TILE] keys, then [positions, WORDS] values
var<workgroup> shares: array<vec4<f32>, 512>; // [QUERIES / 4, TILE]: of four queries

// The scores of a lane's four queries with its positions of a tile: the 1st, 17th, 33rd and 49th of its column.
var<private> scores: mat4x4<f32>;
// By word: of a lane's four queries.
var<private> sums: array<mat4x4<f32>, 4>;

struct Tile {
    kv_head: u32,
    head:    u32, // the first query head
    heads:   u32,
    row:     u32, // the first row
}

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let parts = (params.group + GROUP - 1u) / GROUP;
    let kv_head = group.x / parts;
    let head = kv_head * params.group + group.x % parts * GROUP;
    let rows = QUERIES / GROUP;
    let of_tile = Tile(kv_head, head, min(GROUP, (kv_head + 1u) * params.group - head), group.z * rows);
    let end = live.position + min(of_tile.row + rows, live.rows);
    let first_query = lane / 16u * 4u;
    let column = lane % 16u;
    // The last position that each of the lane's queries sees.
    let last = live.position + of_tile.row + (first_query + vec4<u32>(0u, 1u, 2u, 3u)) / GROUP;

    var greatest = vec4<f32>(LEAST);
    var total = vec4<f32>(0.0); // the part of the lane's positions
    for (var first = 0u; first < end; first += TILE) {
        score(lane, of_tile, first);
        for (var i = 0u; i < 4u; i++) {
            let seen = vec4<u32>(first + column + 16u * i) <= last;
            scores[i] = select(vec4<f32>(LEAST), scores[i], seen);
        }
        workgroupBarrier();
        staged[lane] = max(max(scores[0], scores[1]), max(scores[2], scores[3]));
        workgroupBarrier();
        var next = greatest;
        for (var i = 0u; i < 16u; i++) { next = max(next, staged[lane - column + i]); }
        let kept = exp(greatest - next);
        greatest = next;
        total *= kept;
        for (var i = 0u; i < 4u; i++) {
            let share = exp(scores[i] - next);
            total += share;
            shares[lane / 16u * TILE + column + 16u * i] = share;
        }
        for (var i = 0u; i < SPAN; i++) { sums[i] = scaled(sums[i], kept); }
        mix(lane, kv_head, first, end);
    }

    workgroupBarrier();
    staged[lane] = total;
    workgroupBarrier();
    total = vec4<f32>(0.0);
    for (var i = 0u; i < 16u; i++) { total += staged[lane - column + i]; }
    for (var i = 0u; i < SPAN; i++) {
        let result = scaled(sums[i], 1.0 / total);
        for (var j = 0u; j < 4u; j++) { write(of_tile, first_query + j, column + 16u * i, result[j]); }
    }
}

fn scaled(of_queries: mat4x4<f32>, by: vec4<f32>) -> mat4x4<f32> {
    return mat4x4<f32>(of_queries[0] * by.x, of_queries[1] * by.y, of_queries[2] * by.z, of_queries[3] * by.w);
}

fn score(lane: u32, of_tile: Tile, first: u32) {
    scores = mat4x4<f32>();
    for (var word = 0u; word < WORDS; word += CHUNK) {
        workgroupBarrier();
        part[lane % CHUNK * STRIDE + lane / CHUNK] = query_word(of_tile, lane / CHUNK, word + lane % CHUNK);
        for (var i = lane; i < CHUNK * TILE; i += WORKGROUP) {
            var key = vec4<f32>(0.0);
            if word + i / TILE < WORDS {
                key = key_word(of_tile.kv_head, first + i % TILE, word + i / TILE);
            }
            staged[i] = key;
        }
        workgroupBarrier();
        for (var i = 0u; i < CHUNK; i++) {
            let at = i * STRIDE + lane / 16u * 4u;
            let queries = mat4x4<f32>(part[at], part[at + 1u], part[at + 2u], part[at + 3u]);
            let key_at = i * TILE + lane % 16u;
            scores += mat4x4<f32>(
                staged[key_at] * queries, staged[key_at + 16u] * queries,
                staged[key_at + 32u] * queries, staged[key_at + 48u] * queries,
            );
        }
    }
}

// Adds the tile's values, as many positions at a time as there is room for.
fn mix(lane: u32, kv_head: u32, first: u32, end: u32) {
    let positions = min(TILE, end - first);
    let most = 256u / WORDS;
    for (var start = 0u; start < positions; start += most) {
        let count = min(most, positions - start);
        workgroupBarrier();
        for (var i = lane; i < count * WORDS; i += WORKGROUP) {
            staged[i] = value_word(kv_head, first + start + i / WORDS, i % WORDS);
        }
        workgroupBarrier();
        for (var i = 0u; i < count; i++) {
            let share = shares[lane / 16u * TILE + start + i];
            for (var j = 0u; j < SPAN; j++) {
                let value = staged[i * WORDS + min(lane % 16u + 16u * j, WORDS - 1u)];
                sums[j] += mat4x4<f32>(share.x * value, share.y * value, share.z * value, share.w * value);
            }
        }
    }
}

fn query_word(of_tile: Tile, query: u32, word: u32) -> vec4<f32> {
    let row = of_tile.row + query / GROUP;
    let head = query % GROUP;
    var result = vec4<f32>(0.0);
    if row >= live.rows || head >= of_tile.heads || query / GROUP >= QUERIES / GROUP { return result; }
    let at = row * params.q_stride + params.q_start + (of_tile.head + head) * params.head_width;
    for (var d = word * 4u; d < min(word * 4u + 4u, params.head_width); d++) {
        result[d % 4u] = q[at + d] * params.scale;
    }
    return result;
}

fn write(of_tile: Tile, query: u32, word: u32, result: vec4<f32>) {
    let row = of_tile.row + query / GROUP;
    let head = query % GROUP;
    if row >= live.rows || head >= of_tile.heads || query / GROUP >= QUERIES / GROUP { return; }
    let at = row * params.y_stride + (of_tile.head + head) * params.head_width;
    for (var d = word * 4u; d < min(word * 4u + 4u, params.head_width); d++) { y[at + d] = result[d % 4u]; }
}
