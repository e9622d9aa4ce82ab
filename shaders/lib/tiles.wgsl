
// A tile of rows t by outputs o for each workgroup. Half a block of inputs at a time goes through shared memory, decoded
// once, while the next half is on its way into registers; each lane holds 4 x 4 sums, or 8 x 4 in a tall tile.
// Needs `Element`, four values in shared memory, and `element(values)`, which makes one.
override WORKGROUP: u32;
override TILE_T: u32 = 32u;  // rows of a tile
override TILE_O: u32 = 32u;  // outputs of a tile, four to a lane
override TALL: bool = false; // eight rows to a lane rather than four

// A slice is 16 inputs, four in each element; one element more keeps neighbouring rows in different banks.
const SLICE: u32 = 4u;
var<workgroup> tile_w: array<array<Element, 5>, TILE_O>;
var<workgroup> tile_x: array<array<Element, 5>, TILE_T>;

// What a lane brings of a slice: of a tile's elements the one of its own number and, where there are more than lanes, the
// one as many further on. A tile has at most two for each lane.
struct Fetched { w: Raw, more_w: Raw, x: vec4<f32>, more_x: vec4<f32> }

// The tile: rows in use, its first row and its first output.
struct Tile { rows: u32, row: u32, output: u32 }

fn fetch_w(tile: Tile, place: u32, at: u32) -> Raw {
    let output = min(tile.output + place / SLICE, params.outputs - 1u);
    return weight_raw(output * params.blocks + at / 8u, at % 8u + place % SLICE);
}

fn fetch_x(tile: Tile, place: u32, at: u32) -> vec4<f32> {
    let row = min(tile.row + place / SLICE, tile.rows - 1u);
    return x[row * params.blocks * 8u + at + place % SLICE];
}

// From element `at` of the rows on.
fn fetch(tile: Tile, lane: u32, at: u32) -> Fetched {
    var fetched: Fetched;
    fetched.w = fetch_w(tile, lane, at);
    fetched.x = fetch_x(tile, lane, at);
    if TILE_O * SLICE > WORKGROUP { fetched.more_w = fetch_w(tile, lane + WORKGROUP, at); }
    if TILE_T * SLICE > WORKGROUP { fetched.more_x = fetch_x(tile, lane + WORKGROUP, at); }
    return fetched;
}

fn put(fetched: Fetched, lane: u32, at: u32) {
    let row = lane / SLICE;
    let more = row + WORKGROUP / SLICE;
    let i = lane % SLICE;
    tile_w[row][i] = element(weight_values(fetched.w, at % 8u + i));
    tile_x[row][i] = element(fetched.x);
    if TILE_O * SLICE > WORKGROUP { tile_w[more][i] = element(weight_values(fetched.more_w, at % 8u + i)); }
    if TILE_T * SLICE > WORKGROUP { tile_x[more][i] = element(fetched.more_x); }
}

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let tile = Tile(min(live.rows, params.rows), group.z * TILE_T, (group.x + group.y * groups.x) * TILE_O);
    let across = TILE_O / 4u; // lanes side by side over the outputs, and down over the rows
    let down = WORKGROUP / across;
    let o = lane % across; // outputs o, o + across, and so on: neighbours write neighbours
    let t = lane / across; // rows likewise
    // Each is a row by four outputs. Named one by one: an array that is indexed may end up outside of registers.
    var sums_0 = vec4<f32>(0.0);
    var sums_1 = vec4<f32>(0.0);
    var sums_2 = vec4<f32>(0.0);
    var sums_3 = vec4<f32>(0.0);
    var sums_4 = vec4<f32>(0.0);
    var sums_5 = vec4<f32>(0.0);
    var sums_6 = vec4<f32>(0.0);
    var sums_7 = vec4<f32>(0.0);
    let end = params.blocks * 8u;
    var fetched = fetch(tile, lane, 0u);
    for (var at = 0u; at < end; at += SLICE) {
        put(fetched, lane, at);
        workgroupBarrier();
        fetched = fetch(tile, lane, min(at + SLICE, end - SLICE));
        for (var i = 0u; i < SLICE; i++) {
            let w = transpose(mat4x4<f32>(
                vec4<f32>(tile_w[o][i]), vec4<f32>(tile_w[o + across][i]),
                vec4<f32>(tile_w[o + 2u * across][i]), vec4<f32>(tile_w[o + 3u * across][i])));
            sums_0 = add_products(sums_0, vec4<f32>(tile_x[t][i]), w);
            sums_1 = add_products(sums_1, vec4<f32>(tile_x[t + down][i]), w);
            sums_2 = add_products(sums_2, vec4<f32>(tile_x[t + 2u * down][i]), w);
            sums_3 = add_products(sums_3, vec4<f32>(tile_x[t + 3u * down][i]), w);
            if TALL {
                sums_4 = add_products(sums_4, vec4<f32>(tile_x[t + 4u * down][i]), w);
                sums_5 = add_products(sums_5, vec4<f32>(tile_x[t + 5u * down][i]), w);
                sums_6 = add_products(sums_6, vec4<f32>(tile_x[t + 6u * down][i]), w);
                sums_7 = add_products(sums_7, vec4<f32>(tile_x[t + 7u * down][i]), w);
            }
        }
        workgroupBarrier();
    }
    write_four(tile, t, o, sums_0);
    write_four(tile, t + down, o, sums_1);
    write_four(tile, t + 2u * down, o, sums_2);
    write_four(tile, t + 3u * down, o, sums_3);
    if TALL {
        write_four(tile, t + 4u * down, o, sums_4);
        write_four(tile, t + 5u * down, o, sums_5);
        write_four(tile, t + 6u * down, o, sums_6);
        write_four(tile, t + 7u * down, o, sums_7);
    }
}

fn write_four(tile: Tile, t: u32, o: u32, sums: vec4<f32>) {
    let row = tile.row + t;
    if row >= tile.rows { return; }
    for (var i = 0u; i < 4u; i++) {
        let output = tile.output + o + TILE_O / 4u * i;
        if output < params.outputs { write(row, params.first_output + output, sums[i]); }
    }
}
