// y[t, g, i] = gain[i] * x[t, g, i] / sqrt(mean over i of x[t, g, i]^2 + epsilon)
// One workgroup per group g of a row t: the whole row, or one head of it.
#import reduce

struct Params { width: u32, x_start: u32, x_stride: u32, y_stride: u32, epsilon: f32 }

@group(1) @binding(0) var<uniform>             params: Params;
@group(1) @binding(1) var<storage, read>       x:      array<f32>; // [rows, groups, width]
@group(1) @binding(2) var<storage, read>       gain:   array<f32>; // [width]
@group(1) @binding(3) var<storage, read_write> y:      array<f32>; // [rows, groups, width]

override WORKGROUP: u32;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let x_at = group.z * params.x_stride + params.x_start + group.x * params.width;
    let y_at = group.z * params.y_stride + group.x * params.width;
    var squares = 0.0;
    for (var i = lane; i < params.width; i += WORKGROUP) { squares += x[x_at + i] * x[x_at + i]; }
    let scale = inverseSqrt(workgroup_sum(lane, squares) / f32(params.width) + params.epsilon);
    for (var i = lane; i < params.width; i += WORKGROUP) { y[y_at + i] = gain[i] * x[x_at + i] * scale; }
}
