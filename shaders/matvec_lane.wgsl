// y[t, o] = epilogue(sum over i of weights[o, i] * x[t, i])
// One invocation per four outputs, without shared memory: for software rasterisers, where a barrier is very dear.
#import epilogue
#import weights

struct Params { first_output: u32, outputs: u32, blocks: u32, y_start: u32, y_stride: u32 }

@group(1) @binding(0) var<uniform>             params: Params;
@group(1) @binding(1) var<storage, read>       x:      array<vec4<f32>>; // [rows, blocks * 8]
@group(1) @binding(2) var<storage, read>       bias:   array<f32>;       // [all outputs]
@group(1) @binding(3) var<storage, read_write> y:      array<f32>;       // [rows, all outputs]

override WORKGROUP: u32;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>, @builtin(num_workgroups) groups: vec3<u32>) {
    let first = (id.x + id.y * groups.x * WORKGROUP) * 4u;
    if first >= params.outputs { return; }
    let last = params.outputs - 1u;
    let rows = min(vec4<u32>(first, first + 1u, first + 2u, first + 3u), vec4<u32>(last)) * params.blocks;
    let x_at = id.z * params.blocks * 8u;
    var sums = vec4<f32>(0.0);
    for (var block = 0u; block < params.blocks; block++) {
        let at = x_at + block * 8u;
        let v = array<vec4<f32>, 8>(
            x[at], x[at + 1u], x[at + 2u], x[at + 3u], x[at + 4u], x[at + 5u], x[at + 6u], x[at + 7u]);
        let total = dot(v[0] + v[1] + v[2] + v[3] + v[4] + v[5] + v[6] + v[7], vec4<f32>(1.0));
        sums += vec4<f32>(
            weight_dot(rows.x + block, v, total), weight_dot(rows.y + block, v, total),
            weight_dot(rows.z + block, v, total), weight_dot(rows.w + block, v, total));
    }
    for (var i = 0u; i < 4u; i++) {
        if first + i < params.outputs { finish(id.z, params.first_output + first + i, sums[i]); }
    }
}
