// y[t, i] = combine(y[t, i], activation(x[t, i] + bias[i]))
// One invocation per value.
#import epilogue
#import activation

struct Params { width: u32, x_start: u32, x_stride: u32, y_start: u32, y_stride: u32 }

@group(1) @binding(0) var<uniform>             params: Params;
@group(1) @binding(1) var<storage, read>       x:      array<f32>; // [rows, width]
@group(1) @binding(2) var<storage, read>       bias:   array<f32>; // [width]
@group(1) @binding(3) var<storage, read_write> y:      array<f32>; // [rows, width]

override WORKGROUP: u32;

@compute @workgroup_size(WORKGROUP)
fn main(@builtin(global_invocation_id) id: vec3<u32>) {
    if id.x >= params.width { return; }
    write(id.z, id.x, x[id.z * params.x_stride + params.x_start + id.x]);
}
