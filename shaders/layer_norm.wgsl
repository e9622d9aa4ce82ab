// y[t, i] = gain[i] * (x[t, i] - mean) / sqrt(variance + epsilon) + bias[i], mean and variance over i
// One workgroup per row t. The variance is summed in a second pass over the row: exact where the mean is large.
#import reduce

struct Params { width: u32, x_start: u32, x_stride: u32, y_stride: u32, epsilon: f32 }

@group(1) @binding(0) var<uniform>             params: Params;
@group(1) @binding(1) var<storage, read>       x:      array<f32>; // [rows, width]
@group(1) @binding(2) var<storage, read>       gain:   array<f32>; // [width]
@group(1) @binding(3) var<storage, read>       bias:   array<f32>; // [width]
@group(1) @binding(4) var<storage, read_write> y:      array<f32>; // [rows, width]

override WORKGROUP: u32;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(workgroup_id) group: vec3<u32>, @builtin(local_invocation_index) lane: u32) {
    let x_at = group.z * params.x_stride + params.x_start;
    let y_at = group.z * params.y_stride;
    var sum = 0.0;
    for (var i = lane; i < params.width; i += WORKGROUP) { sum += x[x_at + i]; }
    let mean = workgroup_sum(lane, sum) / f32(params.width);
    var squares = 0.0;
    for (var i = lane; i < params.width; i += WORKGROUP) {
        let away = x[x_at + i] - mean;
        squares += away * away;
    }
    let scale = inverseSqrt(workgroup_sum(lane, squares) / f32(params.width) + params.epsilon);
    for (var i = lane; i < params.width; i += WORKGROUP) {
        y[y_at + i] = gain[i] * ((x[x_at + i] - mean) * scale) + bias[i];
    }
}
