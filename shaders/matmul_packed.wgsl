// y[t, o] = epilogue(sum over i of weights[o, i] * x[t, i]), x being whole numbers
// One workgroup per tile of 64 rows t by 64 outputs o. A block of 32 inputs at a time goes through shared memory, in bytes
// as it stands, while the next one is on its way into registers; each lane holds 4 x 4 sums.
requires packed_4x8_integer_dot_product;

#import live
#import planes
#import packed
#import epilogue
#import activation
#import weights

struct Params { first_output: u32, outputs: u32, blocks: u32, rows: u32, y_start: u32, y_stride: u32 }

@group(1) @binding(0) var<uniform>             params: Params;
@group(1) @binding(1) var<storage, read>       q:      array<vec4<u32>>; // [rows, blocks, WORDS]
@group(1) @binding(2) var<storage, read>       bias:   array<f32>;       // [all outputs]
@group(1) @binding(3) var<storage, read_write> y:      array<f32>;       // [rows, all outputs]

override WORKGROUP: u32; // 256

const TILE: u32 = 64u;
const ACROSS: u32 = 16u; // lanes side by side over the outputs, and down over the rows

// Of each output two words of bytes, and one with its scale and minimum; of each row what stands in q, of which two planes
// take five. Odd numbers keep neighbours in different banks.
const W_WORDS: u32 = 3u;
const X_WORDS: u32 = 5u;
var<workgroup> tile_w: array<vec4<u32>, 192>;
var<workgroup> tile_x: array<vec4<u32>, 320>;

// What a lane brings of a block: half the bytes of an output, and up to two words of rows.
struct Fetched { w: vec4<u32>, pair: vec2<f32>, x: vec4<u32>, more_x: vec4<u32> }

// The tile: rows in use, its first row and its first output.
struct Tile { rows: u32, row: u32, output: u32 }

fn fetch_x(tile: Tile, place: u32, block: u32) -> vec4<u32> {
    let row = min(tile.row + place / WORDS, tile.rows - 1u);
    return q[(row * params.blocks + block) * WORDS + place % WORDS];
}

fn fetch(tile: Tile, lane: u32, block: u32) -> Fetched {
    var fetched: Fetched;
    if lane < 2u * TILE {
        let place = min(tile.output + lane / 2u, params.outputs - 1u) * params.blocks + block;
        fetched.w = weight_half(place, lane % 2u);
        fetched.pair = weight_pair(place);
    }
    if lane < TILE * WORDS { fetched.x = fetch_x(tile, lane, block); }
    if lane + WORKGROUP < TILE * WORDS { fetched.more_x = fetch_x(tile, lane + WORKGROUP, block); }
    return fetched;
}

fn put_x(place: u32, word: vec4<u32>) {
    if place < TILE * WORDS { tile_x[place / WORDS * X_WORDS + place % WORDS] = word; }
}

fn put(fetched: Fetched, lane: u32) {
    if lane < 2u * TILE {
        let to = lane / 2u * W_WORDS;
        tile_w[to + lane % 2u] = fetched.w;
        if lane % 2u == 0u { tile_w[to + 2u] = vec4<u32>(bitcast<vec2<u32>>(fetched.pair), 0u, 0u); }
    }
    put_x(lane, fetched.x);
    put_x(lane + WORKGROUP, fetched.more_x);
}

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let tile = Tile(min(live.rows, params.rows), group.z * TILE, (group.x + group.y * groups.x) * TILE);
    let o = lane % ACROSS * W_WORDS; // outputs o, o + ACROSS, and so on: neighbours write neighbours
    let t = lane / ACROSS * X_WORDS; // rows likewise
    let down = ACROSS * X_WORDS;
    let across = ACROSS * W_WORDS;
    // Each is a row by four outputs. Named one by one: an array that is indexed may end up outside of registers.
    var sums_0 = vec4<f32>(0.0);
    var sums_1 = vec4<f32>(0.0);
    var sums_2 = vec4<f32>(0.0);
    var sums_3 = vec4<f32>(0.0);
    var fetched = fetch(tile, lane, 0u);
    for (var block = 0u; block < params.blocks; block++) {
        put(fetched, lane);
        workgroupBarrier();
        fetched = fetch(tile, lane, min(block + 1u, params.blocks - 1u));
        var part_0 = vec4<i32>(0);
        var part_1 = vec4<i32>(0);
        var part_2 = vec4<i32>(0);
        var part_3 = vec4<i32>(0);
        for (var i = 0u; i < 2u * PLANES; i++) {
            if i == 2u {
                // The bytes so far were the high ones.
                part_0 = part_0 << vec4<u32>(8u);
                part_1 = part_1 << vec4<u32>(8u);
                part_2 = part_2 << vec4<u32>(8u);
                part_3 = part_3 << vec4<u32>(8u);
            }
            let at = o + i % 2u;
            let w = Four(tile_w[at], tile_w[at + across], tile_w[at + 2u * across], tile_w[at + 3u * across]);
            part_0 += products(tile_x[t + i], w);
            part_1 += products(tile_x[t + down + i], w);
            part_2 += products(tile_x[t + 2u * down + i], w);
            part_3 += products(tile_x[t + 3u * down + i], w);
        }
        let at = o + 2u;
        let a = pair_of(tile_w[at]);
        let b = pair_of(tile_w[at + across]);
        let c = pair_of(tile_w[at + 2u * across]);
        let d = pair_of(tile_w[at + 3u * across]);
        let scales = vec4<f32>(a.x, b.x, c.x, d.x);
        let minima = vec4<f32>(a.y, b.y, c.y, d.y);
        let pair = t + WORDS - 1u;
        sums_0 += scaled_by(part_0, pair_of(tile_x[pair]), scales, minima);
        sums_1 += scaled_by(part_1, pair_of(tile_x[pair + down]), scales, minima);
        sums_2 += scaled_by(part_2, pair_of(tile_x[pair + 2u * down]), scales, minima);
        sums_3 += scaled_by(part_3, pair_of(tile_x[pair + 3u * down]), scales, minima);
        workgroupBarrier();
    }
    write_four(tile, lane, 0u, sums_0);
    write_four(tile, lane, 1u, sums_1);
    write_four(tile, lane, 2u, sums_2);
    write_four(tile, lane, 3u, sums_3);
}

// Sixteen bytes of four outputs.
struct Four { a: vec4<u32>, b: vec4<u32>, c: vec4<u32>, d: vec4<u32> }

fn products(x: vec4<u32>, w: Four) -> vec4<i32> {
    return vec4<i32>(dots(x, w.a), dots(x, w.b), dots(x, w.c), dots(x, w.d));
}

// A scale and a minimum, or a scale and a sum.
fn pair_of(word: vec4<u32>) -> vec2<f32> { return bitcast<vec2<f32>>(word.xy); }

fn scaled_by(parts: vec4<i32>, pair: vec2<f32>, scales: vec4<f32>, minima: vec4<f32>) -> vec4<f32> {
    let product = vec4<f32>(parts) * (pair.x * scales);
    if HAS_MINIMUM { return product + pair.y * minima; }
    return product;
}

fn write_four(tile: Tile, lane: u32, i: u32, sums: vec4<f32>) {
    let row = tile.row + lane / ACROSS + ACROSS * i;
    if row >= tile.rows { return; }
    for (var k = 0u; k < 4u; k++) {
        let output = tile.output + lane % ACROSS + ACROSS * k;
        if output < params.outputs { write(row, params.first_output + output, sums[k]); }
    }
}
