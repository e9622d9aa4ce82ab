// y[t, o] = epilogue(sum over i of weights[o, i] * x[t, i])
// A team of lanes per four outputs, neighbours reading neighbouring blocks; its sums are added up in shared memory.
#import epilogue
#import weights

struct Params { first_output: u32, outputs: u32, blocks: u32, y_start: u32, y_stride: u32 }

@group(1) @binding(0) var<uniform>             params: Params;
@group(1) @binding(1) var<storage, read>       x:      array<vec4<f32>>; // [rows, blocks * 8]
@group(1) @binding(2) var<storage, read>       bias:   array<f32>;       // [all outputs]
@group(1) @binding(3) var<storage, read_write> y:      array<f32>;       // [rows, all outputs]

override WORKGROUP: u32;
override TEAM: u32 = 16u; // lanes that share four outputs

var<workgroup> partial: array<vec4<f32>, WORKGROUP>;

@compute @workgroup_size(WORKGROUP)
fn main(
    @builtin(workgroup_id) group: vec3<u32>,
    @builtin(num_workgroups) groups: vec3<u32>,
    @builtin(local_invocation_index) lane: u32,
) {
    let member = lane % TEAM;
    let first = ((group.x + group.y * groups.x) * (WORKGROUP / TEAM) + lane / TEAM) * 4u;
    // Teams past the end repeat the last rows and write nothing, so that every lane meets the barriers.
    let last = params.outputs - 1u;
    let rows = min(vec4<u32>(first, first + 1u, first + 2u, first + 3u), vec4<u32>(last)) * params.blocks;
    let x_at = group.z * params.blocks * 8u;
    var sums = vec4<f32>(0.0);
    for (var block = member; block < params.blocks; block += TEAM) {
        let at = x_at + block * 8u;
        let v = array<vec4<f32>, 8>(
            x[at], x[at + 1u], x[at + 2u], x[at + 3u], x[at + 4u], x[at + 5u], x[at + 6u], x[at + 7u]);
        let total = dot(v[0] + v[1] + v[2] + v[3] + v[4] + v[5] + v[6] + v[7], vec4<f32>(1.0));
        sums += vec4<f32>(
            weight_dot(rows.x + block, v, total), weight_dot(rows.y + block, v, total),
            weight_dot(rows.z + block, v, total), weight_dot(rows.w + block, v, total));
    }
    partial[lane] = sums;
    workgroupBarrier();
    for (var half = TEAM / 2u; half > 0u; half /= 2u) {
        if member < half { partial[lane] += partial[lane + half]; }
        workgroupBarrier();
    }
    if member < 4u && first + member < params.outputs {
        finish(group.z, params.first_output + first + member, partial[lane - member][member]);
    }
}
