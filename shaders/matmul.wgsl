// y[t, o] = epilogue(sum over i of weights[o, i] * x[t, i])
// One workgroup per tile of 32 rows t by 32 outputs o, block by block through shared memory; 4 x 4 sums in each lane.
#import live
#import epilogue
#import activation
#import weights

struct Params { first_output: u32, outputs: u32, blocks: u32, rows: u32, y_start: u32, y_stride: u32 }

@group(1) @binding(0) var<uniform>             params: Params;
@group(1) @binding(1) var<storage, read>       x:      array<vec4<f32>>; // [rows, blocks * 8]
@group(1) @binding(2) var<storage, read>       bias:   array<f32>;       // [all outputs]
@group(1) @binding(3) var<storage, read_write> y:      array<f32>;       // [rows, all outputs]

override WORKGROUP: u32; // 64: the tile is spread over 8 x 8 lanes

// Four values in each; a column more than the eight of a block keeps neighbouring rows in different banks.
const PITCH: u32 = 9u;
var<workgroup> tile_w: array<vec4<f32>, 288>; // [32 outputs, PITCH]
var<workgroup> tile_x: array<vec4<f32>, 288>; // [32 rows, PITCH]

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let rows = min(live.rows, params.rows);
    let first_row = group.z * 32u;
    let first = (group.x + group.y * groups.x) * 32u;
    let lane_o = lane % 8u; // outputs lane_o, + 8, + 16, + 24 of the tile
    let lane_t = lane / 8u; // rows likewise
    // sums_a[j] is the row lane_t + 8 j by four outputs.
    var sums_0 = vec4<f32>(0.0);
    var sums_1 = vec4<f32>(0.0);
    var sums_2 = vec4<f32>(0.0);
    var sums_3 = vec4<f32>(0.0);
    for (var block = 0u; block < params.blocks; block++) {
        for (var i = lane; i < 256u; i += WORKGROUP) {
            let row = i / 8u;
            let output = min(first + row, params.outputs - 1u);
            let t = min(first_row + row, rows - 1u);
            tile_w[row * PITCH + i % 8u] = weight_vec4(output * params.blocks + block, i % 8u);
            tile_x[row * PITCH + i % 8u] = x[(t * params.blocks + block) * 8u + i % 8u];
        }
        workgroupBarrier();
        for (var i = 0u; i < 8u; i++) {
            let w_at = lane_o * PITCH + i;
            let x_at = lane_t * PITCH + i;
            let w = array<vec4<f32>, 4>(
                tile_w[w_at], tile_w[w_at + 8u * PITCH], tile_w[w_at + 16u * PITCH], tile_w[w_at + 24u * PITCH]);
            sums_0 += products(tile_x[x_at], w);
            sums_1 += products(tile_x[x_at + 8u * PITCH], w);
            sums_2 += products(tile_x[x_at + 16u * PITCH], w);
            sums_3 += products(tile_x[x_at + 24u * PITCH], w);
        }
        workgroupBarrier();
    }
    write_four(first_row + lane_t, rows, first + lane_o, sums_0);
    write_four(first_row + lane_t + 8u, rows, first + lane_o, sums_1);
    write_four(first_row + lane_t + 16u, rows, first + lane_o, sums_2);
    write_four(first_row + lane_t + 24u, rows, first + lane_o, sums_3);
}

fn products(v: vec4<f32>, w: array<vec4<f32>, 4>) -> vec4<f32> {
    return vec4<f32>(dot(v, w[0]), dot(v, w[1]), dot(v, w[2]), dot(v, w[3]));
}

fn write_four(row: u32, rows: u32, output: u32, sums: vec4<f32>) {
    if row >= rows { return; }
    for (var i = 0u; i < 4u; i++) {
        let o = output + 8u * i;
        if o < params.outputs { write(row, params.first_output + o, sums[i]); }
    }
}
