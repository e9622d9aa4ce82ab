// y[t, o] = epilogue(sum over i of weights[o, i] * x[t, i]) of up to eight rows t
// Four neighbouring outputs to a team of lanes, of which neighbours read neighbouring inputs, four at a time. A weight is
// read and decoded once for all rows: a lane has sums of four outputs by eight rows, and the team adds them up at the end.
#import live
#import epilogue
#import activation
#import products
#import weights

struct Params { first_output: u32, outputs: u32, blocks: u32, rows: u32, y_start: u32, y_stride: u32 }

@group(1) @binding(0) var<uniform>             params: Params;
@group(1) @binding(1) var<storage, read>       x:      array<vec4<f32>>; // [rows, blocks * 8]
@group(1) @binding(2) var<storage, read>       bias:   array<f32>;       // [all outputs]
@group(1) @binding(3) var<storage, read_write> y:      array<f32>;       // [rows, all outputs]

override WORKGROUP: u32;
override TEAM: u32 = 16u; // lanes that share four outputs, a divisor of WORKGROUP

// By lane and row; one element more keeps neighbouring lanes in different banks.
var<workgroup> parts: array<array<vec4<f32>, 9>, WORKGROUP>;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let member = lane % TEAM;
    let first = ((group.x + group.y * groups.x) * (WORKGROUP / TEAM) + lane / TEAM) * 4u;
    // Teams and rows past the last one repeat it and write nothing, so that every lane meets the barrier.
    let outputs = min(vec4<u32>(first) + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(params.outputs - 1u)) * params.blocks;
    let rows = min(live.rows, params.rows);
    let pitch = params.blocks * 8u;
    let low = min(vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(rows - 1u)) * pitch;
    let high = min(vec4<u32>(4u, 5u, 6u, 7u), vec4<u32>(rows - 1u)) * pitch;
    // Each is a row by four outputs. Named one by one: an array that is indexed may end up outside of registers.
    var sums_0 = vec4<f32>(0.0);
    var sums_1 = vec4<f32>(0.0);
    var sums_2 = vec4<f32>(0.0);
    var sums_3 = vec4<f32>(0.0);
    var sums_4 = vec4<f32>(0.0);
    var sums_5 = vec4<f32>(0.0);
    var sums_6 = vec4<f32>(0.0);
    var sums_7 = vec4<f32>(0.0);
    for (var at = member; at < pitch; at += TEAM) {
        let block = outputs + at / 8u;
        let i = at % 8u;
        let w = transpose(mat4x4<f32>(
            weight_vec4(block.x, i), weight_vec4(block.y, i), weight_vec4(block.z, i), weight_vec4(block.w, i)));
        sums_0 = add_products(sums_0, x[low.x + at], w);
        sums_1 = add_products(sums_1, x[low.y + at], w);
        if rows > 2u {
            sums_2 = add_products(sums_2, x[low.z + at], w);
            sums_3 = add_products(sums_3, x[low.w + at], w);
        }
        if rows > 4u {
            sums_4 = add_products(sums_4, x[high.x + at], w);
            sums_5 = add_products(sums_5, x[high.y + at], w);
        }
        if rows > 6u {
            sums_6 = add_products(sums_6, x[high.z + at], w);
            sums_7 = add_products(sums_7, x[high.w + at], w);
        }
    }
    parts[lane] = array<vec4<f32>, 9>(
        sums_0, sums_1, sums_2, sums_3, sums_4, sums_5, sums_6, sums_7, vec4<f32>(0.0));
    workgroupBarrier();
    // A row to each of the team, all its lanes' sums.
    for (var t = member; t < rows; t += TEAM) {
        var sums = vec4<f32>(0.0);
        for (var i = 0u; i < TEAM; i++) { sums += parts[lane - member + i][t]; }
        for (var i = 0u; i < 4u; i++) {
            if first + i < params.outputs { write(t, params.first_output + first + i, sums[i]); }
        }
    }
}
