// y[i] = activation(a[i]) * a[outputs + i], a[o] = sum over j of weights[o, j] * norm(x)[j] + bias[o]
// One row of x; two neighbouring outputs, from four rows of the matrix, to a team of lanes.
#import norm
#import multiply
#import team
#import activation
#import weights

struct Params { outputs: u32, quads: u32, blocks: u32, width: u32, epsilon: f32 }

@group(1) @binding(0) var<uniform>             params: Params;
@group(1) @binding(1) var<storage, read>       x:      array<vec4<f32>>; // [blocks * 8]
@group(1) @binding(2) var<storage, read>       gain:   array<vec4<f32>>; // [blocks * 8]
@group(1) @binding(3) var<storage, read>       shift:  array<vec4<f32>>; // [blocks * 8]
@group(1) @binding(4) var<storage, read>       bias:   array<f32>;       // [2 * outputs]
@group(1) @binding(5) var<storage, read_write> y:      array<f32>;       // [outputs]

fn rows_of(quad: u32) -> vec4<u32> {
    let first = quad * 2u;
    let second = min(first + 1u, params.outputs - 1u);
    return vec4<u32>(first, second, params.outputs + first, params.outputs + second);
}

fn finish(quad: u32, sums: vec4<f32>) {
    let rows = rows_of(quad);
    var a = sums;
    if HAS_BIAS { a += vec4<f32>(bias[rows.x], bias[rows.y], bias[rows.z], bias[rows.w]); }
    y[rows.x] = activate(a.x) * a.z;
    if rows.y != rows.x { y[rows.y] = activate(a.y) * a.w; }
}
