// y[o] = epilogue(sum over i of weights[o, i] * norm(x)[i])
// One row of x; four neighbouring outputs to a team of lanes.
#import norm
#import multiply
#import team
#import epilogue
#import activation
#import weights

struct Params {
    first_output: u32, outputs: u32, quads: u32, blocks: u32, width: u32, epsilon: f32, y_start: u32, y_stride: u32,
}

@group(1) @binding(0) var<uniform>             params: Params;
@group(1) @binding(1) var<storage, read>       x:      array<vec4<f32>>; // [blocks * 8]
@group(1) @binding(2) var<storage, read>       gain:   array<vec4<f32>>; // [blocks * 8]
@group(1) @binding(3) var<storage, read>       shift:  array<vec4<f32>>; // [blocks * 8]
@group(1) @binding(4) var<storage, read>       bias:   array<f32>;       // [all outputs]
@group(1) @binding(5) var<storage, read_write> y:      array<f32>;       // [all outputs]

fn rows_of(quad: u32) -> vec4<u32> {
    return min(vec4<u32>(quad * 4u) + vec4<u32>(0u, 1u, 2u, 3u), vec4<u32>(params.outputs - 1u));
}

fn finish(quad: u32, sums: vec4<f32>) {
    for (var i = 0u; i < 4u; i++) {
        let output = quad * 4u + i;
        if output < params.outputs { write(0u, params.first_output + output, sums[i]); }
    }
}
